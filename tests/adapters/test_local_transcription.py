"""Transcription sessions of the local service: speech in, its words out, no answers (§1.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from websockets.exceptions import InvalidStatus

from support.local import MISSING, Parrot, local_service, page, run, scripted_voice, tone
from support.local_client import KEY, client
from talkwire.realtime.beta import Dialect
from talkwire_io.local.calls import Calls
from talkwire_io.local.options import Options
from talkwire_io.local.voice import MissingVoice, RuleBrain, load_voice

WHISPER: dict[str, Any] = {"input": {"transcription": {"model": "whisper-1"}}}
COMPLETED = "conversation.item.input_audio_transcription.completed"


def test_turns_are_detected_and_written_down_but_not_answered() -> None:
    async def main() -> None:
        parrot = Parrot()
        calls = Calls(scripted_voice("One.", "Two."), parrot)
        async with (
            local_service(calls) as local,
            client(local, "?intent=transcription") as caller,
        ):
            created = await caller.wait_for("session.created")
            assert created["session"]["type"] == "transcription"
            session = {"type": "transcription", "audio": WHISPER}
            await caller.send("session.update", session=session)
            await caller.wait_for("session.updated")
            for words in ("One.", "Two."):
                await caller.append(tone(300, 24_000) + bytes(48_000))
                assert (await caller.wait_for(COMPLETED))["transcript"] == words
            assert not any(event["type"].startswith("response.") for event in caller.events)
            assert parrot.turns == []
            await caller.send("response.create")
            assert (await caller.wait_for("error"))["error"]["code"] == "invalid_value"

    run(main())


def test_a_client_that_commits_by_itself_is_written_down() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice("All of it."), Parrot())
        audio = {"input": {**WHISPER["input"], "turn_detection": None}}
        async with local_service(calls) as local:
            secret = local.secrets.mint({"type": "transcription", "audio": audio})
            headers = {"Authorization": f"Bearer {secret.value}"}
            # The key says what kind of session it opens, so the address need not.
            async with client(local, additional_headers=headers) as caller:
                await caller.append(tone(500, 24_000))
                await caller.send("input_audio_buffer.commit")
                assert (await caller.wait_for(COMPLETED))["transcript"] == "All of it."

    run(main())


def test_a_page_is_written_down_over_webrtc() -> None:
    async def main() -> None:
        async with local_service(Calls(scripted_voice("Hello."), Parrot())) as local:
            response = await local.http.post(
                "/v1/realtime/client_secrets",
                headers=KEY,
                json={"session": {"type": "transcription", "audio": WHISPER}},
            )
            made = response.json()
            assert made["session"]["type"] == "transcription"
            async with page() as caller:
                await caller.connect(local, made["value"])
                caller.say(tone(300))
                assert (await caller.wait_for(COMPLETED))["transcript"] == "Hello."

    run(main())


@pytest.mark.parametrize(
    ("query", "code"),
    [("?intent=transcription&model=whisper-1", "invalid_model"), ("?intent=x", None)],
)
def test_what_the_address_may_say(query: str, code: str | None) -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local:
            with pytest.raises(InvalidStatus) as refused:
                async with client(local, query):
                    pass
            response = refused.value.response
            assert response.status_code == 400
            assert json.loads(response.body or b"{}")["error"]["code"] == (code or "invalid_value")

    run(main())


def test_a_session_of_no_kind_is_refused() -> None:
    async def main() -> None:
        async with local_service(Calls(MISSING, Parrot())) as local:
            for kind in ("translation", "x", ["realtime"]):
                response = await local.http.post(
                    "/v1/realtime/client_secrets", headers=KEY, json={"session": {"type": kind}}
                )
                error = response.json()["error"]
                assert response.status_code == 400
                assert (error["code"], error["param"]) == ("invalid_value", "session.type")

    run(main())


def test_beta_s_transcription_sessions_have_names_of_their_own_2_1() -> None:
    async def main() -> None:
        calls = Calls(scripted_voice("Hello."), Parrot())
        async with local_service(calls, options=Options(dialects=Dialect)) as local:
            response = await local.http.post(
                "/v1/realtime/transcription_sessions",
                headers=KEY,
                json={"input_audio_transcription": {"model": "whisper-1"}},
            )
            key = response.json()["client_secret"]["value"]
            headers = {"Authorization": f"Bearer {key}", "OpenAI-Beta": "realtime=v1"}
            async with client(local, additional_headers=headers) as caller:
                created = await caller.wait_for("transcription_session.created")
                transcription = created["session"]["input_audio_transcription"]
                assert transcription["model"] == "whisper-1"
                await caller.append(tone(300, 24_000) + bytes(48_000))
                assert (await caller.wait_for(COMPLETED))["transcript"] == "Hello."

    run(main())


def test_real_speech_is_written_down_by_the_offline_voice() -> None:
    voice = load_voice()
    if isinstance(voice, MissingVoice):
        pytest.skip(voice.hint)
    from support.speech import spoken

    async def main() -> None:
        async with (
            local_service(Calls(voice, RuleBrain())) as local,
            client(local, "?intent=transcription") as caller,
        ):
            session = {"type": "transcription", "audio": WHISPER}
            await caller.send("session.update", session=session)
            await caller.append(spoken("What is the weather in Rome?", 24_000) + bytes(48_000))
            heard = await caller.wait_for(COMPLETED)
            assert "weather in rome" in heard["transcript"].lower()
            types = [event["type"] for event in caller.events]
            assert types.index("input_audio_buffer.speech_started") < types.index(
                "input_audio_buffer.committed"
            )

    run(main(), 60)
