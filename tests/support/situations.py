"""Every situation that a session can be brought into by public calls: phase x gate x call.

`Gate` says where the gate stands; some of its states are told apart further by what else is on its
way or waits. A call is `call_1`; the running response is `resp_1`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import product

from attrs import define, field, frozen

from support.frames import (
    Frame,
    announced,
    committed,
    completed,
    error,
    output_item,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech,
    text_of,
)
from support.frames import call as call_item
from talkwire import Event, Gate, Phase, Plane, Session, commands

# What each stands at; "beaten": ours is on its way and the service's own was quicker; "waiting":
# ours has not left; "speaking": nor has it, because the user speaks.
GATES: dict[str, Gate] = {
    "idle": Gate.IDLE,
    "speaking": Gate.IDLE,
    "server_expected": Gate.SERVER_EXPECTED,
    "create_sent": Gate.CREATE_SENT,
    "cancel_pending": Gate.CANCEL_PENDING,
    "active": Gate.ACTIVE,
    "active, waiting": Gate.ACTIVE,
    "active, beaten": Gate.ACTIVE,
    "cancel_sent": Gate.CANCEL_SENT,
    "cancel_sent, waiting": Gate.CANCEL_SENT,
    "cancel_sent, beaten": Gate.CANCEL_SENT,
}
# Before the service has said a word, only what we do ourselves can have happened.
UNHEARD_GATES = ("idle", "create_sent", "cancel_pending")
CALLS = ("none", "announced", "emitted", "answered", "cut")
UNHEARD_CALLS = ("none", "emitted", "answered")
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "21"}
CALL = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}


@define
class Ids:
    """Counts; the count can be set back, to make good for the ids of a call that was refused."""

    count: int = 0

    def __call__(self, kind: str) -> str:
        self.count += 1
        return f"{kind}_tw{self.count}"


@frozen
class Situation:
    """Where a session stands."""

    plane: Plane
    phase: Phase
    gate: str
    call: str

    def __str__(self) -> str:
        call = "no call" if self.call == "none" else f"a call {self.call}"
        return f"{self.plane.name}: {self.phase.value}, gate {self.gate}, {call}"

    def reach(self) -> Scene:
        """Bring a new session there, and make sure that it is."""
        scene = Scene(self)
        if self.phase is not Phase.CONNECTING:
            scene.hear(session_created())
        if self.phase is not Phase.CONNECTING and self.phase is not Phase.CREATED:
            scene.hear(session_updated())
        scene.bring_the_call()
        scene.bring_the_gate()
        scene.announce_late()
        if self.phase is Phase.ENDING:
            scene.hear(error("invalid_api_key"))
        elif self.phase is Phase.CLOSED:
            scene.happen(scene.session.receive_close(now=0.0))
        scene.check()
        return scene


@define
class Scene:
    """A session in a situation, and the ids of what was said on the way there."""

    at: Situation
    ids: Ids = field(factory=Ids)
    create_id: str | None = None
    """Our create that is on its way."""
    waiting_id: str | None = None
    """Our create that waits."""
    cancel_id: str | None = None
    answer_id: str | None = None
    """The item with the call's output, while it is not acknowledged."""
    call_response: str = "resp_0"
    """The response that announced the call; the empty text for one of ours."""
    call_running: bool = False
    """Whether that response still runs."""
    events: list[Event] = field(factory=list[Event])
    """Everything that the session has returned."""
    issued: set[str] = field(factory=set[str])
    """The event ids of everything that was sent, or shall be."""
    session: Session = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.session = Session(plane=self.at.plane, now=0.0, ids=self.ids)

    def hear(self, *frames: Frame) -> list[Event]:
        """Hand frames of the service over; what came of them."""
        told = [e for f in frames for e in self.session.receive(text_of(f), now=0.0)]
        return self.happen(told)

    def happen(self, events: Sequence[Event]) -> list[Event]:
        self.events += events
        return list(events)

    def issue(self, event_id: str) -> str:
        """Remember an id that a call has returned; empty for an append."""
        self.issued |= {event_id} - {""}
        return event_id

    def drain(self) -> list[Frame]:
        """The frames that may leave now."""
        frames: list[Frame] = []
        while (frame := self.session.next_frame()) is not None:
            frames.append(json.loads(frame))
        self.issued |= {frame["event_id"] for frame in frames if "event_id" in frame}
        return frames

    def bring_the_call(self) -> None:
        if self.at.call in ("none", "announced"):
            return
        if self.at.phase is Phase.CONNECTING:
            self.call_response = ""
            self.issue(self.session.send(commands.ConversationItemCreate(item=CALL), now=0.0))
        else:
            self.hear(response_created("resp_0"), *announced("resp_0", "call_1"))
            if self.at.call != "cut":
                self.hear(*completed("resp_0", "call_1"))
            self.hear(response_done("resp_0"))
        if self.at.call == "answered":
            answer = self.session.send_function_result("call_1", "21", respond=False, now=0.0)
            self.answer_id = self.issue(answer)

    def announce_late(self) -> None:
        """In the running response where there is one, else in one beside the conversation."""
        if self.at.call != "announced":
            return
        self.call_running = self.at.phase is not Phase.CLOSED
        if GATES[self.at.gate] in (Gate.ACTIVE, Gate.CANCEL_SENT):
            self.call_response = "resp_1"
            self.hear(*announced("resp_1", "call_1"))
        else:
            item = call_item("call_1", status="in_progress")
            self.hear(response_created("resp_0", out_of_band=True))
            self.hear(output_item("added", "resp_0", item))

    def bring_the_gate(self) -> None:
        gate = self.at.gate
        if gate == "speaking":
            self.hear(speech("started", "item_u"))
            self.waiting_id = self._create()
        elif gate == "server_expected":
            self._turn()
        elif gate in ("create_sent", "cancel_pending"):
            self.create_id = self._create()
        elif gate != "idle":
            if gate.endswith("beaten"):
                self.create_id = self._create()
                self._turn()
            self.hear(response_created("resp_1"))
            if gate.endswith("waiting"):
                self.waiting_id = self._create()
        if gate.startswith("cancel"):
            self.cancel_id = self.session.cancel(now=0.0)
            self.issue(self.cancel_id or "")
        self.drain()

    def _create(self) -> str:
        return self.issue(self.session.send(commands.ResponseCreate(), now=0.0))

    def _turn(self) -> None:
        self.hear(speech("started", "item_u"), speech("stopped", "item_u"))
        self.hear(committed("item_u"))

    def check(self) -> None:
        session, at = self.session, self.at
        assert session.phase is at.phase, at
        assert session.gate.state is (Gate.IDLE if session.closed else GATES[at.gate]), at
        record = session.calls.get("call_1")
        assert ("none" if record is None else record.state.value) == at.call, at


def situations(plane: Plane) -> Iterator[Situation]:
    """Every situation on a plane."""
    for gate, call in product(UNHEARD_GATES, UNHEARD_CALLS):
        yield Situation(plane, Phase.CONNECTING, gate, call)
    for phase in (Phase.CREATED, Phase.READY, Phase.ENDING):
        for gate, call in product(GATES, CALLS):
            yield Situation(plane, phase, gate, call)
    for call in CALLS:
        yield Situation(plane, Phase.CLOSED, "idle", call)
