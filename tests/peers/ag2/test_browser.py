"""AG2 0.9.9's `RealtimeAgent`, unmodified, with our client, in a real Chromium over WebRTC.

The page is ours, or one that knows nothing but `ag2.init` and passes on function calls only.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from peers.ag2.backend import Backend, running
from support.chromium import chromium
from support.command import PYTHON, Served, within
from talkwire_io.ag2 import OpenAIRealtimeWebRTCClient

pytestmark = pytest.mark.browser
TESTS = Path(__file__).parents[2]
ARTIFACTS = TESTS.parent / "artifacts" / "ag2"
SIZE = {"width": 760, "height": 420}
SPEAK = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from support.speech import write_wav
write_wav(sys.argv[1], [("What is the weather in Rome?", 5.0)], 60.0)
"""


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV for the microphone; its question comes late enough for a page to be connected."""
    path = tmp_path_factory.mktemp("speech") / "question.wav"
    subprocess.run([PYTHON, "-c", SPEAK, path], check=True, timeout=60)
    return path


@contextmanager
def talking(service: Served, question: Path, page_name: str) -> Iterator[tuple[Page, Backend]]:
    """A page of the backend's, after a press on Talk."""
    backend = Backend(service.url)
    with running(backend.app()) as url, chromium(question, viewport=SIZE) as browser:
        page = browser.new_page()
        page.goto(f"{url}/{page_name}.html")
        page.get_by_role("button", name="Talk").click()
        try:
            yield page, backend
        finally:
            backend.save(ARTIFACTS / f"{page_name}.jsonl", page.evaluate("window.record"))


def sequence(page: Page, name: str) -> None:
    """A question, a function and an answer aloud, each with its picture."""
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    expect(page.locator("#state")).to_have_text("listening", ignore_case=True, timeout=15_000)
    page.screenshot(path=ARTIFACTS / f"{name}-1-listening.png")
    expect(page.locator("#said .function")).to_have_text(
        'get_weather({"city": "Rome"})', timeout=20_000
    )
    page.screenshot(path=ARTIFACTS / f"{name}-2-function.png")
    expect(page.locator("#state")).to_have_text("speaking", ignore_case=True, timeout=10_000)
    expect(page.locator("#said .model")).to_contain_text("sunny", timeout=10_000)
    page.screenshot(path=ARTIFACTS / f"{name}-3-answer.png")
    expect(page.locator("#state")).to_have_text("listening", ignore_case=True, timeout=20_000)
    page.screenshot(path=ARTIFACTS / f"{name}-4-listening.png")


def sent(page: Page) -> list[dict[str, Any]]:
    return [row["message"] for row in page.evaluate("record") if row["page"] == "to service"]


def received(page: Page) -> list[str]:
    rows = page.evaluate("record")
    return [row["message"]["type"] for row in rows if row["page"] == "from service"]


def what_was_sent(page: Page) -> Counter[str]:
    return Counter(message["type"] for message in sent(page))


def told(backend: Backend) -> list[str]:
    return [line["ag2"] for line in backend.logs[-1].lines]


# The commands of one turn: the configuration in three patches, one output, one answer asked for.
ONE_TURN = {"session.update": 3, "conversation.item.create": 1, "response.create": 1}


def check(page: Page, backend: Backend, name: str) -> None:
    """One turn as it should be: a function run once, one answer asked for, no error."""
    sequence(page, name)
    assert isinstance(backend.agents[0].realtime_client, OpenAIRealtimeWebRTCClient)
    assert backend.cities == ["Rome"]
    assert what_was_sent(page) == ONE_TURN
    assert "error" not in received(page)
    assert told(backend).count("FunctionCall") == 1


def test_with_our_page_ag2s_observers_are_told_every_event(service: Served, question: Path) -> None:
    with talking(service, question, "talkwire") as (page, backend):
        check(page, backend, "talkwire")
        assert {"SessionCreated", "SessionUpdated", "SpeechStarted"} <= set(told(backend))
        heard = received(page)
        assert within(5, lambda: len(backend.logs[-1].lines) == len(heard))
        messages = [line["message"] for line in backend.logs[-1].lines]
        assert [message["type"] for message in messages] == heard
        done = next(m for m in messages if m["type"] == "response.done")
        assert done["response"]["object"] == "realtime.response"  # word for word
        page.evaluate("call.close()")
        assert within(5, lambda: backend.ended == 1)


def test_with_a_page_that_knows_only_ag2_init_they_are_told_of_function_calls(
    service: Served, question: Path
) -> None:
    with talking(service, question, "old") as (page, backend):
        check(page, backend, "old")
        kinds = {line["message"]["type"] for line in backend.logs[-1].lines}
        assert kinds == {
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
        }
        page.evaluate("call.socket.close()")
        assert within(5, lambda: backend.ended == 1)
