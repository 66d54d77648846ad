"""Audio in and out of frames, with `pybase64` and without."""

import base64
import importlib.util
import json
import sys
from types import ModuleType
from typing import Any

import pytest

from support.samples import SERVER_FRAMES
from talkwire import DIRECT, LocalProtocolError, Session, events
from talkwire.realtime import wire

AUDIO_DELTA = SERVER_FRAMES["response.output_audio.delta"]
SOUND = bytes(range(240))


@pytest.fixture(params=["pybase64", "msgspec"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module that reads frames, as it is where pybase64 is installed and where it is not."""
    if request.param == "pybase64":
        pytest.importorskip("pybase64")
        return wire
    monkeypatch.setitem(sys.modules, "pybase64", None)
    name = "talkwire.realtime.wire_by_itself"
    spec = importlib.util.spec_from_file_location(name, str(wire.__file__))
    assert spec is not None and spec.loader is not None
    alone = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(alone)
    return alone


def frame(delta: Any, **fields: Any) -> str:
    return json.dumps({**AUDIO_DELTA, "delta": delta, **fields}, separators=(",", ":"))


def test_audio_comes_and_goes_as_the_same_bytes(reader: ModuleType) -> None:
    text = base64.b64encode(SOUND).decode()
    event = reader.decode_event(frame(text))
    assert isinstance(event, events.ResponseOutputAudioDelta)
    assert event.delta == SOUND
    sent = reader.audio_frame("input_audio_buffer.append", SOUND)
    assert json.loads(sent) == {"type": "input_audio_buffer.append", "audio": text}


def test_audio_is_found_wherever_it_stands_in_its_frame(reader: ModuleType) -> None:
    text = base64.b64encode(SOUND).decode()
    first = {"type": AUDIO_DELTA["type"], "delta": text, **AUDIO_DELTA, "event_id": "e"}
    for fields in (first, {**AUDIO_DELTA, "more": {"delta": "AAAA"}, "delta": text}):
        event = reader.decode_event(json.dumps({**fields, "delta": text}, separators=(",", ":")))
        assert event.delta == SOUND


@pytest.mark.parametrize("delta", ["A", "A===", "A-_A", "Ä", "AA\\AA", 5, None, [], {"delta": ""}])
def test_audio_that_is_no_base64_makes_an_invalid_frame(reader: ModuleType, delta: Any) -> None:
    assert type(reader.decode_event(frame(delta))).__name__ == "InvalidFrame"


def test_an_append_of_what_is_not_bytes_is_refused_before_anything_leaves() -> None:
    session = Session(plane=DIRECT, now=0.0)
    with pytest.raises(LocalProtocolError, match="send_audio"):
        session.send_audio("AAAA", now=0.0)  # type: ignore[arg-type]
    assert session.next_frame() is None


def test_a_report_about_an_id_that_is_no_text_is_refused() -> None:
    session = Session(plane=DIRECT, now=0.0)
    with pytest.raises(LocalProtocolError, match="report_playback"):
        session.report_playback("\ud800", 5, now=0.0)
    assert Session.resume(session.snapshot(now=0.0), now=0.0).next_frame() is None
