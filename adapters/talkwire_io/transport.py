"""What a driver needs of a connection: one text message in, one out, and the end of it."""

from typing import Protocol


class TransportClosed(Exception):  # noqa: N818 - it is an end, not an error
    """The other side is gone. `code` and `reason` as the transport tells them, if it does."""

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(f"closed ({code}) {reason}".strip())
        self.code = code
        self.reason = reason


class Transport(Protocol):
    """A message connection that may be cancelled: `receive` loses nothing, `send` did not send.

    What was being sent is sent again, before anything else. A transport that cannot take back
    what it has begun to send knows it again, or says so. One message is sent at a time.

    Where TransportClosed is raised an OSError does as well.
    """

    async def receive(self) -> str | bytes:
        """Wait for the next message. Raises TransportClosed at the end."""
        ...

    async def send(self, message: str) -> None:
        """Send one message. Raises TransportClosed when nobody is there to take it."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from our side; closing again is a no-op."""
        ...
