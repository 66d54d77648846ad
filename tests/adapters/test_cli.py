"""`talkwire demo` as a person runs it: a process, its output, its exit status."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import AbstractAsyncContextManager

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from support import process
from support.caller import calling, offer
from support.hop import visiting
from support.process import START_S, Running, refused, started

DEMO = ("demo", "--port", "0")

posix = pytest.mark.skipif(os.name != "posix", reason="signals")


def served(*arguments: str, **changed: str | None) -> AbstractAsyncContextManager[Running]:
    """The demo, once its page can be opened."""
    where = r"talkwire demo: (http://\S+:\d+)  \(ready"
    return process.served((*DEMO, *arguments), where, **changed)


@posix
def test_the_demo_serves_its_page_says_where_and_stops_cleanly() -> None:
    async def main() -> None:
        async with served() as running:
            assert running.url.startswith("http://localhost:")
            status, kind, page = await running.get("/")
            assert (status, kind) == (200, "text/html")
            assert "<button" in page
            for path in re.findall(r'(?:src|href)="(/[^"]+)"', page):
                assert (await running.get(path))[0] == 200, path
            status, kind, text = await running.get("/demo/status")
            assert (status, kind) == (200, "application/json")
            assert json.loads(text)["service"] == "local"
            assert await running.stop() == 0
            assert await running.complaints() == ""

    asyncio.run(main())


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_it_with_a_page_open_says_goodbye_to_the_page(number: signal.Signals) -> None:
    async def main() -> None:
        async with served() as running, calling(running.port) as page:
            stopping = asyncio.create_task(running.stop(number))
            async with asyncio.timeout(2):
                await page.hop.socket.wait_closed()
            assert page.last is not None
            assert (page.last["code"], page.hop.socket.close_code) == ("ended", 1000)
            assert await stopping == 0
            assert await running.complaints() == ""

    asyncio.run(main())


@posix
def test_with_openai_only_the_service_is_another() -> None:
    async def main() -> None:
        key = "sk-proj-abcDEF_123-xyz0987654321"
        nowhere = "http://127.0.0.1:9/v1"
        async with served("--openai", OPENAI_API_KEY=key, OPENAI_BASE_URL=nowhere) as running:
            assert "voice" not in running.said  # none is loaded
            status = json.loads((await running.get("/demo/status"))[2])
            assert status["service"] == "openai"
            assert status["brain"] is None
            async with visiting(running.port) as page:
                await offer(page, "v=0")
                last, _ = await page.bye()
                assert last["code"] == "service_refused"
                assert last["message"] == "The voice service cannot be reached."
            assert await running.stop() == 0
            complaints = await running.complaints()
            assert "no answer from 127.0.0.1:9" in complaints
            assert "Traceback" not in complaints
            assert "abcDEF" not in running.said + complaints

    asyncio.run(main())


@posix
def test_interrupting_it_while_it_loads_is_no_traceback() -> None:
    async def main() -> None:
        async with started(DEMO) as running, asyncio.timeout(START_S):
            await running.read_until("Loading")
            running.process.send_signal(signal.SIGINT)
            status = await running.process.wait()
            # Quick machines may have begun to serve.
            assert status in (130, 0)
            assert "Traceback" not in await running.complaints()

    asyncio.run(main())


def test_a_taken_port_is_said_with_a_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, words = refused("demo", "--port", str(port))
    assert status == 1
    assert words == f"talkwire: port {port} is taken; try: talkwire demo --port {port + 1}"


@pytest.mark.parametrize("port", ["65536", "-1"])
def test_a_number_that_is_no_port(port: str) -> None:
    assert refused("demo", "--port", port) == (1, f"talkwire: {port} is not a port: 0 to 65535")


def test_a_port_that_is_no_number() -> None:
    status, words = refused("demo", "--port", "http")
    assert status == 2
    assert "argument --port: invalid int value: 'http'" in words


def test_a_host_that_is_not_ours() -> None:
    status, words = refused("demo", "--host", "192.0.2.1", "--port", "0")
    assert status == 1
    assert words.startswith("talkwire: cannot listen on 192.0.2.1 port 0: ")


@pytest.mark.parametrize("key", [None, "", "sk-with a-space"])
def test_openai_without_a_key_says_what_to_set(key: str | None) -> None:
    status, words = refused("demo", "--openai", "--port", "0", OPENAI_API_KEY=key)
    assert status == 1
    assert words.startswith("talkwire: ") and "OPENAI_API_KEY" in words
    assert "with a-space" not in words
    assert "\n" not in words


def test_a_base_url_that_is_none_is_said() -> None:
    status, words = refused(
        "demo", "--openai", OPENAI_API_KEY="sk-test", OPENAI_BASE_URL="localhost"
    )
    assert status == 1
    assert words.startswith("talkwire: base_url is http(s)://host[:port][/path]")


@pytest.mark.parametrize("missing", ["aiortc", "quart"])
def test_a_missing_extra_is_said_with_the_command_that_installs_it(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None; sys.argv[0] = 'talkwire'\n"
        "from talkwire_io.cli import main; main(['demo', '--port', '0'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=START_S
    )
    assert done.returncode == 1
    assert done.stderr == f'talkwire: {missing} is missing: pip install "talkwire[demo]"\n'


def test_without_a_command_it_says_which_there_are() -> None:
    status, words = refused()
    assert status == 2
    assert "usage: " in words and "command" in words
