"""First light: `talkwire demo` as a person meets it, spoken to through a real browser.

Real command, real Chromium, real WebRTC, real speech; the microphone plays a file.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from support.chromium import Microphone, chromium
from support.command import Served, serve
from support.speech import needs_voice, write_wav

pytestmark = [pytest.mark.browser, needs_voice]

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
QUESTION_AT, INTERRUPTION_AT = 2.0, 6.2  # seconds after the microphone opens
OVER = re.compile(r"call rtc_\w+ ended")

# Keeps every peer connection, to measure what arrives on it.
KEEP_PEERS = """
  window.peers = [];
  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...given) { super(...given); peers.push(this); }
  };
"""
BYTES_HEARD = """async () => {
  const stats = await peers[0].getStats();
  return [...stats.values()].find((one) => one.type === "inbound-rtp")?.bytesReceived ?? 0;
}"""
# The loudest sample of what arrives in so many seconds.
LOUDEST = """async (seconds) => {
  const context = new AudioContext();
  const track = peers[0].getReceivers()[0].track;
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let loudest = 0;
  for (const end = performance.now() + 1000 * seconds; performance.now() < end; ) {
    analyser.getFloatTimeDomainData(samples);
    loudest = Math.max(loudest, ...samples.map(Math.abs));
    await new Promise(requestAnimationFrame);
  }
  return loudest;
}"""


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Served]:
    with serve(tmp_path / "demo.log") as served:
        yield served


@contextmanager
def talking(demo: Served, microphone: Microphone, **options: Any) -> Iterator[Page]:
    """The page, after a press on Talk."""
    with chromium(microphone, **options) as browser:
        page = browser.new_page()
        page.add_init_script(KEEP_PEERS)
        page.goto(demo.url)
        page.get_by_role("button", name="Talk").click()
        expect(page.get_by_role("status")).to_have_text(re.compile("Listening|microphone off"))
        yield page


def test_a_spoken_question_runs_a_function_and_is_answered_aloud_and_can_be_interrupted(
    demo: Served, tmp_path: Path
) -> None:
    speech = [
        ("What is the weather in Rome?", QUESTION_AT),
        ("Set a timer for ten minutes.", INTERRUPTION_AT),
    ]
    microphone = tmp_path / "microphone.wav"
    write_wav(microphone, speech, 60.0)
    with talking(demo, microphone) as page:
        said = page.locator("#captions")
        expect(said).to_contain_text("What is the weather in Rome?", timeout=15_000)
        expect(said).to_contain_text('get_weather(city: "Rome")')
        expect(page.get_by_role("status")).to_have_text("Speaking", timeout=5_000)
        before = page.evaluate(BYTES_HEARD)
        assert page.evaluate(LOUDEST, 1) > 0.02
        assert page.evaluate(BYTES_HEARD) > before > 0

        expect(said).to_contain_text("interrupted", timeout=10_000)
        # What was on its way is played within 300 ms; the user is still speaking then.
        page.wait_for_timeout(300)
        assert page.evaluate(LOUDEST, 0.7) < 0.005
        expect(said).to_contain_text("set_timer(minutes: 10)", timeout=15_000)
        expect(said).to_contain_text("The timer for 10 minutes is set.", timeout=10_000)
        ARTIFACTS.mkdir(exist_ok=True)
        page.screenshot(path=ARTIFACTS / "first-light.png")
        page.set_viewport_size({"width": 360, "height": 740})
        page.screenshot(path=ARTIFACTS / "first-light-phone.png")


def test_closing_the_tab_ends_the_call_on_the_server_within_two_seconds(demo: Served) -> None:
    with talking(demo, "beeps") as page:
        assert not OVER.search(demo.log.read_text())
        page.close()
        demo.wait_for(OVER, 2.0)


def test_killing_the_server_is_shown_in_the_page_within_two_seconds(demo: Served) -> None:
    with talking(demo, "beeps") as page:
        os.kill(demo.process.pid, signal.SIGKILL)
        expect(page.get_by_role("status")).to_contain_text("lost", timeout=2_000)


def test_typed_text_is_answered_without_a_microphone(demo: Served) -> None:
    with talking(demo, "missing") as page:
        expect(page.locator("body")).to_contain_text("No microphone was found")
        page.get_by_role("textbox").fill("What is the weather in Oslo?")
        page.keyboard.press("Enter")
        expect(page.locator("#captions")).to_contain_text('get_weather(city: "Oslo")')
        expect(page.get_by_role("status")).to_have_text("Speaking", timeout=5_000)


def test_a_service_elsewhere_is_used_with_nothing_else_changed(
    demo: Served, tmp_path: Path
) -> None:
    elsewhere = {"OPENAI_API_KEY": "sk-local", "OPENAI_BASE_URL": f"{demo.url}/v1"}
    with (
        serve(tmp_path / "openai.log", "--openai", **elsewhere) as served,
        talking(served, "missing") as page,
    ):
        page.get_by_role("textbox").fill("What is the weather in Oslo?")
        page.keyboard.press("Enter")
        expect(page.locator("#captions")).to_contain_text('get_weather(city: "Oslo")')
        expect(page.get_by_role("status")).to_have_text("Speaking", timeout=5_000)
        page.close()
        demo.wait_for(OVER, 2.0)
    assert "sk-local" not in served.log.read_text()
