"""The conversation as a person would write it down: items in order, and what was said in each.

Order comes only from `added` and `committed` (§3.3); an item that is only spoken of yet is kept
aside until one of them places it. What was said is kept when the service forgets it: truncation
deletes the service's transcript, not ours (openai-realtime-agents#112).
"""

from collections.abc import Iterator

from attrs import define, field
from msgspec import UNSET, UnsetType

from .items import Item


@define
class ConversationItem:
    """One item: who, what kind, and its words so far."""

    id: str
    type: str = "message"
    role: str | None = None
    status: str | None = None
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    output: str | None = None
    response_id: str = ""
    audio_end_ms: int | None = None
    """Where its audio was cut (ms): the user heard no more than this. None: not cut."""
    placed: bool = False
    """Whether its place in the conversation is known."""
    transcript_error: str | None = None
    """Why what the user said is not known."""
    _words: dict[int, str] = field(factory=dict[int, str])

    @property
    def text(self) -> str:
        """The words of all content parts, in order."""
        return "".join(self._words[index] for index in sorted(self._words)).strip()

    def say(self, content_index: int, delta: str) -> None:
        """More words of one content part."""
        self._words[content_index] = self._words.get(content_index, "") + delta

    def said(self, content_index: int, words: str) -> None:
        """All words of one content part."""
        self._words[content_index] = words


class Conversation:
    """The items of the default conversation. Iterating gives them in order."""

    __slots__ = ("_items", "_order")

    def __init__(self) -> None:
        self._items: dict[str, ConversationItem] = {}
        self._order: list[str] = []

    def __iter__(self) -> Iterator[ConversationItem]:
        return (self._items[item_id] for item_id in self._order)

    def __contains__(self, item_id: object) -> bool:
        """Whether an item was heard of, placed or not."""
        return item_id in self._items

    def __len__(self) -> int:
        return len(self._order)

    def get(self, item_id: str) -> ConversationItem | None:
        """An item by id, placed or not."""
        return self._items.get(item_id)

    def item(self, item_id: str) -> ConversationItem:
        """An item by id; one not heard of before is kept aside (livekit/agents#1988)."""
        found = self._items.get(item_id)
        if found is None:
            found = self._items[item_id] = ConversationItem(item_id)
        return found

    def place(self, item_id: str, previous: str | UnsetType | None) -> ConversationItem:
        """Put an item behind `previous`; null is the front, absent or unknown the end."""
        item = self.item(item_id)
        if item.placed:
            return item
        if previous is None:
            self._order.insert(0, item_id)
        elif previous is UNSET or (self._order and self._order[-1] == previous):
            self._order.append(item_id)
        elif self._is_placed(previous):
            self._order.insert(self._order.index(previous) + 1, item_id)
        else:
            self._order.append(item_id)
        item.placed = True
        return item

    def update(self, wire: Item) -> ConversationItem:
        """Take over what a frame says of an item; what it leaves out stays known."""
        item = self.item(wire.id)
        item.type = wire.type or item.type
        item.role = wire.role or item.role
        item.status = wire.status or item.status
        item.name = wire.name or item.name
        item.call_id = wire.call_id or item.call_id
        item.arguments = wire.arguments or item.arguments
        item.output = wire.output if wire.output is not None else item.output
        for index, part in enumerate(wire.parts):
            if part.words:
                item.said(index, part.words)
        return item

    def delete(self, item_id: str) -> None:
        """Take an item out; one that is not there is no harm."""
        item = self._items.pop(item_id, None)
        if item is not None and item.placed:
            self._order.remove(item_id)

    def _is_placed(self, item_id: str) -> bool:
        item = self._items.get(item_id)
        return item is not None and item.placed

    def last_of(self, response_id: str) -> ConversationItem | None:
        """The message a response spoke last."""
        for item_id in reversed(self._order):
            item = self._items[item_id]
            if item.response_id == response_id and item.type == "message":
                return item
        return None
