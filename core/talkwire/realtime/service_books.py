"""All a service knows about one session, in one place."""

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field

from .engine import EngineRequest
from .json_values import JsonObject, is_object
from .kind import Kind
from .service_context import Context
from .service_conversation import Conversation
from .service_floor import Floor
from .service_input import InputBuffer
from .service_limits import RateLimits
from .service_mcp import Mcp
from .service_outbox import Outbox
from .service_settings import default_session, started_session
from .service_translation import Translation


@define
class Books:
    """The books of one session; which of them are used depends on its kind."""

    kind: Kind
    outbox: Outbox
    session: JsonObject
    conversation: Conversation
    input: InputBuffer
    floor: Floor
    mcp: Mcp
    translation: Translation
    opening: list[EngineRequest] = field(factory=list[EngineRequest])
    """What the settings that the session was opened with ask of the engine."""
    closed: bool = False
    close_code: int | None = None

    @property
    def detection(self) -> JsonObject | None:
        """How turns are detected, None when they are not."""
        found: Any = self.session["audio"]["input"].get("turn_detection")
        return found if is_object(found) else None

    @property
    def transcribes(self) -> bool:
        """Whether the client wants to know what the user said."""
        return self.session["audio"]["input"]["transcription"] is not None

    def end(self, code: int | None) -> list[EngineRequest]:
        """The session is over; `code` is what the driver closes with, None: the client is gone."""
        if self.closed:
            return []
        self.closed, self.close_code = True, code
        self.input.close()
        self.mcp.close()
        return self.floor.close()


def open_books(
    *,
    kind: Kind,
    plays: bool,
    settings: JsonObject,
    outbox: Outbox,
    expires_at: int,
    context_tokens: int | None,
    rate_limits: Mapping[str, int],
    now: float,
) -> Books:
    """The books of a new session, its `session.created` queued. Raises `RefusedError`."""
    ids: Callable[[str], str] = outbox.ids
    defaults = default_session(kind, session_id=ids("sess"), expires_at=expires_at)
    session = started_session(defaults, settings)
    conversation = Conversation(ids("conv"), outbox)
    outbox.say("session.created", session=session)
    mcp = Mcp(outbox, conversation)
    return Books(
        kind=kind,
        outbox=outbox,
        session=session,
        conversation=conversation,
        input=InputBuffer(outbox, conversation),
        floor=Floor(
            outbox,
            conversation,
            Context(context_tokens),
            RateLimits(dict(rate_limits)),
            plays,
            now,
        ),
        mcp=mcp,
        translation=Translation(outbox),
        opening=mcp.list_tools(session.get("tools", [])),
    )
