"""The examples that have a page, run as they stand: a page, a backend, a function, typed text."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from playwright.sync_api import Page, expect
from quart import Quart, Response

from support.chromium import Microphone, chromium
from support.examples import block, run_example
from support.serving import serving
from talkwire_io.local.blueprint import realtime_blueprint
from talkwire_io.local.calls import Calls
from talkwire_io.local.voice import MissingVoice, RuleBrain

pytestmark = pytest.mark.browser

LISTEN = """
  window.said = [];
  const told = {
    "response.function_call_arguments.done": (event) => [event.name, event.arguments],
    "response.output_text.done": (event) => event.text,
  };
  call.addEventListener("frame", ({ detail }) => {
    if (detail.type in told) said.push(told[detail.type](detail));
  });
"""


def service(_: str) -> Quart:
    """The local service alone, which answers typed text."""
    app = Quart("service")
    voiceless = MissingVoice(missing=("a voice",), hint="typed text only")
    app.register_blueprint(realtime_blueprint(Calls(voiceless, RuleBrain())))
    return app


@contextmanager
def answering(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """The service, where the examples look for it."""
    with serving(service) as url:
        patch.setenv("OPENAI_API_KEY", "any-key-will-do")
        patch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        yield


@contextmanager
def on_hypercorn(app: Quart, html: str) -> Iterator[str]:
    async def page() -> str:
        return html

    app.add_url_rule("/", view_func=page)
    with serving(lambda _: app) as url:
        yield url


@contextmanager
def on_uvicorn(app: FastAPI, html: str) -> Iterator[str]:
    def page() -> str:
        return html

    app.add_api_route("/", page, response_class=HTMLResponse)
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, ws="websockets-sansio", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


Serve = Callable[[Any, str], Any]
EXAMPLES: list[tuple[str, Serve]] = [
    ("README.md", on_hypercorn),
    ("docs/quart.md", on_hypercorn),
    ("docs/fastapi.md", on_uvicorn),
]
every_example = pytest.mark.parametrize(
    ("doc", "serve"), EXAMPLES, ids=[doc for doc, _ in EXAMPLES]
)


@contextmanager
def talking(
    patch: pytest.MonkeyPatch, folder: Path, doc: str, serve: Serve, code: str
) -> Iterator[Page]:
    """The example's page, with its button pressed."""
    with answering(patch):
        app = run_example(folder, code)["app"]
        html = f"<!doctype html>{block(doc, 'html')}"
        with serve(app, html) as url, chromium() as browser:
            page = browser.new_page()
            page.goto(url)
            page.get_by_role("button", name="Talk").click()
            page.evaluate(LISTEN + "; 0")
            yield page


@every_example
def test_an_example_holds_a_conversation_in_which_its_function_is_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, doc: str, serve: Serve
) -> None:
    with talking(monkeypatch, tmp_path, doc, serve, block(doc, "python")) as page:
        page.evaluate("call.sendText('What is the weather in Rome?'); 0")
        page.wait_for_function("said.length === 2", timeout=10_000)
        (name, arguments), answer = page.evaluate("said")

    assert (name, json.loads(arguments)) == ("get_weather", {"city": "Rome"})
    assert answer == "It is sunny in Rome, 18 degrees."


@every_example
def test_a_slow_function_in_an_example_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, doc: str, serve: Serve
) -> None:
    quick = "    return f"
    slow = f"    __import__('time').sleep(5)\n{quick}"
    code = block(doc, "python")
    assert quick in code
    with talking(monkeypatch, tmp_path, doc, serve, code.replace(quick, slow)) as page:
        page.evaluate("call.sendText('What is the weather in Rome?'); 0")
        page.wait_for_function("said.length === 1", timeout=10_000)
        page.evaluate("call.sendText('Hello?'); 0")
        page.wait_for_function("said.length === 2", timeout=3_000)
        assert "Rome" not in page.evaluate("said")[1]  # the function is still at it


@contextmanager
def whole_page(folder: Path, microphone: Microphone = "beeps") -> Iterator[Page]:
    """The page of docs/page.md, under the headers it asks for, with its button pressed."""
    app = run_example(folder, block("docs/quart.md", "python") + block("docs/page.md", "py"))["app"]

    async def script() -> Response:
        return Response(block("docs/page.md", "js"), content_type="text/javascript")

    app.add_url_rule("/talk.js", view_func=script)
    html = block("docs/page.md", "html")
    with on_hypercorn(app, html) as url, chromium(microphone) as browser:
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("button", name="Talk").click()
        yield page


def say(page: Page, text: str) -> None:
    page.get_by_role("textbox").fill(text)
    page.get_by_role("button", name="Send").click()


def test_the_whole_page_shows_what_both_sides_said_as_text_and_hangs_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with answering(monkeypatch), whole_page(tmp_path) as page:
        state, captions = page.get_by_role("status"), page.get_by_role("listitem")
        expect(state).to_have_text("listening")
        say(page, "What is the weather in Rome?")
        expect(captions).to_have_text(
            ["user: What is the weather in Rome?", "assistant: It is sunny in Rome, 18 degrees."]
        )
        say(page, "<b>Hello</b>")
        expect(captions.nth(2)).to_have_text("user: <b>Hello</b>")
        page.get_by_role("button", name="Hang up").click()
        expect(state).to_have_text("closed")
        say(page, "Hello again?")  # a call of its own, without the microphone
        expect(captions).to_have_count(2)


def test_the_whole_page_says_why_there_is_no_microphone_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with answering(monkeypatch), whole_page(tmp_path, "denied") as page:
        expect(page.get_by_role("alert")).to_contain_text("The microphone is not allowed here.")
        say(page, "What is the weather in Rome?")
        expect(page.get_by_role("listitem")).to_have_count(2)


def test_the_whole_page_says_why_a_call_failed_and_can_try_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with whole_page(tmp_path) as page:
        state = page.get_by_role("status")
        expect(state).to_have_text(
            "failed: The server has no usable key for the voice service; its log says more."
        )
        with answering(monkeypatch):
            page.get_by_role("button", name="Talk").click()
            expect(state).to_have_text("listening")
