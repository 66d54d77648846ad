"""The local service over HTTP: what a page or an SDK sees, refusals included."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

import aioice.ice
import httpx2

from support.local import MISSING, Local, Page, Parrot, local_service, page, run
from talkwire_io.local.calls import Calls
from talkwire_io.local.secrets import Secrets

SERVER_KEY = {"Authorization": "Bearer sk-anything"}
SDP = {"Content-Type": "application/sdp"}


def silent_calls(**limits: Any) -> Calls:
    return Calls(MISSING, Parrot(), **limits)


def refusal(response: httpx2.Response) -> tuple[int, str | None, str]:
    """Status, code and words of an OpenAI-shaped error."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "code", "param"}
    assert error["type"] == ("server_error" if response.status_code >= 500 else INVALID)
    return response.status_code, error["code"], error["message"]


INVALID = "invalid_request_error"


async def ask_secret(local: Local, body: Any = None, headers: Any = None) -> httpx2.Response:
    content = body if isinstance(body, str) else json.dumps(body or {})
    given = SERVER_KEY if headers is None else headers
    return await local.http.post("/v1/realtime/client_secrets", content=content, headers=given)


def test_a_client_secret_opens_a_call_with_its_session_more_than_once() -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local:
            session = {"type": "realtime", "instructions": "Be brief."}
            response = await ask_secret(
                local,
                {"session": session, "expires_after": {"anchor": "created_at", "seconds": 60}},
            )
            assert response.status_code == 200
            made = response.json()
            assert made["value"].startswith("ek_")
            assert made["expires_at"] > 1_700_000_000
            assert made["session"]["instructions"] == "Be brief."
            assert made["session"]["audio"]["output"]["voice"] == "alloy"
            for _ in range(2):
                async with page() as caller:
                    await caller.connect(local, made["value"])
                    assert caller.events[0]["session"]["instructions"] == "Be brief."

    run(main())


def test_secrets_need_a_key_but_any_will_do() -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local:
            assert refusal(await ask_secret(local, headers={}))[0] == 401
            basic = {"Authorization": "Basic Zm9v"}
            assert refusal(await ask_secret(local, headers=basic))[0] == 401
            assert (await ask_secret(local)).status_code == 200
            assert (await ask_secret(local, "")).status_code == 200

    run(main())


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "invalid_json"),
        ("[]", "invalid_json"),
        ("[" * 100_000, "invalid_json"),
        ({"session": "x"}, "invalid_type"),
        ({"session": {"type": "realtime", "temperature": 1}}, "invalid_value"),
        ({"expires_after": {"seconds": 5}}, "invalid_value"),
        ({"expires_after": {"seconds": "5"}}, "invalid_type"),
        ({"expires_after": "soon"}, "invalid_type"),
    ],
)
def test_a_secret_for_what_no_call_could_be_is_refused(body: Any, code: str) -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local:
            assert refusal(await ask_secret(local, body))[:2] == (400, code)

    run(main())


def test_keys_that_open_nothing() -> None:
    async def main() -> None:
        now = [1_800_000_000.0]
        secrets = Secrets(clock=lambda: now[0])
        async with local_service(silent_calls(), secrets) as local, page() as caller:
            offer, key = await caller.offer(), local.key()
            without = await local.http.post("/v1/realtime/calls", content=offer, headers=SDP)
            assert refusal(without)[0] == 401
            unknown = await local.post_offer(offer, "ek_guessed")
            assert refusal(unknown)[:2] == (401, "invalid_api_key")
            now[0] += 600
            expired = await local.post_offer(offer, key)
            assert refusal(expired)[:2] == (401, "invalid_api_key")
            assert len(local.calls) == 0

    run(main())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "not an SDP offer"),
        ("hello", "not an SDP offer"),
        ('{"sdp":"v=0"}', "not an SDP offer"),
        ("v=0\r\n", "no audio line"),
        ("v=0\r\nm=audio nonsense\r\n", "cannot be read"),
        ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 X 1\r\n", "SDP offer"),
    ],
)
def test_what_is_no_offer_is_refused_in_json(body: str, words: str) -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local:
            status, code, message = refusal(await local.post_offer(body, local.key()))
            assert (status, code) == (400, "invalid_offer")
            assert words in message
            assert len(local.calls) == 0

    run(main())


def test_an_offer_without_a_data_channel_is_refused() -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local, page() as caller:
            offer = await caller.offer()
            assert "m=application" in offer
            audio_only = offer[: offer.index("m=application")].replace("BUNDLE 0 1", "BUNDLE 0")
            status, code, message = refusal(await local.post_offer(audio_only, local.key()))
            assert (status, code) == (400, "invalid_offer")
            assert "oai-events" in message

    run(main())


def test_a_body_of_another_type_or_size_is_refused() -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local:
            plain = {**SERVER_KEY, "Content-Type": "text/plain"}
            response = await local.http.post("/v1/realtime/calls", content="v=0", headers=plain)
            assert refusal(response)[:2] == (400, "unsupported_content_type")
            response = await local.post_offer("v=0\r\n" + "a=x\r\n" * 100_000, local.key())
            assert refusal(response)[0] == 413

    run(main())


def test_an_offer_without_candidates_connects() -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local, page() as caller:
            # `connect` strips them from the offer, as a page that does not wait for them has none.
            await caller.connect(local)
            assert "a=candidate:" in caller.answer

    run(main())


def test_a_host_without_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local, page() as caller:
            offer = await caller.offer()
            # A host with nothing but loopback: aioice finds no address on it.
            monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda **_: [])
            status, code, message = refusal(await local.post_offer(offer, local.key()))
            assert (status, code) == (503, "no_candidates")
            assert "loopback" in message
            assert len(local.calls) == 0

    run(main())


def test_a_server_key_brings_its_session_along() -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local, page() as caller:
            session = json.dumps({"type": "realtime", "instructions": "From the form."})
            body = {"sdp": await caller.offer(), "session": session}
            for form in (
                {"files": {name: (None, text) for name, text in body.items()}},
                {"files": {name: ("f", text) for name, text in body.items()}},
            ):
                response = await local.http.post("/v1/realtime/calls", headers=SERVER_KEY, **form)
                assert response.status_code == 201, response.text
                assert response.text.startswith("v=0")
                assert re.fullmatch(r"/v1/realtime/calls/rtc_\w+", response.headers["location"])
                assert response.headers["content-type"].startswith("application/sdp")

    run(main())


def test_a_form_with_a_session_that_is_none_is_refused() -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local, page() as caller:
            offer = await caller.offer()
            for session, code in (("{", "invalid_json"), ('{"voice":"x"}', "invalid_value")):
                form = {"sdp": (None, offer), "session": (None, session)}
                response = await local.http.post(
                    "/v1/realtime/calls", headers=SERVER_KEY, files=form
                )
                assert refusal(response)[:2] == (400, code)

    run(main())


def test_lines_are_limited() -> None:
    async def main() -> None:
        async with local_service(silent_calls(max_calls=1)) as local, page() as one:
            await one.connect(local)
            async with page() as other:
                full = await local.post_offer(await other.offer(), local.key())
                assert refusal(full)[:2] == (503, "too_many_calls")
                local.calls.hangup(one.call_id)
                await local.calls.ended(one.call_id)
            async with page() as third:
                await third.connect(local)

    run(main())


def test_hangup_over_http() -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local, page() as caller:
            await caller.connect(local)
            path = f"/v1/realtime/calls/{caller.call_id}/hangup"
            assert refusal(await local.http.post(path))[0] == 401
            assert (await local.http.post(path, headers=SERVER_KEY)).status_code == 200
            assert caller.call_id not in local.calls
            again = await local.http.post(path, headers=SERVER_KEY)
            assert refusal(again)[:2] == (404, "call_id_not_found")

    run(main())


def test_a_page_of_another_origin_may_call() -> None:
    async def main() -> None:
        async with local_service(silent_calls()) as local:
            asked = {
                "Origin": "https://example.org",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, x-openai-agents-sdk",
            }
            preflight = await local.http.options("/v1/realtime/calls", headers=asked)
            assert (preflight.status_code, preflight.content) == (204, b"")
            assert preflight.headers["access-control-allow-origin"] == "*"
            assert "authorization" in preflight.headers["access-control-allow-headers"]
            assert "POST" in preflight.headers["access-control-allow-methods"]
            caller = Page()
            try:
                answered = await local.post_offer(await caller.offer(), local.key())
            finally:
                await caller.close()
            assert answered.headers["access-control-expose-headers"] == "Location"
            # A page can read a refusal too.
            refused = await local.post_offer("x", "ek_x")
            assert refused.headers["access-control-allow-origin"] == "*"

    run(main())
