"""Both ends of a session as a machine: every move of the client, the engine and the wire."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support import steps
from support.ledger import PCM_MS, Ledger
from support.pair import Pair, replay
from support.puppet import Puppet
from talkwire import (
    Command,
    Gate,
    InvalidFrame,
    JsonObject,
    LocalProtocolError,
    Outcome,
    Plane,
    UnknownEvent,
    commands,
)
from talkwire import replay as recording
from talkwire.realtime.engine import EngineRequest
from talkwire.timers import DELAYS

TRANSCRIBED: JsonObject = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
WAITING = (Gate.CREATE_SENT, Gate.CANCEL_PENDING, Gate.SERVER_EXPECTED)


def detection(**options: bool) -> JsonObject:
    return {"audio": {"input": {"turn_detection": {"type": "server_vad", **options}}}}


PATCHES: tuple[JsonObject, ...] = (
    {"instructions": "Be brief."},
    {"output_modalities": ["text"]},
    {"output_modalities": ["audio"]},
    {"audio": {"input": {"turn_detection": None}}},
    detection(create_response=True, interrupt_response=True),
    detection(create_response=False),
    detection(interrupt_response=False),
    {"audio": {"output": {"voice": "marin"}}},  # refused once there was audio
    {"tools": [{"type": "function", "name": "f", "meta": 1}]},  # refused
)
RESPONSES: tuple[JsonObject | None, ...] = (
    None,
    None,
    {},
    {"instructions": "Say hello."},
    {"output_modalities": ["text"]},
    {"conversation": "none", "input": [], "metadata": {"topic": "aside"}},
    {"conversation": "none", "metadata": {f"k{n}": "v" for n in range(16)}},
    {"conversation": "none", "temperature": 1},  # refused
    {"temperature": 1},  # refused
)
NOISE = ('{"type":"response.reconsidered","event_id":"event_x"}', "[]", '{"type":', "", "\ud800")


def words_of(item: JsonObject) -> str:
    parts = item.get("content") or ()
    return "".join(part.get("text") or part.get("transcript") or "" for part in parts).strip()


T = TypeVar("T")


def one_of(some: Sequence[T], pick: int) -> T:
    return some[pick % len(some)]


PICK = st.integers(0, 7)
TEXT = st.sampled_from(["Hi.", "What is the weather in Rome?", ""])
TOO_MUCH = "A" * (21 * 1024 * 1024)


class Conversation(RuleBasedStateMachine):
    """Both ends of a session, on one plane."""

    plane: Plane

    @initialize(
        settings=st.sampled_from([{}, detection(interrupt_response=False)]),
        opened=st.booleans(),
        greeted=st.booleans(),
        cut_short=st.sampled_from([False, False, True]),
    )
    def start(self, settings: JsonObject, opened: bool, greeted: bool, cut_short: bool) -> None:
        audio = settings.get("audio", {}).get("input", {})
        self.pair = Pair(
            plane=self.plane,
            settings={"audio": {"input": {**TRANSCRIBED["audio"]["input"], **audio}}},
        )
        self.started = self.pair.now
        self.ledger = Ledger(self.pair)
        self.puppet = Puppet(self.pair)
        self.pair.on_sent = self.ledger.sent
        self.pair.on_said = self.ledger.said
        self.pair.on_heard = self.ledger.heard
        self.pair.on_request = self._asked
        self.pair.opened = opened
        self.count = 0
        self.cut_short = cut_short
        if opened and greeted:
            self.pair.run()

    def _asked(self, request: EngineRequest) -> None:
        self.ledger.requested(request)
        self.puppet.asked(request)

    # -- helpers

    @property
    def live(self) -> bool:
        return self.pair.connected

    @property
    def direct(self) -> bool:
        return self.plane.carries_audio

    def _issue(self, event_id: str | None, kind: str) -> None:
        """A call of ours returned an event id: from now on it must settle."""
        if event_id:
            assert event_id not in self.ledger.settled or kind == "response.cancel"
            self.ledger.issued[event_id] = kind

    def _send(self, command: Command) -> None:
        self._issue(self.pair.send(command), command.type)

    def _fresh(self, kind: str) -> str:
        self.count += 1
        return f"my_{kind}_{self.count}"

    def _made(self, since: int, kind: str) -> str:
        """The id of a kind that the session has made since."""
        return next(i for i in self.pair.ids[since:] if i.startswith(kind))

    def _some_item(self, pick: int) -> str:
        items = self.ledger.known_items
        return items[-1 - pick] if pick < len(items) else "item_of_nobody"

    # -- behave: the client

    @precondition(lambda self: self.live)
    @rule(
        text=TEXT,
        role=st.sampled_from(["user", "user", "user", "system", "assistant"]),
        respond=st.sampled_from([True, True, False]),
    )
    def say(self, text: str, role: str, respond: bool) -> None:
        made = len(self.pair.ids)
        event_id = self.pair.call("send_text", text, role=role, respond=respond)
        self._issue(event_id, "conversation.item.create")
        if respond:
            item_id = self._made(made, "item")
            request = next(i for i in self.pair.ids[made:] if i not in (item_id, event_id))
            self._issue(request, "response.create")
            self.ledger.requests.add(request)
            self.ledger.asked_about[item_id] = request

    def _open_calls(self) -> list[str]:
        """Calls to answer; outside the conversation no output could follow one."""
        calls = self.ledger.calls.values()
        there = [call.call_id for call in calls if call.response_id in self.ledger.in_band]
        return [call_id for call_id in there if call_id not in self.ledger.answered]

    @precondition(lambda self: self.live and self._open_calls())
    @rule(pick=PICK, respond=st.sampled_from([True, True, False]), raw=st.booleans())
    def answer(self, pick: int, respond: bool, raw: bool) -> None:
        calls = self._open_calls()
        call_id = one_of(calls, pick)
        if raw:
            item_id, respond = self._fresh("output"), False
            item = {"type": "function_call_output", "call_id": call_id, "output": "21"}
            event_id = self.pair.send(commands.ConversationItemCreate(item={"id": item_id, **item}))
        else:
            made = len(self.pair.ids)
            event_id = self.pair.call("send_function_result", call_id, "21", respond=respond)
            item_id = self._made(made, "item")
        self._issue(event_id, "conversation.item.create")
        self.ledger.answers[event_id] = call_id
        self.ledger.answered[call_id] = (item_id, respond)

    @precondition(lambda self: self.live)
    @rule(patch=st.sampled_from(PATCHES))
    def configure(self, patch: JsonObject) -> None:
        try:
            event_id = self.pair.call("session_update", patch)
        except LocalProtocolError as refusal:
            assert "voice" in str(refusal)  # fixed, as the session knows by itself (§1.6)
        else:
            self._issue(event_id, "session.update")

    @precondition(lambda self: self.live)
    @rule()
    def cancel(self) -> None:
        if self.ledger.in_flight or not self.pair.opened:
            self.ledger.called_off |= set(self.ledger.asked_about.values())
            self.ledger.cancelled_creates = True
        self._issue(self.pair.call("cancel"), "response.cancel")

    @precondition(lambda self: self.live)
    @rule(response=st.sampled_from(RESPONSES))
    def ask(self, response: JsonObject | None) -> None:
        command = commands.ResponseCreate()
        if response is not None:
            command = commands.ResponseCreate(response=response)
        event_id = self.pair.send(command)
        self._issue(event_id, command.type)
        self.ledger.requests.add(event_id)

    def _cancellable(self) -> list[str]:
        known = self.ledger.known_active
        active = [] if known is None or known in self.ledger.cancel_sent else [known]
        return [*active, *sorted(self.ledger.out_of_band)]

    @precondition(lambda self: self.live and self._cancellable())
    @rule(pick=PICK)
    def cancel_by_id(self, pick: int) -> None:
        running = self._cancellable()
        self._send(commands.ResponseCancel(response_id=one_of(running, pick)))

    @precondition(lambda self: self.live)
    @rule(
        place=st.sampled_from(["end", "root", "item", "nobody"]),
        pick=PICK,
        again=st.booleans(),
    )
    def add_item(self, place: str, pick: int, again: bool) -> None:
        """At any place; now and then with an id that was used before."""
        item_id = f"my_item_{pick}" if again else self._fresh("item")
        content = [{"type": "input_text", "text": f"Item {self.count}."}]
        item = {"id": item_id, "type": "message", "role": "user", "content": content}
        places = {"root": "root", "item": self._some_item(pick), "nobody": "item_of_nobody"}
        if place == "end":
            self._send(commands.ConversationItemCreate(item=item))
        else:
            self._send(commands.ConversationItemCreate(item=item, previous_item_id=places[place]))

    @precondition(lambda self: self.live)
    @rule(pick=PICK, answered=st.booleans())
    def seed_call(self, pick: int, answered: bool) -> None:
        """Put a call of an earlier session into this one, with its output perhaps (§6, 30)."""
        call_id = self._fresh("call")
        call = {"type": "function_call", "name": "f", "call_id": call_id, "arguments": "{}"}
        self._send(commands.ConversationItemCreate(item=call))
        if answered:
            output = {"type": "function_call_output", "call_id": call_id, "output": "21"}
            self._send(commands.ConversationItemCreate(item=output))

    @precondition(lambda self: self.live)
    @rule(pick=PICK, delete=st.booleans())
    def touch_item(self, pick: int, delete: bool) -> None:
        item_id = self._some_item(pick)
        if delete:
            self._send(commands.ConversationItemDelete(item_id=item_id))
        else:
            self._send(commands.ConversationItemRetrieve(item_id=item_id))

    @precondition(
        lambda self: self.live and (self.ledger.cuttable if self.direct else self.ledger.speaks)
    )
    @rule(pick=PICK, ms=st.sampled_from([0, 40, 100, 5000]))
    def truncate(self, pick: int, ms: int) -> None:
        spoken = self.ledger.cuttable if self.direct else self.ledger.speaks
        event_id = self.pair.call("truncate_audio", one_of(spoken, pick), ms)
        self._issue(event_id, "conversation.item.truncate")

    @precondition(lambda self: self.live and self.direct and self.ledger.received)
    @rule(pick=PICK, ms=st.sampled_from([0, 40, 100, 5000]))
    def hear(self, pick: int, ms: int) -> None:
        spoken = list(self.ledger.received)
        self.pair.call("report_playback", one_of(spoken, pick), ms)

    @precondition(lambda self: self.live and self.direct)
    @rule(ms=st.sampled_from([20, 100, 200]))
    def send_audio(self, ms: int) -> None:
        self.pair.call("send_audio", bytes(ms * PCM_MS))

    @precondition(lambda self: self.live)
    @rule(
        command=st.sampled_from(
            [
                commands.InputAudioBufferCommit(),
                commands.InputAudioBufferClear(),
                commands.OutputAudioBufferClear(),
            ]
        )
    )
    def handle_buffers(self, command: Command) -> None:
        if self.direct and isinstance(command, commands.OutputAudioBufferClear):
            self._refused("send", (command,), {})  # the sound is the caller's
            return
        if self.direct and isinstance(command, commands.InputAudioBufferCommit):
            self.send_audio(100)
        self._send(command)

    @precondition(lambda self: self.live)
    @rule()
    def open_call(self) -> None:
        """What was queued leaves as objects, or there is nothing and that is fine too."""
        self.pair.init_data()

    # -- behave: the engine

    @precondition(lambda self: self.live and self.puppet.hears)
    @rule(heard_ms=st.sampled_from([None, 0, 60]))
    def speech(self, heard_ms: int | None) -> None:
        self.puppet.speech(heard_ms)

    @precondition(lambda self: self.live and self.puppet.unknown)
    @rule(pick=PICK, understood=st.booleans())
    def transcribe(self, pick: int, understood: bool) -> None:
        self.puppet.transcribe(one_of(self.puppet.unknown, pick), understood)

    @precondition(lambda self: self.live and self.puppet.running)
    @rule(pick=PICK, aloud=st.booleans(), whole=st.booleans())
    def speak(self, pick: int, aloud: bool, whole: bool) -> None:
        response_id = one_of(list(self.puppet.running), pick)
        self.puppet.say(response_id, aloud)
        if whole:
            self.puppet.end_message(response_id)

    @precondition(lambda self: self.live and self.puppet.running)
    @rule(pick=PICK, calls=st.sampled_from([1, 1, 2]), last=st.booleans())
    def call_function(self, pick: int, calls: int, last: bool) -> None:
        response_id = one_of(list(self.puppet.running), pick)
        for _ in range(calls):
            self.puppet.call(response_id)
        if last:
            self.puppet.end(response_id)

    @precondition(lambda self: self.live and self.puppet.running)
    @rule(pick=PICK, how=st.sampled_from(["done", "done", "done", "failed", "incomplete"]))
    def end(self, pick: int, how: str) -> None:
        self.puppet.end(one_of(list(self.puppet.running), pick), how)

    @precondition(lambda self: self.live and self.puppet.playable)
    @rule(pick=PICK)
    def play_out(self, pick: int) -> None:
        self.puppet.play_out(one_of(self.puppet.playable, pick))

    @precondition(lambda self: self.live and not self.direct)
    @rule()
    def user_audio(self) -> None:
        self.pair.engine("audio_received", duration_ms=80)

    @precondition(lambda self: self.live and self.pair.opened and not self.puppet.user_speaks)
    @rule(calls=st.sampled_from([1, 2]), prompt=st.booleans(), last=st.booleans())
    def need_a_tool(self, calls: int, prompt: bool, last: bool) -> None:
        """A question goes all the way to its calls; the first may be answered before the second."""
        self.say("What is the weather in Rome?", "user", True)
        self.pair.run()
        for _ in range(calls):
            if self.puppet.running:
                self.call_function(0, 1, False)
            self.pair.run()
            if prompt and self._open_calls():
                self.answer(0, True, False)
            prompt = False
        if last and self.puppet.running:
            self.end(0, "done")

    @precondition(lambda self: self.live and self.pair.opened and not self.puppet.user_speaks)
    @rule()
    def answer_aloud(self) -> None:
        """A question is answered aloud, and the answer is still being played."""
        self.say("What is the weather in Rome?", "user", True)
        self.pair.run()
        if self.puppet.running:
            self.speak(0, True, True)
            self.end(0, "done")
            self.pair.run()

    @precondition(lambda self: self.live and self.pair.opened and self.puppet.hears)
    @rule(heard=st.integers(1, 6))
    def take_a_turn(self, heard: int) -> None:
        """The user says something; the session hears so many frames of what follows."""
        self.puppet.speech()
        if self.puppet.user_speaks:
            self.puppet.speech()
        self.pair.deliver_to_session(heard)

    # -- behave: the wire and the clock

    @precondition(lambda self: self.pair.to_service)
    @rule(count=st.sampled_from([1, 1, 2, 3]))
    def deliver_to_service(self, count: int) -> None:
        self.pair.deliver_to_service(count)

    @precondition(lambda self: self.pair.opened and self.pair.to_session)
    @rule(count=st.sampled_from([1, 1, 2, 3, 8]))
    def deliver_to_session(self, count: int) -> None:
        self.pair.deliver_to_session(count)

    @precondition(lambda self: self.pair.opened and (self.pair.to_service or self.pair.to_session))
    @rule()
    def deliver_all(self) -> None:
        self.pair.run()

    @precondition(lambda self: self.pair.opened)
    @rule(seconds=st.sampled_from([0.05, 0.5, 2.0, 3.5, 16.0]))
    def wait(self, seconds: float) -> None:
        self.pair.sleep(seconds)

    @rule()
    def wake_early(self) -> None:
        self.pair.wake()

    @rule()
    def move_elsewhere(self) -> None:
        """It goes on as another session, made of its snapshot."""
        before = self._picture()
        self.pair.swap()
        assert self._picture() == before

    # -- say something new: nothing may change

    @precondition(lambda self: self.live)
    @rule(noise=st.sampled_from(NOISE))
    def hear_noise(self, noise: str) -> None:
        before = self._picture()
        events = self.pair.call("receive", noise)
        assert [type(event) for event in events] in ([InvalidFrame], [UnknownEvent])
        assert self._picture() == before

    # -- misbehave: refused, and nothing may change

    def _illegal(self) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
        sent = [i for i in self.ledger.issued if i not in self.ledger.settled]
        item = {"type": "message", "role": "user", "content": []}
        output = {"type": "function_call_output", "output": "1"}
        create = commands.ConversationItemCreate
        calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
            ("send_text", ("Hi.",), {"role": "robot"}),
            ("send_text", (object(),), {}),
            ("send_function_result", ("call_of_nobody", "1"), {}),
            ("send", (create(item={**output, "call_id": "call_of_nobody"}),), {}),
            ("send", (create(item={**item, "id": "x" * 33}),), {}),
            ("send", (create(item={**item, "id": 5}),), {}),
            ("send", (create(item={**item, "content": {object()}}),), {}),
            ("send", (commands.InputAudioBufferCommit(event_id=""),), {}),
            ("send", (commands.InputAudioBufferCommit(event_id="x" * 513),), {}),
            ("send", (commands.ResponseCreate(response={"metadata": object()}),), {}),
            ("send", (commands.ResponseCreate(response={"instructions": object()}),), {}),
            ("session_update", ({"tools": object()},), {}),
        ]
        calls += [("send", (commands.InputAudioBufferClear(event_id=i),), {}) for i in sent[:1]]
        if self.direct:
            calls.append(("truncate_audio", ("item_of_nobody", 10), {}))
            calls.append(("send_audio", (TOO_MUCH,), {}))
        else:
            calls.append(("send_audio", ("AAAA",), {}))
        if self.ledger.known_active is None:
            calls.append(("send", (commands.ResponseCancel(),), {}))
        elif self.ledger.known_active in self.ledger.cancel_sent:
            active = self.ledger.known_active
            calls.append(("send", (commands.ResponseCancel(response_id=active),), {}))
        return calls

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 20))
    def misbehave(self, pick: int) -> None:
        calls = self._illegal()
        self._refused(*one_of(calls, pick))

    @precondition(lambda self: self.live and self.ledger.answered)
    @rule(pick=PICK, raw=st.booleans())
    def answer_again(self, pick: int, raw: bool) -> None:
        call_id = one_of(list(self.ledger.answered), pick)
        if raw:
            item = {"type": "function_call_output", "call_id": call_id, "output": "42"}
            self._refused("send", (commands.ConversationItemCreate(item=item),), {})
        else:
            self._refused("send_function_result", (call_id, "42"), {})

    @precondition(lambda self: self.ledger.closed)
    @rule(
        call=st.sampled_from(
            [
                ("send_text", ("Hi.",)),
                ("send_function_result", ("call_1", "1")),
                ("session_update", ({},)),
                ("cancel", ()),
                ("truncate_audio", ("item_1", 10)),
                ("send_audio", ("AAAA",)),
                ("report_playback", ("item_1", 10)),
                ("send", (commands.ResponseCreate(),)),
            ]
        )
    )
    def speak_after_the_end(self, call: tuple[str, tuple[Any, ...]]) -> None:
        self._refused(*call, {})

    def _refused(self, method: str, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        before, frames = self._picture(), len(self.pair.frames)
        with pytest.raises(LocalProtocolError):
            self.pair.call(method, *args, **options)
        assert self._picture() == before
        assert not self.pair.opened or self.pair.session.next_frame() is None
        assert len(self.pair.frames) == frames

    def _picture(self) -> list[Any]:
        """Everything that a session shows of itself."""
        session = self.pair.session
        return [
            session.phase,
            session.gate.state,
            session.gate.active,
            session.next_timeout(),
            session.settings.desired,
            session.settings.effective,
            [repr(item) for item in session.conversation],
            [repr(session.calls.get(call_id)) for call_id in self.ledger.calls],
        ]

    # -- the end

    @precondition(lambda self: self.live and len(self.pair.inputs) > 60)
    @rule(dice=st.integers(0, 9), ours=st.booleans())
    def part(self, dice: int, ours: bool) -> None:
        """Rarely: what comes after it is not worth much."""
        if dice == 9:
            self._part(ours)

    def _part(self, ours: bool) -> None:
        if not self.pair.opened:
            self.pair.init_data()
        if ours:
            self.pair.close()
        else:
            self.pair.drop()

    # -- at every step

    @invariant()
    def it_is_counted(self) -> None:
        steps.count(self)

    @invariant()
    def the_clock_is_sound(self) -> None:
        due = self.pair.session.next_timeout()
        assert due is None or math.isfinite(due)
        if self.ledger.closed:
            assert due is None
        elif self.ledger.heard_of and self.pair.session.gate.state in WAITING:
            assert due is not None and due <= self.pair.now + max(DELAYS.values())

    @invariant()
    def the_session_knows_who_speaks(self) -> None:
        gate = self.pair.session.gate
        if not self.ledger.closed:
            assert gate.active == self.ledger.known_active
            running = gate.state in (Gate.ACTIVE, Gate.CANCEL_SENT)
            assert running == (self.ledger.known_active is not None)

    def teardown(self) -> None:
        if not hasattr(self, "pair"):
            return
        if self.live:
            if not self.cut_short:
                if not self.pair.opened:
                    self.pair.init_data()
                self.puppet.come_to_rest()
                self._rested()
            self._part(ours=False)
        missing = set(self.ledger.issued) - set(self.ledger.settled)
        assert not missing, f"never settled: {missing}"
        self._plays_again()

    def _rested(self) -> None:
        session, ledger = self.pair.session, self.ledger
        assert session.gate.state is Gate.IDLE
        waiting = {i: k for i, k in ledger.issued.items() if i not in ledger.settled}
        # Nothing was playing when it came: nothing is cleared and nothing is said (§1.3).
        assert set(waiting.values()) <= {"output_audio_buffer.clear"}, waiting
        assert not self.ledger.cleared_sound & set(waiting)
        assert set(ledger.calls) == ledger.calls_told
        self._same_conversation()
        self._every_text_was_answered()
        if not (ledger.lost_creates or ledger.failed_creates or ledger.cancelled_creates):
            self._every_result_was_answered()
        if not ledger.refused_outputs:
            self._results_were_followed_up_once()

    def _same_conversation(self) -> None:
        here, there = list(self.pair.session.conversation), self.pair.service.items
        assert [item.id for item in here] == [item["id"] for item in there]
        for ours, theirs in zip(here, there, strict=True):
            for name in ("type", "role", "status", "call_id", "name", "arguments", "output"):
                assert getattr(ours, name) == theirs.get(name), (name, ours, theirs)
            spoken = theirs.get("role") == "assistant" and ours.response_id
            assert ours.text == (self.ledger.words[ours.id].strip() if spoken else words_of(theirs))

    def _every_text_was_answered(self) -> None:
        """A request that was settled as done got a response that saw what it was about."""
        there = {item["id"] for item in self.pair.service.items}
        for item_id, request in self.ledger.asked_about.items():
            if request in self.ledger.called_off | self.ledger.guessed:
                continue
            if self.ledger.settled[request].outcome is Outcome.DONE and item_id in there:
                assert item_id in self.ledger.shown_to_model, f"{request} was not answered"

    def _every_result_was_answered(self) -> None:
        """So did the results of a response's calls, once all of them were there (§3.7)."""
        there = {item["id"] for item in self.pair.service.items}
        for response_id in {call.response_id for call in self.ledger.calls.values()}:
            calls = [c for c, call in self.ledger.calls.items() if call.response_id == response_id]
            results = [self.ledger.answered.get(call_id) for call_id in calls]
            given = [result for result in results if result is not None and result[0] in there]
            if len(given) == len(calls) and any(respond for _, respond in given):
                assert {item_id for item_id, _ in given} <= self.ledger.shown_to_model

    def _results_were_followed_up_once(self) -> None:
        """One create for all the calls of a response, not one per call (§3.7)."""
        calls = self.ledger.calls.values()
        started = {call.response_id for call in calls}
        left = {call.response_id for call in calls if call.call_id not in self.ledger.answered}
        assert len(self.ledger.creates - self.ledger.requests) <= len(started - left)

    def _plays_again(self) -> None:
        inputs = self.pair.inputs
        traces = [
            replay(inputs, plane=self.plane, now=self.started, drain=drain)
            for drain in (lambda step: None, lambda step: 0, lambda step: step % 2)
        ]
        assert traces[0].frames == self.pair.frames
        assert traces[0].results == self.pair.results
        assert all(trace == traces[0] for trace in traces)
        played = [recording.replay(lines) for lines in self.pair.recordings]
        assert [each.difference for each in played] == [None] * len(played)
        now = self.pair.now
        assert played[-1].session.snapshot(now=now) == self.pair.session.snapshot(now=now)
