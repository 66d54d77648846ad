"""`Session` against `Service` over a wire that loses, doubles and reorders frames.

Two properties of a whole run that went well, each played again to a session from its record:

* with frames told twice, at once or up to a dozen inputs later, everything is as it was but the
  count of anomalies: frames sent, what each input returned, the conversation, the clock. Deltas
  are not doubled: what is said twice is heard twice, until the `.done` with all words.
* with independent frames in another order, everything is as it was at the end, and the same
  happened. Independent are (`independent`): limits of the account; what the service plays
  (`output_audio_buffer.*`) and all frames but those of the input, errors and, where it stops
  playing, those of items, the last of which an interruption names (§3.6); words and their parts,
  of the model's or the user's, and every frame that names neither their item nor their response,
  but sound and the user's turn, which cuts at what was received. Dependent are all frames that
  move the gate: `response.created`, `response.done`, errors, the user's turn, the configuration;
  and those that place items.

And a machine whose wire does this at any time, with any frame, to the session, and loses frames
to the service as well (`Faulty`). What recovers by itself, and what cannot (§3.4, §3.5):

* a lost create, or a lost `response.created`, by the deadline or by the `response.done`;
* a lost end of a turn by the deadline of speech, a lost answer to it by that of the response;
* a lost `response.done` by the next `response.created`, or by the error that answers a cancel.
  Until one of them comes no response can be asked for: nothing tells it from one that runs;
* a command whose answer was lost settles when the transport closes.
"""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import define, field
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from support import steps
from support.frames import (
    Script,
    already_active,
    event,
    item_added,
    message,
    output_item,
    playing,
    response_created,
    response_done,
    session_updated,
    settled,
    speech,
    text_of,
)
from support.pair import Input, Pair
from support.puppet import Puppet
from support.talk import PATCHES, PICK, Conversation, one_of
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    Anomaly,
    CommandSettled,
    Event,
    FunctionCall,
    Gate,
    Interrupted,
    InvalidFrame,
    LocalProtocolError,
    Outcome,
    Plane,
    Respond,
    Session,
    UnknownEvent,
    commands,
)

# -- played again: a run that went well, on a wire that does not do well

DELTAS = (
    "response.output_text.delta",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
    "conversation.item.input_audio_transcription.delta",
)
SOUND = ("response.output_audio.delta", "response.output_audio.done")
WORDS = (
    "response.output_text.",
    "response.output_audio_transcript.",
    "response.content_part.",
    "response.function_call_arguments.delta",
    "conversation.item.input_audio_transcription.",
)
TURNS = ("input_audio_buffer.", "error")
PLAYED = "output_audio_buffer."
NAMED = (
    "conversation.item.added",
    "conversation.item.deleted",
    "response.output_item.",
)


def names(frame: dict[str, Any]) -> set[str]:
    """Every item and response that a frame is about."""
    found = {frame.get("item_id"), frame.get("previous_item_id"), frame.get("response_id")}
    found |= {(frame.get(part) or {}).get("id") for part in ("item", "response")}
    return {name for name in found if name}


def independent(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two frames say the same in either order (see the top)."""
    for first, second in ((one, other), (other, one)):
        kind, beside = first["type"], second["type"]
        if kind == beside == "rate_limits.updated":
            return False
        if kind == "rate_limits.updated":
            return True
        if kind.startswith(PLAYED):
            names_item = beside.startswith(NAMED) and kind == f"{PLAYED}cleared"
            return not names_item and not beside.startswith((PLAYED, *TURNS))
        if kind in SOUND:
            apart = not names(first) & names(second)
            return apart and beside not in SOUND and not beside.startswith(TURNS)
    apart = not names(one) & names(other)
    return apart and (one["type"].startswith(WORDS) or other["type"].startswith(WORDS))


def frame_in(made: Input) -> dict[str, Any]:
    """The frame that an input brings, if it is one of the service's."""
    try:
        frame = json.loads(made.args[0]) if made.method == "receive" else None
    except ValueError:
        return {}
    return frame if isinstance(frame, dict) else {}


def doubled(inputs: Sequence[Input], dice: random.Random) -> list[tuple[Input, bool]]:
    """The inputs with some frames told again, up to a dozen inputs later; those are marked."""
    again: list[list[Input]] = [[] for _ in inputs]
    for at, made in enumerate(inputs):
        kind = frame_in(made).get("type")
        if kind and "event_id" in frame_in(made) and kind not in DELTAS and dice.random() < 0.7:
            later = min(len(inputs) - 1, at + dice.choice((0, 0, 1, 2, 5, 12)))
            again[later].append(made)
    played: list[tuple[Input, bool]] = []
    now = 0.0
    for made, copies in zip(inputs, again, strict=True):
        now = made.options.get("now", now)
        played.append((made, False))
        played += [(Input("receive", copy.args, {"now": now}), True) for copy in copies]
    return played


def shuffled(inputs: Sequence[Input], dice: random.Random) -> list[Input]:
    """The inputs with independent neighbours exchanged, where no time passed between them."""
    order = list(inputs)
    for _ in range(3):
        for at in range(len(order) - 1):
            one, other = frame_in(order[at]), frame_in(order[at + 1])
            same_time = order[at].options == order[at + 1].options
            if one.get("type") and other.get("type") and same_time and dice.random() < 0.7:
                if independent(one, other):
                    order[at], order[at + 1] = order[at + 1], order[at]
    return order


@define
class Played:
    """A session that was played a run, and what came of it."""

    session: Session
    frames: list[str] = field(factory=list[str])
    results: list[str] = field(factory=list[str])

    def take(self, made: Input, *, keep: bool = True) -> None:
        try:
            result = made.to(self.session)
        except LocalProtocolError as refusal:
            result = refusal
        if made.method == "session_init_data":
            self.frames += [json.dumps(command) for command in result]
        elif keep:
            events = result if isinstance(result, list) else [result]
            self.results += [repr(event) for event in events]
        while (frame := self.session.next_frame()) is not None:
            self.frames.append(frame)

    def end(self) -> dict[str, Any]:
        """Everything that it knows in the end; how often it was surprised is not compared."""
        session = self.session
        return {
            "phase": session.phase,
            "gate": (session.gate.state, session.gate.active, session.gate.user_speaks),
            "conversation": [repr(item) for item in session.conversation],
            "settings": (session.settings.desired, session.settings.effective),
            "usage": repr(session.usage).partition("_counted")[0],
            "limits": repr(session.rate_limits),
            "due": session.next_timeout(),
        }


class Replayed(Conversation):
    """A run with all frames whole and in order, to be told again with faults."""

    seed = 0

    @initialize(seed=st.integers(0, 2**32))
    def throw(self, seed: int) -> None:
        self.seed = seed

    def _played(self, inputs: Sequence[tuple[Input, bool]]) -> Played:
        played = Played(Session(plane=self.plane, now=self.started))
        for made, copy in inputs:
            played.take(made, keep=not copy)
        return played

    def _plays_again(self) -> None:
        inputs, dice = self.pair.inputs, random.Random(self.seed)
        clean = self._played([(made, False) for made in inputs])
        twice = self._played(doubled(inputs, dice))
        assert twice.frames == clean.frames
        assert twice.results == clean.results
        assert twice.end() == clean.end()
        mixed = self._played([(made, False) for made in shuffled(inputs, dice)])
        assert mixed.frames == clean.frames
        assert sorted(mixed.results) == sorted(clean.results)
        assert mixed.end() == clean.end()


class ReplayedDirect(Replayed):
    plane = DIRECT


class ReplayedSideband(Replayed):
    plane = SIDEBAND


class ReplayedRelay(Replayed):
    plane = RELAY


@pytest.mark.parametrize(
    "machine",
    [ReplayedDirect, ReplayedSideband, ReplayedRelay],
    ids=lambda made: made.__name__,
)
def test_frames_told_twice_or_in_another_order_change_nothing(machine: type[Replayed]) -> None:
    steps.run(machine)


# -- a wire that fails at any time

WAITS = 100.0  # seconds, longer than every deadline together
PLACES = ("conversation.item.", "input_audio_buffer.committed")


@define
class Witness:
    """What a bystander knows of the session when nothing can be said of the service."""

    pair: Pair
    issued: dict[str, str] = field(factory=dict[str, str])
    settled: Counter[str] = field(factory=Counter[str])
    outcomes: dict[str, Outcome] = field(factory=dict[str, Outcome])
    emitted: Counter[str] = field(factory=Counter[str])
    answers: dict[str, str] = field(factory=dict[str, str])
    """By output sent and not refused, its call."""
    active: str | None = None
    """The response that runs, as far as was told."""
    over: set[str] = field(factory=set[str])
    cancels: dict[str, str] = field(factory=dict[str, str])

    def sent(self, text: str) -> None:
        frame = json.loads(text)
        kind, event_id = frame["type"], frame.get("event_id", "")
        if kind == "input_audio_buffer.append":
            return
        assert not self.settled[event_id], f"{event_id} leaves after it was settled"
        self.issued[event_id] = kind
        if kind == "response.create" and frame["response"].get("conversation") != "none":
            assert self.active is None, f"a create leaves while {self.active} is active"
            assert self.pair.session.gate.owns(event_id), "a second create is on its way"
        elif kind == "response.cancel":
            self.cancels[event_id] = frame["response_id"]
        elif frame.get("item", {}).get("type") == "function_call_output":
            call_id = frame["item"]["call_id"]
            assert call_id not in self.answers.values(), f"{call_id} is answered twice"
            self.answers[event_id] = call_id

    def heard(self, text: str, events: Sequence[Event]) -> None:
        for happened in events:
            assert not isinstance(happened, InvalidFrame | UnknownEvent), happened
            if isinstance(happened, CommandSettled):
                self.settled[happened.event_id] += 1
                assert self.settled[happened.event_id] == 1, f"{happened.event_id} settled twice"
                self.outcomes[happened.event_id] = happened.outcome
                if happened.outcome is Outcome.FAILED:
                    self.answers.pop(happened.event_id, None)
            elif isinstance(happened, FunctionCall):
                self.emitted[happened.call_id] += 1
                assert self.emitted[happened.call_id] == 1, f"{happened.call_id} was emitted twice"
        frame: dict[str, Any] = json.loads(text or '{"type":""}')
        if not events or isinstance(events[0], Anomaly):
            return
        if frame["type"] == "response.created" and frame["response"]["conversation_id"]:
            self._begun(frame["response"]["id"])
        elif frame["type"] == "response.done":
            self.over.add(frame["response"]["id"])
        elif frame["type"] == "error":
            self._refused(frame["error"], events)
        if self.active in self.over:
            self.active = None

    def _begun(self, response_id: str) -> None:
        if self.active is not None and self.active != response_id:
            self.over.add(self.active)  # its end was lost
        self.active = response_id

    def _refused(self, error: dict[str, Any], events: Sequence[Event]) -> None:
        event_id = error["event_id"]
        if error["code"] == "response_cancel_not_active" and event_id in self.outcomes:
            if any(isinstance(e, CommandSettled) and e.event_id == event_id for e in events):
                self.over.add(self.cancels.get(event_id, ""))
        elif error["code"] == "conversation_already_has_active_response":
            blocker = self.pair.session.gate.active
            if self.active is None and blocker is not None and blocker in error["message"]:
                self.active = blocker


class Faulty(RuleBasedStateMachine):
    """Both ends of a session, and a wire that loses, doubles and reorders what passes."""

    plane: Plane

    @initialize(orderly=st.booleans())
    def start(self, orderly: bool) -> None:
        """`orderly`: the frames that place items come whole and in order."""
        self.pair = Pair(plane=self.plane)
        self.witness = Witness(self.pair)
        self.puppet = Puppet(self.pair)
        self.pair.on_sent = self.witness.sent
        self.pair.on_heard = self.witness.heard
        self.pair.on_request = self.puppet.asked
        self.orderly = orderly
        self.lost: list[dict[str, Any]] = []
        self.pair.run()

    @property
    def live(self) -> bool:
        return self.pair.connected

    def _try(self, method: str, *args: Any, **options: Any) -> None:
        """A call of ours; what it names may be lost, and then it is refused and no more."""
        try:
            event_id = self.pair.call(method, *args, **options)
        except LocalProtocolError:
            return
        if event_id:
            assert not self.witness.settled[event_id]
            self.witness.issued.setdefault(event_id, method)

    def _known(self, pick: int) -> str:
        items = [item.id for item in self.pair.session.conversation]
        return items[-1 - pick] if pick < len(items) else "item_of_nobody"

    # -- the client

    @rule(respond=st.sampled_from([True, True, False]))
    def say(self, respond: bool) -> None:
        self._try("send_text", "What is the weather in Rome?", respond=respond)

    @precondition(lambda self: self.witness.emitted)
    @rule(pick=PICK, respond=st.sampled_from([True, False, *Respond]))
    def answer(self, pick: int, respond: Respond | bool) -> None:
        call_id = one_of(list(self.witness.emitted), pick)
        self._try("send_function_result", call_id, "21", respond=respond)

    @rule(aside=st.booleans())
    def ask(self, aside: bool) -> None:
        beside = commands.ResponseCreate(response={"conversation": "none", "input": []})
        self._try("send", beside if aside else commands.ResponseCreate())

    @rule()
    def cancel(self) -> None:
        self._try("cancel")

    @rule(patch=st.sampled_from([PATCHES[0], PATCHES[4], PATCHES[6], PATCHES[8]]))
    def configure(self, patch: dict[str, Any]) -> None:
        self._try("session_update", patch)

    @rule(pick=PICK, ms=st.sampled_from([40, 100, 5000]))
    def touch(self, pick: int, ms: int) -> None:
        item_id = self._known(pick // 2)
        if pick % 2:
            self._try("truncate_audio", item_id, ms)
            self._try("report_playback", item_id, ms)
        elif pick:
            self._try("send", commands.ConversationItemDelete(item_id=item_id))
        else:
            self._try("send", commands.ConversationItemRetrieve(item_id=item_id))

    @rule(commit=st.booleans())
    def handle_buffers(self, commit: bool) -> None:
        if self.plane.carries_audio:
            self._try("send_audio", bytes(4800))
        else:
            self._try("send", commands.OutputAudioBufferClear())
        kind = commands.InputAudioBufferCommit if commit else commands.InputAudioBufferClear
        self._try("send", kind())

    # -- the engine

    @precondition(lambda self: self.live and self.puppet.hears)
    @rule()
    def speech(self) -> None:
        self.puppet.speech()

    @precondition(lambda self: self.live and self.puppet.running)
    @rule(pick=PICK, aloud=st.booleans(), whole=st.booleans())
    def speak(self, pick: int, aloud: bool, whole: bool) -> None:
        response_id = one_of(list(self.puppet.running), pick)
        self.puppet.say(response_id, aloud)
        if whole:
            self.puppet.end_message(response_id)

    @precondition(lambda self: self.live and self.puppet.running)
    @rule(pick=PICK, calls=st.sampled_from([0, 1, 2]), last=st.booleans())
    def call_or_end(self, pick: int, calls: int, last: bool) -> None:
        response_id = one_of(list(self.puppet.running), pick)
        for _ in range(calls):
            self.puppet.call(response_id)
        if last or not calls:
            self.puppet.end(response_id)

    @precondition(lambda self: self.live and self.puppet.playable)
    @rule(pick=PICK)
    def play_out(self, pick: int) -> None:
        self.puppet.play_out(one_of(self.puppet.playable, pick))

    # -- the wire

    @precondition(lambda self: self.pair.to_service or self.pair.to_session)
    @rule(there=st.sampled_from([1, 2, 8]), back=st.sampled_from([0, 1, 2, 3, 8]))
    def deliver(self, there: int, back: int) -> None:
        self.pair.deliver_to_service(there)
        self.pair.deliver_to_session(back)

    def _spared(self, frame: str) -> bool:
        return self.orderly and str(json.loads(frame)["type"]).startswith(PLACES)

    @precondition(lambda self: self.pair.to_session)
    @rule(pick=PICK)
    def lose(self, pick: int) -> None:
        at = pick % len(self.pair.to_session)
        if not self._spared(self.pair.to_session[at]):
            self.lost.append(json.loads(self.pair.to_session[at]))
            del self.pair.to_session[at]

    @precondition(lambda self: self.pair.to_service)
    @rule(pick=PICK)
    def lose_command(self, pick: int) -> None:
        del self.pair.to_service[pick % len(self.pair.to_service)]

    @precondition(lambda self: self.pair.to_session)
    @rule(pick=PICK, later=st.sampled_from([0, 1, 2, 5, 12]))
    def double(self, pick: int, later: int) -> None:
        at = pick % len(self.pair.to_session)
        self.pair.to_session.insert(at + 1 + later, self.pair.to_session[at])

    @precondition(lambda self: len(self.pair.to_session) > 1)
    @rule(pick=PICK, far=st.sampled_from([1, 1, 3]))
    def reorder(self, pick: int, far: int) -> None:
        """A frame comes later than the ones behind it, whether that is sense or not."""
        at = pick % len(self.pair.to_session)
        if not self._spared(self.pair.to_session[at]):
            frame = self.pair.to_session[at]
            del self.pair.to_session[at]
            self.pair.to_session.insert(at + far, frame)

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.5, 16.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.pair.sleep(seconds)
        self.pair.wake()

    # -- at every step

    @invariant()
    def it_is_counted(self) -> None:
        steps.count(self)

    @invariant()
    def the_gate_stands_where_it_was_told(self) -> None:
        gate = self.pair.session.gate
        assert gate.active == self.witness.active
        assert (gate.active is not None) == (gate.state in (Gate.ACTIVE, Gate.CANCEL_SENT))

    @invariant()
    def the_clock_is_sound(self) -> None:
        due = self.pair.session.next_timeout()
        assert due is None or math.isfinite(due)

    @invariant()
    def no_item_is_there_twice(self) -> None:
        there = Counter(item.id for item in self.pair.session.conversation)
        assert all(count == 1 for count in there.values())

    # -- the end: the wire is whole again

    def teardown(self) -> None:
        if not hasattr(self, "pair"):
            return
        self._rest()
        if self.orderly:
            there = [item["id"] for item in self.pair.service.items]
            assert [item.id for item in self.pair.session.conversation] == there
        self._recovers()
        self.pair.drop()
        missing = set(self.witness.issued) - set(self.witness.settled)
        assert not missing, f"never settled: {missing}"
        assert self.pair.session.next_timeout() is None

    def _rest(self) -> None:
        self.puppet.come_to_rest()
        self.pair.sleep(WAITS)
        self.puppet.come_to_rest()

    def _recovers(self) -> None:
        """A response can be asked for; where the end of one was lost, once the next began."""
        gate = self.pair.session.gate
        if gate.active is not None:
            ends = [f["response"]["id"] for f in self.lost if f["type"] == "response.done"]
            assert gate.active in ends, "it ended, and the session heard so"
            self.puppet.speech()
            self._rest()
        assert gate.state is Gate.IDLE
        made = len(self.pair.ids)
        self._try("send_text", "Are you there?")
        self._rest()
        asked = [i for i in self.pair.ids[made:] if self.witness.issued.get(i) == "response.create"]
        assert self.witness.outcomes[asked[0]] is Outcome.DONE
        assert gate.state is Gate.IDLE


class FaultyDirect(Faulty):
    plane = DIRECT


class FaultySideband(Faulty):
    plane = SIDEBAND


class FaultyRelay(Faulty):
    plane = RELAY


@pytest.mark.parametrize(
    "machine",
    [FaultyDirect, FaultySideband, FaultyRelay],
    ids=lambda made: made.__name__,
)
def test_a_wire_that_fails_breaks_no_rule_and_is_recovered_from(machine: type[Faulty]) -> None:
    steps.run(machine)


# -- found by the machines, or in view of their rules


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_confirmation_told_twice_does_not_settle_the_next_update(as_bytes: bool) -> None:
    script = Script()
    first = script.session.session_update({"instructions": "A"}, now=0.0)
    second = script.session.session_update({"instructions": "B"}, now=0.0)
    text = text_of(session_updated())
    frame = text.encode() if as_bytes else text
    assert settled(script.session.receive(frame, now=0.0)) == [(first, Outcome.DONE)]
    [again] = script.session.receive(frame, now=0.0)
    assert isinstance(again, Anomaly)
    assert script.session.counts == {"Anomaly": 1}
    assert settled(script.tell(session_updated())) == [(second, Outcome.DONE)]


def test_speech_told_twice_does_not_stop_the_answer_to_it() -> None:
    script = Script()
    began = {**speech("started", "item_1"), "event_id": "event_x"}
    script.hear(session_updated(), began, speech("stopped", "item_1"), began)
    assert not script.session.gate.user_speaks


def test_a_response_whose_end_overtook_its_beginning_does_not_run() -> None:
    script = Script()
    script.begin("resp_1")
    script.hear(response_done("resp_2"))
    [late] = script.tell(response_created("resp_2"))
    assert isinstance(late, Anomaly)
    assert script.session.gate.active == "resp_1"
    script.hear(response_done("resp_1"))
    assert script.session.gate.state is Gate.IDLE


def test_a_blocker_whose_end_overtook_the_refusal_is_not_waited_for() -> None:
    """From a service that echoes: the end that nobody saw begin is not that of our request."""
    script = Script()
    script.begin("resp_1")
    script.hear(response_done("resp_1"))
    ours = script.say("Another.")
    script.hear(response_done("resp_2"), already_active(ours, "resp_2"))
    (again,) = script.sent()
    assert (again["type"], again["event_id"]) == ("response.create", ours)


def test_every_response_without_a_name_may_end() -> None:
    script = Script()
    for _ in range(2):
        ours = script.say()
        assert settled(script.tell(response_done(""))) == [(ours, Outcome.DONE)]


def test_an_interruption_does_not_name_what_was_deleted_before_3_6() -> None:
    """So the two frames are not independent: the other way round it has the item's id."""
    deleted, cleared = event("conversation.item.deleted", item_id="a"), playing("resp_1", "cleared")
    for frames, item_id in (([deleted, cleared], ""), ([cleared, deleted], "a")):
        script = Script(plane=RELAY)
        script.begin("resp_1")
        spoken = message("a", "assistant", status="in_progress")
        script.hear(output_item("added", "resp_1", spoken), item_added(spoken))
        assert script.tell(*frames) == [Interrupted(response_id="resp_1", item_id=item_id)]
        assert not independent(*frames)


def test_an_item_told_twice_is_not_back_after_it_was_deleted() -> None:
    script = Script()
    added = {**item_added(message("a", "user")), "event_id": "event_x"}
    script.hear(added, event("conversation.item.deleted", item_id="a"), added)
    assert list(script.session.conversation) == []


def test_ids_that_are_all_alike_say_nothing_of_what_is_told() -> None:
    script = Script()
    script.hear({**item_added(message("a", "user")), "event_id": "event_x"})
    script.hear({**item_added(message("b", "user"), "a"), "event_id": "event_x"})
    assert [item.id for item in script.session.conversation] == ["a", "b"]


def test_an_id_that_several_frames_had_says_nothing_of_their_like() -> None:
    script = Script()
    script.hear(session_updated())
    clears = [script.session.send(commands.InputAudioBufferClear(), now=0.0) for _ in range(2)]
    frame = {"type": "input_audio_buffer.cleared", "event_id": "event_x"}
    script.hear({**speech("started", "item_1"), "event_id": "event_x"})
    for clear in clears:
        assert settled(script.tell(frame)) == [(clear, Outcome.DONE)]


def test_who_numbers_no_frames_may_say_the_same_again() -> None:
    script = Script()
    script.session.session_update({"instructions": "A"}, now=0.0)
    second = script.session.session_update({"instructions": "B"}, now=0.0)
    frame = {**session_updated(), "event_id": ""}
    script.hear(frame)
    assert settled(script.tell(frame)) == [(second, Outcome.DONE)]
