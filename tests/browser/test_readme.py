"""README's example, run as it stands there: a page, a backend, a function, typed text."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page
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


def readme_app(folder: Path, code: str) -> Quart:
    """The example as a module, with the page beside it and the local service to answer it."""
    (folder / "example.py").write_text(code)
    app = runpy.run_path(str(folder / "example.py"), run_name="__main__")["app"]
    assert isinstance(app, Quart)
    voiceless = MissingVoice(missing=("a voice",), hint="typed text only")
    app.register_blueprint(realtime_blueprint(Calls(voiceless, RuleBrain())))

    async def page() -> str:
        return f"<!doctype html>{block('html')}"

    app.add_url_rule("/", view_func=page)
    return app


@contextmanager
def talking(patch: pytest.MonkeyPatch, folder: Path, code: str) -> Iterator[Page]:
    """README's page, with its button pressed."""
    patch.setenv("OPENAI_API_KEY", "any-key-will-do")

    def make(url: str) -> Quart:
        patch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        return readme_app(folder, code)

    with serving(make) as url, chromium() as browser:
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("button", name="Talk").click()
        page.evaluate(LISTEN + "; 0")
        yield page


def test_the_example_holds_a_conversation_in_which_its_function_is_called(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with talking(monkeypatch, tmp_path, block("python")) as page:
        page.evaluate("call.sendText('What is the weather in Rome?'); 0")
        page.wait_for_function("said.length === 2", timeout=10_000)
        (name, arguments), answer = page.evaluate("said")

    assert (name, json.loads(arguments)) == ("get_weather", {"city": "Rome"})
    assert answer == "It is sunny in Rome, 18 degrees."


def test_a_slow_function_in_the_example_holds_up_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    quick = "    return f"
    slow = f"    __import__('time').sleep(5)\n{quick}"
    assert quick in block("python")
    with talking(monkeypatch, tmp_path, block("python").replace(quick, slow)) as page:
        page.evaluate("call.sendText('What is the weather in Rome?'); 0")
        page.wait_for_function("said.length === 1", timeout=10_000)
        page.evaluate("call.sendText('Hello?'); 0")
        page.wait_for_function("said.length === 2", timeout=3_000)
        assert "Rome" not in page.evaluate("said")[1]  # the function is still at it
