"""Protocols that give back what they hear, each doing more than the last: layers to subtract."""

from collections import deque
from collections.abc import Sequence

from talkwire import RELAY, Event, Session

_FAR_S = 3600.0


class Echo(Session):
    """Does nothing, and has no deadline: who drives it is all that is paid."""

    def __init__(self, now: float) -> None:
        super().__init__(plane=RELAY, now=now)
        self._echoes: deque[str] = deque()

    def receive(self, frame: str | bytes, *, now: float) -> Sequence[Event]:
        self._echoes.append(str(frame))
        return ()

    def next_frame(self) -> str | None:
        return self._echoes.popleft() if self._echoes else None

    def next_timeout(self) -> float | None:
        return None


class EchoWithDeadline(Echo):
    """Has a deadline as every session does, and one that does not move."""

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self._deadline = now + _FAR_S

    def next_timeout(self) -> float | None:
        return self._deadline


class EchoAndHear(EchoWithDeadline):
    """A session hears every frame, and the application each event; its deadlines count not."""

    def receive(self, frame: str | bytes, *, now: float) -> Sequence[Event]:
        self._echoes.append(str(frame))
        return Session.receive(self, frame, now=now)


class EchoingSession(EchoAndHear):
    """A whole session, with the deadlines it has."""

    def next_timeout(self) -> float | None:
        return Session.next_timeout(self)
