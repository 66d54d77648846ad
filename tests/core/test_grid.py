"""Every situation x every event, command and deadline: what follows is what the tables say.

A cell is one input to a session in one situation. Whatever it is, nothing raises but a call that
is refused; the phase, the gate and the call stand where `state.py` says; what was odd is counted;
every command settles at most once, and when the transport goes exactly once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from attrs import frozen

from support.frames import (
    Frame,
    already_active,
    arguments_done,
    call,
    error,
    item_done,
    output_item,
    response_created,
    response_done,
    settled,
)
from support.samples import SERVER_FRAMES
from support.situations import OUTPUT, Scene, Situation, situations
from talkwire import (
    DIRECT,
    PARTIAL,
    RELAY,
    SIDEBAND,
    Anomaly,
    Command,
    Event,
    Gate,
    InvalidFrame,
    LocalProtocolError,
    Phase,
    Plane,
    UnknownEvent,
    commands,
)
from talkwire.realtime.state import (
    CALLS,
    GATES,
    PHASES,
    Call,
    CallInput,
    GateInput,
    PhaseInput,
    advance,
)

RUNNING = (Gate.ACTIVE, Gate.CANCEL_SENT)


@frozen(kw_only=True)
class Cell:
    """One input, and the rows that it should be."""

    name: str
    act: Callable[[Scene], Sequence[Event] | str | None]
    phase: PhaseInput | None = PhaseInput.OTHER
    gate: GateInput | None = None
    call: CallInput | None = None
    ends_session: bool = False
    ends_speech: bool = False
    legal: bool = True
    asks: bool = False
    """Whether it asks for a response, which leaves as soon as it may."""


def hear(name: str, frame: Frame, **rows: Any) -> Cell:
    return Cell(name=name, act=lambda scene: scene.hear(frame), **rows)


def hearing(text: str) -> Callable[[Scene], Sequence[Event]]:
    return lambda scene: scene.happen(scene.session.receive(text, now=0.0))


# -- what the service can say


EVENT_PHASES = {
    "session.created": PhaseInput.CREATED,
    "session.updated": PhaseInput.UPDATED,
}
EVENT_GATES = {
    "response.created": GateInput.CREATED,
    "response.done": GateInput.DONE_UNSEEN,  # of a response that nobody saw begin
    "input_audio_buffer.speech_stopped": GateInput.COMMITTED,
    "input_audio_buffer.timeout_triggered": GateInput.COMMITTED,
    "input_audio_buffer.committed": GateInput.COMMITTED,
}


def each_event(scene: Scene) -> Iterator[Cell]:
    """Every event type, about responses, items and calls that nobody knows."""
    for kind, frame in SERVER_FRAMES.items():
        if kind == "error":
            frame = error("invalid_value", event_id="event_of_nobody")
        shows = not scene.at.plane.sees_all and "function" in kind
        yield hear(
            f"any {kind}",
            frame,
            phase=EVENT_PHASES.get(kind, PhaseInput.OTHER),
            gate=GateInput.CREATED if shows else EVENT_GATES.get(kind),
            call=CallInput.RESPONSE_DONE if shows and in_the_running(scene) else None,
            ends_speech=kind == "input_audio_buffer.cleared",
        )


def in_the_running(scene: Scene) -> bool:
    """Whether the call is one of the active response."""
    return scene.call_running and scene.call_response == scene.session.gate.active


# How the active response ends where ours was beaten to it; in CANCEL_SENT ours was stopped as well.
BEATEN = {
    "active, beaten": GateInput.DONE_BEFORE_OURS,
    "cancel_sent, beaten": GateInput.DONE_BEFORE_STOPPED,
}


def about_responses(scene: Scene) -> Iterator[Cell]:
    """The responses that are known here: the one running, and the one with the call."""
    ours = scene.create_id
    running = scene.session.gate.active
    yield hear("created beside", response_created("resp_9", out_of_band=True))
    if ours is not None:
        yield hear("ours created", response_created("resp_9", ours=ours), gate=GateInput.CREATED)
    if running is not None:
        done = BEATEN.get(scene.at.gate, GateInput.DONE)
        ended = CallInput.RESPONSE_DONE if in_the_running(scene) else None
        for status in ("completed", "cancelled", "failed"):
            yield hear(f"{status}", response_done(running, status), gate=done, call=ended)
    if scene.call_response != running and scene.at.call != "none":
        unseen = None if scene.call_response else GateInput.DONE_UNSEEN
        ended = CallInput.RESPONSE_DONE if scene.call_response else None
        response_id = scene.call_response or "resp_0"
        yield hear("the call's done", response_done(response_id), gate=unseen, call=ended)


def about_errors(scene: Scene) -> Iterator[Cell]:
    """What the service can refuse or fail of what is on its way here."""
    ours, unnamed = scene.create_id, GateInput.REFUSED if scene.create_id else None
    yield hear("blocked", already_active(None, "resp_9"), gate=unnamed)
    yield hear("fatal", error("invalid_api_key"), ends_session=True)
    yield hear("session over", error("session_expired"), ends_session=True)
    if ours is not None:
        yield hear("ours blocked", already_active(ours, "resp_9"), gate=GateInput.REFUSED)
        yield hear("ours failed", error("invalid_value", event_id=ours), gate=GateInput.FAILED)
    if scene.waiting_id is not None:
        yield hear("what waits failed", error("invalid_value", event_id=scene.waiting_id))
    if scene.cancel_id is not None:
        late = error("response_cancel_not_active", event_id=scene.cancel_id)
        yield hear("cancel too late", late, gate=GateInput.NOT_ACTIVE)
        yield hear("cancel failed", error("invalid_value", event_id=scene.cancel_id))
    if scene.answer_id is not None:
        refused = error("invalid_value", event_id=scene.answer_id)
        yield hear("output refused", refused, call=CallInput.REFUSED)


def about_the_call(scene: Scene) -> Iterator[Cell]:
    """The four events that say the call is whole (§3.7), and how far they are believed here."""
    response_id = scene.call_response
    if scene.at.call == "none":
        response_id = scene.session.gate.active or "resp_0"
    trusted = scene.at.plane.trusted
    open_here = scene.call_running or response_id == scene.session.gate.active
    shows = not scene.at.plane.sees_all and response_id != ""
    whole = CallInput.COMPLETE
    done = call("call_1", "{}")
    known = scene.at.call != "none"
    yield hear(
        "arguments done",
        {**arguments_done(response_id, "call_1"), "event_id": "event_anew"},
        gate=GateInput.CREATED if shows and not open_here else None,
        call=whole if trusted or shows or (known and open_here) else None,
    )
    yield hear("item done", item_done(done), call=whole if known else None)
    yield hear(
        "output item done",
        output_item("done", response_id, done),
        call=whole if trusted or open_here else None,
    )
    if in_the_running(scene):
        yield hear(
            "done with the call",
            response_done(response_id, output=[done]),
            gate=BEATEN.get(scene.at.gate, GateInput.DONE),
            call=whole,
        )


# -- what we can say


def say(command: Command, **rows: Any) -> Cell:
    return do(f"send {command.type}", lambda s: s.session.send(command, now=0.0), **rows)


def do(name: str, act: Callable[[Scene], Any], **rows: Any) -> Cell:
    return Cell(name=name, act=act, phase=PhaseInput.COMMAND, **rows)


def each_command(scene: Scene) -> Iterator[Cell]:
    """Every command and every call, with the conditions that are more than the phase's."""
    direct = scene.at.plane.carries_audio
    state = scene.session.gate.state
    cancels = scene.session.gate.active is not None
    message = {"type": "message", "role": "user", "content": []}
    yield say(commands.SessionUpdate(session={"type": "realtime"}))
    yield say(commands.InputAudioBufferAppend(audio=SILENCE), legal=direct)
    # Where audio passes here, none of ours did, and what is played is ours (§1.3).
    yield say(commands.InputAudioBufferCommit(), legal=not direct)
    yield say(commands.InputAudioBufferClear())
    yield say(commands.OutputAudioBufferClear(), legal=not direct)
    yield say(commands.ConversationItemCreate(item=message))
    yield say(commands.ConversationItemRetrieve(item_id="item_1"))
    yield say(commands.ConversationItemDelete(item_id="item_1"))
    # Nor did any of this item.
    yield say(commands.ConversationItemTruncate(item_id="i", audio_end_ms=1), legal=not direct)
    yield do("truncate", lambda s: s.session.truncate_audio("i", 1, now=0.0), legal=not direct)
    yield say(commands.ResponseCreate(), asks=True)
    yield say(commands.ResponseCreate(response={"conversation": "none"}))
    yield say(
        commands.ResponseCancel(),
        gate=GateInput.CANCEL,
        legal=cancels and advance(GATES, state, GateInput.CANCEL) is not None,
    )
    yield say(commands.ResponseCancel(response_id="resp_9"))
    yield do("cancel", lambda s: s.session.cancel(now=0.0), gate=GateInput.CANCEL)
    yield do("text", lambda s: s.session.send_text("Hi.", now=0.0), asks=True)
    yield do("text only", lambda s: s.session.send_text("Hi.", respond=False, now=0.0))
    yield do("audio", lambda s: s.session.send_audio(SILENCE, now=0.0), legal=direct)
    yield do("played", lambda s: s.session.report_playback("i", 1, now=0.0))
    yield do("configure", lambda s: s.session.session_update({}, now=0.0))
    approve = {"type": "mcp_approval_response", "approval_request_id": "i", "approve": True}
    yield say(commands.ConversationItemCreate(item=approve), legal=False)  # nobody asked
    yield do(
        "approve", lambda s: s.session.send_mcp_approval("i", approve=True, now=0.0), legal=False
    )
    yield from _answers(scene)


def _answers(scene: Scene) -> Iterator[Cell]:
    record = scene.session.calls.get("call_1")
    legal = record is not None and not record.out_of_band
    legal = legal and advance(CALLS, Call(scene.at.call), CallInput.ANSWER) is not None
    rows = {"call": CallInput.ANSWER, "legal": legal}
    yield say(commands.ConversationItemCreate(item=OUTPUT), **rows)
    yield do(
        "answer",
        lambda s: s.session.send_function_result("call_1", "21", now=0.0),
        asks=not scene.call_running,
        **rows,
    )


SILENCE: Any = bytes(480)


def time_and_end(scene: Scene) -> Iterator[Cell]:
    """The deadlines, each when it is due; and the end of the transport."""
    ending = scene.at.phase is Phase.ENDING  # then the close is what is awaited
    unheard = scene.at.phase is Phase.CONNECTING and not scene.at.plane.trusted
    sent = (scene.at.gate, scene.at.call) != ("idle", "none")
    opens = unheard and not scene.at.plane.sees_all and sent  # it counts as open by now
    runs = scene.session.gate.state in RUNNING
    waits = not runs and not unheard
    over = runs and not scene.at.plane.sees_all  # it has been silent for long enough
    passed = GateInput.GIVE_UP if waits else GateInput.DONE if over else None
    yield Cell(
        name="the clock",
        act=lambda s: s.happen(s.session.handle_timeout(now=31.0)),
        phase=PhaseInput.CLOSE if ending else PhaseInput.OTHER if opens else None,
        gate=GateInput.CLOSE if ending else passed,
        call=CallInput.RESPONSE_DONE if over and not ending and in_the_running(scene) else None,
        ends_speech=True,
    )
    yield Cell(
        name="the transport closes",
        act=lambda s: s.happen(s.session.receive_close(now=0.0)),
        phase=PhaseInput.CLOSE,
        gate=GateInput.CLOSE,
    )
    for name, frame in (("noise", "{"), ("something new", '{"type":"session.paused"}')):
        yield Cell(name=name, act=hearing(frame), phase=None)


def cells(scene: Scene) -> Iterator[Cell]:
    """Every input that there is in this situation."""
    yield from each_event(scene)
    yield from about_responses(scene)
    yield from about_errors(scene)
    yield from about_the_call(scene)
    yield from each_command(scene)
    yield from time_and_end(scene)


# -- what should follow


@frozen
class Standing:
    """Where a session stands, as the tables have it."""

    phase: Phase
    gate: Gate
    call: Call | None

    @classmethod
    def of(cls, scene: Scene) -> Standing:
        record = scene.session.calls.get("call_1")
        gate = scene.session.gate.state
        return cls(scene.session.phase, gate, None if record is None else record.state)


def expected(scene: Scene, cell: Cell) -> Standing | None:
    """What follows; None when the cell is refused or out of place, and nothing changes."""
    before = Standing.of(scene)
    phase = before.phase if cell.phase is None else advance(PHASES, before.phase, cell.phase)
    if phase is None or not cell.legal:
        return None
    if cell.ends_session:
        phase = advance(PHASES, phase, PhaseInput.FATAL) or phase
    gate = before.gate if cell.gate is None else advance(GATES, before.gate, cell.gate)
    gate = _what_leaves(scene, cell, phase, gate or before.gate)
    return Standing(phase, gate, _call(before.call, cell.call))


def _what_leaves(scene: Scene, cell: Cell, phase: Phase, gate: Gate) -> Gate:
    """What waits, or is asked for, leaves where the gate has a row for it."""
    speaks = scene.at.gate == "speaking" and not cell.ends_speech
    waits = cell.asks or scene.waiting_id is not None
    may = advance(PHASES, phase, PhaseInput.COMMAND) is not None
    if waits and may and not speaks:
        return advance(GATES, gate, GateInput.CREATE) or gate
    return gate


def _call(before: Call | None, moved_by: CallInput | None) -> Call | None:
    if moved_by is None:
        return before
    if before is None:
        return Call.EMITTED if moved_by is CallInput.COMPLETE else None
    return advance(CALLS, before, moved_by) or before


# -- the grid


def played(at: Situation, cell: Cell) -> str | None:
    """Play one cell, on a session of its own; what was wrong with it, if anything."""
    scene = at.reach()
    before = Standing.of(scene)
    wanted = expected(scene, cell)
    try:
        result = cell.act(scene)
        refused = False
    except LocalProtocolError:
        result, refused = None, True
    got = Standing.of(scene)
    if isinstance(result, str):
        scene.issue(result)
    if refused != (wanted is None and cell.phase is PhaseInput.COMMAND):
        return f"{at} / {cell.name}: {'refused' if refused else 'not refused'}"
    if got != (wanted or before):
        return f"{at} / {cell.name}: {got}, not {wanted or before}"
    wrong = _unsettled(scene) or _miscounted(scene)
    return f"{at} / {cell.name}: {wrong}" if wrong else None


def _unsettled(scene: Scene) -> str | None:
    scene.drain()
    scene.happen(scene.session.receive_close(now=40.0))
    ended = Counter(event_id for event_id, _ in settled(scene.events))
    if set(ended.values()) - {1}:
        return f"settled twice: {ended}"
    missing = scene.issued - set(ended)
    return f"never settled: {missing}" if missing else None


def _miscounted(scene: Scene) -> str | None:
    odd = [e for e in scene.events if isinstance(e, Anomaly | InvalidFrame | UnknownEvent)]
    told = Counter(type(event).__name__ for event in odd)
    return None if told == scene.session.counts else f"{scene.session.counts}, not {told}"


@pytest.mark.parametrize("phase", list(Phase), ids=lambda phase: phase.value)
@pytest.mark.parametrize("plane", [DIRECT, SIDEBAND, RELAY, PARTIAL], ids=lambda plane: plane.name)
def test_in_every_situation_every_input_leads_where_the_tables_say(
    plane: Plane, phase: Phase
) -> None:
    wrong: list[str] = []
    count = 0
    for at in situations(plane):
        if at.phase is phase:
            row = list(cells(at.reach()))
            count += len(row)
            wrong += [words for cell in row if (words := played(at, cell))]
    assert count > 300
    assert wrong == [], "\n".join(wrong[:50])
