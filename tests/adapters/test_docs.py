"""The pages of docs/, their examples run as they stand there, against the local service."""

from __future__ import annotations

import asyncio
import contextlib
import re
import runpy
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from quart import Quart

from support.serving import serving
from support.speech import needs_voice, spoken, voice
from talkwire import Conversation
from talkwire_io.local.blueprint import realtime_blueprint
from talkwire_io.local.calls import Calls
from talkwire_io.local.voice import MissingVoice, RuleBrain, Voice

DOCS = Path(__file__).parents[2] / "docs"
SILENT = MissingVoice(missing=("a voice",), hint="typed text only")


@contextlib.contextmanager
def local(patch: pytest.MonkeyPatch, speaks: Voice | MissingVoice = SILENT) -> Iterator[None]:
    def make(url: str) -> Quart:
        patch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        patch.setenv("OPENAI_API_KEY", "any-key-will-do")
        app = Quart("local-service")
        app.register_blueprint(realtime_blueprint(Calls(speaks, RuleBrain())))
        return app

    with serving(make):
        yield


def example(name: str, folder: Path) -> Callable[[], dict[str, Any]]:
    """The first Python of a page as a module; calling it runs that."""
    found = re.search(r"```python\n(.*?)```", (DOCS / name).read_text(), re.S)
    assert found
    path = folder / "example.py"
    path.write_text(found[1])
    return lambda: runpy.run_path(str(path), run_name="__main__")


def test_the_example_for_trio_answers_a_question(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with local(monkeypatch):
        example("trio.md", tmp_path)()
    assert capsys.readouterr().out == "It is sunny in Rome, 18 degrees.\n"


def test_the_blocking_example_answers_a_question(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with local(monkeypatch):
        converse = example("bring-your-own.md", tmp_path)()["converse"]
        assert converse("What is the weather in Rome?") == ["It is sunny in Rome, 18 degrees."]


@needs_voice
def test_the_example_on_the_direct_plane_listens_speaks_and_is_spoken_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def microphone() -> AsyncIterator[bytes]:
        """A question; over its answer another one; then the user hangs up."""
        for words, silent_s in (("What is the weather in Rome?", 4.0), ("Hold on.", 3.0)):
            sound = spoken(words, 24_000) + bytes(int(silent_s * 48_000))
            for at in range(0, len(sound), 4800):
                yield sound[at : at + 4800]
                await asyncio.sleep(0.1)

    with local(monkeypatch, voice()):
        talk = example("direct.md", tmp_path)()["talk"]
        conversation: Conversation = asyncio.run(asyncio.wait_for(talk(microphone()), 60))

    question, call, result, answer, *_ = conversation
    assert "weather in rome" in question.text.lower()
    assert (call.name, result.type) == ("get_weather", "function_call_output")
    assert answer.text.startswith("It is sunny in Rome")
    assert answer.audio_end_ms is not None and answer.audio_ms is not None
    assert 0 < answer.audio_end_ms < answer.audio_ms
    assert 0 < len(answer.heard_text) < len(answer.text)
