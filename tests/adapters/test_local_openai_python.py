"""The local service as openai-python meets it, and the errors that its users then see."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from openai import (
    APIStatusError,
    AsyncOpenAI,
    AuthenticationError,
    BadRequestError,
    NotFoundError,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.local import MISSING, Local, Page, Parrot, local_service, page, run
from support.local_client import client
from talkwire.realtime.beta import SWITCHED_OFF, Dialect
from talkwire_io.local.calls import Calls
from talkwire_io.local.options import Options
from talkwire_io.openai import OpenAI, ServiceError

SESSION: Any = {"type": "realtime", "instructions": "Be brief."}


@contextlib.asynccontextmanager
async def service(**options: Any) -> AsyncIterator[tuple[Local, AsyncOpenAI]]:
    """A service that speaks as the options have it, and an SDK with a key."""
    async with (
        local_service(Calls(MISSING, Parrot()), options=Options(**options)) as local,
        sdk(local) as openai,
    ):
        yield local, openai


def sdk(local: Local, key: str = "sk-anything") -> AsyncOpenAI:
    there = f"127.0.0.1:{local.port}/v1"
    return AsyncOpenAI(
        api_key=key,
        base_url=f"http://{there}",
        websocket_base_url=f"ws://{there}",  # beta would ask for wss otherwise
        max_retries=0,
    )


async def opened(openai: AsyncOpenAI, caller: Page) -> str:
    """A call that the backend opened for a page; its id."""
    made = await openai.realtime.calls.create(sdp=await caller.offer(), session=SESSION)
    await caller.accept(made.text)
    return str(made.response.headers["location"]).rpartition("/")[2]


def test_the_session_of_its_form_is_the_call_s() -> None:
    async def main() -> None:
        async with service() as (_, openai), page() as caller:
            await opened(openai, caller)
            assert caller.events[0]["session"]["instructions"] == "Be brief."

    run(main())


def test_the_session_of_our_own_form_is_the_call_s() -> None:
    async def main() -> None:
        async with service() as (local, _), page() as caller:
            base_url = f"http://127.0.0.1:{local.port}/v1"
            async with OpenAI("sk-anything", base_url=base_url) as ours:
                call = await ours.call(await caller.offer(), SESSION)
                await caller.accept(call.answer)
                assert caller.events[0]["session"]["instructions"] == "Be brief."
                await ours.hangup(call.call_id)
                with pytest.raises(ServiceError) as refused:
                    await ours.hangup(call.call_id)
                assert (refused.value.status, refused.value.code) == (404, "call_id_not_found")

    run(main())


def test_a_page_s_key_keeps_the_session_it_was_made_for() -> None:
    async def main() -> None:
        async with service() as (local, _), page() as caller:
            async with sdk(local, local.key(instructions="Bound.")) as openai:
                await opened(openai, caller)
            assert caller.events[0]["session"]["instructions"] == "Bound."

    run(main())


def test_its_sideband_controls_the_call_and_its_hangup_ends_both() -> None:
    async def main() -> None:
        async with service() as (_, openai), page() as caller:
            call_id = await opened(openai, caller)
            async with openai.realtime.connect(call_id=call_id) as sideband:
                longer: Any = {**SESSION, "instructions": "Be long."}
                await sideband.session.update(session=longer)
                updated = await sideband.recv()
                assert updated.type == "session.updated"
                assert await caller.wait_for("session.updated") == updated.to_dict()
                await openai.realtime.calls.hangup(call_id)
                with pytest.raises(ConnectionClosed) as closed:
                    await sideband.recv()
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1000
            await caller.closed.wait()

    run(main())


async def statuses(openai: AsyncOpenAI, call_id: str) -> list[type[APIStatusError]]:
    """What it raises for each thing that is done with a call that rings."""
    calls, raised = openai.realtime.calls, list[type[APIStatusError]]()
    for asked in (
        calls.accept(call_id, type="realtime"),
        calls.reject(call_id),
        calls.refer(call_id, target_uri="tel:+14155550123"),
    ):
        with pytest.raises(APIStatusError) as refused:
            await asked
        raised.append(type(refused.value))
    return raised


def test_what_is_for_a_call_that_rings_is_refused_for_a_page_s() -> None:
    async def main() -> None:
        async with service() as (_, openai), page() as caller:
            call_id = await opened(openai, caller)
            assert await statuses(openai, call_id) == [BadRequestError] * 3
            assert await statuses(openai, "rtc_unknown") == [NotFoundError] * 3
            caller.type_text("Still there?")
            await caller.wait_for("response.done")

    run(main())


# Keys


def test_only_the_keys_that_there_are_open_anything() -> None:
    async def main() -> None:
        async with service(keys={"sk-mine"}) as (local, wrong), page() as caller:
            for asked in (
                wrong.realtime.client_secrets.create(session=SESSION),
                wrong.realtime.calls.create(sdp=await caller.offer(), session=SESSION),
                wrong.realtime.calls.hangup("rtc_unknown"),
            ):
                with pytest.raises(AuthenticationError) as refused:
                    await asked
                assert refused.value.code == "invalid_api_key"
            for connecting in (
                wrong.realtime.connect(model="gpt-realtime"),
                wrong.realtime.connect(call_id="rtc_unknown"),
            ):
                with pytest.raises(InvalidStatus) as closed:
                    await connecting.enter()
                assert closed.value.response.status_code == 401
            async with sdk(local, "sk-mine") as openai:
                secret = await openai.realtime.client_secrets.create(session=SESSION)
                async with openai.realtime.connect(model="gpt-realtime") as connection:
                    assert (await connection.recv()).type == "session.created"
            await caller.connect(local, secret.value)

    run(main())


def test_a_key_is_not_told_in_its_refusal_or_in_a_log_s13() -> None:
    async def main() -> None:
        options = Options(keys={"sk-mine"})
        assert "sk-mine" not in repr(options)
        async with service(keys={"sk-mine"}) as (_, openai):
            with pytest.raises(AuthenticationError) as refused:
                await openai.realtime.client_secrets.create()
            assert "sk-" not in str(refused.value)

    run(main())


# Kinds


def test_translations_are_refused_as_a_model_that_is_not_there() -> None:
    async def main() -> None:
        async with service() as (local, openai):
            with pytest.raises(NotFoundError) as refused:
                await openai.post("/realtime/translations/client_secrets", cast_to=object)
            assert refused.value.code == "model_not_found"
            with pytest.raises(InvalidStatus) as closed:
                async with client(local, "/translations?model=gpt-realtime-translate"):
                    pass
            assert closed.value.response.status_code == 404
            assert b"model_not_found" in (closed.value.response.body or b"")

    run(main())


# Dialects


def test_the_addresses_of_beta_are_switched_off() -> None:
    async def main() -> None:
        async with service() as (local, openai):
            for path in ("/realtime/sessions", "/realtime/transcription_sessions"):
                with pytest.raises(BadRequestError) as refused:
                    await openai.post(path, cast_to=object, body={})
                assert refused.value.code == SWITCHED_OFF
            answer = await local.post_offer("v=0", "sk", "/v1/realtime?model=gpt-realtime")
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, SWITCHED_OFF)

    run(main())


def test_a_service_of_beta_alone_has_no_address_of_ga() -> None:
    async def main() -> None:
        async with service(dialects={Dialect.BETA}) as (_, openai):
            for asked in (
                openai.realtime.client_secrets.create(session=SESSION),
                openai.realtime.calls.create(sdp="v=0", session=SESSION),
                openai.realtime.calls.hangup("rtc_unknown"),
            ):
                with pytest.raises(NotFoundError) as refused:
                    await asked
                assert refused.value.code == "unknown_url"
            async with openai.realtime.connect(model="gpt-realtime") as connection:
                created: Any = await connection.recv()
                assert created.session.to_dict()["modalities"] == ["text", "audio"]

    run(main())


@pytest.mark.parametrize("dialects", [{Dialect.BETA}, set(Dialect)])
def test_a_client_of_beta_has_its_turn(dialects: set[Dialect]) -> None:
    async def main() -> None:
        async with service(dialects=dialects) as (_, openai):
            async with openai.beta.realtime.connect(model="gpt-4o-realtime-preview") as beta:
                # As AG2 0.9.9 begins and talks.
                update: Any = {
                    "turn_detection": {"type": "server_vad"},
                    "voice": "alloy",
                    "modalities": ["audio", "text"],
                    "temperature": 0.8,
                }
                await beta.session.update(session=update)
                await beta.response.cancel()
                content: Any = [{"type": "input_text", "text": "Hello"}]
                item: Any = {"type": "message", "role": "user", "content": content}
                await beta.conversation.item.create(item=item)
                await beta.response.create()
                heard = []
                async for event in beta:
                    heard.append(event)
                    if event.type == "response.done":
                        break
            types = [event.type for event in heard]
            assert types[:4] == [
                "session.created",
                "session.updated",
                "error",
                "conversation.item.created",
            ]
            assert types.count("response.text.done") == 1
            (said,) = (each.text for each in heard if each.type == "response.text.done")
            assert said == "You said: Hello."

    run(main())


def test_a_page_of_beta_opens_its_call_with_beta_s_key() -> None:
    async def main() -> None:
        async with service(dialects=set(Dialect)) as (local, openai), page() as caller:
            made: Any = await openai.post(
                "/realtime/sessions",
                cast_to=object,
                body={"model": "gpt-4o-realtime-preview", "voice": "echo"},
            )
            assert (made["model"], made["voice"]) == ("gpt-4o-realtime-preview", "echo")
            key = made["client_secret"]["value"]
            await caller.connect(local, key, "/v1/realtime?model=gpt-4o-realtime-preview")
            shown = caller.events[0]["session"]
            assert (shown["voice"], shown["modalities"]) == ("echo", ["text", "audio"])
            caller.type_text("Hello")
            assert (await caller.wait_for("response.text.done"))["text"] == "You said: Hello."

    run(main())
