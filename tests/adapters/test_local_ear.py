"""What a call hears: each utterance whole, at the right time, and only so much kept."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from support.local import LoudnessDetector, loudness, scripted_voice, tone
from talkwire_io.local.ear import RATE, Ear, Heard, Started, Stopped, Taken
from talkwire_io.local.pcm import WireFormat, frame_of
from talkwire_io.local.voice import Voice

VAD = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300}
PCM = WireFormat({"type": "audio/pcm", "rate": 24000})


def listening(turn_detection: dict[str, Any] | None = VAD) -> Ear:
    ear = Ear(scripted_voice())
    ear.configure(turn_detection)
    return ear


def quiet(ms: int, rate: int = 48_000) -> bytes:
    return bytes(ms * rate // 1000 * 2)


def hear(ear: Ear, pcm: bytes) -> list[Heard]:
    """Feed 48 kHz PCM as a track would, in frames of 20 ms."""
    heard: list[Heard] = []
    for at in range(0, len(pcm), 1920):
        heard += ear.hear_frames([frame_of(pcm[at : at + 1920], 48_000)])
    return heard


def ms_of(pcm: bytes) -> float:
    return len(pcm) * 1000 / (2 * RATE)


def test_an_utterance_comes_whole_with_its_times() -> None:
    started, stopped = hear(listening(), quiet(1000) + tone(600) + quiet(400))
    assert isinstance(started, Started)
    assert isinstance(stopped, Stopped)
    assert abs(started.at_ms - 960) <= 20
    assert abs(stopped.at_ms - 1800) <= 20
    assert abs(ms_of(stopped.pcm) - (stopped.at_ms - started.at_ms)) <= 1
    assert loudness(stopped.pcm) > 1000


def test_the_second_utterance_does_not_contain_the_first() -> None:
    heard = hear(listening(), tone(400) + quiet(3000) + tone(700) + quiet(400))
    ends = [each for each in heard if isinstance(each, Stopped)]
    assert [round(ms_of(each.pcm) / 100) for each in ends] == pytest.approx([6, 9], abs=1)


def test_silence_is_not_kept() -> None:
    ear = listening()
    hear(ear, quiet(20_000))
    (taken,) = ear.take("item")
    assert isinstance(taken, Taken)
    assert ms_of(taken.pcm) <= 4_000


def test_without_turn_detection_all_is_kept_for_the_client_to_commit() -> None:
    ear = listening(None)
    assert hear(ear, tone(5_000)) == []
    (taken,) = ear.take("item")
    assert isinstance(taken, Taken)
    assert taken.item_id == "item"
    assert abs(ms_of(taken.pcm) - 5_000) < 5
    (nothing,) = ear.take("next")
    assert isinstance(nothing, Taken)
    assert ms_of(nothing.pcm) < 1


def test_cleared_sound_is_forgotten() -> None:
    ear = listening(None)
    hear(ear, tone(500))
    assert ear.clear() == []
    (taken,) = ear.take("item")
    assert isinstance(taken, Taken)
    assert ms_of(taken.pcm) < 1


def test_new_settings_wait_for_the_end_of_the_sentence() -> None:
    ear = listening()
    assert len(hear(ear, tone(300))) == 1
    ear.configure({**VAD, "threshold": 0.9})
    (stopped,) = hear(ear, tone(300) + quiet(300))
    assert isinstance(stopped, Stopped)
    assert round(ms_of(stopped.pcm), -2) == 800
    # A fresh detector counts from zero; the call's clock goes on.
    (started,) = hear(ear, quiet(100) + tone(100))
    assert isinstance(started, Started)
    assert abs(started.at_ms - 960) <= 20


def test_turning_detection_off_takes_effect_at_once() -> None:
    ear = listening()
    hear(ear, tone(300))
    ear.configure(None)
    assert hear(ear, quiet(1000)) == []


@pytest.mark.parametrize(
    ("turn_detection", "given"),
    [
        (VAD, {"threshold": 0.5, "prefix_padding_ms": 300}),
        ({"type": "semantic_vad", "eagerness": "low"}, {"silence_duration_ms": 1000}),
        ({"type": "semantic_vad", "eagerness": "auto"}, {"silence_duration_ms": 500}),
        ({"type": "server_vad", "silence_duration_ms": None}, {}),
    ],
)
def test_the_detector_is_tuned_as_the_session_asks(
    turn_detection: dict[str, Any], given: dict[str, Any]
) -> None:
    made: list[dict[str, Any]] = []

    def detector(**settings: Any) -> LoudnessDetector:
        made.append(settings)
        return LoudnessDetector()

    voice = scripted_voice()
    ear = Ear(
        Voice(
            detector=detector,
            speech_to_text=voice.speech_to_text,
            text_to_speech=voice.text_to_speech,
        )
    )
    ear.configure(turn_detection)
    hear(ear, quiet(100))
    hear(ear, quiet(100))
    assert made == [given]


def test_settings_the_detector_refuses_leave_it_as_it_was() -> None:
    def detector(*, threshold: float = 0.5, **_: Any) -> LoudnessDetector:
        if threshold > 1:
            raise ValueError("threshold is a probability")
        return LoudnessDetector()

    voice = scripted_voice()
    ear = Ear(
        Voice(
            detector=detector,
            speech_to_text=voice.speech_to_text,
            text_to_speech=voice.text_to_speech,
        )
    )
    ear.configure(VAD)
    hear(ear, quiet(100))
    ear.configure({**VAD, "threshold": 2})
    assert len(hear(ear, tone(300) + quiet(300))) == 2


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcmu", "audio/pcma"])
def test_appended_audio_is_heard_in_every_format(kind: str) -> None:
    format = WireFormat({"type": kind})
    ear = listening()
    heard: list[Heard] = []
    for sound in (tone(500, format.rate), quiet(500, format.rate)):
        heard += ear.hear_wire(format.encode(sound), format)
    assert [type(each) for each in heard] == [Started, Stopped]
