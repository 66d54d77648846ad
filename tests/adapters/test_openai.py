"""The HTTP calls, against a real server on this machine, on asyncio and on trio."""

from __future__ import annotations

import asyncio
import contextlib
import email
import json
import logging
import pickle
import threading
from collections.abc import Awaitable, Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import attrs
import httpx2
import msgspec
import pytest
import trio

from talkwire_io.openai import (
    Call,
    CallNotFound,
    ClientSecret,
    KeyRefused,
    MissingKey,
    OpenAI,
    Secret,
    ServiceError,
    ServiceUnreachable,
)

T = TypeVar("T")
Run = Callable[[Callable[[], Awaitable[Any]]], Any]

KEY = "sk-proj-abcDEF_123-xyz0987654321"
OFFER = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=private-offer\r\n"
ANSWER = "v=0\r\no=- 3 4 IN IP4 127.0.0.1\r\ns=private-answer\r\n"
SESSION = {"type": "realtime", "model": "gpt-realtime", "instructions": "private prompt"}


@attrs.frozen
class Request:
    method: str
    path: str
    headers: Message
    body: bytes


@attrs.frozen
class Reply:
    """What the service will say; `fault` says how it fails to."""

    status: int = 200
    body: str | bytes = b""
    headers: dict[str, str] = attrs.field(factory=dict[str, str])
    fault: str = ""


class Service:
    """A real HTTP server that answers with what it is told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.reply = Reply()
        self.released = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                service.requests.append(Request(self.command, self.path, self.headers, body))
                service.speak(self, service.reply)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def speak(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        if reply.fault == "silent":
            self.released.wait(20)
        if reply.fault in ("silent", "hang up"):
            return
        handler.send_response(reply.status)
        for name, value in reply.headers.items():
            handler.send_header(name, value)
        missing = 1_000 if reply.fault else 0
        handler.send_header("Content-Length", str(len(body) + missing))
        handler.end_headers()
        handler.wfile.write(body)
        if reply.fault == "drip":  # never silent for long, never done
            with contextlib.suppress(OSError):
                while not self.released.wait(0.05):
                    handler.wfile.write(b"x")

    def __enter__(self) -> Service:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as running:
        yield running


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    def on_asyncio(main: Callable[[], Awaitable[T]]) -> T:
        async def bounded() -> T:
            return await asyncio.wait_for(main(), 20)

        return asyncio.run(bounded())

    def on_trio(main: Callable[[], Awaitable[T]]) -> T:
        async def bounded() -> T:
            with trio.fail_after(20):
                return await main()

        return trio.run(bounded)

    return on_asyncio if request.param == "asyncio" else on_trio


def ask(
    run: Run, service: Service, call: Callable[[OpenAI], Awaitable[T]], timeout_s: float = 10
) -> T:
    async def main() -> T:
        async with OpenAI(KEY, base_url=service.url, timeout_s=timeout_s) as openai:
            return await call(openai)

    answer: T = run(main)
    return answer


async def open_call(openai: OpenAI) -> Call:
    return await openai.call(OFFER, SESSION)


async def mint(openai: OpenAI) -> ClientSecret:
    return await openai.client_secret(SESSION)


async def hang_up(openai: OpenAI) -> None:
    await openai.hangup("rtc_1")


def opened(**changes: Any) -> Reply:
    location = {"Location": "/v1/realtime/calls/rtc_u0_abc", "Content-Type": "application/sdp"}
    return attrs.evolve(Reply(201, ANSWER, location), **changes)


def minted(**changes: Any) -> Reply:
    said = {"value": "ek_678abcdef", "expires_at": 1790000000, "session": {"id": "sess_1"}}
    return Reply(200, json.dumps(said | changes))


# What goes out, and what comes back


def test_a_client_secret_is_minted(run: Run, service: Service) -> None:
    service.reply = minted()
    secret = ask(
        run,
        service,
        lambda openai: openai.client_secret(SESSION, ttl_s=60, safety_identifier="u-5f1e"),
    )
    assert secret.value.reveal() == "ek_678abcdef"
    assert secret.expires_at == 1790000000
    assert secret.session == {"id": "sess_1"}
    [request] = service.requests
    assert (request.method, request.path) == ("POST", "/v1/realtime/client_secrets")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["OpenAI-Safety-Identifier"] == "u-5f1e"
    assert request.headers["OpenAI-Beta"] is None
    assert json.loads(request.body) == {
        "expires_after": {"anchor": "created_at", "seconds": 60},
        "session": SESSION,
    }


def test_a_client_secret_lives_600_seconds_unless_told(run: Run, service: Service) -> None:
    service.reply = minted()
    ask(run, service, mint)
    assert json.loads(service.requests[0].body)["expires_after"]["seconds"] == 600
    assert service.requests[0].headers["OpenAI-Safety-Identifier"] is None


@pytest.mark.parametrize("ttl_s", [9, 7201, 0, -600])
def test_a_lifetime_out_of_range_is_refused_before_any_request(
    run: Run, service: Service, ttl_s: int
) -> None:
    with pytest.raises(ValueError, match="10 to 7200"):
        ask(run, service, lambda openai: openai.client_secret(SESSION, ttl_s=ttl_s))
    assert service.requests == []


def test_a_call_is_opened_with_the_offer_and_the_session_as_parts(
    run: Run, service: Service
) -> None:
    service.reply = opened()
    call = ask(run, service, lambda openai: openai.call(OFFER, SESSION, safety_identifier="u-1"))
    assert call == Call("rtc_u0_abc", ANSWER)
    [request] = service.requests
    assert (request.method, request.path) == ("POST", "/v1/realtime/calls")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["OpenAI-Safety-Identifier"] == "u-1"
    head = f"Content-Type: {request.headers['Content-Type']}\r\n\r\n".encode()
    form = email.message_from_bytes(head + request.body)
    assert form.get_content_type() == "multipart/form-data"
    parts = {
        part.get_param("name", header="Content-Disposition"): part
        for part in form.walk()
        if not part.is_multipart()
    }
    assert list(parts) == ["sdp", "session"]
    assert all(part.get_filename() is None for part in parts.values())
    assert parts["sdp"].get_content_type() == "application/sdp"
    assert parts["sdp"].get_payload(decode=True) == OFFER.encode()
    assert parts["session"].get_content_type() == "application/json"
    assert json.loads(str(parts["session"].get_payload())) == SESSION


@pytest.mark.parametrize(
    "location",
    [
        "/v1/realtime/calls/rtc_1-a",
        "/v1/realtime/calls/rtc_1-a/",
        "https://eu.example.com/v1/realtime/calls/rtc_1-a",
    ],
)
def test_the_call_id_is_read_from_location(run: Run, service: Service, location: str) -> None:
    service.reply = opened(headers={"Location": location})
    assert ask(run, service, open_call).call_id == "rtc_1-a"


def test_a_call_is_hung_up(run: Run, service: Service) -> None:
    ask(run, service, lambda openai: openai.hangup("rtc_u0_abc"))
    [request] = service.requests
    assert (request.method, request.path) == ("POST", "/v1/realtime/calls/rtc_u0_abc/hangup")
    assert request.headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("call_id", ["", "../client_secrets", "a/b", "a?b", "rtc_1\n", "x" * 129])
def test_only_a_call_id_is_hung_up(run: Run, service: Service, call_id: str) -> None:
    with pytest.raises(ValueError, match="call id"):
        ask(run, service, lambda openai: openai.hangup(call_id))
    assert service.requests == []


def test_several_requests_share_a_client(run: Run, service: Service) -> None:
    service.reply = opened()

    async def talk(openai: OpenAI) -> None:
        call = await openai.call(OFFER, SESSION)
        await openai.hangup(call.call_id)

    ask(run, service, talk)
    assert [request.path for request in service.requests] == [
        "/v1/realtime/calls",
        "/v1/realtime/calls/rtc_u0_abc/hangup",
    ]


def test_a_client_of_ones_own_is_used_and_left_open(run: Run, service: Service) -> None:
    service.reply = opened()

    async def main() -> bool:
        async with httpx2.AsyncClient(headers={"X-Mine": "yes"}) as mine:
            async with OpenAI(KEY, base_url=service.url, http=mine) as openai:
                await openai.call(OFFER, SESSION)
            return mine.is_closed

    assert run(main) is False
    assert service.requests[0].headers["X-Mine"] == "yes"


def test_a_session_that_is_not_json_is_refused_before_any_request(
    run: Run, service: Service
) -> None:
    unsayable = {"tools": [object()]}
    with pytest.raises(TypeError):
        ask(run, service, lambda openai: openai.call(OFFER, unsayable))
    with pytest.raises(TypeError):
        ask(run, service, lambda openai: openai.client_secret(unsayable))
    assert service.requests == []


@pytest.mark.parametrize("identifier", ["", "two words", "naïve", "a\r\nX-Evil: 1"])
def test_a_safety_identifier_fits_a_header(run: Run, service: Service, identifier: str) -> None:
    with pytest.raises(ValueError, match="safety_identifier"):
        ask(run, service, lambda o: o.call(OFFER, SESSION, safety_identifier=identifier))
    assert service.requests == []


# What the service refuses


def refusal(
    run: Run, service: Service, call: Callable[[OpenAI], Awaitable[object]] = open_call
) -> ServiceError:
    with pytest.raises(ServiceError) as raised:
        ask(run, service, call)
    error = raised.value
    assert len(service.requests) == 1, "nothing is retried"
    shown = f"{error} {error!r} {error.args} {vars(error)}"
    assert KEY not in shown
    assert "ek_678" not in shown
    return error


def test_the_services_error_is_surfaced_whole(run: Run, service: Service) -> None:
    words = "Invalid value: 'shouty'. Supported values are: " + ", ".join(["'alloy'"] * 100) + "."
    service.reply = Reply(
        400,
        json.dumps(
            {
                "error": {
                    "message": words,
                    "type": "invalid_request_error",
                    "code": "invalid_value",
                    "param": "session.audio.output.voice",
                }
            }
        ),
        {"x-request-id": "req_123"},
    )
    error = refusal(run, service)
    assert (error.status, error.code, error.message) == (400, "invalid_value", words)
    assert (error.param, error.request_id) == ("session.audio.output.voice", "req_123")
    for part in ("400", "invalid_value", words, "session.audio.output.voice", "req_123"):
        assert part in str(error)


@pytest.mark.known_issue(20)
@pytest.mark.parametrize("call", [open_call, mint, hang_up])
def test_each_call_surfaces_a_refusal(
    run: Run, service: Service, call: Callable[[OpenAI], Awaitable[object]]
) -> None:
    """openai/openai-agents-js#484, #544: the error body of a refused SDP POST was taken for the
    answer → the status is checked first, and the service's words are the error's.
    """
    service.reply = Reply(404, '{"error":{"message":"No call with that id.","type":"not_found"}}')
    error = refusal(run, service, call)
    assert (error.status, error.code, error.message) == (404, "not_found", "No call with that id.")


@pytest.mark.parametrize(
    "quoted", [KEY, "sk-proj-********4321", "sk-abc.def", "ek_678abcdef", f"line\n{KEY}\nline"]
)
def test_a_key_that_the_service_repeats_is_struck_out(
    run: Run, service: Service, quoted: str
) -> None:
    words = f"Incorrect API key provided: {quoted}. A risk-free change of task_key helps."
    body = {"error": {"message": words, "code": "invalid_api_key", "param": quoted, "type": quoted}}
    service.reply = Reply(401, json.dumps(body))
    error = refusal(run, service)
    assert error.code == "invalid_api_key"
    assert "Incorrect API key provided: " in error.message
    assert error.message.endswith(". A risk-free change of task_key helps.")
    for part in ("abc", "4321", "***"):
        assert part not in str(error)


def test_a_key_of_an_unknown_form_is_struck_out_too(run: Run, service: Service) -> None:
    key = "my-proxys-own-token"
    service.reply = Reply(403, f"<p>no entry with {key}</p>")

    async def main() -> None:
        async with OpenAI(key, base_url=service.url) as openai:
            await openai.call(OFFER, SESSION)

    with pytest.raises(ServiceError, match="no entry with …<") as raised:
        run(main)
    assert key not in repr(raised.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (f"<html>\n <h1>Bad  gateway</h1> {KEY} " + "x" * 5000, "<html> <h1>Bad gateway</h1> … x"),
        ("", "an empty answer"),
        ('{"error":"out of order"}', "out of order"),
        ('{"detail":"Not Found"}', '{"detail":"Not Found"}'),
        ('{"error":{"message":17}}', '{"error":{"message":17}}'),
        ("[" * 5000, "[["),
        (b"\xff\xfe\x00", "\ufffd"),
    ],
)
def test_an_error_that_is_not_the_services_json_is_shown_in_part(
    run: Run, service: Service, body: str | bytes, words: str
) -> None:
    service.reply = Reply(502, body)
    error = refusal(run, service)
    assert error.status == 502
    assert error.code is None
    assert error.message.startswith(words)
    assert len(str(error)) < 400


def test_a_redirect_is_not_followed(run: Run, service: Service) -> None:
    with Service() as other:
        service.reply = Reply(307, "", {"Location": other.url})
        assert refusal(run, service).status == 307
        assert other.requests == []


def test_a_beta_shaped_secret_is_told_from_a_ga_one(run: Run, service: Service) -> None:
    beta = {"id": "sess_1", "client_secret": {"value": "ek_678abcdef", "expires_at": 1790000000}}
    service.reply = Reply(200, json.dumps(beta))
    assert "beta" in refusal(run, service, mint).message


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "[]",
        "ek_678abcdef",
        '{"value":"ek_678abcdef"}',
        '{"value":"","expires_at":1}',
        '{"value":["ek_678abcdef"],"expires_at":1}',
        '{"value":"ek_678abcdef","expires_at":"soon"}',
        b'{"value":"ek_678abcdef\xff","expires_at":1}',
        '{"value":"ek_678abcdef","expires_at":1,"session":' + "[" * 5000,
    ],
    ids=range(9),
)
def test_an_answer_that_is_no_secret_is_an_error(
    run: Run, service: Service, body: str | bytes
) -> None:
    service.reply = Reply(200, body)
    error = refusal(run, service, mint)
    assert error.status == 200
    assert "client secret" in error.message


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (opened(headers={}), "Location"),
        (opened(headers={"Location": "/v1/realtime"}), "Location"),
        (opened(headers={"Location": "/v1/realtime/calls/a%2Fb"}), "Location"),
        (opened(body='{"sdp":"v=0"}'), "SDP"),
        (opened(body=""), "SDP"),
    ],
)
def test_a_call_without_an_id_or_an_answer_is_an_error(
    run: Run, service: Service, reply: Reply, words: str
) -> None:
    service.reply = reply
    error = refusal(run, service)
    assert error.status == 201
    assert words in error.message


def test_a_call_opened_without_an_answer_is_named_so_that_it_can_be_hung_up(
    run: Run, service: Service
) -> None:
    service.reply = opened(body="")
    error = refusal(run, service)
    assert "rtc_u0_abc" in error.message
    assert error.call_id == "rtc_u0_abc"


# No answer at all


def unreachable(
    run: Run, service: Service, *, timeout_s: float = 10, requests: int = 1
) -> ServiceUnreachable:
    with pytest.raises(ServiceUnreachable) as raised:
        ask(run, service, open_call, timeout_s)
    assert len(service.requests) == requests
    error = raised.value
    assert error.host == service.url.removeprefix("http://").removesuffix("/v1")
    assert error.host in str(error)
    assert error.reason in str(error)
    assert KEY not in f"{error} {error!r} {error.__cause__!r}"
    return error


@pytest.mark.parametrize("fault", ["silent", "drip"])
def test_a_service_that_stalls_is_given_up(run: Run, service: Service, fault: str) -> None:
    service.reply = opened(fault=fault)
    assert "0.2 seconds" in unreachable(run, service, timeout_s=0.2).reason


def test_a_stalled_service_is_given_up_with_a_client_of_ones_own_too(
    run: Run, service: Service
) -> None:
    service.reply = opened(fault="silent")

    async def main() -> None:
        async with httpx2.AsyncClient(timeout=None) as mine:
            await open_call(OpenAI(KEY, base_url=service.url, http=mine, timeout_s=0.2))

    with pytest.raises(ServiceUnreachable, match=r"0\.2 seconds"):
        run(main)


@pytest.mark.parametrize("fault", ["hang up", "cut short"])
def test_a_connection_that_breaks_is_told(run: Run, service: Service, fault: str) -> None:
    service.reply = opened(fault=fault)
    assert "broke" in unreachable(run, service).reason


def test_a_port_nobody_listens_on_is_told(run: Run) -> None:
    with Service() as gone:
        pass
    assert "failed" in unreachable(run, gone, requests=0).reason


def test_a_service_on_this_machine_is_not_sought_through_a_proxy(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    service.reply = opened()
    assert ask(run, service, open_call).call_id == "rtc_u0_abc"


async def test_a_cancelled_call_is_cancelled(service: Service) -> None:
    service.reply = opened(fault="silent")
    with trio.move_on_after(0.1) as scope:
        async with OpenAI(KEY, base_url=service.url) as openai:
            await openai.call(OFFER, SESSION)
    assert scope.cancelled_caught


def test_a_cancelled_call_is_cancelled_on_asyncio(service: Service) -> None:
    service.reply = opened(fault="silent")

    async def main() -> None:
        async with OpenAI(KEY, base_url=service.url) as openai:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(openai.call(OFFER, SESSION), 0.1)

    asyncio.run(asyncio.wait_for(main(), 20))


# Keys and addresses


def test_the_key_comes_from_the_environment(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\n")
    monkeypatch.setenv("OPENAI_BASE_URL", service.url)
    service.reply = opened()

    async def main() -> Call:
        async with OpenAI.from_env() as openai:
            return await openai.call(OFFER, SESSION)

    assert run(main).call_id == "rtc_u0_abc"
    assert service.requests[0].headers["Authorization"] == f"Bearer {KEY}"


def test_an_explicit_base_url_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://env.example/v1")
    assert OpenAI.from_env().calls_url == "http://env.example/v1/realtime/calls"
    explicit = OpenAI.from_env(base_url="http://told.example/v1")
    assert explicit.calls_url == "http://told.example/v1/realtime/calls"


@pytest.mark.parametrize("key", [None, "", "  \n"])
def test_a_missing_key_says_what_to_set(key: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(MissingKey, match="set OPENAI_API_KEY"):
        OpenAI.from_env()
    with pytest.raises(MissingKey, match="api_key="):
        OpenAI(key or "")


@pytest.mark.parametrize("key", [f"{KEY}\r\nX-Evil: 1", f"{KEY} {KEY}", f"“{KEY}”"])
def test_a_key_no_header_can_carry_is_refused_without_being_quoted(key: str) -> None:
    with pytest.raises(MissingKey, match="OPENAI_API_KEY") as raised:
        OpenAI(key)
    assert KEY not in repr(raised.value)


@pytest.mark.parametrize(
    ("base_url", "calls_url"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1/realtime/calls"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/v1/realtime/calls"),
        ("http://[::1]:8000", "http://[::1]:8000/realtime/calls"),
        ("http://localhost/deep/er/", "http://localhost/deep/er/realtime/calls"),
    ],
)
def test_calls_are_below_the_base_url(base_url: str, calls_url: str) -> None:
    assert OpenAI(KEY, base_url=base_url).calls_url == calls_url


def test_the_base_url_is_openais_unless_told() -> None:
    assert OpenAI(KEY).calls_url == "https://api.openai.com/v1/realtime/calls"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "api.openai.com/v1",
        "ftp://example.com",
        "http://",
        "http://user:hunter2@example.com/v1",
        "http://example.com/v1?api-version=1",
        "http://example.com:port/v1",
    ],
)
def test_a_base_url_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as raised:
        OpenAI(KEY, base_url=base_url)
    assert "hunter2" not in str(raised.value)


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    assert secret == Secret(KEY)
    for shown in (repr(secret), str(secret), f"{secret}", f"{[secret]}"):
        assert KEY not in shown
    assert KEY.encode() not in msgspec.json.encode(secret)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        secret.value = "other"  # type: ignore[attr-defined]


def test_what_holds_a_secret_a_prompt_or_an_sdp_does_not_show_it() -> None:
    shown = repr(ClientSecret(Secret("ek_678abcdef"), 1, SESSION)) + repr(Call("rtc_1", ANSWER))
    assert "ek_678" not in shown
    assert "private" not in shown
    assert KEY not in repr(OpenAI(KEY))


def test_errors_survive_a_trip_to_another_process() -> None:
    error = ServiceError(400, "code", "words", "param", "req_1")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    lost = ServiceUnreachable("host:1", "gone")
    assert str(pickle.loads(pickle.dumps(lost))) == str(lost)


def test_no_log_holds_a_key_a_prompt_or_an_sdp(
    run: Run, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service.reply = attrs.evolve(opened(), headers=opened().headers | {"x-request-id": "req_9"})
    ask(run, service, open_call)
    service.reply = minted()
    ask(run, service, mint)
    service.reply = Reply(401, f'{{"error":{{"message":"bad key {KEY}"}}}}')
    with pytest.raises(ServiceError):
        ask(run, service, mint)
    ours = [record for record in caplog.records if record.name == "talkwire_io.openai"]
    assert any("req_9" in record.getMessage() for record in ours)
    for secret in (KEY, "ek_678", "private"):
        assert secret not in caplog.text


# Websockets


@pytest.mark.parametrize(
    ("base_url", "address"),
    [
        ("https://api.openai.com/v1", "wss://api.openai.com/v1/realtime?model=gpt-realtime"),
        ("http://localhost:8000/v1/", "ws://localhost:8000/v1/realtime?model=gpt-realtime"),
        ("http://[::1]:80/http", "ws://[::1]/http/realtime?model=gpt-realtime"),
    ],
)
def test_a_websocket_is_where_the_http_calls_are(base_url: str, address: str) -> None:
    openai = OpenAI(KEY, base_url=base_url)
    assert openai.websocket_url({"model": "gpt-realtime"}) == address


def test_what_is_asked_for_in_an_address_is_quoted_and_a_call_id_is_one() -> None:
    openai = OpenAI(KEY, base_url="http://localhost/v1")
    assert openai.websocket_url({"model": "a&b=ü"}).endswith("?model=a%26b%3D%C3%BC")
    with pytest.raises(ValueError, match="not a call id"):
        openai.websocket_url({"call_id": "rtc_1&model=x"})


def test_the_refusals_that_one_can_do_something_about_are_types_that_say_what(
    run: Run, service: Service
) -> None:
    service.reply = Reply(401, "{}")
    with pytest.raises(KeyRefused, match="OPENAI_API_KEY"):
        ask(run, service, mint)
    error = {"code": "call_id_not_found", "message": "No such call."}
    service.reply = Reply(404, json.dumps({"error": error}))
    with pytest.raises(CallNotFound, match="key that opened the call"):
        ask(run, service, hang_up)
