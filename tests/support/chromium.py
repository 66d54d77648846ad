"""A real Chromium for tests: found, started with a microphone of our choosing, and closed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NoReturn

import pytest
from playwright.sync_api import Browser, BrowserContext, Playwright, sync_playwright

__all__ = ["Browsers", "Microphone", "browsers", "chromium", "find_chromium"]

Microphone = Path | Literal["beeps", "denied", "missing"]

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--mute-audio",  # silences the machine, not what the page measures
    "--autoplay-policy=no-user-gesture-required",
)
ALLOW = "--use-fake-ui-for-media-stream"
DENY = "--deny-permission-prompts"
FAKE = "--use-fake-device-for-media-stream"


def find_chromium() -> str | None:
    """The path of a Chromium: ``TALKWIRE_BROWSER``, or the first known name on the PATH."""
    chosen = os.environ.get("TALKWIRE_BROWSER")
    return chosen or next((path for name in NAMES if (path := shutil.which(name))), None)


def _absent() -> NoReturn:
    reason = f"no Chromium: none of {', '.join(NAMES)} is on the PATH (or set TALKWIRE_BROWSER)"
    if os.environ.get("TALKWIRE_REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def _flags(microphone: Microphone, repeat: bool) -> list[str]:
    if microphone == "denied":
        return [*FLAGS, DENY, FAKE]
    if microphone == "missing":
        return [*FLAGS, ALLOW]
    if microphone == "beeps":
        return [*FLAGS, ALLOW, FAKE]
    heard = f"{microphone.resolve()}{'' if repeat else '%noloop'}"
    return [*FLAGS, ALLOW, FAKE, f"--use-file-for-fake-audio-capture={heard}"]


class Browsers:
    """Headless Chromiums, one per microphone (its flags are the process's), started when needed."""

    def __init__(self, playwright: Playwright, executable: str) -> None:
        self._playwright = playwright
        self._executable = executable
        self._running: dict[tuple[str, ...], Browser] = {}

    def context(
        self, microphone: Microphone = "beeps", *, repeat: bool = False, **options: Any
    ) -> BrowserContext:
        """A fresh context; see ``chromium`` for the arguments. Close it when done."""
        flags = tuple(_flags(microphone, repeat))
        if flags not in self._running:
            self._running[flags] = self._playwright.chromium.launch(
                executable_path=self._executable, headless=True, args=list(flags)
            )
        return self._running[flags].new_context(**options)

    def close(self) -> None:
        """Close every browser that was started."""
        for browser in self._running.values():
            browser.close()


@contextmanager
def browsers() -> Iterator[Browsers]:
    """Chromiums for a whole module of tests, which must then all be plain functions.

    Skips when there is no Chromium; fails under ``TALKWIRE_REQUIRE_BROWSER=1``.
    """
    executable = find_chromium() or _absent()
    with sync_playwright() as playwright:
        started = Browsers(playwright, executable)
        try:
            yield started
        finally:
            started.close()


@contextmanager
def chromium(
    microphone: Microphone = "beeps", *, repeat: bool = False, **options: Any
) -> Iterator[BrowserContext]:
    """A browser context in a headless Chromium of its own.

    ``microphone`` is a 16-bit PCM WAV to be heard once (or for ever, with ``repeat``), Chromium's
    own beeps, a microphone the user does not allow, or none at all. Further options go to
    playwright's ``Browser.new_context``. Skips and fails as ``browsers`` does.
    """
    with browsers() as started:
        yield started.context(microphone, repeat=repeat, **options)
