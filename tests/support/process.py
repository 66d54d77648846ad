"""`talkwire …` as a person runs it: a process, its output, its exit status."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Sequence

import attrs

TALKWIRE = (sys.executable, "-m", "talkwire_io")
START_S = 30.0
"""Loading the voice takes 3 to 6 s on two cores; a busy machine may need more."""


def environment(**changed: str | None) -> dict[str, str]:
    merged = {**os.environ, "OPENAI_API_KEY": None, "OPENAI_BASE_URL": None, **changed}
    return {name: value for name, value in merged.items() if value is not None}


def refused(*arguments: str, **changed: str | None) -> tuple[int, str]:
    """Exit status and stderr of a run that ends by itself; nothing was served."""
    done = subprocess.run(
        [*TALKWIRE, *arguments],
        capture_output=True,
        text=True,
        timeout=START_S,
        env=environment(**changed),
    )
    assert "http://" not in done.stdout
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


@attrs.define
class Running:
    """A process that serves, and what it has said so far."""

    process: asyncio.subprocess.Process
    said: str = ""
    url: str = ""

    async def read_until(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        while (found := re.search(pattern, self.said)) is None:
            line = await self.process.stdout.readline()
            assert line, f"the process ended; it said {self.said!r} {await self.complaints()!r}"
            self.said += line.decode()
        return found

    async def complaints(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 5)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def get(self, path: str) -> tuple[int, str, str]:
        """Status, content type and body."""

        def fetch() -> tuple[int, str, str]:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
                return reply.status, reply.headers.get_content_type(), reply.read().decode()

        return await asyncio.to_thread(fetch)


@contextlib.asynccontextmanager
async def started(arguments: Sequence[str], **changed: str | None) -> AsyncIterator[Running]:
    """A command that runs; it is killed if it still does in the end."""
    process = await asyncio.create_subprocess_exec(
        *TALKWIRE,
        *arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**changed),
    )
    try:
        yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@contextlib.asynccontextmanager
async def served(
    arguments: Sequence[str], where: str, **changed: str | None
) -> AsyncIterator[Running]:
    """A command that serves, once it has said where: the pattern's first group is the URL."""
    async with started(arguments, **changed) as running, asyncio.timeout(START_S + 20):
        async with asyncio.timeout(START_S):
            match = await running.read_until(where)
        running.url = match[1]
        yield running
