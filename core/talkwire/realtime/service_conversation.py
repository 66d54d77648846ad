"""The default conversation as a service keeps it: items in order, calls, who said how much.

Items are never changed, only replaced, so what was handed out stays what it was.
"""

from attrs import define, field

from .json_values import JsonObject
from .service_checks import RefusedError
from .service_outbox import Outbox
from .state import CALLS, Call, CallInput, advance


def _no_such_item(verb: str, item_id: str, code: str, param: str = "item_id") -> RefusedError:
    message = f"Error {verb}: the item with id '{item_id}' does not exist."
    return RefusedError(code, message, param)


@define
class Conversation:
    """Items by id and in order, the calls among them, and the audio the model produced."""

    id: str
    _outbox: Outbox
    _items: dict[str, JsonObject] = field(factory=dict[str, JsonObject])
    _order: list[str] = field(factory=list[str])
    _calls: dict[str, Call] = field(factory=dict[str, Call])
    produced: dict[str, int] = field(factory=dict[str, int])
    """By item, the ms of audio that the model produced and that were not cut off."""
    heard: dict[str, int] = field(factory=dict[str, int])
    """By item, the ms of audio that the user said in it."""
    _cut: set[str] = field(factory=set[str])

    @property
    def items(self) -> tuple[JsonObject, ...]:
        """All items, in order."""
        return tuple(self._items[item_id] for item_id in self._order)

    def __contains__(self, any_id: str) -> bool:
        """Whether an item or a call has this id."""
        return any_id in self._items or any_id in self._calls

    def fresh(self, kind: str) -> str:
        """A new id that no client has given to anything."""
        made = self._outbox.ids(kind)
        while made in self:
            made = self._outbox.ids(kind)
        return made

    def get(self, item_id: str, *, verb: str, code: str, param: str = "item_id") -> JsonObject:
        """An item, or `RefusedError` with the words of what was tried."""
        if item_id not in self._items:
            raise _no_such_item(verb, item_id, code, param)
        return self._items[item_id]

    def before(self, item_id: str) -> str | None:
        """The id of the item before this one, None for the first."""
        place = self._order.index(item_id)
        return self._order[place - 1] if place else None

    @property
    def last(self) -> str | None:
        """The id of the last item."""
        return self._order[-1] if self._order else None

    def place(self, after: str | None) -> int:
        """Where an item behind `after` stands: None is the end, "root" the front."""
        if after is None:
            return len(self._order)
        if after == "root":
            return 0
        if after in self._items:
            return self._order.index(after) + 1
        message = f"Error adding item: the previous item with id '{after}' does not exist."
        raise RefusedError("item_create_invalid_previous_item_id", message, "previous_item_id")

    def check_new(self, item: JsonObject, *taken: str) -> None:
        """Refuse an id that is taken, and a call or an output that the calls do not allow."""
        item_id, call_id = item.get("id"), item.get("call_id", "")
        if item_id in self._items or item_id in taken:
            message = f"Error adding item: an item with id '{item_id}' already exists."
            raise RefusedError("item_create_invalid_item_id", message, "item.id")
        state = self._calls.get(call_id)
        if item["type"] == "function_call" and state is not None:
            message = f"Tool call ID '{call_id}' already exists in conversation."
            raise RefusedError("invalid_tool_call_id", message, "item.call_id")
        if item["type"] == "function_call_output":
            self._check_answer(call_id, state)

    def _check_answer(self, call_id: str, state: Call | None) -> None:
        if state is None:
            message = f"Tool call ID '{call_id}' not found in conversation."
            raise RefusedError("invalid_tool_call_id", message, "item.call_id")
        if advance(CALLS, state, CallInput.ANSWER) is None:
            message = f"Tool call ID '{call_id}' has an output already."
            raise RefusedError("invalid_tool_call_id", message, "item.call_id")

    def add(self, item: JsonObject, place: int | None = None) -> None:
        """Put a checked item into its place (default: the end) and say so."""
        item_id = item["id"]
        self._order.insert(len(self._order) if place is None else place, item_id)
        self._items[item_id] = item
        self._outbox.say(
            "conversation.item.added", previous_item_id=self.before(item_id), item=item
        )
        if item["type"] == "function_call":
            self._calls[item["call_id"]] = Call.ANNOUNCED

    def finish(self, started: JsonObject, item: JsonObject) -> JsonObject:
        """Replace what `add` was given by what became of it, say so and give it back.

        Nothing is said of an item that was deleted meanwhile, even if its id is in use again.
        """
        item_id = item["id"]
        if self._items.get(item_id) is not started:
            return item
        if item_id in self._cut:
            item = _without_words(item)
        self._items[item_id] = item
        if item["type"] in _CALL_MOVES:
            self._move_call(item["call_id"], _CALL_MOVES[item["type"]])
        self._outbox.say("conversation.item.done", previous_item_id=self.before(item_id), item=item)
        return item

    def _move_call(self, call_id: str, moved_by: CallInput) -> None:
        state = self._calls.get(call_id)
        after = None if state is None else advance(CALLS, state, moved_by)
        if after is not None:
            self._calls[call_id] = after

    def remove(self, item_id: str) -> None:
        """Take an item away, and with it the call that it was or the output that it gave."""
        item = self._items.pop(item_id)
        self._order.remove(item_id)
        self.produced.pop(item_id, None)
        self.heard.pop(item_id, None)
        self._cut.discard(item_id)
        if item["type"] == "function_call":
            self._calls.pop(item["call_id"])
        if item["type"] == "function_call_output":
            # As with an output that was never taken, the call may be answered once more.
            self._move_call(item["call_id"], CallInput.REFUSED)

    def hear(self, item: JsonObject, ms: int) -> None:
        """Count audio of an item that the model is speaking."""
        if self._items.get(item["id"]) is item:
            self.produced[item["id"]] = self.produced.get(item["id"], 0) + ms

    def transcribe(self, item_id: str, transcript: str) -> None:
        """Put the words into a committed user item."""
        part = {"type": "input_audio", "transcript": transcript}
        self._items[item_id] = {**self._items[item_id], "content": [part]}

    def truncate(self, item_id: str, audio_end_ms: int) -> None:
        """Cut produced audio at a time (ms); the transcript goes with it (§3.6)."""
        self.produced[item_id] = audio_end_ms
        self._cut.add(item_id)
        item = self._items[item_id]
        if item["content"]:
            self._items[item_id] = _without_words(item)
        self._outbox.say(
            "conversation.item.truncated",
            item_id=item_id,
            content_index=0,
            audio_end_ms=audio_end_ms,
        )


_CALL_MOVES = {
    "function_call": CallInput.COMPLETE,
    "function_call_output": CallInput.ANSWER,
}


def _without_words(item: JsonObject) -> JsonObject:
    return {**item, "content": [{"type": "output_audio", "transcript": None}]}
