"""The demo's backend, with the local service over real WebRTC: what the page gets, and what the
model gets when a tool is not what it should be."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs
import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

import httpx2
from websockets.exceptions import InvalidStatus

from support.caller import Caller, calling, offer
from support.hop import serving, tell, visiting
from support.local import MISSING, Parrot, run, said
from talkwire_io.demo.app import Demo, create_app
from talkwire_io.demo.tools import TOOLS
from talkwire_io.local.blueprint import realtime_blueprint
from talkwire_io.local.calls import Calls
from talkwire_io.local.voice import CallTool, Reply, Say, Turn
from talkwire_io.openai import OpenAI
from talkwire_io.tools import Tools, tool

released = threading.Event()


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
def broken() -> str:
    """Fail."""
    raise ZeroDivisionError("secret inside")


@tool
def leaving() -> str:
    """Fail worse."""
    raise SystemExit(1)


@tool(timeout_s=0.3)
async def endless() -> str:
    """Never return."""
    await asyncio.Event().wait()
    return "never"


@tool(timeout_s=0.3)
def stuck() -> str:
    """Never return, in a thread."""
    released.wait(20)
    return "late"


@tool(timeout_s=600)
async def patient() -> str:
    """Take ten minutes."""
    await asyncio.Event().wait()
    return "never"


@tool
def huge() -> str:
    """Say too much."""
    return "x" * 1_000_000


@tool
def unspeakable() -> object:
    """Return what is not JSON."""
    return object()


BAD_TOOLS = Tools([add, broken, leaving, endless, stuck, patient, huge, unspeakable])


def obey(turn: Turn) -> Reply:
    """A brain that does what it is told: "NAME ARGUMENTS" calls, a result is read out."""
    last = turn.items[-1]
    if last["type"] == "function_call_output":
        return [Say(f"It says: {last['output']}")]
    name, _, arguments = said(turn).partition(" ")
    return [CallTool(name, arguments)]


@attrs.define
class Stage:
    """A demo that is being served."""

    demo: Demo
    calls: Calls
    brain: Parrot
    http: httpx2.AsyncClient
    port: int

    def caller(self) -> AbstractAsyncContextManager[Caller]:
        """A page with its call open."""
        return calling(self.port)


@contextlib.asynccontextmanager
async def staged(tools: Tools = BAD_TOOLS, **about: Any) -> AsyncIterator[Stage]:
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    brain = Parrot(obey)
    calls = Calls(MISSING, brain)
    about = {"name": "local"} | about
    async with (
        OpenAI("local", base_url=f"{url}/v1") as service,
        httpx2.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        fields: dict[str, Any] = {"service": service, "model": "gpt-realtime", "tools": tools}
        demo = Demo(**fields | about)
        app = create_app(demo)
        app.register_blueprint(realtime_blueprint(calls))
        async with serving(app, listener) as port:
            try:
                yield Stage(demo, calls, brain, http, port)
            finally:
                await demo.say_goodbye()
                await calls.close()


# What is served.


def test_every_answer_carries_the_strict_policy() -> None:
    async def main() -> None:
        async with staged() as stage:
            for path in ("/", "/page/page.js", "/demo/status", "/talkwire.js", "/nothing-here"):
                reply = await stage.http.get(path)
                assert reply.status_code == (404 if path == "/nothing-here" else 200), path
                policy = reply.headers["Content-Security-Policy"]
                assert policy.startswith("default-src 'none'; script-src 'self'; ")
                assert "unsafe" not in policy and "*" not in policy
                assert "frame-ancestors 'none'" in policy
                assert "openai" not in policy
                assert reply.headers["Permissions-Policy"] == "microphone=(self)"
                assert reply.headers["Referrer-Policy"] == "no-referrer"
                assert reply.headers["X-Content-Type-Options"] == "nosniff"

    run(main())


def test_a_page_may_connect_to_its_backend_and_nowhere_else_s14() -> None:
    async def main() -> None:
        async with staged(name="openai") as stage:
            policy = (await stage.http.get("/")).headers["Content-Security-Policy"]
            [allowed] = [each for each in policy.split("; ") if each.startswith("connect-src")]
            assert allowed.split() == ["connect-src", "'self'"]

    run(main())


def test_the_status_is_what_the_page_reads() -> None:
    async def main() -> None:
        about = {"brain_notice": "A demo brain.", "voice_ok": False, "voice_message": "pip …"}
        async with staged(TOOLS, **about) as stage:
            status = (await stage.http.get("/demo/status")).json()
            assert set(status) == {"service", "brain", "voice", "tools", "try"}
            assert status["service"] == "local"
            assert status["brain"] == "A demo brain."
            assert status["voice"] == {"ok": False, "message": "pip …"}
            assert [set(each) for each in status["tools"]] == [{"name", "description"}] * 3
            assert all(each["description"] for each in status["tools"])
            assert status["try"] and all(isinstance(each, str) for each in status["try"])

    run(main())


def test_a_page_of_another_origin_is_refused() -> None:
    async def main() -> None:
        async with staged() as stage:
            for origin in (None, "http://evil.example"):
                with pytest.raises(InvalidStatus) as refused:
                    async with visiting(stage.port, origin=origin):
                        pass
                assert refused.value.response.status_code == 403

    run(main())


# Tools, over real WebRTC.


def test_a_typed_question_is_answered_with_a_tool() -> None:
    async def main() -> None:
        async with staged() as stage, stage.caller() as caller:
            assert await caller.ask('add {"a":2,"b":3}') == "It says: 5"
            turn = stage.brain.turns[0]
            assert [each["name"] for each in turn.tools] == [
                each["name"] for each in BAD_TOOLS.definitions
            ]

    run(main())


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("broken", "The tool broken failed."),
        ("leaving", "The tool leaving failed."),
        ("endless", "The tool endless did not answer within 0.3 seconds."),
        ("stuck", "The tool stuck did not answer within 0.3 seconds."),
        ("huge", "The result of huge is too large (1000000 bytes, at most 32768)."),
        ("unspeakable", "The tool unspeakable returned what cannot be sent."),
        ("nonesuch {}", "There is no tool of that name: nonesuch"),
        ("add {", "The arguments are not valid JSON."),
        ('add {"a":1}', "The arguments do not fit the parameters of add: "),
    ],
)
def test_whatever_is_wrong_with_a_tool_the_model_gets_an_answer_and_goes_on(
    told: str, why: str
) -> None:
    async def main() -> None:
        async with staged() as stage, stage.caller() as caller:
            answer = await caller.ask(told)
            assert answer.startswith('It says: {"error":"' + why)
            assert "secret inside" not in answer
            assert await caller.ask('add {"a":2,"b":3}') == "It says: 5"

    released.clear()
    try:
        run(main())
    finally:
        released.set()


def test_a_slow_tool_holds_up_nothing_else() -> None:
    async def main() -> None:
        async with staged() as stage, stage.caller() as caller:
            await caller.hop.say({"type": "talkwire.text", "text": "patient"})
            await caller.peer.wait_for("response.done")
            assert await caller.ask('add {"a":2,"b":3}') == "It says: 5"

    run(main())


# Ends.


@pytest.mark.parametrize("busy", [False, True])
def test_a_page_that_vanishes_ends_its_call_within_two_seconds(busy: bool) -> None:
    """Only its websocket: as far as the service knows, the call is fine until it is hung up."""

    begun = asyncio.Event()

    @tool(timeout_s=600)
    async def patient() -> str:
        """Take ten minutes."""
        begun.set()
        await asyncio.Event().wait()
        return "never"

    async def main() -> None:
        async with staged(Tools([add, patient])) as stage, stage.caller() as caller:
            await caller.ask('add {"a":2,"b":3}')
            if busy:
                await caller.hop.say({"type": "talkwire.text", "text": "patient"})
                await begun.wait()
            assert len(stage.calls) == 1
            caller.hop.socket.transport.abort()
            async with asyncio.timeout(2):
                await stage.calls.ended(caller.peer.call_id)
                await caller.peer.closed.wait()
            assert len(stage.calls) == 0

    run(main())


def test_what_was_typed_last_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with staged() as stage:
            async with stage.caller() as caller:
                # One message, so that the call is over when the text comes to be handled.
                await caller.hop.say(
                    tell(type="talkwire.text", text="Bye!"),
                    tell(type="talkwire.bye", code="hangup", message=""),
                )
                async with asyncio.timeout(2):
                    await stage.calls.ended(caller.peer.call_id)

    run(main())
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


def test_goodbye_is_said_to_every_page() -> None:
    async def main() -> None:
        async with staged() as stage, stage.caller() as one, stage.caller() as other:
            for caller in (one, other):
                await caller.ask('add {"a":2,"b":3}')
            await stage.demo.say_goodbye()
            async with asyncio.timeout(2):
                for caller in (one, other):
                    await caller.hop.socket.wait_closed()
                    await stage.calls.ended(caller.peer.call_id)
            for caller in (one, other):
                assert caller.last is not None and caller.last["code"] == "ended"
            await stage.demo.say_goodbye()  # to nobody

    run(main())


def test_a_service_that_refuses_is_one_line_in_the_log_and_a_word_to_the_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with OpenAI("sk-proj-abcDEF_123", base_url="http://127.0.0.1:9/v1") as nobody:
            async with staged(service=nobody) as stage, visiting(stage.port) as hop:
                await offer(hop, "v=0")
                last, code = await hop.bye()
                assert (last["code"], code) == ("service_refused", 1000)
                assert last["message"] == "The voice service cannot be reached."

    run(main())
    [record] = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert record.getMessage().startswith("no answer from 127.0.0.1:9: ")
    assert record.exc_info is None
    assert "abcDEF" not in caplog.text
