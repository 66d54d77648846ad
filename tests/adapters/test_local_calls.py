"""Calls over real WebRTC: an aiortc page against the real server, with a voice by script."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import attrs
import httpx2
import pytest
from quart import Quart

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from support.hop import serving
from support.local import (
    MISSING,
    Local,
    LoudnessDetector,
    Page,
    Parrot,
    ScriptedEars,
    local_service,
    page,
    run,
    scripted_voice,
    tone,
)
from talkwire_io.local.blueprint import realtime_blueprint
from talkwire_io.local.calls import Calls
from talkwire_io.local.secrets import Secrets
from talkwire_io.local.voice import CallTool, Say, SpeechStarted, SpeechStopped, Turn

LOUD, SILENT = 2000, 200
TRANSCRIBED: dict[str, Any] = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}


def is_loud(loudness: int) -> bool:
    return loudness > LOUD


def is_silent(loudness: int) -> bool:
    return loudness < SILENT


async def gone(local: Local, call_id: str, seconds: float = 2) -> None:
    await asyncio.wait_for(local.calls.ended(call_id), seconds)
    assert call_id not in local.calls


def test_a_spoken_question_is_answered_aloud_in_the_documented_order() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice("Is it me?"), Parrot())
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local, local.key(**TRANSCRIBED))
            caller.say(tone(500))
            await caller.hear(is_loud)
            await caller.wait_for("output_audio_buffer.stopped")
            await caller.hear(is_silent)
            assert collapsed(caller.types) == [
                "session.created",
                "input_audio_buffer.speech_started",
                "input_audio_buffer.speech_stopped",
                "input_audio_buffer.committed",
                "conversation.item.added",
                "conversation.item.done",
                "response.created",
                "conversation.item.input_audio_transcription.delta",
                "conversation.item.input_audio_transcription.completed",
                "response.output_item.added",
                "conversation.item.added",
                "response.content_part.added",
                "response.output_audio_transcript.delta",
                "output_audio_buffer.started",
                "response.output_audio.done",
                "response.output_audio_transcript.done",
                "response.content_part.done",
                "conversation.item.done",
                "response.output_item.done",
                "response.done",
                "output_audio_buffer.stopped",
            ]
            words = [e for e in caller.events if e["type"].endswith("transcript.done")]
            assert words[0]["transcript"] == "You said: Is it me?."
            assert not any("audio.delta" in each for each in caller.types)

    run(main())


def collapsed(types: list[str]) -> list[str]:
    """The order of events, repetitions in a row left out."""
    return [each for at, each in enumerate(types) if at == 0 or types[at - 1] != each]


def test_a_tool_is_called_and_its_output_spoken() -> None:
    def answer(turn: Turn) -> list[Say | CallTool]:
        if turn.items[-1]["type"] == "function_call_output":
            return [Say(f"It is {turn.items[-1]['output']}.")]
        assert turn.tools[0]["name"] == "weather"
        return [CallTool("weather", '{"location":"Rome"}')]

    async def main() -> None:
        parrot = Parrot(answer)
        calls = Calls(scripted_voice("What is the weather in Rome?"), parrot)
        async with local_service(calls) as local, page() as caller:
            tool = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
            await caller.connect(local, local.key(tools=[tool]))
            caller.say(tone(400))
            call = await caller.wait_for("response.function_call_arguments.done")
            assert (call["name"], call["arguments"]) == ("weather", '{"location":"Rome"}')
            await caller.wait_for("response.done")
            output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
            caller.send("conversation.item.create", item=output)
            caller.send("response.create")
            done = await caller.wait_for("response.output_audio_transcript.done")
            assert done["transcript"] == "It is sunny."
            await caller.hear(is_loud)
            # The brain was not asked before it could know what was said.
            spoken = parrot.turns[0].items[-1]["content"][0]
            assert spoken["transcript"] == "What is the weather in Rome?"

    run(main())


def test_speaking_over_a_reply_silences_it_and_is_answered() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice("Tell me all.", "Stop it."), Parrot(long_then_short))
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local)
            clock = asyncio.get_running_loop().time
            caller.say(tone(400))
            asked = await caller.wait_for("input_audio_buffer.speech_started")
            await caller.hear(is_loud)
            await asyncio.sleep(0.5)  # the reply lasts 4 s
            spoke_at = clock()
            caller.say(tone(400))
            started = await caller.wait_for("input_audio_buffer.speech_started")
            assert started["audio_start_ms"] > asked["audio_start_ms"] + 900
            quiet_at = await caller.hear(is_silent)
            assert quiet_at - spoke_at < 1.0
            done = await caller.wait_until(
                lambda e: e["type"] == "response.done" and e["response"]["status"] == "cancelled"
            )
            assert done["response"]["status_details"]["reason"] == "turn_detected"
            cleared = await caller.wait_for("output_audio_buffer.cleared")
            assert cleared["response_id"] == done["response"]["id"]
            truncated = await caller.wait_for("conversation.item.truncated")
            assert 300 < truncated["audio_end_ms"] < 1500
            reply = await caller.wait_for("response.output_audio_transcript.done")
            assert reply["transcript"] == "Sorry."
            await caller.wait_for("output_audio_buffer.stopped")
            # What was thrown away was not played to its end.
            assert caller.types.count("output_audio_buffer.stopped") == 1

    run(main())


def long_then_short(turn: Turn) -> list[Say | CallTool]:
    users = sum(item.get("role") == "user" for item in turn.items)
    return [Say("Sorry.")] if users > 1 else [Say("One two three four. Five six seven eight. " * 3)]


def test_captions_run_along_with_the_voice() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice(), Parrot(lambda _: [Say("One two three four five. Six.")]))
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local)
            caller.type_text("Count.")
            clock = asyncio.get_running_loop().time
            first = await caller.wait_for("response.output_audio_transcript.delta")
            at = clock()
            second = await caller.wait_for("response.output_audio_transcript.delta")
            assert first["delta"] + second["delta"] == "One two three four five. Six."
            # The first sentence lasts 1 s; the second is made when half a second is left.
            assert 0.3 < clock() - at < 1.0

    run(main())


def test_the_client_can_stop_a_reply_that_is_done_but_still_audible() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice(), Parrot(lambda _: [Say("la " * 15)]))
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local)
            caller.type_text("Sing.")
            await caller.wait_for("response.done")
            await caller.hear(is_loud)
            caller.send("output_audio_buffer.clear")
            await caller.wait_for("output_audio_buffer.cleared")
            await asyncio.wait_for(caller.hear(is_silent), 1)
            truncated = await caller.wait_for("conversation.item.truncated")
            assert truncated["audio_end_ms"] < 2000

    run(main())


def test_cancelling_stops_the_making_of_a_reply() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice(), Parrot(lambda _: [Say("la la la la la. " * 20)]))
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local)
            caller.type_text("Sing.")
            await caller.hear(is_loud)
            caller.send("response.cancel")
            done = await caller.wait_for("response.done")
            assert done["response"]["status_details"]["reason"] == "client_cancelled"
            # What was made is still heard to its end (about 1.5 s of 20).
            await asyncio.wait_for(caller.wait_for("output_audio_buffer.stopped"), 4)

    run(main())


def test_typed_text_is_answered_in_writing_when_the_voice_is_missing() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            caller.say(tone(500))
            caller.type_text("Hello there")
            done = await caller.wait_for("response.output_text.done")
            assert done["text"] == "You said: Hello there."
            await caller.wait_for("response.done")
            assert not any("audio" in each for each in caller.types)

    run(main())


def test_a_text_session_is_answered_in_writing() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice(), Parrot())
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local, local.key(output_modalities=["text"]))
            caller.type_text("Hello there")
            done = await caller.wait_for("response.output_text.done")
            assert done["text"] == "You said: Hello there."

    run(main())


def test_push_to_talk() -> None:
    async def main() -> None:
        ears = ScriptedEars("Over and out.")
        voice = attrs.evolve(scripted_voice(), speech_to_text=ears)
        async with local_service(Calls(voice, Parrot())) as local, page() as caller:
            await caller.connect(local, local.key(audio={"input": {"turn_detection": None}}))
            caller.send("input_audio_buffer.clear")
            await caller.wait_for("input_audio_buffer.cleared")
            caller.say(tone(500))
            await asyncio.sleep(0.7)
            caller.send("input_audio_buffer.commit")
            caller.send("response.create")
            done = await caller.wait_for("response.output_audio_transcript.done")
            assert done["transcript"] == "You said: Over and out.."
            assert 500 < ears.heard_ms[0] < 1200
            assert "input_audio_buffer.speech_started" not in caller.types

    run(main())


def test_speech_that_cannot_be_transcribed_is_told_and_the_call_goes_on() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice(RuntimeError("out of words"), "Again."), Parrot())
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local, local.key(**TRANSCRIBED))
            caller.say(tone(300))
            await caller.wait_for("conversation.item.input_audio_transcription.failed")
            done = await caller.wait_for("response.output_audio_transcript.done")
            assert done["transcript"] == "You said: ."
            await caller.wait_for("output_audio_buffer.stopped")
            caller.say(tone(300))
            done = await caller.wait_for("response.output_audio_transcript.done")
            assert done["transcript"] == "You said: Again.."

    run(main())


@pytest.mark.parametrize("fault", ["brain", "voice"])
def test_a_reply_that_goes_wrong_is_a_failed_response_not_a_dead_call(fault: str) -> None:
    def answer(turn: Turn) -> list[Say | CallTool]:
        if len(turn.items) > 1:
            return [Say("Fine again.")]
        if fault == "brain":
            raise ZeroDivisionError("a brain with a hole")
        return [Say("This goes well. This is unspeakable.")]

    async def main() -> None:
        async with (
            local_service(Calls(scripted_voice(), Parrot(answer))) as local,
            page() as caller,
        ):
            await caller.connect(local)
            caller.type_text("Do it.")
            failed = (await caller.wait_for("response.done"))["response"]
            assert failed["status"] == "failed"
            assert failed["status_details"]["error"]["code"] == "server_error"
            assert "hole" not in json.dumps(failed)
            if fault == "voice":
                await caller.wait_for("output_audio_buffer.stopped")
            caller.type_text("And now?")
            assert (await caller.wait_for("response.done"))["response"]["status"] == "completed"

    run(main())


def test_a_brain_that_hangs_fails_its_response_only() -> None:
    async def main() -> None:
        parrot = Parrot()
        parrot.blocked = threading.Event()
        async with local_service(Calls(MISSING, parrot, step_s=0.3)) as local, page() as caller:
            await caller.connect(local)
            caller.type_text("Think.")
            assert (await caller.wait_for("response.done"))["response"]["status"] == "failed"
            parrot.blocked.set()
            caller.type_text("Better?")
            assert (await caller.wait_for("response.done"))["response"]["status"] == "completed"

    run(main())


def test_a_detector_that_breaks_leaves_a_call_that_can_be_typed_to(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(LoudnessDetector):
        def feed(self, pcm: bytes) -> list[SpeechStarted | SpeechStopped]:
            raise RuntimeError("the detector is broken")

    async def main() -> None:
        voice = attrs.evolve(scripted_voice(), detector=Broken)
        async with local_service(Calls(voice, Parrot())) as local, page() as caller:
            await caller.connect(local)
            caller.say(tone(500))
            await asyncio.sleep(0.5)
            caller.type_text("Hello?")
            done = await caller.wait_for("response.output_audio_transcript.done")
            assert done["transcript"] == "You said: Hello?."

    run(main())
    assert len([each for each in caplog.records if "cannot be heard" in each.message]) == 1


def test_what_the_client_says_wrongly_is_answered_by_an_error() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            caller.channel.send("no json")
            error = await caller.wait_for("error")
            assert error["error"]["code"] == "invalid_json"
            caller.channel.send(b"\xff\xfe")
            await caller.wait_for("error")
            caller.type_text("Still there?")
            await caller.wait_for("response.done")

    run(main())


# The end of a call.


def test_the_page_closing_its_connection_ends_the_call() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            assert caller.call_id in local.calls
            await caller.pc.close()
            await gone(local, caller.call_id)

    run(main())


def test_the_page_closing_its_data_channel_ends_the_call() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local)
            caller.channel.close()
            await gone(local, caller.call_id)

    run(main())


def test_hanging_up_closes_the_page_s_channel() -> None:
    async def main() -> None:
        async with local_service(Calls(scripted_voice(), Parrot())) as local, page() as caller:
            await caller.connect(local)
            assert local.calls.hangup(caller.call_id)
            await gone(local, caller.call_id)
            await asyncio.wait_for(caller.closed.wait(), 2)
            assert not local.calls.hangup(caller.call_id)

    run(main())


def test_hanging_up_in_the_middle_of_everything_leaves_no_task_behind() -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        calls = Calls(scripted_voice("Sing."), Parrot(lambda _: [Say("la la la la la. " * 20)]))
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local)
            caller.say(tone(300))
            await caller.hear(is_loud)
            caller.say(tone(3000))
            caller.type_text("More.")
            await local.calls.close()
            assert len(local.calls) == 0
            await asyncio.wait_for(caller.closed.wait(), 2)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    run(main())


def test_hanging_up_does_not_wait_for_a_brain_that_hangs() -> None:
    async def main() -> None:
        parrot = Parrot()
        parrot.blocked = threading.Event()
        async with local_service(Calls(MISSING, parrot)) as local, page() as caller:
            await caller.connect(local)
            caller.type_text("Think.")
            await caller.wait_for("response.created")
            try:
                local.calls.hangup(caller.call_id)
                await gone(local, caller.call_id)
            finally:
                parrot.blocked.set()

    run(main())


def test_the_server_s_end_is_the_calls_end() -> None:
    async def main() -> None:
        calls, app = Calls(MISSING, Parrot()), Quart("an-app-of-your-own")
        app.register_blueprint(realtime_blueprint(calls, secrets=(secrets := Secrets())))
        async with page() as caller:
            async with serving(app) as port:
                async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
                    await caller.connect(Local(calls, secrets, http, port))
            assert len(calls) == 0
            await asyncio.wait_for(caller.closed.wait(), 2)

    run(main())


def test_a_call_without_a_data_channel_is_ended() -> None:
    async def main() -> None:
        calls = Calls(MISSING, Parrot(), channel_s=0.3)
        async with local_service(calls) as local, page() as caller:
            response = await local.post_offer(await caller.offer(), local.key())
            call_id = response.headers["location"].rpartition("/")[2]
            assert call_id in local.calls
            await gone(local, call_id)

    run(main())


def test_a_session_has_an_end() -> None:
    async def main() -> None:
        calls = Calls(MISSING, Parrot(), session_s=0.5)
        async with local_service(calls) as local, page() as caller:
            await caller.connect(local)
            await gone(local, caller.call_id)
            await asyncio.wait_for(caller.closed.wait(), 2)

    run(main())


def test_calls_do_not_hear_each_other() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice("Only me."), Parrot())
        async with local_service(calls) as local, page() as one, page() as other:
            await asyncio.gather(one.connect(local), other.connect(local))
            assert one.call_id != other.call_id
            one.say(tone(300))
            await one.hear(is_loud)
            await one.wait_for("output_audio_buffer.stopped")
            assert other.types == ["session.created"]
            assert not any(is_loud(loud) for _, loud in other.heard)

    run(main())


def test_a_page_with_a_camera_gets_audio_only() -> None:
    async def main() -> None:
        caller = Page()
        caller.pc.addTransceiver("video", "sendrecv")
        try:
            async with local_service(Calls(scripted_voice(), Parrot())) as local:
                await caller.connect(local)
                caller.type_text("Hello?")
                await caller.hear(is_loud)
                assert caller.pc.getTransceivers()[1].currentDirection == "inactive"
        finally:
            await caller.close()

    run(main())


def test_the_data_channel_says_which_session_it_is() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local, page() as caller:
            await caller.connect(local, local.key(instructions="Be brief."))
            session = caller.events[0]["session"]
            assert session["instructions"] == "Be brief."
            assert session["expires_at"] > 1_700_000_000

    run(main())


def test_a_page_that_only_listens_is_spoken_to() -> None:
    async def main() -> None:
        caller = Page()
        caller.pc.getTransceivers()[0].direction = "recvonly"
        try:
            async with local_service(Calls(scripted_voice(), Parrot())) as local:
                await caller.connect(local)
                caller.type_text("Hello?")
                await caller.hear(is_loud)
        finally:
            await caller.close()

    run(main())


def test_a_page_that_cannot_listen_is_written_to() -> None:
    async def main() -> None:
        caller = Page()
        caller.pc.getTransceivers()[0].direction = "sendonly"
        try:
            async with local_service(Calls(scripted_voice(), Parrot())) as local:
                await caller.connect(local)
                caller.type_text("Hello?")
                await caller.wait_for("response.output_text.done")
        finally:
            await caller.close()

    run(main())
