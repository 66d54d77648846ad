"""README's example, run as it stands there: a page, a backend, a function, typed text."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

import pytest
from quart import Quart

from support.chromium import chromium
from support.serving import serving
from talkwire_io.local.blueprint import realtime_blueprint
from talkwire_io.local.calls import Calls
from talkwire_io.local.voice import MissingVoice, RuleBrain

pytestmark = pytest.mark.browser

README = (Path(__file__).parents[2] / "README.md").read_text()

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


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.S)
    assert found
    return found[1]


def readme_app(folder: Path) -> Quart:
    """The example as a module, with the page beside it and the local service to answer it."""
    (folder / "example.py").write_text(block("python"))
    app = runpy.run_path(str(folder / "example.py"), run_name="__main__")["app"]
    assert isinstance(app, Quart)
    voiceless = MissingVoice(missing=("a voice",), hint="typed text only")
    app.register_blueprint(realtime_blueprint(Calls(voiceless, RuleBrain())))

    async def page() -> str:
        return f"<!doctype html>{block('html')}"

    app.add_url_rule("/", view_func=page)
    return app


def test_the_example_holds_a_conversation_in_which_its_function_is_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "any-key-will-do")

    def make(url: str) -> Quart:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        return readme_app(tmp_path)

    with serving(make) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("button", name="Talk").click()
        page.evaluate(LISTEN + "; 0")
        page.evaluate("call.sendText('What is the weather in Rome?'); 0")
        page.wait_for_function("said.length === 2", timeout=10_000)
        (name, arguments), answer = page.evaluate("said")

    assert (name, json.loads(arguments)) == ("get_weather", {"city": "Rome"})
    assert answer == "It is sunny in Rome, 18 degrees."
