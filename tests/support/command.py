"""`talkwire …` as a process of its own, in the project's environment, whoever starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

PYTHON = os.environ.get("TALKWIRE_PYTHON", sys.executable)
"""A peer's environment has the peer in it, not all that the command needs."""


@frozen
class Served:
    """A running service."""

    url: str
    """Its origin: `http://HOST:PORT`."""
    process: subprocess.Popen[str]
    log: Path

    def wait_for(self, pattern: re.Pattern[str], seconds: float) -> None:
        assert within(seconds, lambda: pattern.search(self.log.read_text())), self.log.read_text()


def within(seconds: float, true: Callable[[], object]) -> bool:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@contextmanager
def serve(log: Path, *options: str, command: str = "demo", **environment: str) -> Iterator[Served]:
    """Run it on a free port until the block ends; it must then end well."""
    arguments = [PYTHON, "-m", "talkwire_io", command, "--verbose", "--port", "0", *options]
    with log.open("w") as out:
        process = subprocess.Popen(
            arguments, stdout=out, stderr=subprocess.STDOUT, text=True, env=os.environ | environment
        )
    address = re.compile(r"http://[\w.]+:\d+")
    try:
        assert within(60, lambda: address.search(log.read_text()) or process.poll() is not None)
        found = address.search(log.read_text())
        assert found, log.read_text()
        yield Served(found[0], process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        ended = process.wait(10)
    assert ended in (0, -signal.SIGKILL)
