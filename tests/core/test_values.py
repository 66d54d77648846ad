"""The frozen classes of the wire: equal by what they say, and short to show."""

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from talkwire import CommandSettled, FunctionCall, Outcome, SessionClosed, commands, events

CALL = FunctionCall(call_id="c", name="f", arguments="{}")


def test_values_of_one_class_with_the_same_fields_are_one() -> None:
    same = FunctionCall(call_id="c", name="f", arguments="{}")
    assert CALL == same
    assert hash(CALL) == hash(same)
    assert {CALL, same} == {CALL}


def test_values_that_differ_in_a_field_or_in_class_are_two() -> None:
    assert attrs.evolve(CALL, arguments="") != CALL
    assert commands.InputAudioBufferCommit() != commands.InputAudioBufferClear()
    assert CALL != "FunctionCall"


def test_raw_json_is_compared_as_text() -> None:
    one, same, other = (
        events.SessionCreated(session=Raw(text)) for text in (b'{"a":1}', b'{"a":1}', b'{"a":2}')
    )
    assert one == same
    assert hash(one) == hash(same)
    assert one != other


def test_what_is_deep_and_mutable_can_be_hashed_all_the_same() -> None:
    update = commands.SessionUpdate(session={"tools": [{"name": "f"}]})
    assert hash(update) == hash(commands.SessionUpdate(session={"tools": [{"name": "f"}]}))


@given(st.dictionaries(st.text(max_size=2), st.integers() | st.floats(allow_nan=False)))
def test_equal_values_have_equal_hashes(session: dict[str, float]) -> None:
    one = commands.SessionUpdate(session=dict(session))
    turned = {key: float(value) for key, value in reversed(session.items())}
    two = commands.SessionUpdate(session=turned)
    if one == two:
        assert hash(one) == hash(two)


def test_a_value_shows_its_class_and_what_differs_from_its_defaults() -> None:
    assert repr(CALL) == "FunctionCall(call_id='c', name='f', arguments='{}')"
    assert repr(SessionClosed()) == "SessionClosed()"
    assert repr(SessionClosed(code=1000)) == "SessionClosed(code=1000)"
    assert repr(events.SessionCreated(session=Raw(b'{"a":1}'))) == (
        'SessionCreated(session={"a":1})'
    )
    done = CommandSettled(event_id="e", type="t", outcome=Outcome.DONE)
    assert repr(done) == "CommandSettled(event_id='e', type='t', outcome=<Outcome.DONE: 'done'>)"


def test_a_value_cannot_be_written_to() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        CALL.name = "g"  # type: ignore[misc]
