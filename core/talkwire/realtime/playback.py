"""How much audio came and how much of it was heard, in ms; never the audio itself (§3.6)."""

from attrs import define

PCM16_BYTES_PER_MS = 48
G711_BYTES_PER_MS = 8


def decoded_bytes(base64: str) -> int:
    """The size of base64 text once decoded, in bytes, without decoding it."""
    return len(base64) * 3 // 4 - base64[-2:].count("=")


@define
class Part:
    """A spoken content part: what came of it, in the format it came in, and what was heard."""

    bytes_per_ms: int
    received_bytes: int = 0
    played_ms: int | None = None
    stopped: bool = False
    """The rest of it will never be heard."""

    @property
    def received_ms(self) -> int:
        return self.received_bytes // self.bytes_per_ms


class Playback:
    """What is being played, and per spoken content part the bytes received and ms heard."""

    __slots__ = ("_parts", "bytes_per_ms", "playing")

    def __init__(self) -> None:
        self.playing: str | None = None
        """The response that the service is playing to the user (WebRTC, SIP)."""
        self.bytes_per_ms = PCM16_BYTES_PER_MS
        self._parts: dict[tuple[str, int], Part] = {}

    def receive(self, item_id: str, content_index: int, base64: str) -> None:
        self._part(item_id, content_index).received_bytes += decoded_bytes(base64)

    def received_ms(self, item_id: str, content_index: int) -> int | None:
        """Audio received for a part in ms, rounded down; None when there was none."""
        part = self._parts.get((item_id, content_index))
        return part.received_ms if part is not None and part.received_bytes else None

    def report(self, item_id: str, content_index: int, played_ms: int) -> None:
        """Your player has played so much of a part; the report only ever grows."""
        part = self._part(item_id, content_index)
        part.played_ms = max(played_ms, part.played_ms or 0)

    def stop(self, item_id: str, content_index: int) -> None:
        """The rest of a part will never be heard, late audio included."""
        self._part(item_id, content_index).stopped = True

    def audible(self) -> tuple[str, int, int] | None:
        """The part being heard: (item_id, content_index, heard ms), None when all was heard.

        What counts is unplayed audio, not which item came last (openai-agents-python#5190).
        """
        for key, part in reversed(self._parts.items()):
            played = part.played_ms
            if played is not None and played < part.received_ms and not part.stopped:
                return (*key, played)
        return None

    def _part(self, item_id: str, content_index: int) -> Part:
        key = (item_id, content_index)
        part = self._parts.get(key)
        if part is None:
            part = self._parts[key] = Part(self.bytes_per_ms)
        return part
