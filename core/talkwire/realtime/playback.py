"""How much audio came and how much of it was heard, in ms; never the audio itself (§3.6)."""

PCM16_BYTES_PER_MS = 48
G711_BYTES_PER_MS = 8


def decoded_bytes(base64: str) -> int:
    """The size of base64 text once decoded, in bytes, without decoding it."""
    return len(base64) * 3 // 4 - base64[-2:].count("=")


class Playback:
    """What is being played, and per spoken content part the bytes received and ms heard."""

    __slots__ = ("_played", "_received", "_stopped", "bytes_per_ms", "playing")

    def __init__(self) -> None:
        self.playing: str | None = None
        """The response that the service is playing to the user (WebRTC, SIP)."""
        self.bytes_per_ms = PCM16_BYTES_PER_MS
        self._received: dict[tuple[str, int], int] = {}
        self._played: dict[tuple[str, int], int] = {}
        self._stopped: set[tuple[str, int]] = set()

    def receive(self, item_id: str, content_index: int, base64: str) -> None:
        key = (item_id, content_index)
        self._received[key] = self._received.get(key, 0) + decoded_bytes(base64)

    def received_ms(self, item_id: str, content_index: int) -> int | None:
        """Audio received for a part in ms, rounded down; None when there was none."""
        size = self._received.get((item_id, content_index))
        return None if size is None else size // self.bytes_per_ms

    def report(self, item_id: str, content_index: int, played_ms: int) -> None:
        """Your player has played so much of a part; the report only ever grows."""
        key = (item_id, content_index)
        self._played[key] = max(played_ms, self._played.get(key, 0))

    def stop(self, item_id: str, content_index: int) -> None:
        """The rest of a part will never be heard, late audio included."""
        self._stopped.add((item_id, content_index))

    def audible(self) -> tuple[str, int, int] | None:
        """The part being heard: (item_id, content_index, heard ms), None when all was heard.

        What counts is unplayed audio, not which item came last (openai-agents-python#5190).
        """
        for key in reversed(self._received):
            received = self._received[key] // self.bytes_per_ms
            played = self._played.get(key)
            if played is not None and played < received and key not in self._stopped:
                return (*key, played)
        return None
