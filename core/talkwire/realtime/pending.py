"""Commands on their way: each settles exactly once, done, failed or lost (law 5)."""

from collections.abc import Callable
from typing import Any

from attrs import define, field
from msgspec import UNSET, Struct

from ..values import new_dict
from . import commands as c
from . import events as e
from . import translation as t
from .events import ErrorDetails
from .happenings import CommandSettled, Outcome, WireEvent
from .kind import AnyCommand


def _any(_: Any) -> str:
    return ""


def _item_of(event: Any) -> str:
    return str(event.item.id)


def _item_id(event: Any) -> str:
    return str(event.item_id)


# The event that says a command succeeded, and how to tell which command (§1.3).
# response.create and response.cancel are the gate's; output_audio_buffer.clear is settled by
# whatever ends the playing; an append is never answered.
ANSWERS: dict[type[WireEvent], tuple[str, Callable[[Any], str]]] = {
    e.SessionUpdated: ("session.update", _any),
    e.InputAudioBufferCommitted: ("input_audio_buffer.commit", _any),
    e.InputAudioBufferCleared: ("input_audio_buffer.clear", _any),
    e.ConversationItemAdded: ("conversation.item.create", _item_of),
    e.ConversationItemCreated: ("conversation.item.create", _item_of),
    e.ConversationItemRetrieved: ("conversation.item.retrieve", _item_of),
    e.ConversationItemTruncated: ("conversation.item.truncate", _item_id),
    e.ConversationItemDeleted: ("conversation.item.delete", _item_id),
    t.TranslationSessionClosed: ("session.close", _any),
}


_CLEAR = "output_audio_buffer.clear"


class Sent(Struct, gc=False):
    """What must be known of a command until it is answered."""

    type: str
    about: str = ""
    """The item or the response it names."""
    call_id: str = ""
    """The function call whose output it carries."""
    approval_request_id: str = ""
    """The request for approval that it answers."""
    out_of_band: bool = False
    """It asks for a response outside the conversation."""


def _sent(command: AnyCommand) -> Sent:
    sent = Sent(command.type)
    if isinstance(command, c.ConversationItemCreate):
        call_id, request_id = command.item.get("call_id"), command.item.get("approval_request_id")
        sent.about = str(command.item.get("id", ""))
        sent.call_id = call_id if isinstance(call_id, str) else ""
        sent.approval_request_id = request_id if isinstance(request_id, str) else ""
    elif isinstance(command, c.ResponseCreate):
        sent.out_of_band = command.out_of_band
    elif isinstance(command, c.ResponseCancel):
        sent.about = "" if command.response_id is UNSET else command.response_id
    elif isinstance(
        command,
        c.ConversationItemRetrieve | c.ConversationItemTruncate | c.ConversationItemDelete,
    ):
        sent.about = command.item_id
    return sent


@define
class Pending:
    """Event ids of commands not yet settled, oldest first: the service answers in order."""

    _commands: dict[str, Sent] = field(factory=new_dict)
    turn: str = ""
    """The item that the service makes of the user's turn; committing it answers nobody."""
    clears: int = 0
    """How many clears of the output audio are on their way: nothing need answer them."""

    def __contains__(self, event_id: str) -> bool:
        return event_id in self._commands

    def add(self, event_id: str, command: AnyCommand) -> None:
        sent = self._commands[event_id] = _sent(command)
        self.clears += sent.type == _CLEAR

    def get(self, event_id: str) -> Sent | None:
        return self._commands.get(event_id)

    def answered_by(self, event: WireEvent) -> str | None:
        """The oldest command that this event says succeeded."""
        if not self._commands:
            return None
        row = ANSWERS.get(type(event))
        if row is None or self.is_turn(event):
            return None
        kind, key = row
        about = key(event)
        for event_id, sent in self._commands.items():
            if sent.type == kind and sent.about == about:
                return event_id
        return None

    def is_turn(self, event: WireEvent) -> bool:
        """Whether the service committed the user's turn by itself: the id was told (§3.3)."""
        return isinstance(event, e.InputAudioBufferCommitted) and event.item_id == self.turn

    def every(self) -> list[str]:
        """The event ids of all the commands that are on their way or wait to leave."""
        return list(self._commands)

    def of(self, kind: str) -> list[str]:
        """The event ids of the commands of one type that are on their way, oldest first."""
        if not self._commands:
            return []
        return [i for i, sent in self._commands.items() if sent.type == kind]

    def out_of_band(self) -> list[str]:
        """The event ids of the `response.create`s beside the conversation, oldest first."""
        if not self._commands:
            return []
        return [i for i, sent in self._commands.items() if sent.out_of_band]

    def about(self, kind: str) -> set[str]:
        """What the commands of one type that are on their way are about."""
        return {sent.about for sent in self._commands.values() if sent.type == kind}

    def settle(
        self, event_id: str, outcome: Outcome, error: ErrorDetails | None = None
    ) -> CommandSettled:
        sent = self._commands.pop(event_id)
        self.clears -= sent.type == _CLEAR
        return CommandSettled(event_id=event_id, type=sent.type, outcome=outcome, error=error)

    def lose_all(self) -> list[CommandSettled]:
        """The transport closed: nobody will answer these."""
        return [self.settle(event_id, Outcome.LOST) for event_id in self.every()]
