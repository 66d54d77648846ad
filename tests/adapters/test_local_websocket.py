"""The plain websocket: the same service, with audio inside the frames."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.local import (
    MISSING,
    Parrot,
    local_service,
    loudness,
    run,
    scripted_voice,
    tone,
)
from support.local_client import KEY, client
from talkwire_io.local.calls import Calls
from talkwire_io.local.pcm import WireFormat
from talkwire_io.local.secrets import Secrets
from talkwire_io.local.voice import Say


def session(**settings: Any) -> dict[str, Any]:
    return {"type": "realtime", **settings}


@pytest.mark.parametrize("kind", ["audio/pcm", "audio/pcmu", "audio/pcma"])
def test_a_spoken_turn_is_answered_with_sound_in_pieces(kind: str) -> None:
    format = WireFormat({"type": kind})

    async def main() -> None:
        async with local_service(Calls(scripted_voice("Who is it?"), Parrot())) as local:
            async with client(local, "?model=gpt-realtime-mini") as caller:
                created = await caller.wait_for("session.created")
                assert created["session"]["model"] == "gpt-realtime-mini"
                audio = {"input": {"format": {"type": kind}}, "output": {"format": {"type": kind}}}
                await caller.send("session.update", session=session(audio=audio))
                await caller.wait_for("session.updated")
                sound = tone(500, format.rate) + bytes(format.rate)
                await caller.append(format.encode(sound))
                await caller.wait_for("input_audio_buffer.speech_started")
                await caller.wait_for("response.done")
                pieces = caller.audio()
                # "You said: Who is it?." is five words of 200 ms each.
                assert sum(map(len, pieces)) == pytest.approx(1000 * format.bytes_per_ms, rel=0.05)
                assert max(map(len, pieces)) == 100 * format.bytes_per_ms
                assert loudness(format.decode(pieces[0])) > 2000
                assert not any(e["type"].startswith("output_audio_buffer") for e in caller.events)

    run(main())


def test_speaking_over_a_reply_cancels_it() -> None:
    async def main() -> None:
        words = Say("la la la la. " * 2000)
        calls = Calls(scripted_voice("Go on.", "Stop."), Parrot(lambda _: [words]))
        async with local_service(calls) as local, client(local) as caller:
            await caller.append(tone(300, 24_000) + bytes(48_000))
            await caller.wait_for("response.output_audio.delta")
            await caller.append(tone(300, 24_000) + bytes(48_000))
            done = await caller.wait_for("response.done")
            assert done["response"]["status_details"]["reason"] == "turn_detected"

    run(main())


def test_audio_that_came_before_a_commit_belongs_to_it() -> None:
    async def main() -> None:
        voice = scripted_voice("All of it.")
        async with local_service(Calls(voice, Parrot())) as local, client(local) as caller:
            await caller.send(
                "session.update", session=session(audio={"input": {"turn_detection": None}})
            )
            await caller.append(tone(3000, 24_000))
            await caller.send("input_audio_buffer.commit")
            await caller.send("response.create")
            done = await caller.wait_for("response.output_audio_transcript.done")
            assert done["transcript"] == "You said: All of it.."
            heard: Any = voice.speech_to_text
            assert heard.heard_ms[0] == pytest.approx(3000, abs=20)

    run(main())


def test_typed_text_without_a_voice() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, client(local) as caller:
            await caller.append(tone(300, 24_000) + bytes(48_000))
            await caller.type_text("Hello")
            done = await caller.wait_for("response.output_text.done")
            assert done["text"] == "You said: Hello."
            assert not caller.audio()

    run(main())


def test_an_item_committed_without_a_voice_cannot_be_understood_but_answered() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, client(local) as caller:
            transcription = {"transcription": {"model": "whisper-1"}, "turn_detection": None}
            await caller.send("session.update", session=session(audio={"input": transcription}))
            await caller.append(tone(300, 24_000))
            await caller.send("input_audio_buffer.commit")
            failed = await caller.wait_for("conversation.item.input_audio_transcription.failed")
            assert "no voice" in failed["error"]["message"]
            await caller.send("response.create")
            await caller.wait_for("response.output_text.done")

    run(main())


def test_the_subprotocol_is_echoed_and_may_carry_the_key() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local:
            key = f"openai-insecure-api-key.{local.key(instructions='Bound.')}"
            offered: Any = ["realtime", key]
            async with client(local, additional_headers={}, subprotocols=offered) as caller:
                assert caller.socket.subprotocol == "realtime"
                created = await caller.wait_for("session.created")
                assert created["session"]["instructions"] == "Bound."

    run(main())


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 401), ({"Authorization": "Bearer ek_guessed"}, 401)]
)
def test_a_refused_key_is_told_before_the_websocket_opens(
    headers: dict[str, str], status: int
) -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local:
            with pytest.raises(InvalidStatus) as refused:
                async with client(local, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == status
            assert "message" in json.loads(refused.value.response.body or b"{}")["error"]

    run(main())


def test_an_expired_key_opens_nothing_but_what_it_opened_goes_on() -> None:
    async def main() -> None:
        now = [1_800_000_000.0]
        secrets = Secrets(clock=lambda: now[0])
        async with local_service(Calls(MISSING, Parrot()), secrets) as local:
            headers = {"Authorization": f"Bearer {local.key()}"}
            async with client(local, additional_headers=headers) as caller:
                now[0] += 600
                with pytest.raises(InvalidStatus) as refused:
                    async with client(local, additional_headers=headers):
                        pass
                response = refused.value.response
                assert response.status_code == 401
                assert b"invalid_api_key" in (response.body or b"")
                await caller.type_text("Still there?")
                await caller.wait_for("response.done")

    run(main())


def test_a_client_that_is_gone_leaves_nothing_behind() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice(), Parrot(lambda _: [Say("la " * 10_000)]))
        async with local_service(calls) as local:
            async with client(local) as caller:
                await caller.type_text("Sing.")
                await caller.wait_for("response.output_audio.delta")
                (call_id,) = local.calls
            await asyncio.wait_for(local.calls.ended(call_id), 2)
            assert len(local.calls) == 0

    run(main())


def test_websockets_count_as_lines() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot(), max_calls=1)) as local:
            async with client(local) as caller:
                await caller.wait_for("session.created")
                with pytest.raises(InvalidStatus) as refused:
                    async with client(local):
                        pass
                assert refused.value.response.status_code == 503
            for call_id in local.calls:
                await local.calls.ended(call_id)
            async with client(local) as caller:
                await caller.wait_for("session.created")

    run(main())


def test_a_session_that_expires_says_so_and_is_closed() -> None:
    async def main() -> None:
        calls = Calls(MISSING, Parrot(), session_s=0.5)
        async with local_service(calls) as local, client(local) as caller:
            error = await caller.wait_for("error")
            assert error["error"]["code"] == "session_expired"
            with pytest.raises(ConnectionClosed):
                await caller.wait_for("never")
            assert caller.socket.close_code == 1001

    run(main())


def test_a_client_of_the_beta_is_told_so_and_closed() -> None:
    async def main() -> None:
        headers = {**KEY, "OpenAI-Beta": "realtime=v1"}
        async with local_service(Calls(MISSING, Parrot())) as local:
            async with client(local, additional_headers=headers) as caller:
                error = await caller.wait_for("error")
                assert error["error"]["code"] == "beta_api_shape_disabled"
                with pytest.raises(ConnectionClosed):
                    await caller.wait_for("never")
                assert caller.socket.close_code == 4000
                assert [event["type"] for event in caller.events] == ["error"]

    run(main())


def test_closing_the_service_closes_its_websockets() -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        calls = Calls(scripted_voice(), Parrot(lambda _: [Say("la " * 10_000)]))
        async with local_service(calls) as local:
            async with client(local) as caller:
                await caller.type_text("Sing.")
                await caller.wait_for("response.output_audio.delta")
                await local.calls.close()
                with pytest.raises(ConnectionClosed):
                    await caller.wait_for("never")
                assert caller.socket.close_code == 1001
                assert len(local.calls) == 0
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == before

    run(main())
