"""How much audio came and how much of it was heard, in ms; never the audio itself (§3.6)."""

from attrs import define, field
from msgspec import Struct

from ..values import new_dict

PCM16_BYTES_PER_MS = 48
G711_BYTES_PER_MS = 8


class Part(Struct, gc=False):
    """A spoken content part: what came of it, in the format it came in, and what was heard."""

    item_id: str
    content_index: int
    bytes_per_ms: int
    received_bytes: int = 0
    played_ms: int | None = None
    stopped: bool = False
    """The rest of it will never be heard."""
    response_id: str = ""
    out_of_band: bool = False
    """Its item is beside the conversation: the service cannot cut it."""
    deleted: bool = False
    """The service has forgotten its item, and cannot cut it either."""

    @property
    def received_ms(self) -> int:
        return self.received_bytes // self.bytes_per_ms

    @property
    def is_audible(self) -> bool:
        """Whether it is being heard: some of it is left, and nobody stopped it."""
        return self.played_ms is not None and self.played_ms < self.received_ms and not self.stopped


REMEMBERED = 32  # spoken parts at least; what is played or cut is among the last of them


@define
class Playback:
    """What is being played, and per spoken content part the bytes received and ms heard."""

    bytes_per_ms: int = PCM16_BYTES_PER_MS
    retain: int | None = None
    """How many spoken parts are kept, as of items; None: all."""
    playing: str | None = None
    """The response that the service is playing to the user (WebRTC, SIP)."""
    user_speaks: bool = False
    """The user began to speak, and nothing was heard of its end."""
    _played: bool = False
    _parts: dict[str, Part] = field(factory=new_dict)

    @property
    def spoke(self) -> bool:
        """Whether any output audio was received or played: from then on the voice is fixed."""
        return self._played or any(part.received_bytes for part in self._parts.values())

    def play(self, response_id: str) -> None:
        """The service begins to play a response to the user."""
        self.playing, self._played = response_id, True

    def receive(self, item_id: str, content_index: int, size: int) -> Part:
        """More audio of a part came: `size` bytes."""
        part = self._parts.get(item_id)
        if part is None or part.content_index != content_index:
            part = self._part(item_id, content_index)
        part.received_bytes += size
        return part

    def received_ms(self, item_id: str, content_index: int) -> int | None:
        """Audio received for a part in ms, rounded down; None when there was none."""
        part = self._parts.get(_key(item_id, content_index))
        return part.received_ms if part is not None and part.received_bytes else None

    def played_ms(self, item_id: str, content_index: int) -> int | None:
        """What your player has reported of a part; None when it said nothing."""
        part = self._parts.get(_key(item_id, content_index))
        return None if part is None else part.played_ms

    def report(self, item_id: str, content_index: int, played_ms: int) -> None:
        """Your player has played so much of a part; the report only ever grows."""
        heard = max(played_ms, 0)
        part = self._part(item_id, content_index)
        part.played_ms = max(heard, part.played_ms or 0)

    def stop(self, item_id: str, content_index: int) -> None:
        """The rest of a part will never be heard, late audio included."""
        self._part(item_id, content_index).stopped = True

    def audible(self) -> Part | None:
        """The part being heard, None when all was heard.

        What counts is unplayed audio, not which item came last (openai-agents-python#5190).
        """
        for part in reversed(self._parts.values()):
            if part.is_audible:
                return part
        return None

    def stop_unreported(self) -> Part | None:
        """Stop the part that came last, if your player has said nothing of it; gives it.

        Sound comes faster than it is played: nobody knows whether it is over (§3.6).
        """
        last = next((part for part in reversed(self._parts.values()) if part.received_bytes), None)
        if last is None or last.stopped or last.played_ms is not None:
            return None
        last.stopped = True
        return last

    def delete(self, item_id: str) -> None:
        """The service has forgotten an item; what is being heard of it is kept until it is over."""
        for key, part in list(self._parts.items()):
            part.deleted = part.deleted or part.item_id == item_id
            if part.deleted and not part.is_audible:
                self._forget(key)

    def _forget(self, key: str) -> None:
        part = self._parts.pop(key)
        self._played = self._played or part.received_bytes > 0

    def _part(self, item_id: str, content_index: int) -> Part:
        key = _key(item_id, content_index)
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = Part(item_id, content_index, self.bytes_per_ms)
            if self.retain is not None and len(self._parts) > max(self.retain, REMEMBERED):
                self._forget(next(iter(self._parts)))
        return part


def _key(item_id: str, content_index: int) -> str:
    """Audio is the first part of its item, as good as always."""
    return f"{item_id}#{content_index}" if content_index else item_id
