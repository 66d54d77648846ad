"""A second controller of a WebRTC call, by its `call_id`: §1.7, §3.1, §3.6, §8."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.local import (
    MISSING,
    Event,
    Local,
    Parrot,
    local_service,
    page,
    run,
    scripted_voice,
    tone,
)
from support.local_client import Client, client
from talkwire_io.local.calls import Calls
from talkwire_io.local.voice import CallTool, Reply, Say, Turn

TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}


def with_a_tool(turn: Turn) -> Reply:
    """Call the tool once, then tell what it said."""
    outputs = [item for item in turn.items if item["type"] == "function_call_output"]
    return [Say(outputs[-1]["output"])] if outputs else [CallTool("get_weather", "{}")]


def ids(events: list[Event]) -> list[str]:
    return [event["event_id"] for event in events]


async def closed(sideband: Client) -> int | None:
    """Read to the end; the code it was closed with."""
    with pytest.raises(ConnectionClosed):
        await sideband.wait_for("never")
    return sideband.socket.close_code


async def refusal(local: Local, query: str, **options: Any) -> tuple[int, str]:
    """Status and code of a sideband that was not accepted."""
    with pytest.raises(InvalidStatus) as refused:
        async with client(local, query, **options):
            pass
    response = refused.value.response
    error = json.loads(response.body or b"{}")["error"]
    assert set(error) == {"message", "type", "code", "param"}
    return response.status_code, error["code"]


def test_a_function_called_in_the_page_s_call_is_answered_through_the_sideband() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice("What is the weather?"), Parrot(with_a_tool))
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local)
            async with client(local, f"?call_id={caller.call_id}") as sideband:
                await sideband.send("session.update", session={"type": "realtime", "tools": [TOOL]})
                await sideband.wait_for("session.updated")

                caller.say(tone(300))
                call = await sideband.wait_for("response.function_call_arguments.done")
                await sideband.wait_for("response.done")
                output = {"call_id": call["call_id"], "output": "Sunny."}
                await sideband.send(
                    "conversation.item.create", item={"type": "function_call_output", **output}
                )
                await sideband.send("response.create")
                await sideband.wait_for("output_audio_buffer.stopped")

                await caller.wait_for("output_audio_buffer.stopped")
                # Both hear the same, under the same ids; the page had its session.created before.
                assert ids(sideband.events) == ids(caller.events[1:])
                types = [event["type"] for event in sideband.events]
                assert types[0] == "session.updated"
                assert types.count("response.function_call_arguments.done") == 1
                assert types.count("response.done") == 2
                assert "response.output_audio.done" in types
                assert "response.output_audio.delta" not in types
                (told,) = (
                    event["transcript"]
                    for event in caller.events
                    if event["type"] == "response.output_audio_transcript.done"
                )
                assert told == "Sunny."

    run(main())


def test_a_sideband_may_attach_before_the_page_has_the_answer() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            response = await local.post_offer(await caller.offer(), local.key())
            call_id = response.headers["location"].rpartition("/")[2]
            async with client(local, f"?call_id={call_id}") as sideband:
                session = {"type": "realtime", "instructions": "Be brief."}
                await sideband.send("session.update", session=session)
                updated = await sideband.wait_for("session.updated")
                assert updated["session"]["instructions"] == "Be brief."

                await caller.accept(response.text)
                assert await caller.wait_for("session.updated") == updated

    run(main())


def test_both_controllers_hear_the_errors_of_either_8() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            async with client(local, f"?call_id={caller.call_id}") as sideband:
                await sideband.send("response.cancel", event_id="of_the_sideband")
                for heard in (await sideband.wait_for("error"), await caller.wait_for("error")):
                    assert heard["error"]["event_id"] == "of_the_sideband"
                caller.send("response.cancel", event_id="of_the_page")
                for heard in (await sideband.wait_for("error"), await caller.wait_for("error")):
                    assert heard["error"]["event_id"] == "of_the_page"

    run(main())


def test_several_may_attach_and_the_call_outlives_each() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            query = f"?call_id={caller.call_id}"
            async with client(local, query) as one:
                async with client(local, query) as other:
                    await other.type_text("Hello")
                    done = await one.wait_for("response.done")
                    assert await other.wait_for("response.done") == done
                await one.type_text("Still there?")
                await one.wait_for("response.done")
            caller.type_text("And now?")
            await caller.wait_until(lambda event: event.get("text") == "You said: And now?.")
            assert caller.call_id in local.calls

    run(main())


def test_the_end_of_the_call_closes_its_sidebands() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            query = f"?call_id={caller.call_id}"
            async with client(local, query) as one, client(local, query) as other:
                await one.type_text("Hello")
                await other.wait_for("response.done")
                caller.channel.close()
                assert await closed(one) == await closed(other) == 1000
                # What was said before the end was heard before the end.
                assert "response.done" in [event["type"] for event in one.events]

    run(main())


def test_the_end_of_the_service_closes_its_sidebands() -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            async with client(local, f"?call_id={caller.call_id}") as sideband:
                await local.calls.close()
                assert await closed(sideband) == 1000
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == before

    run(main())


def test_a_session_that_expires_tells_its_sideband_too_3_9() -> None:
    async def main() -> None:
        calls = Calls(MISSING, Parrot(), session_s=1.0)
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local)
            async with client(local, f"?call_id={caller.call_id}") as sideband:
                error = await sideband.wait_for("error")
                assert error["error"]["code"] == "session_expired"
                assert await closed(sideband) == 1001

    run(main())


def test_an_unknown_call_cannot_be_attached_to() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local:
            async with client(local) as other:
                await other.wait_for("session.created")
                (websocket_call,) = local.calls
                for call_id in ("rtc_unknown", "", websocket_call):
                    not_found = await refusal(local, f"?call_id={call_id}")
                    assert not_found == (404, "call_id_not_found")

    run(main())


def test_a_call_that_is_over_cannot_be_attached_to() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            local.calls.hangup(caller.call_id)
            not_found = await refusal(local, f"?call_id={caller.call_id}")
            assert not_found == (404, "call_id_not_found")

    run(main())


def test_a_page_s_key_attaches_to_nothing() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            query = f"?call_id={caller.call_id}"
            header = {"Authorization": f"Bearer {local.key()}"}
            not_found = await refusal(local, query, additional_headers=header)
            assert not_found == (404, "call_id_not_found")
            assert (await refusal(local, query, additional_headers={}))[0] == 401

    run(main())


def test_a_call_has_its_model_already() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            refused = await refusal(local, f"?call_id={caller.call_id}&model=gpt-realtime")
            assert refused == (400, "invalid_value")

    run(main())


def test_what_is_too_large_for_the_page_s_data_channel_reaches_the_sideband_3_10() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            async with client(local, f"?call_id={caller.call_id}") as sideband:
                large = {"type": "realtime", "instructions": "x" * 300_000}
                await sideband.send("session.update", session=large)
                updated = await sideband.wait_for("session.updated")
                assert updated["session"]["instructions"] == large["instructions"]
                await sideband.type_text("Still there?")
                await caller.wait_for("response.done")
                assert "session.updated" not in caller.types

    run(main())
