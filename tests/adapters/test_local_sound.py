"""Sound on its way through the local service: codings, rates, the playlist and the paced track."""

from __future__ import annotations

import asyncio
import math
import struct

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

import av
from aiortc.mediastreams import MediaStreamError

from support.local import run, tone
from talkwire_io.local import g711
from talkwire_io.local.pcm import Resampler, WireFormat, frame_of, pcm_of, resample
from talkwire_io.local.speaker import LEAD_MS, Playlist, SpeakerTrack

MS_48K = 96  # bytes


def sine(rate: int, ms: int) -> bytes:
    count = rate * ms // 1000
    return struct.pack(
        f"<{count}h", *(int(9000 * math.sin(2 * math.pi * 440 * n / rate)) for n in range(count))
    )


@pytest.mark.parametrize(("name", "law"), [("pcm_mulaw", g711.MU_LAW), ("pcm_alaw", g711.A_LAW)])
def test_g711_codes_mean_what_ffmpeg_says_they_mean(name: str, law: g711.Coding) -> None:
    codes = bytes(range(256))
    ffmpeg = av.CodecContext.create(name, "r")
    assert isinstance(ffmpeg, av.AudioCodecContext)
    ffmpeg.sample_rate, ffmpeg.layout = 8000, "mono"
    theirs = b"".join(pcm_of(frame) for frame in ffmpeg.decode(av.Packet(codes)))
    assert law.decode(codes) == theirs
    # Every code survives (µ-law has two zeros, which mean the same).
    assert law.decode(law.encode(theirs)) == theirs


@pytest.mark.parametrize("law", [g711.MU_LAW, g711.A_LAW])
def test_g711_is_off_by_no_more_than_a_step(law: g711.Coding) -> None:
    samples = struct.pack("<65536h", *range(-32768, 32768))
    back = struct.unpack("<65536h", law.decode(law.encode(samples)))
    for sample, decoded in zip(range(-32768, 32768), back, strict=True):
        assert abs(sample - decoded) <= max(16, abs(sample) / 16)


@pytest.mark.parametrize(("rate", "wanted"), [(24_000, 48_000), (24_000, 16_000), (8_000, 24_000)])
def test_a_change_of_rate_keeps_the_time_and_the_tone(rate: int, wanted: int) -> None:
    changed = resample(sine(rate, 500), rate, wanted)
    assert len(changed) == wanted  # 500 ms of two bytes
    middle, expected = changed[wanted // 4 & ~1 :][:400], sine(wanted, 500)[wanted // 4 & ~1 :]
    pairs = zip(struct.unpack("<200h", middle), struct.unpack("<200h", expected[:400]), strict=True)
    assert max(abs(a - b) for a, b in pairs) < 300


def test_a_stream_cut_in_pieces_sounds_like_the_whole() -> None:
    sound = sine(24_000, 300)
    whole, pieces = Resampler(16_000), Resampler(16_000)
    at_once = whole.feed(sound, 24_000) + whole.flush()
    bit_by_bit = b"".join(pieces.feed(sound[at : at + 960], 24_000) for at in range(0, 14400, 960))
    assert bit_by_bit + pieces.flush() == at_once


def test_a_peer_may_change_its_codec() -> None:
    stream = Resampler(16_000)
    first = stream.feed_frame(frame_of(sine(48_000, 20), 48_000))
    second = stream.feed_frame(frame_of(sine(8_000, 20), 8_000))
    assert first and second


@pytest.mark.parametrize(
    ("format", "rate", "bytes_per_ms"),
    [
        ({"type": "audio/pcm", "rate": 24000}, 24_000, 48),
        ({"type": "audio/pcmu"}, 8_000, 8),
        ({"type": "audio/pcma"}, 8_000, 8),
        (None, 24_000, 48),
    ],
)
def test_wire_formats(format: dict[str, object] | None, rate: int, bytes_per_ms: int) -> None:
    wire = WireFormat(format)
    assert (wire.rate, wire.bytes_per_ms) == (rate, bytes_per_ms)
    assert len(wire.encode(sine(rate, 100))) == 100 * bytes_per_ms
    assert len(wire.decode(wire.encode(sine(rate, 100)))) == len(sine(rate, 100))


def test_half_a_sample_at_the_end_of_an_append_is_left_out() -> None:
    assert WireFormat(None).decode(b"\1\2\3") == b"\1\2"


class Listener:
    """A playlist, and which responses it says were heard to their end."""

    def __init__(self) -> None:
        self.drained: list[str] = []
        self.playlist = Playlist(self.drained.append)

    def take_ms(self, ms: int) -> bytes:
        return self.playlist.take(ms * MS_48K)


def test_responses_play_one_after_the_other_then_silence() -> None:
    listener = Listener()
    playlist = listener.playlist
    playlist.play("a", b"\1\1" * 480)
    playlist.play("b", b"\2\2" * 480)
    playlist.play("a", b"\3\3" * 480)
    playlist.finish("b")
    playlist.finish("a")
    assert playlist.waiting_ms == 30
    assert listener.take_ms(15) == b"\1\1" * 480 + b"\3\3" * 240
    assert (playlist.played_ms, listener.drained) == (15, [])
    assert listener.take_ms(20) == b"\3\3" * 240 + b"\2\2" * 480 + bytes(480)
    assert (playlist.played_ms, listener.drained) == (None, ["a", "b"])


def test_a_pause_between_sentences_is_not_the_end() -> None:
    listener = Listener()
    listener.playlist.play("a", b"\1\1" * 480)
    assert listener.take_ms(20) == b"\1\1" * 480 + bytes(960)
    assert (listener.playlist.played_ms, listener.drained) == (10, [])
    listener.playlist.play("a", b"\2\2" * 480)
    assert listener.take_ms(10) == b"\2\2" * 480
    listener.playlist.finish("a")
    assert listener.drained == ["a"]


def test_a_cleared_response_is_silent_and_never_drained() -> None:
    listener = Listener()
    listener.playlist.play("a", b"\1\1" * 4800)
    listener.take_ms(10)
    listener.playlist.clear("a")
    listener.playlist.finish("a")
    assert listener.take_ms(10) == bytes(960)
    assert (listener.playlist.played_ms, listener.drained) == (None, [])


def test_a_response_without_sound_is_never_drained() -> None:
    listener = Listener()
    listener.playlist.finish("a")
    listener.playlist.clear("a")
    assert listener.take_ms(10) == bytes(960)
    assert listener.drained == []


def test_room_comes_when_the_sentence_is_nearly_played() -> None:
    async def main() -> None:
        listener = Listener()
        listener.playlist.play("a", bytes((LEAD_MS + 40) * MS_48K))
        room = asyncio.create_task(listener.playlist.room())
        listener.take_ms(20)
        await asyncio.sleep(0)
        assert not room.done()
        listener.take_ms(20)
        await room

    run(main())


def test_room_comes_when_the_sentence_is_thrown_away() -> None:
    async def main() -> None:
        listener = Listener()
        listener.playlist.play("a", bytes((LEAD_MS + 40) * MS_48K))
        room = asyncio.create_task(listener.playlist.room())
        await asyncio.sleep(0)
        listener.playlist.clear("a")
        await room

    run(main())


def test_the_track_keeps_the_time_and_never_stops_sending() -> None:
    async def main() -> None:
        listener = Listener()
        track = SpeakerTrack(listener.playlist)
        listener.playlist.play("a", tone(40))
        clock = asyncio.get_running_loop().time
        start = clock()
        frames = [await track.recv() for _ in range(11)]
        # The first is due at once, the other ten 20 ms apart.
        assert 0.2 <= clock() - start < 0.35
        assert [frame.pts for frame in frames] == list(range(0, 11 * 960, 960))
        assert b"".join(map(pcm_of, frames)) == tone(40) + bytes(180 * MS_48K)

    run(main())


def test_the_track_does_not_catch_up_in_a_burst() -> None:
    async def main() -> None:
        track = SpeakerTrack(Listener().playlist)
        clock = asyncio.get_running_loop().time
        await track.recv()
        await asyncio.sleep(0.5)  # a loop that was busy
        await track.recv()
        start = clock()
        for _ in range(5):
            await track.recv()
        assert clock() - start >= 0.09

    run(main())


def test_a_stopped_track_says_so() -> None:
    async def main() -> None:
        track = SpeakerTrack(Listener().playlist)
        track.stop()
        with pytest.raises(MediaStreamError):
            await track.recv()

    run(main())
