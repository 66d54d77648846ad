"""Configurations that were lost or overwritten by an update (§1.6, §3.1)."""

import pytest

from support.frames import Frame, Script, audio_delta, error, event, settled
from talkwire import (
    CommandSettled,
    ConfigurationLost,
    JsonObject,
    LocalProtocolError,
    Outcome,
)

G711: JsonObject = {"type": "audio/pcmu"}
TELEPHONE: JsonObject = {
    "instructions": "Take the call.",
    "audio": {"input": {"format": G711}, "output": {"format": G711, "voice": "marin"}},
}


def in_force(session: JsonObject) -> Frame:
    return event("session.updated", session={"type": "realtime", "id": "sess_1", **session})


def telephone() -> Script:
    """A session that is configured for a telephone line, and confirmed to be."""
    script = Script(fresh=True)
    script.session.session_update(TELEPHONE, now=0.0)
    script.hear(in_force(TELEPHONE))
    script.sent()
    return script


def changes(script: Script, patch: JsonObject) -> JsonObject:
    """What an update says of what it was asked to."""
    script.session.session_update(patch, now=0.0)
    (frame,) = script.sent()
    session: JsonObject = frame["session"]
    return session


@pytest.mark.known_issue(8)
def test_a_voice_that_has_spoken_is_not_sent_again() -> None:
    """openai/openai-agents-python#1661 and openai/openai-python#2607: an update repeated the
    voice, `cannot_update_voice` refused it, and the instructions were lost with it → only what
    changes leaves.
    """
    script = telephone()
    script.begin("resp_1")
    script.hear(audio_delta("resp_1", "a", 100))
    script.sent()
    patch = {**TELEPHONE, "instructions": "Say goodbye."}
    assert changes(script, patch) == {"type": "realtime", "instructions": "Say goodbye."}


@pytest.mark.known_issue(38)
def test_another_voice_after_the_first_word_is_refused_before_anything_is_lost() -> None:
    """openai/openai-realtime-api-beta#65: changing the voice of a session that had spoken failed,
    with all of the update → it is refused here, and nothing of it leaves.
    """
    script = telephone()
    script.begin("resp_1")
    script.hear(audio_delta("resp_1", "a", 100))
    script.sent()
    patch = {"instructions": "Say goodbye.", "audio": {"output": {"voice": "cedar"}}}
    with pytest.raises(LocalProtocolError, match="voice"):
        script.session.session_update(patch, now=0.0)
    assert script.sent() == []
    assert script.session.settings.desired["instructions"] == "Take the call."


@pytest.mark.known_issue(17)
def test_another_agent_takes_over_on_the_same_line() -> None:
    """openai/openai-agents-js#317, #318: updating the agent rebuilt the configuration, and a G.711
    line was set back to PCM → an update is a patch of the one configuration that was asked for.
    """
    script = telephone()
    agent = {"instructions": "You are billing.", "tools": [{"type": "function", "name": "pay"}]}
    assert changes(script, agent) == {"type": "realtime", **agent}
    assert script.session.settings.desired["audio"] == TELEPHONE["audio"]


@pytest.mark.known_issue(53)
def test_a_patch_of_one_side_of_the_audio_leaves_the_other_alone() -> None:
    """openai/openai-agents-js#1366, #1676: on handoff an explicit PCM default overwrote the G.711
    of a telephone line → what an update does not name, it does not touch.
    """
    script = telephone()
    patch = {"audio": {"output": {"speed": 1.2}}}
    assert changes(script, patch) == {"type": "realtime", **patch}
    output = script.session.settings.desired["audio"]["output"]
    assert output == {"format": G711, "voice": "marin", "speed": 1.2}
    script.begin("resp_1")
    script.hear(audio_delta("resp_1", "a", 100))  # 4800 bytes
    script.sent()
    script.session.truncate_audio("a", 60_000, now=0.0)
    assert script.sent()[0]["audio_end_ms"] == 600


@pytest.mark.known_issue(29)
def test_a_refused_update_says_what_was_lost_and_which_field_did_it() -> None:
    """livekit/agents#3210: one bad field of a tool lost the whole update, unnoticed; a long
    description did in livekit/agents#1183 → the loss is told, with `param`, and with the patch.
    """
    script = Script()
    tools = [{"type": "function", "name": "f", "meta": None}]
    patch = {"type": "realtime", "instructions": "You are billing.", "tools": tools}
    update = script.session.session_update(patch, now=0.0)
    refusal = error("unknown_parameter", "Unknown parameter.", update)
    refusal["error"]["param"] = "session.tools[0].meta"
    told = script.tell(refusal)
    assert settled(told) == [(update, Outcome.FAILED)]
    (failed,) = [e for e in told if isinstance(e, CommandSettled)]
    assert failed.error is not None
    assert failed.error.param == "session.tools[0].meta"
    (lost,) = [e for e in told if isinstance(e, ConfigurationLost)]
    assert (lost.patch, lost.param) == (patch, "session.tools[0].meta")
