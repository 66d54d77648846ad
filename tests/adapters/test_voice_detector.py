"""The detector hears speech and nothing else, and reports it as `server_vad` promises."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from support.speech import needs_voice, silence, spoken, track, voice
from talkwire_io.local.voice import SpeechStarted, SpeechStopped, VoiceActivityDetector

pytestmark = needs_voice

ROME = "What is the weather in Rome?"
TIMER = "Set a timer for ten minutes."


def hear(
    detector: VoiceActivityDetector, pcm: bytes, sizes: Iterator[int] | None = None
) -> list[SpeechStarted | SpeechStopped]:
    found: list[SpeechStarted | SpeechStopped] = []
    while pcm:
        size = next(sizes) if sizes else 640
        found += detector.feed(pcm[:size])
        pcm = pcm[size:]
    return found


def kinds(events: list[SpeechStarted | SpeechStopped]) -> list[type]:
    return [type(event) for event in events]


def noise(seconds: float, level: float) -> bytes:
    import numpy as np

    samples = np.random.default_rng(7).standard_normal(round(seconds * 16_000)) * level
    return bytes(np.clip(samples, -32768, 32767).astype("<i2").tobytes())


def tone(seconds: float, hz: float) -> bytes:
    import numpy as np

    at = np.arange(round(seconds * 16_000)) / 16_000
    return bytes((np.sin(2 * np.pi * hz * at) * 8000).astype("<i2").tobytes())


def test_a_sentence_starts_before_its_first_sound_and_stops_after_the_silence_asked_for() -> None:
    pcm, [(start_s, end_s)] = track([(ROME, 1.0)], 5.0)
    started, stopped = hear(voice().detector(), pcm)

    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    # hibari leads in and out with up to 0.4 s of its own silence.
    assert start_s * 1000 - 300 <= started.at_ms <= start_s * 1000 + 150
    assert end_s * 1000 + 500 - 450 <= stopped.at_ms <= end_s * 1000 + 500 + 100


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: silence(5), id="digital silence"),
        pytest.param(lambda: noise(5, 30), id="quiet room"),
        pytest.param(lambda: noise(5, 6000), id="loud white noise"),
        pytest.param(lambda: tone(5, 440), id="tone"),
        pytest.param(lambda: tone(5, 120), id="hum"),
    ],
)
def test_what_is_not_speech_is_never_reported(make: Callable[[], bytes]) -> None:
    detector = voice().detector()
    assert hear(detector, make()) == []
    assert kinds(hear(detector, spoken(ROME))) == [SpeechStarted], "and it still hears speech"


def test_speech_is_heard_above_a_noisy_room() -> None:
    import numpy as np

    pcm, _ = track([(ROME, 1.0)], 5.0)
    mixed = np.frombuffer(pcm, "<i2").astype(int) + np.frombuffer(noise(5.0, 150), "<i2")
    events = hear(voice().detector(), np.clip(mixed, -32768, 32767).astype("<i2").tobytes())
    assert kinds(events) == [SpeechStarted, SpeechStopped]


@pytest.mark.parametrize("seed", range(3))
def test_any_cut_of_the_audio_gives_the_same_events(seed: int) -> None:
    pcm, _ = track([(ROME, 0.5), (TIMER, 4.0)], 8.0)
    randomly = random.Random(seed)
    sizes = iter(lambda: randomly.choice([1, 3, 960, 1024, 5000]), None)
    whole = voice().detector().feed(pcm)
    assert kinds(whole) == [SpeechStarted, SpeechStopped] * 2
    assert hear(voice().detector(), pcm, sizes) == whole


def test_the_silence_that_ends_a_turn_is_the_callers_choice() -> None:
    first = len(spoken(ROME)) / 32_000
    pcm, _ = track([(ROME, 0.2), (TIMER, 0.2 + first + 0.2)], 7.0)
    assert len(hear(voice().detector(silence_duration_ms=1500), pcm)) == 2
    assert len(hear(voice().detector(silence_duration_ms=200), pcm)) == 4


def test_a_longer_prefix_begins_earlier_but_never_before_the_first_sample() -> None:
    pcm, _ = track([(ROME, 1.0)], 4.0)
    none, some, all_of_it = (
        hear(voice().detector(prefix_padding_ms=padding), pcm)[0].at_ms
        for padding in (0, 300, 9000)
    )
    assert none - some == 300
    assert all_of_it == 0


def test_a_prefix_never_reaches_into_the_turn_before() -> None:
    pcm, _ = track([(ROME, 0.5), (TIMER, 4.0)], 8.0)
    first, stopped, second, _ = hear(voice().detector(prefix_padding_ms=9000), pcm)
    assert first.at_ms == 0
    assert second.at_ms == stopped.at_ms


def test_the_threshold_decides_how_sure_it_must_be() -> None:
    pcm, _ = track([(ROME, 0.5)], 4.0)
    assert hear(voice().detector(threshold=1.0), pcm) == []
    assert kinds(hear(voice().detector(threshold=0.0), silence(1))) == [SpeechStarted]


def test_each_detector_listens_for_itself() -> None:
    one, other = voice().detector(), voice().detector()
    assert kinds(hear(one, spoken(ROME))) == [SpeechStarted]
    assert hear(other, silence(1)) == []
    assert kinds(hear(one, silence(2))) == [SpeechStopped]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="threshold"):
        voice().detector(threshold=1.5)
    with pytest.raises(ValueError, match="prefix_padding_ms"):
        voice().detector(prefix_padding_ms=-1)
    with pytest.raises(ValueError, match="silence_duration_ms"):
        voice().detector(silence_duration_ms=-1)
