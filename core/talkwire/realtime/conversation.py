"""The conversation as a person would write it down: items in order, and what was said in each.

Order comes only from `added` and `committed` (§3.3); an item that is only spoken of yet is kept
aside until one of them places it. What was said is kept when the service forgets it: truncation
deletes the service's transcript, not ours (openai-realtime-agents#112).
"""

from collections.abc import Iterator

from attrs import define, field
from msgspec import UNSET, Raw, Struct, UnsetType

from ..values import new_dict, new_list
from .items import NULL, ContentPart, Item
from .json_values import JsonObject


class ConversationItem(Struct, gc=False):
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
    audio_ms: int | None = None
    """How much audio of it had come when it was cut (ms); None where no audio passes."""
    images: tuple[JsonObject, ...] = ()
    """The content parts that are images, as they stand on the wire."""
    placed: bool = False
    """Whether its place in the conversation is known."""
    transcript_error: str | None = None
    """Why what the user said is not known."""
    _words: str = ""
    """The first content part's, as they were told whole."""
    pieces: list[str] | None = None
    """What came of them since, piece by piece."""
    _further: dict[int, str] | None = None
    """Those of the parts behind it, which are rare."""

    @property
    def text(self) -> str:
        """The words of all content parts, in order."""
        further = self._further or {}
        words = [self._words, *(self.pieces or ()), *(further[index] for index in sorted(further))]
        return "".join(words).strip()

    @property
    def interrupted(self) -> bool:
        """Whether it ended before all of it was said or heard."""
        return self.audio_end_ms is not None or self.status == "incomplete"

    @property
    def heard_text(self) -> str:
        """The words that the user heard, where the item was cut: an estimate.

        As large a part of the words as was heard of the audio, to the last whole one. All words
        where nothing was cut or nobody knows how much audio there was.
        """
        text = self.text
        if self.audio_end_ms is None or not self.audio_ms or self.audio_end_ms >= self.audio_ms:
            return text
        end = len(text) * self.audio_end_ms // self.audio_ms
        heard = text[:end]
        cuts_word = " " in text and not text[end].isspace()
        return (heard.rpartition(" ")[0] if cuts_word else heard).strip()

    def say(self, content_index: int, delta: str) -> None:
        """More words of one content part."""
        if not content_index:
            if self.pieces is None:
                self.pieces = []
            self.pieces.append(delta)
        else:
            said = (self._further or {}).get(content_index, "")
            self.said(content_index, said + delta)

    def said(self, content_index: int, words: str) -> None:
        """All words of one content part."""
        if not content_index:
            self._words, self.pieces = words, None
        else:
            self._further = {**(self._further or {}), content_index: words}


# What most items say, each in a text of its own: they are to keep these and not theirs.
_WORDS: dict[str | None, str] = {
    word: word
    for word in (
        *("message", "function_call", "function_call_output"),
        *("user", "assistant", "system"),
        *("in_progress", "completed", "incomplete"),
    )
}
_NO_PARTS = (NULL, Raw(b"[]"))
ASIDE = 64  # items spoken of whose place is not known; the service tells it within a turn


@define
class Conversation:
    """The items of the default conversation. Iterating gives them in order."""

    retain: int | None = None
    """How many items are kept, the newest; None: all."""
    _order: list[str] = field(factory=new_list)
    _items: dict[str, ConversationItem] = field(factory=new_dict)
    _aside: dict[str, ConversationItem] | None = None

    def __iter__(self) -> Iterator[ConversationItem]:
        return (self._items[item_id] for item_id in self._order)

    def __contains__(self, item_id: object) -> bool:
        """Whether an item was heard of, placed or not."""
        return item_id in self._items or item_id in (self._aside or {})

    def __len__(self) -> int:
        return len(self._order)

    def get(self, item_id: str) -> ConversationItem | None:
        """An item by id, placed or not."""
        found = self._items.get(item_id)
        return self._aside.get(item_id) if found is None and self._aside else found

    def item(self, item_id: str) -> ConversationItem:
        """An item by id; one not heard of before is kept aside (livekit/agents#1988)."""
        found = self._items.get(item_id) or self.get(item_id)
        if found is None:
            self._aside = {} if self._aside is None else self._aside
            found = self._aside[item_id] = ConversationItem(item_id)
            if len(self._aside) > ASIDE:
                del self._aside[next(iter(self._aside))]
        return found

    def place(self, item_id: str, previous: str | UnsetType | None) -> ConversationItem:
        """Put an item behind `previous`; null is the front, absent or unknown the end."""
        item = self._items.get(item_id)
        if item is not None:
            return item
        order = self._order
        if previous is None:
            order.insert(0, item_id)
        elif previous is UNSET or previous not in self._items or order[-1] == previous:
            order.append(item_id)
        else:
            order.insert(order.index(previous) + 1, item_id)
        item = self._aside.pop(item_id, None) if self._aside else None
        if item is None:
            item = ConversationItem(item_id)
        self._items[item_id] = item
        item.placed = True
        if self.retain is not None and len(order) > self.retain:
            self.delete(order[0])
        return item

    def say(self, item_id: str, content_index: int, delta: str) -> None:
        """More words of an item, if it is one of the conversation's."""
        item = self._items.get(item_id) or self.get(item_id)
        if item is None:
            return
        if content_index or item.pieces is None:
            item.say(content_index, delta)
        else:
            item.pieces.append(delta)

    def update(self, wire: Item, response_id: str = "", *, again: bool = False) -> None:
        """Take over what a frame says of an item; what it leaves out stays known.

        An item is told of twice in each of its statuses; the second is only read `again` when it
        was asked for.
        """
        item = self._items.get(wire.id) or self.item(wire.id)
        if response_id and response_id != item.response_id:
            item.response_id = response_id
        if wire.status == item.status and wire.status and wire.type == item.type and not again:
            return
        item.type = _WORDS.get(wire.type, wire.type) or item.type
        item.role = _WORDS.get(wire.role, wire.role) or item.role
        item.status = _WORDS.get(wire.status, wire.status) or item.status
        if item.type != "message":
            item.name = wire.name or item.name
            item.call_id = wire.call_id or item.call_id
            item.arguments = wire.arguments or item.arguments
            item.output = wire.output if wire.output is not None else item.output
        elif wire.content not in _NO_PARTS:
            self._take_parts(item, wire.parts)

    def _take_parts(self, item: ConversationItem, parts: tuple[ContentPart, ...]) -> None:
        images: list[JsonObject] = []
        for index, part in enumerate(parts):
            if part.words:
                item.said(index, part.words)
            elif part.image_url:
                detail = {} if part.detail is None else {"detail": part.detail}
                images.append({"type": part.type, "image_url": part.image_url, **detail})
        if images:
            item.images = tuple(images)

    def delete(self, item_id: str) -> None:
        """Take an item out; one that is not there is no harm."""
        if self._items.pop(item_id, None) is not None:
            self._order.remove(item_id)
        elif self._aside is not None:
            self._aside.pop(item_id, None)

    def last_of(self, response_id: str) -> ConversationItem | None:
        """The message a response spoke last."""
        for item_id in self._order[:-ASIDE:-1]:
            item = self._items[item_id]
            if item.response_id == response_id and item.type == "message":
                return item
        return None
