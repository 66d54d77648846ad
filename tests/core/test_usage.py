"""What a session has cost, and what may still be spent: §1.5, §1.2 (`rate_limits.updated`)."""

from typing import Any

import pytest

from support.frames import Frame, Script, event, response_created, response_done
from talkwire import RELAY, SIDEBAND, Allowance, Session, SessionUsage
from talkwire.timers import Moment

SPOKEN = {
    "total_tokens": 205,
    "input_tokens": 41,
    "output_tokens": 164,
    "input_token_details": {
        "text_tokens": 14,
        "audio_tokens": 27,
        "image_tokens": 0,
        "cached_tokens": 30,
        "cached_tokens_details": {"text_tokens": 10, "audio_tokens": 20, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 28, "audio_tokens": 136},
}


def ended(response_id: str, usage: Any, status: str = "completed") -> Frame:
    frame = response_done(response_id, status)
    frame["response"]["usage"] = usage
    return frame


def transcribed(item_id: str, **usage: Any) -> Frame:
    return event(
        "conversation.item.input_audio_transcription.completed",
        item_id=item_id,
        content_index=0,
        transcript="Hello.",
        usage=usage,
    )


def counts(usage: SessionUsage) -> dict[str, tuple[int, int, int, int]]:
    each = {"input": usage.input, "cached": usage.cached, "output": usage.output}
    return {name: (t.total, t.text, t.audio, t.image) for name, t in each.items()}


def test_a_session_that_said_nothing_has_cost_nothing() -> None:
    usage = Script().session.usage
    assert (usage.responses, usage.unreported, usage.transcribed) == (0, 0, None)
    assert set(counts(usage).values()) == {(0, 0, 0, 0)}


def test_tokens_are_summed_by_modality_and_cached_ones_are_part_of_the_input_1_5() -> None:
    script = Script()
    script.hear(ended("resp_1", SPOKEN), ended("resp_2", SPOKEN))
    usage = script.session.usage
    assert usage.responses == 2
    assert counts(usage) == {
        "input": (82, 28, 54, 0),
        "cached": (60, 20, 40, 0),
        "output": (328, 56, 272, 0),
    }


@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete"])
def test_what_came_to_nothing_has_cost_what_it_says_1_5(status: str) -> None:
    script = Script()
    script.hear(ended("resp_1", SPOKEN, status))
    assert script.session.usage.output.audio == 136


def test_nothing_may_be_what_it_cost_1_5() -> None:
    script = Script()
    script.hear(ended("resp_1", {"total_tokens": 0, "input_tokens": 0, "output_tokens": 0}))
    assert (script.session.usage.responses, script.session.usage.unreported) == (1, 0)


def test_a_response_is_counted_once_however_often_its_end_is_told() -> None:
    script = Script(plane=SIDEBAND)
    script.hear(response_created("resp_1"), ended("resp_1", SPOKEN), ended("resp_1", SPOKEN))
    script.hear(response_created("resp_o", out_of_band=True))
    script.hear(ended("resp_o", SPOKEN), ended("resp_o", SPOKEN))
    assert (script.session.usage.responses, script.session.usage.input.total) == (2, 82)


def test_an_end_without_an_id_is_counted_each_time() -> None:
    script = Script()
    script.hear(ended("", SPOKEN), ended("", SPOKEN))
    assert script.session.usage.responses == 2


@pytest.mark.parametrize(
    "usage",
    [
        None,
        "much",
        [1],
        {"input_tokens": "many"},
        {"total_tokens": 5},  # of which side?
        {"total_tokens": 5, "input_tokens": 0, "output_tokens": 0},
    ],
)
def test_a_response_that_does_not_say_what_it_cost_is_counted_as_such_1_5(usage: Any) -> None:
    script = Script()
    script.hear(ended("resp_1", usage))
    assert (script.session.usage.responses, script.session.usage.unreported) == (1, 1)
    assert script.session.usage.input.total == 0


@pytest.mark.parametrize(
    ("usage", "input_", "output"),
    [
        ({"input_tokens": 7, "output_tokens": None}, (7, 0, 0, 0), (0, 0, 0, 0)),
        ({"input_tokens": 7, "input_token_details": None}, (7, 0, 0, 0), (0, 0, 0, 0)),
        ({"input_token_details": {"text_tokens": 3, "image_tokens": 4}}, (7, 3, 0, 4), (0,) * 4),
        (
            {"output_token_details": {"audio_tokens": 5, "text_tokens": None}},
            (0,) * 4,
            (5, 0, 5, 0),
        ),
        ({}, (0,) * 4, (0,) * 4),
    ],
)
def test_usage_may_be_told_in_part_1_5(
    usage: Any, input_: tuple[int, ...], output: tuple[int, ...]
) -> None:
    script = Script()
    script.hear(ended("resp_1", usage))
    assert script.session.usage.unreported == 0
    assert counts(script.session.usage)["input"] == input_
    assert counts(script.session.usage)["output"] == output


def test_the_memory_of_what_was_counted_is_short() -> None:
    script = Script()
    script.hear(*(ended(f"resp_{n}", SPOKEN) for n in range(100)))
    script.hear(ended("resp_99", SPOKEN))
    assert script.session.usage.responses == 100


# -- transcription, billed apart


def test_transcription_is_counted_apart_by_time_or_in_tokens_1_5() -> None:
    script = Script()
    script.hear(transcribed("item_1", type="duration", seconds=3))
    details = {"text_tokens": 2, "audio_tokens": 20}
    script.hear(
        transcribed(
            "item_2",
            type="tokens",
            total_tokens=27,
            input_tokens=22,
            output_tokens=5,
            input_token_details=details,
        )
    )
    cost = script.session.usage.transcribed
    assert cost is not None
    assert (cost.turns, cost.seconds, cost.output) == (2, 3.0, 5)
    assert (cost.input.total, cost.input.text, cost.input.audio) == (22, 2, 20)
    assert script.session.usage.responses == 0
    assert script.session.usage.input.total == 0


def test_a_transcript_told_again_is_counted_once_2_4() -> None:
    script = Script()
    script.hear(*[transcribed("item_1", type="duration", seconds=3)] * 2)
    cost = script.session.usage.transcribed
    assert cost is not None
    assert cost.seconds == 3.0


def test_seconds_that_add_up_to_no_number_are_not_counted() -> None:
    script = Script()
    script.hear(*[transcribed(f"item_{n}", type="duration", seconds=1.7e308) for n in (1, 2)])
    cost = script.session.usage.transcribed
    assert cost is not None
    assert (cost.turns, cost.seconds) == (2, 1.7e308)
    resumed = Session.resume(script.session.snapshot(now=0.0), now=0.0)
    assert resumed.usage == script.session.usage


def test_a_transcript_without_usage_costs_nothing_that_we_know_of_2_4() -> None:
    script = Script()
    frame = transcribed("item_1")
    script.hear({**frame, "usage": None})
    del frame["usage"]
    script.hear(frame)
    assert script.session.usage.transcribed is None


# -- rate limits


def limits(**named: tuple[int, int, float]) -> Frame:
    rows = [
        {"name": name, "limit": limit, "remaining": left, "reset_seconds": seconds}
        for name, (limit, left, seconds) in named.items()
    ]
    return event("rate_limits.updated", rate_limits=rows)


def test_what_was_counted_goes_along_into_a_snapshot_and_times_are_time_left() -> None:
    script = Script()
    script.hear(ended("resp_1", SPOKEN), transcribed("item_1", type="duration", seconds=3))
    script.hear(limits(requests=(100, 99, 60.0)), now=10.0)
    resumed = Session.resume(script.session.snapshot(now=20.0), now=1000.0)
    assert resumed.usage == script.session.usage
    (left,) = resumed.rate_limits.values()
    assert left.reset_at == 1050.0
    assert "remaining=99" in repr(left)


def test_nothing_is_known_of_limits_before_they_are_told() -> None:
    assert Script().session.rate_limits == {}


@pytest.mark.parametrize("plane", [SIDEBAND, RELAY], ids=["sideband", "relay"])
def test_the_newest_word_on_each_limit_counts_on_the_clock_of_now_1_2(plane: Any) -> None:
    script = Script(plane=plane)
    script.hear(limits(requests=(100, 99, 60.0), tokens=(40000, 39000, 1.5)), now=10.0)
    script.hear(limits(tokens=(40000, 20000, 30.0)), now=20.0)
    assert script.session.rate_limits == {
        "requests": Allowance(limit=100, remaining=99, reset_at=Moment(70.0)),
        "tokens": Allowance(limit=40000, remaining=20000, reset_at=Moment(50.0)),
    }


def test_of_very_many_limits_those_told_last_are_kept() -> None:
    script = Script(plane=RELAY)
    for n in range(200):
        script.hear(limits(requests=(100, n, 1.0), **{f"limit_{n}": (1, 1, 1.0)}))
    known = script.session.rate_limits
    assert len(known) < 20
    assert known["requests"].remaining == 199
    assert "limit_199" in known
    script.hear(limits(**{f"other_{n}": (1, 1, 1.0) for n in range(200)}))
    assert len(script.session.rate_limits) < 20
