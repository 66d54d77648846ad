"""Who stops the sound, and where the item is cut: §3.6, by plane."""

import json
from functools import partial
from typing import Any

import pytest

from support.frames import (
    Frame,
    Script,
    audio_delta,
    event,
    item_added,
    message,
    output_item,
    playing,
    response_created,
    response_done,
    settled,
    speech,
)
from talkwire import (
    RELAY,
    SIDEBAND,
    Interrupted,
    LocalProtocolError,
    Outcome,
    Plane,
    Session,
    commands,
)

without_audio = pytest.mark.parametrize("plane", [SIDEBAND, RELAY], ids=["sideband", "relay"])


def speak(script: Script, response_id: str, item_id: str, ms: int) -> None:
    """The service sends so much speech; the response is not over."""
    item = message(item_id, "assistant", status="in_progress")
    script.hear(output_item("added", response_id, item), item_added(item, "x"))
    if ms:
        script.hear(audio_delta(response_id, item_id, ms))


def speaking(ms: int = 1000, played: int | None = None, **how: Any) -> Script:
    script = Script(**how)
    script.begin("resp_1")
    speak(script, "resp_1", "item_a", ms)
    if played is not None:
        script.session.report_playback("item_a", played, now=0.0)
    return script


def truncations(script: Script) -> list[tuple[str, int]]:
    return [
        (str(f["item_id"]), int(f["audio_end_ms"]))
        for f in script.sent()
        if f["type"] == "conversation.item.truncate"
    ]


def beside(script: Script, response_id: str, item_id: str) -> None:
    """A response outside the conversation is being heard."""
    script.hear(response_created(response_id, out_of_band=True))
    item = message(item_id, "assistant", status="in_progress")
    script.hear(output_item("added", response_id, item), audio_delta(response_id, item_id, 1000))
    script.session.report_playback(item_id, 300, now=0.0)


# -- the user speaks, and the sound is ours (websocket)


def test_speech_stops_the_sound_and_cuts_the_item_at_what_was_heard() -> None:
    script = speaking(1000, played=400)
    assert script.tell(speech("started", "item_u")) == [
        Interrupted(response_id="resp_1", item_id="item_a", audio_end_ms=400)
    ]
    assert truncations(script) == [("item_a", 400)]


def test_an_interruption_is_told_once() -> None:
    script = speaking(1000, played=400)
    script.hear(speech("started", "item_u"))
    script.hear(speech("started", "item_u"))
    assert truncations(script) == [("item_a", 400)]
    events = script.tell(response_done("resp_1", "cancelled", reason="turn_detected"))
    assert [e for e in events if isinstance(e, Interrupted)] == []


def test_audio_that_comes_late_is_not_cut_again() -> None:
    script = speaking(1000, played=400)
    script.hear(speech("started", "item_u"), audio_delta("resp_1", "item_a", 500))
    script.sent()
    script.hear(speech("started", "item_u"))
    assert truncations(script) == []


def test_the_truncation_is_settled_like_any_command() -> None:
    script = speaking(1000, played=400)
    script.hear(speech("started", "item_u"))
    (frame,) = script.sent()
    truncated = event(
        "conversation.item.truncated", item_id="item_a", content_index=0, audio_end_ms=400
    )
    assert settled(script.tell(truncated)) == [(frame["event_id"], Outcome.DONE)]
    assert script.session.conversation.item("item_a").audio_end_ms == 400


@pytest.mark.parametrize(
    ("ms", "played"),
    [(1000, 1000), (1000, 1500), (0, None)],
    ids=["all heard", "more than all", "no audio yet"],
)
def test_nothing_is_cut_where_nothing_is_left_to_hear(ms: int, played: int | None) -> None:
    script = speaking(ms, played)
    assert script.tell(speech("started", "item_u")) == []
    assert truncations(script) == []


def test_an_item_of_which_nothing_was_heard_is_interrupted_but_not_cut() -> None:
    """Truncating at 0 ms is refused or leaves the text unheard (livekit/agents#6157)."""
    script = speaking(1000, played=0)
    assert script.tell(speech("started", "item_u")) == [
        Interrupted(response_id="resp_1", item_id="item_a", audio_end_ms=0)
    ]
    assert truncations(script) == []


@pytest.mark.parametrize("ended", [False, True], ids=["running", "ended"])
def test_sound_of_which_no_player_reports_is_stopped_once_and_not_cut(ended: bool) -> None:
    """§3.6: the client must stop playing; what was played of it is not known."""
    script = speaking(1000)
    if ended:
        script.hear(response_done("resp_1"))
    assert script.tell(speech("started", "item_u")) == [
        Interrupted(response_id="resp_1", item_id="item_a")
    ]
    assert script.session.is_stopped("resp_1")
    assert script.tell(speech("started", "item_v")) == []
    script.session.report_playback("item_a", 400, now=0.0)
    assert script.tell(speech("started", "item_w")) == []
    assert truncations(script) == []


def test_an_answer_without_sound_does_not_cut_the_one_before() -> None:
    """openai-agents-python#5190."""
    script = speaking(1000, played=1000)
    script.hear(response_done("resp_1"))
    script.begin("resp_2")
    speak(script, "resp_2", "item_b", 0)
    assert script.tell(speech("started", "item_u")) == []
    assert truncations(script) == []


def test_what_is_still_audible_after_its_response_ended_is_cut() -> None:
    script = speaking(1000, played=700)
    script.hear(response_done("resp_1"))
    assert script.tell(speech("started", "item_u")) == [
        Interrupted(response_id="resp_1", item_id="item_a", audio_end_ms=700)
    ]
    assert truncations(script) == [("item_a", 700)]


def test_every_response_beside_the_conversation_is_interrupted_and_none_is_cut() -> None:
    """The service has no such item to cut (§3.4); the player stops all the same."""
    script = Script()
    for number in (1, 2, 3):
        beside(script, f"resp_{number}", f"item_{number}")
        assert script.tell(speech("started", f"item_u{number}")) == [
            Interrupted(response_id=f"resp_{number}", item_id=f"item_{number}", audio_end_ms=300)
        ]
        assert script.session.is_stopped(f"resp_{number}")
        assert script.session.conversation.get(f"item_{number}") is None
    assert truncations(script) == []
    assert not script.session.is_stopped("")


def test_a_deleted_item_that_is_still_being_heard_is_interrupted_and_not_cut() -> None:
    script = speaking(1000, played=400)
    script.hear(event("conversation.item.deleted", item_id="item_a"))
    script.session.report_playback("item_a", 500, now=0.0)
    assert script.tell(speech("started", "item_u")) == [
        Interrupted(response_id="resp_1", item_id="item_a", audio_end_ms=500)
    ]
    assert truncations(script) == []
    assert script.session.conversation.get("item_a") is None


def test_a_deleted_item_cannot_be_cut_once_it_is_over() -> None:
    script = speaking(1000, played=1000)
    script.hear(event("conversation.item.deleted", item_id="item_a"))
    with pytest.raises(LocalProtocolError, match="no audio was received for 'item_a'"):
        script.session.truncate_audio("item_a", 500, now=0.0)
    with pytest.raises(LocalProtocolError, match="voice"):  # it was heard all the same
        script.session.session_update({"audio": {"output": {"voice": "ash"}}}, now=0.0)


def test_an_item_that_is_not_kept_here_is_cut_all_the_same() -> None:
    """`retain` is about our books: the service still has it."""
    script = Script()
    script.session = Session(now=0.0, retain=1)
    script.hear(response_created("resp_1"))
    speak(script, "resp_1", "item_a", 1000)
    script.session.report_playback("item_a", 400, now=0.0)
    script.hear(item_added(message("item_b", "user", "Hm."), "item_a"))
    script.sent()
    assert script.tell(speech("started", "item_u")) == [
        Interrupted(response_id="resp_1", item_id="item_a", audio_end_ms=400)
    ]
    assert truncations(script) == [("item_a", 400)]
    script.hear(
        event("conversation.item.truncated", item_id="item_a", content_index=0, audio_end_ms=400)
    )
    assert script.session.conversation.get("item_a") is None


def test_audio_that_names_no_response_is_interrupted_each_time() -> None:
    script = Script()
    for number in (1, 2):
        script.hear(item_added(message(f"item_{number}", "assistant")))
        script.hear(audio_delta("", f"item_{number}", 1000))
        script.session.report_playback(f"item_{number}", 300, now=0.0)
        assert script.tell(speech("started", f"item_u{number}")) == [
            Interrupted(response_id="", item_id=f"item_{number}", audio_end_ms=300)
        ]
    assert truncations(script) == [("item_1", 300), ("item_2", 300)]


def test_what_is_cleared_without_a_name_is_no_item_of_anybodys() -> None:
    script = Script(plane=SIDEBAND)
    script.hear(item_added(message("item_a", "assistant", "Hello.")))
    for _ in range(2):
        assert script.tell(playing("", "cleared")) == [Interrupted(response_id="")]


def test_where_speech_does_not_interrupt_nothing_is_cut() -> None:
    vad = {"type": "server_vad", "create_response": True, "interrupt_response": False}
    script = speaking(1000, played=400, vad=vad)
    assert script.tell(speech("started", "item_u")) == []
    assert truncations(script) == []


def test_a_player_may_count_in_parts_of_a_millisecond() -> None:
    """Bytes by bytes per ms make a float; what leaves and what is kept are whole, rounded down."""
    script = speaking(1000)
    script.session.report_playback("item_a", 125.9, now=0.0)
    script.session = Session.resume(script.session.snapshot(now=0.0), now=0.0)
    script.hear(speech("started", "item_u"))
    (truncate,) = script.sent()
    assert (truncate["audio_end_ms"], type(truncate["audio_end_ms"])) == (125, int)
    script.session.truncate_audio("item_a", 5.7, now=0.0)
    script.session.send(
        commands.ConversationItemTruncate(item_id="item_a", audio_end_ms=6.7),  # type: ignore
        now=0.0,
    )
    assert truncations(script) == [("item_a", 5), ("item_a", 6)]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 10**400, True, "5", None], ids=type)
def test_what_is_no_time_is_not_taken_for_one(wrong: Any) -> None:
    script = speaking(1000, played=400)
    cut = partial(commands.ConversationItemTruncate, item_id="item_a")
    before = script.session.snapshot(now=0.0)
    for call in (
        partial(script.session.report_playback, "item_a", wrong),
        partial(script.session.report_playback, "item_a", 500, content_index=wrong),
        partial(script.session.report_playback, "item_a", 500, content_index=1.5),  # type: ignore
        partial(script.session.truncate_audio, "item_a", wrong),
        partial(script.session.truncate_audio, "item_a", 500, content_index=wrong),
        partial(script.session.send, cut(audio_end_ms=wrong)),
    ):
        with pytest.raises(LocalProtocolError):
            call(now=0.0)
    assert script.sent() == []
    assert picture_of(script.session.snapshot(now=0.0)) == picture_of(before)


def picture_of(snapshot: str) -> Any:
    """A snapshot without how many ids were made."""
    books = json.loads(snapshot)["books"]
    return {key: value for key, value in books.items() if key != "ids"}


def test_an_item_is_cut_by_hand_no_later_than_what_was_played() -> None:
    """§3.6: min(played, received), where the player reported at all."""
    script = speaking(1000, played=200)
    script.session.truncate_audio("item_a", 900, now=0.0)
    script.session.truncate_audio("item_a", 100, now=0.0)
    assert truncations(script) == [("item_a", 200), ("item_a", 100)]


def test_a_players_report_only_grows() -> None:
    script = speaking(1000, played=400)
    script.session.report_playback("item_a", 300, now=0.0)
    script.hear(speech("started", "item_u"))
    assert truncations(script) == [("item_a", 400)]


@pytest.mark.parametrize(
    ("output", "received_ms"), [("audio/pcm", 100), ("audio/pcmu", 600), ("audio/pcma", 600)]
)
def test_a_millisecond_has_the_bytes_of_the_format_in_force(output: str, received_ms: int) -> None:
    script = speaking(100, output=output)  # 4800 bytes
    script.session.truncate_audio("item_a", 99_999, now=0.0)
    assert truncations(script) == [("item_a", received_ms)]


# -- the user speaks, and the sound is the service's (WebRTC, SIP)


@without_audio
def test_where_the_service_plays_speech_asks_nothing_of_us(plane: Plane) -> None:
    script = speaking(0, plane=plane)
    script.hear(playing("resp_1", "started"), speech("started", "item_u"))
    assert script.sent() == []


CLEARED, ENDED, CUT = (
    playing("resp_1", "cleared"),
    response_done("resp_1", "cancelled", reason="turn_detected"),
    event("conversation.item.truncated", item_id="item_a", content_index=0, audio_end_ms=900),
)


@without_audio
@pytest.mark.parametrize(
    "frames",
    [[CLEARED, CUT, ENDED], [ENDED, CLEARED, CUT], [CUT, CLEARED, ENDED], [CUT, ENDED, CLEARED]],
    ids=lambda frames: " ".join(str(f["type"]).split(".")[-1] for f in frames),
)
def test_an_interruption_is_told_once_in_whatever_order_8(
    plane: Plane, frames: list[Frame]
) -> None:
    script = speaking(0, plane=plane)
    script.hear(playing("resp_1", "started"), speech("started", "item_u"))
    assert script.tell(*frames) == [Interrupted(response_id="resp_1", item_id="item_a")]
    assert script.session.conversation.item("item_a").audio_end_ms == 900


@without_audio
def test_a_late_echo_of_an_interruption_is_not_told_again(plane: Plane) -> None:
    script = speaking(0, plane=plane)
    script.hear(playing("resp_1", "started"), ENDED)
    script.hear(response_created("resp_2"))
    script.hear(response_done("resp_2", "cancelled", reason="turn_detected"))
    assert script.tell(CLEARED) == []


def test_a_response_that_was_cancelled_elsewhere_is_an_interruption_too() -> None:
    """`turn_detected` without any handling of ours still means: stop playing."""
    script = speaking(1000)
    assert script.tell(ENDED) == [Interrupted(response_id="resp_1", item_id="item_a")]


def test_a_response_that_ended_otherwise_is_no_interruption() -> None:
    script = speaking(1000)
    assert script.tell(response_done("resp_1", "incomplete", reason="max_output_tokens")) == []


# -- stopped by hand


def test_stopping_by_hand_cancels_and_cuts_where_the_sound_is_ours() -> None:
    script = speaking(1000, played=400)
    event_id = script.session.cancel(now=0.0)
    cancel, truncate = script.sent()
    assert (cancel["type"], cancel["event_id"]) == ("response.cancel", event_id)
    assert (truncate["item_id"], truncate["audio_end_ms"]) == ("item_a", 400)
    assert Interrupted(response_id="resp_1", item_id="item_a") in script.tell(ENDED)


def test_stopping_by_hand_what_is_only_audible_yet_cuts_it() -> None:
    script = speaking(1000, played=400)
    script.hear(response_done("resp_1"))
    assert script.session.cancel(now=0.0) is None
    assert truncations(script) == [("item_a", 400)]
    assert script.session.cancel(now=0.0) is None
    assert script.sent() == []


@without_audio
def test_stopping_by_hand_cancels_and_clears_where_the_service_plays(plane: Plane) -> None:
    script = speaking(0, plane=plane)
    script.hear(playing("resp_1", "started"))
    script.session.cancel(now=0.0)
    assert script.sent_types() == ["response.cancel", "output_audio_buffer.clear"]


@without_audio
def test_stopping_by_hand_what_the_service_only_plays_yet_clears_it(plane: Plane) -> None:
    script = speaking(0, plane=plane)
    script.hear(playing("resp_1", "started"), response_done("resp_1"))
    assert script.session.cancel(now=0.0) is None
    (frame,) = script.sent()
    assert frame["type"] == "output_audio_buffer.clear"
    events = script.tell(playing("resp_1", "cleared"))
    assert settled(events) == [(frame["event_id"], Outcome.DONE)]


@without_audio
@pytest.mark.parametrize("how", ["stopped", "cleared"])
def test_silence_needs_no_stopping(plane: Plane, how: str) -> None:
    script = speaking(0, plane=plane)
    script.hear(playing("resp_1", "started"), response_done("resp_1"), playing("resp_1", how))
    script.session.cancel(now=0.0)
    assert script.sent() == []


def test_where_the_sound_is_ours_there_is_nothing_to_clear_3_6() -> None:
    script = speaking(1000, played=400)
    script.hear(playing("resp_1", "started"))  # it never does, on a websocket
    with pytest.raises(LocalProtocolError, match=r"OutputAudioBufferClear: the direct plane"):
        script.session.send(commands.OutputAudioBufferClear(), now=0.0)
    assert script.sent() == []
    script.session.cancel(now=0.0)
    assert script.sent_types() == ["response.cancel", "conversation.item.truncate"]


# -- truncating by hand


@pytest.mark.parametrize(("asked", "sent"), [(400, 400), (5000, 1000), (-5, 0)])
def test_an_item_is_cut_no_later_than_what_was_received(asked: int, sent: int) -> None:
    """openai-agents-python#2374, #4122."""
    script = speaking(1000)
    script.session.truncate_audio("item_a", asked, now=0.0)
    assert truncations(script) == [("item_a", sent)]


@pytest.mark.parametrize(("item_id", "content_index"), [("item_b", 0), ("item_a", 1)])
def test_an_item_that_was_not_spoken_here_cannot_be_cut(item_id: str, content_index: int) -> None:
    """livekit/agents-js#977."""
    script = speaking(1000)
    with pytest.raises(LocalProtocolError, match=f"no audio was received for '{item_id}'"):
        script.session.truncate_audio(item_id, 5, content_index=content_index, now=0.0)
    assert script.sent() == []


@without_audio
def test_where_no_audio_passes_the_callers_word_is_taken(plane: Plane) -> None:
    script = speaking(0, plane=plane)
    script.session.truncate_audio("item_a", 5000, now=0.0)
    assert truncations(script) == [("item_a", 5000)]


def test_a_part_that_was_cut_by_hand_is_not_audible_any_more() -> None:
    script = speaking(1000, played=400)
    script.session.send(
        commands.ConversationItemTruncate(item_id="item_a", audio_end_ms=400), now=0.0
    )
    script.sent()
    assert script.tell(speech("started", "item_u")) == []
    assert script.sent() == []
