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
from playwright.sync_api import Page
from quart import Quart

from support.chromium import chromium
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
    with serving(service) as answering:
        patch.setenv("OPENAI_API_KEY", "any-key-will-do")
        patch.setenv("OPENAI_BASE_URL", f"{answering}/v1")
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
