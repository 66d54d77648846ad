"""openai-python as the backend of a page: it posts the page's offer and joins its call.

The page is a real Chromium with a voice; it has no key, and knows nothing of functions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest
from openai import NotFoundError
from playwright.sync_api import Page

from peers.openai_python.turns import SESSION, Turn, ask, client, follow
from support.chromium import chromium
from support.command import Served

pytestmark = pytest.mark.browser
T = TypeVar("T")

OFFER = """async () => {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  window.peer = new RTCPeerConnection();
  window.types = [];
  peer.addTrack(microphone.getTracks()[0], microphone);
  window.channel = peer.createDataChannel("oai-events");
  channel.onmessage = ({ data }) => types.push(JSON.parse(data).type);
  channel.onclose = () => types.push("closed");
  await peer.setLocalDescription();
  return peer.localDescription.sdp;
}"""
ANSWER = """async (sdp) => {
  const opened = new Promise((resolve) => (channel.onopen = resolve));
  await peer.setRemoteDescription({ type: "answer", sdp });
  await opened;
}"""


def run(main: Coroutine[Any, Any, T]) -> T:
    """In a thread of its own: playwright keeps a loop in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, asyncio.wait_for(main, 60)).result()


async def open_call(service: Served, offer: str) -> tuple[str, str]:
    """The call's id and the answer for the page."""
    async with client(service) as openai:
        response = await openai.realtime.calls.create(sdp=offer, session=SESSION)
        call_id = response.response.headers["location"].rpartition("/")[2]
        return call_id, response.text


@pytest.fixture
def page(service: Served, microphone: Path) -> Iterator[Page]:
    with chromium(microphone, bypass_csp=True) as browser:
        page = browser.new_page()
        page.goto(service.url)
        yield page


def test_a_page_speaks_and_the_backend_runs_the_function(service: Served, page: Page) -> None:
    async def attend() -> Turn:
        async with client(service) as openai:
            async with openai.realtime.connect(call_id=call_id) as connection:
                return await follow(connection)

    call_id, answer = run(open_call(service, page.evaluate(OFFER)))
    page.evaluate(ANSWER, answer)
    turn = run(attend())
    assert turn.heard == "What is the weather in Rome?"
    assert turn.calls == [("get_weather", {"city": "Rome"})]
    assert "sunny" in turn.said
    assert turn.sound == b"", "a sideband sees the call, it does not hear it"
    page.wait_for_function("types.includes('output_audio_buffer.stopped')")


def test_the_backend_asks_for_the_page_and_hangs_up(service: Served, page: Page) -> None:
    async def attend() -> Turn:
        async with client(service) as openai:
            async with openai.realtime.connect(call_id=call_id) as connection:
                await ask(connection, "What is the weather in Rome?")
                turn = await follow(connection)
            await openai.realtime.calls.hangup(call_id)
            with pytest.raises(NotFoundError):
                await openai.realtime.calls.hangup(call_id)
            return turn

    call_id, answer = run(open_call(service, page.evaluate(OFFER)))
    page.evaluate(ANSWER, answer)
    assert run(attend()).calls == [("get_weather", {"city": "Rome"})]
    page.wait_for_function("types.includes('closed')")
