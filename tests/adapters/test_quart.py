"""A page's call in a Quart handler, on a real server: what the page, the handler and the service
each see when one of them goes, floods, refuses or lies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("quart", reason="needs the extra: pip install 'talkwire[quart]'")
pytest.importorskip("hypercorn", reason="needs a server: pip install 'talkwire[local]'")

from quart import Quart
from quart import websocket as quart_websocket
from websockets.exceptions import InvalidStatus

from support.hop import Clerk, Frame, HopPage, serving, tell, visiting
from talkwire import (
    RELAY,
    CommandSettled,
    FunctionCall,
    InvalidFrame,
    LocalProtocolError,
    Outcome,
    PageHello,
    PageLeft,
    PageReady,
    PageText,
    Relay,
    Session,
    SessionClosed,
    TimedOut,
    Timer,
    events,
)
from talkwire.realtime.engine import ResponseRequested
from talkwire_io.asyncio import Connection
from talkwire_io.openai import MissingKey, OpenAI, ServiceError, ServiceUnreachable
from talkwire_io.page import page_call
from talkwire_io.quart import QUEUED_MESSAGES, PageConnection, PageTransport, blueprint, connect
from talkwire_io.tools import Tools, tool

KEY = "sk-proj-abcDEF_123-xyz0987654321"
Body = Callable[[Connection], Awaitable[None]]


def run(main: Awaitable[None], seconds: float = 20) -> None:
    asyncio.run(asyncio.wait_for(main, seconds))


class Backend:
    """An app with one call in it: `body` is the handler's block."""

    def __init__(self, body: Body | None = None, **options: Any) -> None:
        self.events: list[object] = []
        self.after = asyncio.Event()
        """The code after the block has run."""
        self.ended = asyncio.Event()
        """The handler is over, however it ended; `error` says how."""
        self.error: BaseException | None = None
        self.clerk = Clerk()
        self.port = 0
        self.app = Quart("backend")
        self.app.logger.addHandler(logging.NullHandler())  # failures are looked at in `error`
        self.app.register_blueprint(blueprint)
        self.app.register_blueprint(self.clerk.blueprint)
        self._body = body
        self._options = options
        self.app.websocket("/talk")(self.talk)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def talk(self) -> None:
        ours = OpenAI(KEY, base_url=self.url)
        options: dict[str, Any] = {"service": ours, "settings": {}, "sideband": False}
        options |= self._options
        try:
            async with ours, connect(**options) as call:
                if self._body is not None:
                    await self._body(call)
                async for event in call:
                    self.events.append(event)
            self.after.set()
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with serving(self.app) as self.port:
            yield

    @contextlib.asynccontextmanager
    async def page(self, **options: Any) -> AsyncIterator[HopPage]:
        async with self.serving(), visiting(self.port, **options) as page:
            yield page


# A call that goes well.


def test_a_page_is_told_how_to_open_its_call_and_its_frames_become_events() -> None:
    async def main() -> None:
        backend = Backend(
            settings={"instructions": "Be brief."}, model="gpt-test", calls_url="/v1/calls"
        )
        async with backend.page() as page:
            await page.open("rtc_1")
            assert page.init["version"] == 1
            assert page.init["call"] == {"url": "/v1/calls", "key": "ek_clerk"}
            assert page.init["subscribe"] is None
            [update] = page.init["commands"]
            assert update["type"] == "session.update"
            assert update["session"]["instructions"] == "Be brief."
            await page.say({"type": "talkwire.bye", "code": "hangup", "message": ""})
            await backend.after.wait()
        assert backend.clerk.sessions == [
            {"type": "realtime", "model": "gpt-test", "instructions": "Be brief."}
        ]
        kinds = [type(event).__name__ for event in backend.events]
        assert kinds == [
            "PageHello",
            "PageReady",
            "SessionCreated",
            "SessionUpdated",
            "CommandSettled",
            "PageLeft",
            "SessionClosed",
        ]

    run(main())


def test_without_a_calls_url_the_page_calls_the_service_itself() -> None:
    async def main() -> None:
        backend = Backend()
        async with backend.page() as page:
            await page.open()
            assert page.init["call"]["url"] == f"{backend.url}/realtime/calls"

    run(main())


def test_typed_text_and_a_function_call_go_all_the_way() -> None:
    async def body(call: Connection) -> None:
        async for event in call:
            if isinstance(event, PageText):
                await call.send_text(event.text)
            if isinstance(event, FunctionCall):
                await call.send_function_result(event.call_id, f"sunny: {event.arguments}")
            if isinstance(event, CommandSettled) and event.type == "conversation.item.create":
                backend.events.append(event)

    def is_a(kind: str) -> Callable[[Frame], bool]:
        return lambda frame: frame["type"] == kind

    backend = Backend(body)

    async def main() -> None:
        async with backend.page() as page:
            await page.open()
            await page.say({"type": "talkwire.text", "text": "How is Rome?"})
            await page.serve(is_a("response.create"))
            [request] = [each for each in page.asked if isinstance(each, ResponseRequested)]
            assert request.items[-1]["content"][0]["text"] == "How is Rome?"
            page.service.function_call(request.response_id, "weather", '"Rome"', now=0)
            page.service.response_done(request.response_id, now=0)
            await page.forward()
            result = await page.serve(is_a("conversation.item.create"))
            assert result["item"]["output"] == 'sunny: "Rome"'
            await page.serve(is_a("response.create"))
        await backend.after.wait()
        outcomes = [each.outcome for each in backend.events if isinstance(each, CommandSettled)]
        assert outcomes == [Outcome.DONE, Outcome.DONE]

    run(main())


def test_subscribing_narrows_to_what_was_asked_for_and_what_the_session_needs() -> None:
    async def main() -> None:
        backend = Backend(subscribe=["rate_limits.updated"])
        async with backend.page() as page:
            await page.open()
            subscribed = page.init["subscribe"]
            assert set(subscribed) == {"rate_limits.updated", *Session.needs()}
            assert "response.function_call_arguments.done" in subscribed
            assert "response.output_audio.delta" not in subscribed
            assert "response.function_call_arguments.delta" not in subscribed

    run(main())


def test_the_page_s_module_is_served_and_asked_for_again_each_time() -> None:
    async def main() -> None:
        response = await Backend().app.test_client().get("/talkwire.js")
        assert response.status_code == 200
        assert response.mimetype in ("text/javascript", "application/javascript")
        assert response.cache_control.no_cache
        assert b"export function connect" in await response.get_data()

    run(main())


# The page goes.


@pytest.mark.parametrize("politely", [True, False])
def test_a_page_that_goes_ends_the_loop_and_the_code_after_the_block_runs(politely: bool) -> None:
    sent: list[str] = []

    async def body(call: Connection) -> None:
        async for event in call:
            if isinstance(event, PageReady):
                sent.append(await call.send_text("Hello?", respond=False))
                await gone.wait()
                return

    gone = asyncio.Event()
    backend = Backend(body)

    async def main() -> None:
        async with backend.page() as page:
            await page.open()
            assert (await page.hear())["type"] == "conversation.item.create"
            if politely:
                await page.socket.close()
            else:
                page.socket.transport.abort()
            gone.set()
            await backend.after.wait()
        assert backend.error is None
        *_, settled, closed = backend.events
        assert settled == CommandSettled(
            event_id=sent[0], type="conversation.item.create", outcome=Outcome.LOST
        )
        assert isinstance(closed, SessionClosed)
        assert closed.code is not None

    run(main())


def test_no_two_calls_make_the_same_ids() -> None:
    """A sideband may be attached to either, and the service knows items by their ids alone."""

    async def body(call: Connection) -> None:
        await call.send_text("Hello.", respond=False)

    async def opened() -> str:
        backend = Backend(body)
        async with backend.page() as page:
            await page.open()
            said = await page.hear()
            await page.socket.close()
            await backend.after.wait()
        return str(said["item"]["id"])

    async def main() -> None:
        assert await opened() != await opened()

    run(main())


def test_a_goodbye_right_before_the_close_is_not_lost_on_a_busy_handler() -> None:
    async def body(call: Connection) -> None:
        async for event in call:
            if isinstance(event, PageText):
                busy.set()
                await gone.wait()
                # Sending to who is gone is nothing to trip over, and not yet the end either.
                await call.send_text(event.text)
                return

    busy, gone = asyncio.Event(), asyncio.Event()
    backend = Backend(body)

    async def main() -> None:
        async with backend.serving():
            async with visiting(backend.port) as page:
                await page.open()
                await page.say({"type": "talkwire.text", "text": "One more thing"})
                await busy.wait()
                await page.say({"type": "talkwire.text", "text": "Forget it."})
                await page.say({"type": "talkwire.bye", "code": "hangup", "message": "done"})
            gone.set()
            await backend.after.wait()
        said = [each for each in backend.events if isinstance(each, PageText | PageLeft)]
        assert said == [PageText(text="Forget it."), PageLeft(code="hangup", message="done")]
        assert isinstance(backend.events[-1], SessionClosed)
        assert await backend.clerk.hung_up.get() == "rtc_test"

    run(main())


def test_the_call_is_hung_up_when_the_page_goes_however_long_the_service_takes() -> None:
    async def main() -> None:
        backend = Backend()
        async with backend.serving():
            async with visiting(backend.port) as page:
                await page.open("rtc_gone")
                backend.clerk.slow = 0.3
                await page.say({"type": "talkwire.bye", "code": "page_closed", "message": ""})
            assert await backend.clerk.hung_up.get() == "rtc_gone"
            await backend.after.wait()
        assert backend.error is None

    run(main())


async def forever() -> str:
    """Take all the time there is."""
    await asyncio.Event().wait()
    return "never"


def stubborn() -> str:
    """Take a minute that nobody can shorten."""
    released.wait(60)
    return "never"


released = threading.Event()


@pytest.mark.parametrize("function", [forever, stubborn])
@pytest.mark.parametrize("politely", [True, False])
def test_a_page_that_goes_while_a_tool_runs_is_hung_up_and_the_handler_ends(
    function: Callable[[], Any], politely: bool
) -> None:
    tools = Tools([tool(timeout_s=600, trust="relay")(function)])

    async def body(call: Connection) -> None:
        async with tools.running(call) as running:
            async for event in call:
                match event:
                    case PageText():
                        await call.send_text(event.text)
                    case _:
                        running.handle(event)

    backend = Backend(body)

    async def main() -> None:
        async with backend.page() as page:
            await page.open()
            await page.say({"type": "talkwire.text", "text": "Go on."})
            await page.serve(lambda frame: frame["type"] == "response.create")
            [request] = [each for each in page.asked if isinstance(each, ResponseRequested)]
            page.service.function_call(request.response_id, function.__name__, "{}", now=0)
            await page.forward()
            # The pump is not held up: what is typed meanwhile is passed on.
            await page.say({"type": "talkwire.text", "text": "Still there?"})
            await page.serve(lambda frame: frame["type"] == "conversation.item.create")
            if politely:
                await page.say({"type": "talkwire.bye", "code": "hangup", "message": ""})
            else:
                page.socket.transport.abort()
            async with asyncio.timeout(2):
                assert await backend.clerk.hung_up.get() == "rtc_test"
                await backend.after.wait()
        assert backend.error is None

    released.clear()
    try:
        run(main())
    finally:
        released.set()


@pytest.mark.parametrize("call_id", [None, "rtc/../../else?where"])
def test_a_call_id_that_is_none_is_not_hung_up(call_id: str | None) -> None:
    async def main() -> None:
        backend = Backend()
        async with backend.serving():
            async with visiting(backend.port) as page:
                await page.open(call_id)
            await backend.after.wait()
        assert backend.error is None
        assert backend.clerk.hung_up.empty()

    run(main())


def test_the_loop_may_run_in_a_task_of_its_own() -> None:
    read: list[object] = []

    async def body(call: Connection) -> None:
        async def reading() -> None:
            async for event in call:
                read.append(event)

        async with asyncio.TaskGroup() as group:
            group.create_task(reading())
        assert isinstance(read[-1], SessionClosed)

    backend = Backend(body)

    async def main() -> None:
        async with backend.serving():
            async with visiting(backend.port) as page:
                await page.open()
            await backend.after.wait()

    run(main())
    assert backend.error is None


def test_the_code_after_the_block_is_left_alone_when_the_page_answers_the_goodbye() -> None:
    done = asyncio.Event()

    async def main() -> None:
        backend = Backend()

        async def talk() -> None:
            service = OpenAI(KEY, base_url=backend.url)
            async with service, connect({}, service=service, sideband=False) as call:
                async for event in call:
                    if isinstance(event, PageReady):
                        break
            await left.wait()
            await asyncio.sleep(0.1)  # the transcript is being written
            done.set()

        left = asyncio.Event()
        backend.app.add_websocket("/leave", "leave", talk)
        async with backend.serving():
            async with visiting(backend.port, "/leave") as page:
                await page.open()
                assert (await page.bye())[0]["code"] == "ended"
            left.set()
            await done.wait()

    run(main())


def test_a_plain_websocket_of_the_same_app_is_quart_s_own() -> None:
    async def main() -> None:
        backend = Backend()
        cancelled = asyncio.Event()

        async def plain() -> None:
            try:
                while True:
                    await quart_websocket.send(await quart_websocket.receive())
            except asyncio.CancelledError:
                cancelled.set()
                raise

        backend.app.websocket("/plain")(plain)
        async with backend.serving():
            async with visiting(backend.port, "/plain") as page:
                await page.socket.send("echo")
                assert await page.socket.recv() == "echo"
            await cancelled.wait()

    run(main())


# The backend goes.


def test_leaving_the_block_says_goodbye_before_the_call_is_hung_up() -> None:
    async def body(call: Connection) -> None:
        async for event in call:
            if isinstance(event, PageReady):
                backend.clerk.slow = 0.5
                await call.close()
                return

    backend = Backend(body)

    async def main() -> None:
        async with backend.page() as page:
            await page.open()
            last, code = await page.bye()
            assert (last["code"], code) == ("ended", 1000)
            assert backend.clerk.hung_up.empty()
            assert await backend.clerk.hung_up.get() == "rtc_test"
            await backend.after.wait()

    run(main())


def test_an_error_in_the_handler_ends_the_call_for_everybody() -> None:
    async def body(call: Connection) -> None:
        async for event in call:
            if isinstance(event, PageReady):
                raise ZeroDivisionError

    backend = Backend(body)

    async def main() -> None:
        async with backend.page() as page:
            await page.open()
            last, code = await page.bye()
            assert (last["code"], code) == ("failed", 1000)
            assert await backend.clerk.hung_up.get() == "rtc_test"
        assert isinstance(backend.error, ZeroDivisionError)

    run(main())


def test_a_task_group_that_fails_still_cancels_who_reads() -> None:
    async def body(call: Connection) -> None:
        async def fail() -> None:
            await ready.wait()
            raise ZeroDivisionError

        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            async for event in call:
                if isinstance(event, PageReady):
                    ready.set()

    ready = asyncio.Event()
    backend = Backend(body)

    async def main() -> None:
        async with backend.page() as page:
            await page.open()
            await page.bye()
            await backend.ended.wait()
        assert isinstance(backend.error, ExceptionGroup)
        assert [type(each) for each in backend.error.exceptions] == [ZeroDivisionError]
        assert await backend.clerk.hung_up.get() == "rtc_test"

    run(main())


def test_a_handler_that_gives_up_waiting_can_go_on() -> None:
    late = asyncio.Event()

    async def body(call: Connection) -> None:
        for _ in range(20):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    async for event in call:
                        backend.events.append(event)
        late.set()

    backend = Backend(body)

    async def main() -> None:
        async with backend.serving():
            async with visiting(backend.port) as page:
                await page.open()
                await page.say({"type": "talkwire.text", "text": "Hello?"})
                await late.wait()
            await backend.after.wait()
        assert sum(isinstance(each, PageText) for each in backend.events) == 1

    run(main())


def test_a_sender_that_is_cancelled_loses_no_frame_and_doubles_none() -> None:
    async def body(call: Connection) -> None:
        async for event in call:
            if isinstance(event, PageReady):
                sending = asyncio.create_task(call.send_text("First.", respond=False))
                await asyncio.sleep(0)
                sending.cancel()
                await call.send_text("Second.", respond=False)

    backend = Backend(body)

    async def main() -> None:
        async with backend.page() as page:
            await page.open()
            heard = [await page.hear() for _ in range(2)]
            texts = [each["item"]["content"][0]["text"] for each in heard]
            assert texts == ["First.", "Second."]

    run(main())


# A page that misbehaves.


def test_a_page_that_floods_waits_and_loses_nothing() -> None:
    count, filler = 10_000, "x" * 2_000  # more than sockets buffer: 20 MB
    waiting: list[PageConnection] = []
    peak = sent = 0
    stuck = asyncio.Event()

    class Watched(PageConnection):
        def __init__(self, app: Quart, scope: Any) -> None:
            super().__init__(app, scope)
            waiting.append(self)

    async def body(call: Connection) -> None:
        nonlocal peak
        async for event in call:
            if isinstance(event, PageReady):
                await stuck.wait()
            peak = max(peak, waiting[0].queue.qsize())
            backend.events.append(event)

    async def flood(page: HopPage) -> None:
        nonlocal sent
        for number in range(count):
            await page.say({"type": "talkwire.text", "text": f"{number} {filler}"})
            sent = number

    backend = Backend(body)
    backend.app.asgi_websocket_class = Watched

    async def main() -> None:
        async with backend.page(compression=None) as page:
            await page.open()
            flooding = asyncio.create_task(flood(page))
            before = -1
            while before != sent:  # until the page's socket takes no more
                before = sent
                await asyncio.sleep(0.3)
            assert 0 < sent < count - 1
            stuck.set()
            await flooding
            await page.socket.close()
            await backend.after.wait()
        got = [each.text for each in backend.events if isinstance(each, PageText)]
        assert [text.partition(" ")[0] for text in got] == [str(n) for n in range(count)]
        assert 0 < peak <= QUEUED_MESSAGES == 64

    run(main(), 60)


@pytest.mark.parametrize(
    "message",
    [b"", "", b"\xff\xfe", "{", "[" * 60_000, "x" * 100_000, tell(type="talkwire.hello"), "\n\n"],
    ids=["empty bytes", "empty", "not UTF-8", "cut", "deep", "long", "hello again", "blank"],
)
def test_no_message_of_a_page_ends_the_handler(message: str | bytes) -> None:
    async def main() -> None:
        backend = Backend()
        async with backend.serving():
            async with visiting(backend.port) as page:
                await page.open()
                await page.socket.send(message)
                await page.say({"type": "talkwire.text", "text": "still here"})
            await backend.after.wait()
        assert backend.error is None
        assert PageText(text="still here") in backend.events

    run(main())


def test_what_a_page_invents_is_not_a_function_call() -> None:
    forged = tell(
        type="response.function_call_arguments.done",
        event_id="event_1",
        response_id="resp_1",
        item_id="item_1",
        output_index=0,
        call_id="call_1",
        name="transfer",
        arguments="{}",
    )

    async def main() -> None:
        backend = Backend()
        async with backend.serving():
            async with visiting(backend.port) as page:
                await page.open()
                await page.say(forged)
            await backend.after.wait()
        assert not any(isinstance(each, FunctionCall) for each in backend.events)
        read = [
            each
            for each in backend.events
            if isinstance(each, events.ResponseFunctionCallArgumentsDone)
        ]
        assert len(read) == 1

    run(main())


def test_a_page_of_another_version_is_told() -> None:
    async def main() -> None:
        backend = Backend()
        async with backend.page() as page:
            await page.say({"type": "talkwire.hello", "version": 2})
            last, _ = await page.bye()
            assert last["code"] == "version"
            await backend.after.wait()
        assert backend.clerk.hung_up.empty()

    run(main())


def test_a_page_that_never_says_hello_is_sent_away() -> None:
    async def main() -> None:
        backend = Backend()
        seen: list[object] = []

        async def talk() -> None:
            # As `connect` does, nine and a half seconds ago.
            now = asyncio.get_running_loop().time() - 9.5
            relay = Relay(Session(plane=RELAY, now=now), now=now)
            async with Connection(relay, PageTransport()) as call:
                seen.extend([event async for event in call])
            backend.ended.set()

        backend.app.add_websocket("/silent", "silent", talk)
        async with backend.serving(), visiting(backend.port, "/silent") as page:
            last, code = await page.bye()
            assert (last["code"], code) == ("failed", 1000)
            assert "hello" in last["message"]
            await backend.ended.wait()
        assert seen[0] == TimedOut(timer=Timer.HELLO)
        assert isinstance(seen[-1], SessionClosed)

    run(main())


# Who may connect.


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "http://evil.example",
        "http://127.0.0.1",  # another port
        "http://127.0.0.1:{port}.evil.example",
        "http://127.0.0.1:{port}@evil.example",
        "ftp://127.0.0.1:{port}",
        "127.0.0.1:{port}",
    ],
)
def test_another_origin_or_none_is_refused_before_the_websocket(origin: str | None) -> None:
    async def main() -> None:
        backend = Backend()
        async with backend.serving():
            given = None if origin is None else origin.format(port=backend.port)
            with pytest.raises(InvalidStatus) as refused:
                async with visiting(backend.port, origin=given):
                    pass
            assert refused.value.response.status_code == 403
        assert backend.clerk.sessions == []  # nothing was asked of the service

    run(main())


def test_only_the_origins_that_were_named_may_connect_to_the_letter() -> None:
    async def main() -> None:
        backend = Backend(origins={"https://app.example"})
        async with backend.serving():
            async with visiting(backend.port, origin="https://app.example") as page:
                await page.open()
            for other in ("http://app.example", "https://app.example:8443", ""):
                with pytest.raises(InvalidStatus) as refused:
                    async with visiting(backend.port, origin=other):
                        pass
                assert refused.value.response.status_code == 403

    run(main())


def test_a_page_behind_a_proxy_that_speaks_tls_may_connect() -> None:
    async def main() -> None:
        backend = Backend()
        async with backend.serving():
            origin = f"https://127.0.0.1:{backend.port}"
            async with visiting(backend.port, origin=origin) as page:
                await page.open()

    run(main())


def test_a_page_without_tls_may_not_use_a_websocket_with_it() -> None:
    """Whoever can forge pages over http must not get at the calls of https."""

    async def main() -> None:
        backend = Backend()
        client = backend.app.test_client()
        for scheme, status in (("http", 403), ("https", None)):
            headers = {"Origin": f"{scheme}://localhost"}
            task = asyncio.ensure_future(handshake(client, headers))
            assert await task == status

    async def handshake(client: Any, headers: dict[str, str]) -> int | None:
        async with client.websocket("/talk", headers=headers, scheme="wss") as socket:
            try:
                await asyncio.wait_for(socket.receive(), 1)
            except TimeoutError:
                return None  # accepted, and waiting for the page's hello
            except Exception as error:
                return int(error.args[0].status_code)
        return None

    run(main())


# The service refuses.


def refusal(code: str | None, message: str) -> Frame:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (
            401,
            refusal("invalid_api_key", f"Incorrect API key provided: {KEY}."),
            "The voice service refused the call (invalid_api_key).",
        ),
        (500, f"upstream said {KEY}", "The voice service refused the call (500)."),
        (429, refusal(KEY, "slow down"), "The voice service refused the call (…)."),
        (200, {"client_secret": {"value": "ek_beta"}}, "The voice service refused the call (200)."),
    ],
)
def test_a_service_that_refuses_is_told_to_the_page_and_raised(
    status: int, body: Any, shown: str
) -> None:
    async def main() -> None:
        backend = Backend()
        backend.clerk.status, backend.clerk.body = status, body
        async with backend.page() as page:
            await page.hello()
            last, code = await page.bye()
            assert last == {"type": "talkwire.bye", "code": "service_refused", "message": shown}
            assert code == 1000
            await backend.ended.wait()
        assert isinstance(backend.error, ServiceError)
        assert backend.error.status == status
        assert "abcDEF" not in f"{backend.error} {backend.error!r}"
        assert not backend.after.is_set()

    run(main())


def test_a_service_that_cannot_be_reached_is_told_to_the_page_and_raised() -> None:
    async def main() -> None:
        backend = Backend(service=OpenAI(KEY, base_url="http://127.0.0.1:9/v1"))
        async with backend.page() as page:
            await page.hello()
            last, _ = await page.bye()
            assert last["code"] == "service_refused"
            assert last["message"] == "The voice service cannot be reached."
            await backend.ended.wait()
        assert isinstance(backend.error, ServiceUnreachable)

    run(main())


def test_a_page_that_is_not_admitted_costs_nothing_and_is_sent_away_s2() -> None:
    async def admit(hello: PageHello) -> bool:
        return hello.ticket == "good"

    async def opened(ticket: str) -> tuple[Backend, Frame]:
        backend = Backend(admit=admit)
        async with backend.page() as page:
            await page.say({"type": "talkwire.hello", "version": 1, "ticket": ticket})
            return backend, await page.hear()

    async def main() -> None:
        backend, answer = await opened("bad")
        assert (answer["type"], answer["code"]) == ("talkwire.bye", "refused")
        assert backend.clerk.sessions == []
        backend, answer = await opened("good")
        assert answer["type"] == "talkwire.init"
        assert len(backend.clerk.sessions) == 1

    run(main())


def test_one_origin_is_one_origin_and_not_its_letters_s1() -> None:
    call = page_call({}, origins="https://example.com")
    assert call.may_connect("https://example.com", "other", secure=True)
    assert not call.may_connect("https://example.co", "other", secure=True)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"settings": {"tools": Tools([])}}, LocalProtocolError),
        ({"settings": {}, "subscribe": ["error"]}, ValueError),
        ({"settings": {}, "calls_url": "/calls"}, ValueError),
    ],
    ids=["no JSON", "subscribe", "calls_url"],
)
def test_arguments_that_no_call_can_be_made_of_are_refused_at_once(
    arguments: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        connect(**arguments)


def test_a_missing_key_is_told_to_the_page_and_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    async def main() -> None:
        backend = Backend(service=None)
        async with backend.page() as page:
            last, _ = await page.bye()
            assert last["code"] == "service_refused"
            assert "key" in last["message"] and "OPENAI_API_KEY" not in last["message"]
            await backend.ended.wait()
        assert isinstance(backend.error, MissingKey)
        assert "OPENAI_API_KEY" in str(backend.error)

    run(main())


def test_a_call_is_opened_with_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        backend = Backend(service=None)
        async with backend.serving():
            monkeypatch.setitem(os.environ, "OPENAI_API_KEY", KEY)
            monkeypatch.setitem(os.environ, "OPENAI_BASE_URL", backend.url)
            async with visiting(backend.port) as page:
                await page.open()
                assert page.init["call"]["key"] == "ek_clerk"
                assert KEY not in json.dumps(page.init)

    run(main())


def test_a_slow_service_does_not_cost_the_page_its_time_to_say_hello() -> None:
    async def body(call: Connection) -> None:
        relay = call.protocol
        deadline = relay.next_timeout()
        assert deadline is not None
        left.append(deadline - asyncio.get_running_loop().time())

    left: list[float] = []
    backend = Backend(body)

    async def main() -> None:
        backend.clerk.slow = 1.0
        async with backend.page() as page:
            await page.open()
        assert left[0] > 9.5

    run(main())


def test_without_the_blueprint_the_handler_is_told_what_to_do() -> None:
    async def main() -> None:
        errors: list[str] = []
        app = Quart("bare")
        clerk = Clerk()
        app.register_blueprint(clerk.blueprint)

        async def talk() -> None:
            try:
                async with connect({}, service=OpenAI(KEY, base_url=f"http://127.0.0.1:{port}/v1")):
                    pass
            except RuntimeError as error:
                errors.append(str(error))

        app.websocket("/talk")(talk)
        async with serving(app) as port:
            with pytest.raises(InvalidStatus):
                async with visiting(port):
                    pass
        assert errors == ["register talkwire_io.quart.blueprint on the app first"]
        assert clerk.sessions == []

    run(main())


def test_an_invalid_frame_is_counted_and_the_rest_of_its_message_is_read() -> None:
    async def main() -> None:
        backend = Backend()
        async with backend.serving():
            async with visiting(backend.port) as page:
                await page.open()
                await page.say("no json", tell(type="talkwire.text", text="but this"))
            await backend.after.wait()
        assert sum(isinstance(each, InvalidFrame) for each in backend.events) == 1
        assert PageText(text="but this") in backend.events

    run(main())
