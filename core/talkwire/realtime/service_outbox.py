"""What a service has to say: frames in order, each with its `type` first and an id of its own."""

from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field

from .service_checks import RefusedError
from .wire import encode


class Counter:
    """Ids from a count per kind: `item_1`, `item_2`, `resp_1`, ..."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def __call__(self, kind: str) -> str:
        self._counts[kind] = count = self._counts.get(kind, 0) + 1
        return f"{kind}_{count}"


@define
class Outbox:
    """Frames that wait for `next_frame`; each is encoded at once, so later changes do not show."""

    ids: Callable[[str], str]
    frames: deque[str] = field(factory=deque[str])

    def say(self, kind: str, /, **fields: Any) -> None:
        """Queue one server event."""
        self.frames.append(encode({"type": kind, "event_id": self.ids("event"), **fields}))

    def refuse(self, refusal: RefusedError, event_id: str | None) -> None:
        """Queue the error that answers a client's event (§3.9)."""
        error = {
            "type": "invalid_request_error",
            "code": refusal.code,
            "message": refusal.message,
            "param": refusal.param,
            "event_id": event_id,
        }
        self.say("error", error=error)
