"""The pages of docs/, their examples run as they stand there, against the local service."""

from __future__ import annotations

import asyncio
import contextlib
import re
import runpy
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mypy import api

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from quart import Quart
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from support.serving import serving
from support.speech import needs_voice, spoken, voice
from talkwire import DIRECT, Conversation, Session, SessionClosed
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


def example(page: str, folder: Path, name: str = "__main__") -> Callable[[], dict[str, Any]]:
    """The first Python of a page as a module of this name; calling it runs that."""
    found = re.search(r"```python\n(.*?)```", (DOCS / page).read_text(), re.S)
    assert found
    path = folder / "example.py"
    path.write_text(found[1])
    return lambda: runpy.run_path(str(path), run_name=name)


def test_the_example_for_trio_answers_a_question(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with local(monkeypatch):
        example("trio.md", tmp_path)()
    assert capsys.readouterr().out == "It is sunny in Rome, 18 degrees.\n"


@pytest.mark.parametrize(
    ("question", "answer", "booked"),
    [
        ("What is on the menu on Friday?", "There are 2: soup and bread.", []),
        (
            "Book a table on Friday for 4 guests.",
            "A table for 4 on Friday is booked for Ada.",
            ["Friday, 4"],
        ),
        (
            "Book a table on Friday for 12 guests.",
            "Sorry, book table did not work: "
            "The tool book_table may not be used so: it was not approved.",
            [],
        ),
    ],
    ids=["menu", "booked", "refused"],
)
def test_the_example_of_tools_answers_by_its_functions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, question: str, answer: str, booked: list[str]
) -> None:
    page = example("tools.md", tmp_path, name="tools")()
    guest = page["Guest"]("Ada")
    with local(monkeypatch):
        assert asyncio.run(asyncio.wait_for(page["ask"](question, guest), 10)) == answer
    assert guest.tables == booked


def test_the_example_of_tools_is_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    example("tools.md", tmp_path)
    monkeypatch.chdir(tmp_path)  # where no configuration of ours is
    told, failed, status = api.run(["--strict", "example.py"])
    assert status == 0, told + failed


def test_the_blocking_example_answers_a_question(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with local(monkeypatch):
        converse = example("bring-your-own.md", tmp_path)()["converse"]
        assert converse("What is the weather in Rome?") == ["It is sunny in Rome, 18 degrees."]


def test_the_blocking_example_waits_for_a_service_that_reads_late(tmp_path: Path) -> None:
    page = example("bring-your-own.md", tmp_path)()
    session, wire = sending(3_000_000)
    ours, theirs = socket.socketpair()
    ours.settimeout(0.001)  # as waiting for a deadline leaves it
    with ThreadPoolExecutor(1) as beside, theirs:
        read = beside.submit(read_late, theirs)
        with ours:
            assert page["drain"](session, ours, wire) == []
        assert read.result() > 3_000_000


def test_the_blocking_example_tells_the_end_that_sending_met(tmp_path: Path) -> None:
    page = example("bring-your-own.md", tmp_path)()
    session, wire = sending(10)
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        *_, end = page["drain"](session, ours, wire)
    assert isinstance(end, SessionClosed)
    assert session.closed


def test_the_blocking_example_tells_why_it_was_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By a server that keeps the connection open until the client has ended it."""
    page = example("bring-your-own.md", tmp_path)()
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as beside:
        beside.submit(refuse, listener)
        monkeypatch.setenv("OPENAI_API_KEY", "a-wrong-one")
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{listener.getsockname()[1]}/v1")
        with pytest.raises(ConnectionError, match="401"):
            page["converse"]("What is the weather in Rome?")


def sending(characters: int) -> tuple[Session, ClientProtocol]:
    """A session with so much to say, and a websocket that is open."""
    session = Session(plane=DIRECT, now=0.0)
    session.send_text("x" * characters, now=0.0)
    return session, ClientProtocol(parse_uri("ws://localhost"), state=State.OPEN)


def read_late(line: socket.socket) -> int:
    """How many bytes came before the other end was closed."""
    time.sleep(0.1)
    count = 0
    while data := line.recv(65536):
        count += len(data)
    return count


def refuse(listener: socket.socket) -> None:
    line, _ = listener.accept()
    with line:
        line.recv(65536)
        line.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        assert not line.recv(65536)


def test_the_player_of_the_direct_example_plays_on_after_a_stop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Stopped where it has nothing to play: before the first sound, and after the last."""
    page = example("direct.md", tmp_path)()

    async def stopped_twice() -> None:
        async with page["connect"]({}) as call, asyncio.TaskGroup() as group:
            player = page["Player"](call)
            player.played_ms = played = Played()
            playing = group.create_task(player.play())
            for item_id in ("item_1", "item_2"):
                await asyncio.sleep(0)  # it waits for sound
                player.stop()
                player.add(item_id, bytes(960))
                assert await played.names.get() == item_id
            player.add("item_3", bytes(960))
            await call.close()
            assert await played.names.get() == "item_3"
            playing.cancel()

    with local(monkeypatch):
        asyncio.run(asyncio.wait_for(stopped_twice(), 10))


class Played(dict[str, float]):
    """How much of each item was played (ms), and whenever that grows the item's name."""

    def __init__(self) -> None:
        super().__init__()
        self.names = asyncio.Queue[str]()

    def __setitem__(self, item_id: str, ms: float) -> None:
        super().__setitem__(item_id, ms)
        self.names.put_nowait(item_id)


def test_the_direct_example_ends_with_its_microphone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(4800)
        raise OSError("the cable is out")

    with local(monkeypatch):
        talk = example("direct.md", tmp_path)()["talk"]
        with pytest.raises(ExceptionGroup, match="TaskGroup") as raised:
            asyncio.run(asyncio.wait_for(talk(broken()), 10))
    assert raised.group_contains(OSError, match="the cable is out")


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
