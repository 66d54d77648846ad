"""A session with the service in one `async with`, on asyncio and on trio, over real sockets."""

from __future__ import annotations

import asyncio
import http
import json
import logging
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import pytest
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

import talkwire_io.trio_websockets
import talkwire_io.websockets
from talkwire import Dialect, Kind, SessionClosed, events
from talkwire.realtime.service import Service
from talkwire.replay import replay
from talkwire_io.dialing import dial
from talkwire_io.openai import (
    CallNotFound,
    KeyRefused,
    MissingKey,
    OpenAI,
    ServiceError,
    ServiceUnreachable,
)

KEY = "sk-proj-abcdefghijklmnop"
BRIEF = {"instructions": "Be brief."}
Connect = Callable[..., Any]


@attrs.frozen
class Way:
    """A runtime's `connect`, and how to run a script on it."""

    name: str
    connect: Connect

    def run(self, script: Callable[[], Awaitable[None]]) -> None:
        async def bounded() -> None:
            with anyio.fail_after(20):
                await script()

        anyio.run(bounded, backend=self.name)


WAYS = (
    Way("asyncio", talkwire_io.websockets.connect),
    Way("trio", talkwire_io.trio_websockets.connect),
)


@pytest.fixture(params=WAYS, ids=lambda way: way.name)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


class Refusing:
    """A websocket server in a thread. It answers handshakes with `refusals` first, one each, and
    then holds a session; `close_with` ends one as soon as its configuration has come."""

    def __init__(self) -> None:
        self.refusals: list[Response] = []
        self.requests: list[Request] = []
        self.frames: list[dict[str, Any]] = []
        self.close_with: tuple[int, str] | None = None
        self.says: list[dict[str, Any]] = []
        self.server: Server = serve(
            self._hold,
            "127.0.0.1",
            0,
            process_request=self._greet,
            logger=logging.getLogger("test.server"),
        )
        self.thread = threading.Thread(target=self.server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.socket.getsockname()[1]}/v1"

    def refuse(self, status: int, body: Any = None, **headers: str) -> None:
        said = body if isinstance(body, str) else json.dumps(body)
        reason = http.HTTPStatus(status).phrase
        self.refusals.append(Response(status, reason, Headers(**headers), said.encode()))

    def _greet(self, connection: ServerConnection, request: Request) -> Response | None:
        self.requests.append(request)
        return self.refusals.pop(0) if self.refusals else None

    def _hold(self, connection: ServerConnection) -> None:
        service = Service(now=0.0)
        try:
            while True:
                for frame in iter(service.next_frame, None):
                    connection.send(frame)
                message = str(connection.recv())
                self.frames.append(json.loads(message))
                service.receive(message, now=0.0)
                for said in self.says:
                    connection.send(json.dumps(said))
                if self.close_with is not None:
                    connection.close(*self.close_with)
        except ConnectionClosed:
            pass

    def __enter__(self) -> Refusing:
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    with Refusing() as running:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", running.url)
        yield running


def refusal(code: str, message: str) -> dict[str, Any]:
    return {"error": {"type": "invalid_request_error", "code": code, "message": message}}


def opened(way: Way, **options: Any) -> list[object]:
    """The events up to the configuration's confirmation."""
    seen: list[object] = []

    async def script() -> None:
        async with way.connect(BRIEF, **options) as call:
            async for event in call:
                seen.append(event)
                if isinstance(event, events.SessionUpdated):
                    break

    way.run(script)
    return seen


def refused(way: Way, error: type[Exception], **options: Any) -> Any:
    with pytest.raises(error) as raised:
        opened(way, **options)
    assert raised.type is error
    assert KEY not in "".join(map(str, (raised.value, repr(raised.value), raised.value.args)))
    return raised.value


# What goes out.


def test_a_session_of_ones_own_is_opened_and_configured_first(way: Way, server: Refusing) -> None:
    created, updated = opened(way, safety_identifier="u-5f1e")
    assert isinstance(created, events.SessionCreated)
    assert isinstance(updated, events.SessionUpdated)
    assert json.loads(bytes(updated.session))["instructions"] == "Be brief."
    [request] = server.requests
    assert request.path == "/v1/realtime?model=gpt-realtime"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["OpenAI-Safety-Identifier"] == "u-5f1e"
    assert "OpenAI-Beta" not in request.headers
    assert [frame["type"] for frame in server.frames] == ["session.update"]


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"model": "gpt-realtime-mini"}, "/v1/realtime?model=gpt-realtime-mini"),
        ({"call_id": "rtc_u0_abc"}, "/v1/realtime?call_id=rtc_u0_abc"),
        ({"kind": Kind.TRANSCRIPTION}, "/v1/realtime?intent=transcription"),
        ({"kind": Kind.TRANSLATION, "model": "m"}, "/v1/realtime/translations?model=m"),
    ],
)
def test_what_is_opened_decides_the_address(
    way: Way, server: Refusing, options: dict[str, Any], path: str
) -> None:
    server.close_with = (1000, "")

    async def script() -> None:
        async with way.connect({}, **options) as call:
            assert call.session.plane.carries_audio is ("call_id" not in options)
            assert [event async for event in call]

    way.run(script)
    assert [request.path for request in server.requests] == [path]


def test_the_old_dialect_says_so(way: Way, server: Refusing) -> None:
    server.close_with = (1000, "")

    async def script() -> None:
        async with way.connect(BRIEF, dialect=Dialect.BETA) as call:
            assert [event async for event in call]

    way.run(script)
    assert server.requests[0].headers["OpenAI-Beta"] == "realtime=v1"
    assert "type" not in server.frames[0]["session"]


def test_a_service_and_a_key_may_be_given(way: Way, server: Refusing) -> None:
    opened(way, api_key="sk-another-key-of-mine")
    opened(way, service=OpenAI("sk-a-third-key", base_url=server.url))
    keys = [request.headers["Authorization"] for request in server.requests]
    assert keys == ["Bearer sk-another-key-of-mine", "Bearer sk-a-third-key"]


def test_what_is_recorded_is_played_again(way: Way, server: Refusing) -> None:
    lines: list[str] = []
    opened(way, record=lines.append)
    played = replay(lines)
    assert played.difference is None
    assert played.session.settings.effective is not None
    assert KEY not in "".join(lines)


def test_sessions_of_one_call_make_ids_of_their_own(way: Way, server: Refusing) -> None:
    for _ in range(2):
        opened(way, call_id="rtc_1")
    first, second = [frame["event_id"] for frame in server.frames]
    assert first != second


# What may go wrong, and what to change.


def test_a_wrong_key_says_where_the_key_is_set(way: Way, server: Refusing) -> None:
    words = f"Incorrect API key provided: {KEY}."
    server.refuse(401, refusal("invalid_api_key", words), **{"x-request-id": "req_1"})
    error = refused(way, KeyRefused)
    assert (error.status, error.code, error.request_id) == (401, "invalid_api_key", "req_1")
    assert "OPENAI_API_KEY" in str(error)


def test_no_key_is_found_out_before_anything_is_sent(
    way: Way, server: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "OPENAI_API_KEY" in str(refused(way, MissingKey))
    assert server.requests == []


@pytest.mark.parametrize(
    "body", [refusal("call_id_not_found", "No call rtc_1."), "<html>not found</html>"]
)
def test_an_unknown_call_is_asked_for_again_for_a_while(
    way: Way, server: Refusing, body: Any
) -> None:
    for _ in range(9):
        server.refuse(404, body)
    error = refused(way, CallNotFound, call_id="rtc_1", retry_s=0.5)
    assert error.status == 404
    assert "key that opened the call" in str(error)
    assert len(server.requests) == 4  # at once, and after 0.1, 0.2 and 0.2 s


def test_a_fresh_call_is_found_when_it_is_there(way: Way, server: Refusing) -> None:
    for _ in range(2):
        server.refuse(404, refusal("call_id_not_found", "Not yet."))
    assert opened(way, call_id="rtc_1")
    assert len(server.requests) == 3


def test_nothing_else_is_tried_again(way: Way, server: Refusing) -> None:
    server.refuse(404, refusal("model_not_found", "No such model."))
    assert refused(way, ServiceError, model="gpt-none").code == "model_not_found"
    server.refuse(429, refusal("rate_limit_exceeded", "Slow down."))
    assert refused(way, ServiceError, call_id="rtc_1").status == 429
    assert len(server.requests) == 2


def test_a_redirect_is_an_answer_and_the_key_stays_here(way: Way, server: Refusing) -> None:
    server.refuse(307, "", Location=f"{server.url}/elsewhere")
    assert refused(way, ServiceError).status == 307
    assert len(server.requests) == 1


def test_a_web_server_that_is_no_realtime_service_is_told_apart(way: Way, server: Refusing) -> None:
    server.refuse(200, "Hello!")
    error = refused(way, ServiceError)
    assert error.status == 200


def test_a_host_that_cannot_be_reached_is_named(
    way: Way, server: Refusing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{port}/v1")
    assert refused(way, ServiceUnreachable).host == f"127.0.0.1:{port}"


def test_a_service_that_does_not_answer_is_given_up(way: Way, server: Refusing) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        service = OpenAI(KEY, base_url=url)
        error = refused(way, ServiceUnreachable, service=service, open_timeout_s=0.2)
        assert "timed out" in error.reason


def test_a_service_that_breaks_off_is_one_that_did_not_answer(way: Way, server: Refusing) -> None:
    def hang_up(listener: socket.socket) -> None:
        listener.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=hang_up, args=(listener,))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        refused(way, ServiceUnreachable, service=OpenAI(KEY, base_url=url))
        thread.join()


@pytest.mark.parametrize(
    "options",
    [
        {"model": "gpt-realtime", "call_id": "rtc_1"},
        {"call_id": "rtc_1/../2"},
        {"service": OpenAI(KEY), "api_key": KEY},
        {"safety_identifier": "Ann Other"},
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    way: Way, server: Refusing, options: dict[str, Any]
) -> None:
    refused(way, ValueError, **options)
    assert server.requests == []


def test_a_service_without_the_old_dialect_ends_the_session_and_says_why(
    way: Way, server: Refusing
) -> None:
    words = "The Realtime Beta API is no longer supported."
    server.says = [{"type": "error", **refusal("beta_api_shape_disabled", words)}]
    server.close_with = (4000, "beta_api_shape_disabled")
    seen: list[object] = []

    async def script() -> None:
        async with way.connect(BRIEF, dialect=Dialect.BETA) as call:
            async for event in call:
                seen.append(event)

    way.run(script)
    codes = [each.error.code for each in seen if isinstance(each, events.ErrorEvent)]
    assert codes == ["beta_api_shape_disabled"]
    assert seen[-1] == SessionClosed(code=4000, reason="beta_api_shape_disabled")


# What stays secret, and what is left behind.


def test_the_key_is_in_no_log(way: Way, server: Refusing, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    opened(way)
    assert not [
        each for each in caplog.records if KEY in each.getMessage() and each.name != "test.server"
    ]


def test_neither_the_key_nor_the_prompt_is_in_what_is_dialled(server: Refusing) -> None:
    shown = repr(dial(BRIEF, safety_identifier="u-5f1e"))
    assert "/v1/realtime?model=gpt-realtime" in shown
    assert KEY not in shown and "brief" not in shown


def test_an_exception_in_the_block_comes_out_as_it_is(way: Way, server: Refusing) -> None:
    async def script() -> None:
        async with way.connect(BRIEF):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        way.run(script)


def test_several_exceptions_in_the_block_come_out_as_they_are(way: Way, server: Refusing) -> None:
    async def fail(error: Exception) -> None:
        await anyio.lowlevel.checkpoint()
        raise error

    async def script() -> None:
        async with way.connect(BRIEF), anyio.create_task_group() as group:
            group.start_soon(fail, KeyError())
            group.start_soon(fail, IndexError())

    with pytest.raises(ExceptionGroup) as raised:
        way.run(script)
    assert {type(each) for each in raised.value.exceptions} <= {KeyError, IndexError}


def test_a_cancel_while_it_opens_leaves_nothing_behind(way: Way, server: Refusing) -> None:
    async def script() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
            with anyio.move_on_after(0.1) as scope:
                async with way.connect(BRIEF, service=OpenAI(KEY, base_url=url)):
                    raise AssertionError
            assert scope.cancelled_caught

    way.run(script)


def test_the_end_of_the_block_is_the_end_of_every_task(server: Refusing) -> None:
    async def script() -> None:
        before = asyncio.all_tasks()
        async with talkwire_io.websockets.connect(BRIEF) as call:
            await anext(call)
        assert asyncio.all_tasks() == before

    WAYS[0].run(script)
