"""OpenAI's Agents SDK for JavaScript in a real Chromium, over WebRTC, unmodified.

The page comes from another origin than the service, as pages of one's own do.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import APIRequestContext, Page

from support.chromium import chromium
from support.command import Served

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def pages() -> Iterator[str]:
    """This folder over HTTP."""
    handler = functools.partial(Quiet, directory=str(HERE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def make_key(service: Served, request: APIRequestContext) -> str:
    """An ephemeral key, as the page's backend would fetch it."""
    response = request.post(
        f"{service.url}/v1/realtime/client_secrets",
        headers={"Authorization": "Bearer sk-local"},
        data={"session": {"type": "realtime", "model": "gpt-realtime"}},
    )
    return str(response.json()["value"])


@contextmanager
def talking(service: Served, microphone: Path) -> Iterator[Page]:
    with pages() as url, chromium(microphone) as browser:
        page = browser.new_page()
        page.goto(f"{url}/page.html")
        key = make_key(service, browser.request)
        call_id = page.evaluate("([url, key]) => talk(url, key)", [service.url, key])
        assert call_id.startswith("rtc_")
        yield page


def test_a_spoken_question_runs_a_function_in_the_page_and_is_answered_aloud(
    service: Served, microphone: Path
) -> None:
    with talking(service, microphone) as page:
        page.wait_for_function("record.types.includes('output_audio_buffer.stopped')")
        assert page.evaluate("record.errors") == []
        assert page.evaluate("calls") == ["Rome"]
        first, *_, last = page.evaluate("said()")
        assert first == "user: What is the weather in Rome?"
        assert last.startswith("assistant: ") and "sunny" in last


def test_the_page_interrupts_the_answer_and_closes(service: Served, microphone: Path) -> None:
    with talking(service, microphone) as page:
        page.wait_for_function("record.types.includes('output_audio_buffer.started')")
        page.evaluate("session.interrupt()")
        page.wait_for_function("record.types.includes('output_audio_buffer.cleared')")
        page.evaluate("session.sendMessage('What is the weather in Oslo?')")
        page.wait_for_function("calls.includes('Oslo')")
        page.wait_for_function("said().at(-1).includes('Oslo, 18 degrees')")
        assert page.evaluate("record.errors") == []
        page.evaluate("session.close()")
