"""The example of docs/ag2.md, run as it stands there: typed text, a function, an answer."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from fastapi.responses import HTMLResponse

from peers.ag2.backend import running
from support.chromium import chromium
from support.command import Served

pytestmark = pytest.mark.browser
PAGE = (Path(__file__).parents[3] / "docs" / "ag2.md").read_text()
LISTEN = """
  window.said = [];
  call.addEventListener("frame", ({ detail }) => {
    if (detail.type === "response.output_audio_transcript.done") said.push(detail.transcript);
  });
"""


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.S)
    assert found
    return found[1]


def test_the_example_answers_with_what_its_function_says(
    service: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-local")
    monkeypatch.setenv("OPENAI_BASE_URL", f"{service.url}/v1")
    (tmp_path / "example.py").write_text(block("python"))
    app = runpy.run_path(str(tmp_path / "example.py"), run_name="__main__")["app"]
    page_of_it = HTMLResponse(f"<!doctype html>{block('html')}")
    app.add_api_route("/", lambda: page_of_it)
    with running(app) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("button", name="Talk").click()
        page.evaluate(LISTEN + "; 0")
        page.evaluate("call.sendText('What is the weather in Rome?'); 0")
        page.wait_for_function("said.at(-1) === 'It is sunny in Rome, 18 degrees.'")
