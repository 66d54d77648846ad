"""The books of a session under one cover, and what every input ends with.

`session.py` opens them with the first input; `reactions.py` writes what the service says into
them, `requests.py` what you say.
"""

from binascii import crc32
from collections.abc import Callable, Iterable, Sequence

from attrs import define, field
from msgspec import UNSET

from ..timers import Timer, TimerTable
from ..values import new_dict, new_list
from . import commands as c
from .advice import Advice
from .beta import Dialect
from .calls import Calls, Respond
from .conversation import Conversation
from .events import ErrorDetails
from .expiry import Expiry
from .gate import Create, ResponseGate
from .happenings import Anomaly, Event, Interrupted, InvalidFrame, Outcome, UnknownEvent
from .ids import IdFactory
from .json_values import JsonObject, is_object
from .kind import VOCABULARIES, AnyCommand, Kind, Vocabulary
from .limits import MAX_ITEM_ID, MAX_METADATA_PAIRS
from .mcp import McpBook
from .pending import Pending
from .plane import Plane
from .playback import Part, Playback
from .settings import Settings
from .state import PHASES, Gate, Phase, PhaseInput
from .usage import Allowance, SessionUsage
from .wire import encode_command

CLIENT_EVENT_ID = "client_event_id"
HEARD = 32  # frames that moved something and are known again: those of a few turns
SEVERAL = -1  # the sum of no frame: this id was given to several
STOPPED = 64  # responses remembered as cut off: all that may be told so twice

# A member of an enum is looked up in a hundred nanoseconds, and these at every input.
_CREATED, _ANSWER = Timer.RESPONSE_CREATED, Timer.SERVER_RESPONSE
_SPEECH, _HANDSHAKE = Timer.SPEECH, Timer.HANDSHAKE
_CLEARED, _IDLE, _ENDING = Timer.CLEARED, Timer.IDLE, Timer.ENDING
_AUTO, _IF_IDLE = Respond.AUTO, Respond.IF_IDLE
_OPENING, _UNHEARD = Timer.OPENING, Timer.UNHEARD
_OPEN = frozenset(phase for phase, row in PHASES.items() if PhaseInput.COMMAND in row)
_WAITS = {
    Gate.SERVER_EXPECTED: _ANSWER,
    Gate.CREATE_SENT: _CREATED,
    Gate.CANCEL_PENDING: _CREATED,
}


# What audio waits for, and what stops something: these do not wait for audio.
_OVERTAKES = frozenset(
    {
        "session.update",
        "response.cancel",
        "conversation.item.truncate",
        "output_audio_buffer.clear",
    }
)


@define(eq=False, repr=False)
class Books:
    """Everything a session knows. What is not of use to others has an underscore where it is."""

    plane: Plane
    ids: IdFactory
    timers: TimerTable
    kind: Kind = Kind.REALTIME
    dialect: Dialect = Dialect.GA
    phase: Phase = Phase.CONNECTING
    gate: ResponseGate = field(factory=ResponseGate)
    calls: Calls = field(factory=Calls)
    conversation: Conversation = field(factory=Conversation)
    settings: Settings = field(factory=Settings)
    expiry: Expiry = field(factory=Expiry)
    usage: SessionUsage | None = None
    rate_limits: dict[str, Allowance] | None = None
    advice: Advice | None = None
    mcp: McpBook | None = None
    playback: Playback = field(factory=Playback)
    pending: Pending = field(factory=Pending)
    frames: list[str] = field(factory=new_list)
    held: list[str] | None = None
    """Audio that came before the configuration was confirmed, and what is to follow it."""
    audio_flows: bool = False
    """Whether audio leaves as it comes: the session is open and waits for nothing."""
    appended_bytes: int = 0
    """Audio sent since our last commit or clear; the service may have taken of it by itself."""
    interrupted: tuple[str, ...] = ()
    heard: dict[int, int] = field(factory=new_dict)
    """The frames heard lately, each by its id, as sums of both; newest last."""
    counts: dict[str, int] = field(factory=new_dict)
    """How many frames were unreadable, unknown or out of place, by the event that told it."""

    def count(self, *odd: InvalidFrame | UnknownEvent | Anomaly) -> Sequence[Event]:
        """Count what a frame should not have been; gives it back."""
        for event in odd:
            name = type(event).__name__
            self.counts[name] = self.counts.get(name, 0) + 1
        return list(odd)

    def heard_before(self, event_id: str, frame: str | bytes) -> bool:
        """Whether this very frame came lately: who listens in two places hears all twice (§4).

        A service that gives no ids may say the same again and mean it; so may one that gives an
        id to several frames, and that id says nothing from then on.
        """
        if not event_id:
            return False
        data = frame if isinstance(frame, bytes) else frame.encode("utf-8", "surrogatepass")
        heard, named, told = self.heard, crc32(event_id.encode()), crc32(data)
        before = heard.pop(named, None)
        heard[named] = told if before is None or before == told else SEVERAL
        if len(heard) > HEARD:
            del heard[next(iter(heard))]
        return before == told

    def counted(self) -> SessionUsage:
        """What the session has cost so far."""
        if self.usage is None:
            self.usage = SessionUsage()
        return self.usage

    # -- what every input ends with

    def after(self, now: float) -> None:
        """Let leave what may leave now, and set the clock for what is awaited."""
        if self.phase not in _OPEN:
            self.audio_flows = False
            self.timers.clear(but=_ENDING)
            self.timers.follow((_ENDING,) if self.phase is Phase.ENDING else (), now)
            return
        if not self.audio_flows:  # once it does, it does to the end
            self._let_audio_flow()
        gate = self.gate
        if gate.cancel_due is not None:
            due, gate.cancel_due = gate.cancel_due, None
            self.cancel(due)
        if gate.waiting is not None and self.held is None:
            self._take(now)
        awaited = self._awaited()
        if awaited != self.timers.followed:
            self.timers.follow(awaited, now)

    def _let_audio_flow(self) -> None:
        if _HANDSHAKE in self.timers and not self._awaits_configuration():
            self.timers.stop(_HANDSHAKE)
        if self.held is not None and _HANDSHAKE not in self.timers:
            self.frames, self.held = self.frames + self.held, None
        self.audio_flows = self.held is None and not self._holds_audio()

    def _awaited(self) -> tuple[Timer, ...]:
        """What this state waits for; nothing, most of the time."""
        wanted: tuple[Timer, ...] = ()
        waits, speaks = _WAITS.get(self.gate.state), self.gate.user_speaks
        if waits is _CREATED and self._is_connected():
            wanted += (_CREATED,)
        if waits is _ANSWER and not speaks:
            wanted += (_ANSWER,)
        if speaks:
            wanted += (_SPEECH,)
        if self.pending.clears:
            wanted += (_CLEARED,)
        if not self.plane.sees_all and (self.gate.active is not None or self.sent()):
            wanted += (_UNHEARD if self._is_connected() else _OPENING,)
        if _IDLE in self.timers.delays and self._is_idle():
            wanted += (_IDLE,)
        return wanted

    def _holds_audio(self) -> bool:
        """Whether audio waits until the session is configured (ag2ai/ag2#509)."""
        return _HANDSHAKE in self.timers and self.phase is not Phase.READY

    def _take(self, now: float) -> None:
        create = self.gate.take()
        if create is not None:
            self.queue(labelled(c.ResponseCreate(response=create.response or {}), create.last))
            self.timers.stop(_CREATED)  # each create has its own deadline,
            self.timers.stop(_UNHEARD)  # and its own silence

    def _is_idle(self) -> bool:
        busy = self.gate.state is not Gate.IDLE or self.gate.user_speaks or self.calls.unanswered
        plays = self.playback.playing or self.playback.user_speaks or self.playback.audible()
        return self.phase is not Phase.CONNECTING and not busy and not plays

    @property
    def vocabulary(self) -> Vocabulary:
        """What can be said in this kind of session."""
        return VOCABULARIES[self.kind]

    @property
    def takes_commands(self) -> bool:
        """Whether a command makes sense in this phase."""
        return self.phase in _OPEN

    @property
    def service_responds(self) -> bool:
        """Whether the service answers a turn of the user's by itself."""
        return self.settings.service_responds and VOCABULARIES[self.kind].responds

    def _is_connected(self) -> bool:
        """Whether frames reach the service: a page's call may take long to open."""
        return self.phase is not Phase.CONNECTING or self.plane.trusted

    def _awaits_configuration(self) -> bool:
        """Whether the service owes its first word, or the answer to what we asked for first."""
        asked = bool(self.settings.desired)
        return self.phase is Phase.CONNECTING or (self.phase is Phase.CREATED and asked)

    # -- what several of them do

    def sent(self) -> list[str]:
        """The commands that have left and are not settled."""
        return [i for i in self.pending.every() if not self.gate.waits(i)]

    def new_event_id(self, *, but: str = "") -> str:
        """An id that no command on its way has; some have ids of the caller's."""
        return self._new_id("event", lambda made: made == but or made in self.pending)

    def new_item_id(self) -> str:
        """An id that no item has, in the conversation or on its way."""
        sent = self.pending.about("conversation.item.create")
        return self._new_id("item", lambda made: made in sent or made in self.conversation)

    def _new_id(self, kind: str, taken: Callable[[str], bool]) -> str:
        """A factory that repeats itself is not asked again: no frame may raise for it."""
        made = new = self.ids(kind)
        count = 1
        while taken(new):
            count += 1
            suffix = f"_{count}"
            new = made[: MAX_ITEM_ID - len(suffix)] + suffix
        return new

    def queue(self, command: AnyCommand) -> None:
        """Have a command leave; it was checked to be JSON."""
        self.leave(command.type, encode_command(command, self.dialect))

    def leave(self, kind: str, frame: str) -> None:
        """Have a frame leave, behind audio that still waits."""
        if self.held is None or kind in _OVERTAKES:
            self.frames.append(frame)
        else:
            self.held.append(frame)

    def leave_audio(self, frame: str, size: int) -> None:
        """Have `size` bytes of audio leave, once the service is configured (ag2ai/ag2#509)."""
        if self.held is None and self._holds_audio():
            self.held = []
        self.appended_bytes += size
        self.leave("input_audio_buffer.append", frame)

    def settle(
        self,
        event_ids: Iterable[str],
        events: list[Event],
        outcome: Outcome = Outcome.DONE,
        error: ErrorDetails | None = None,
    ) -> None:
        """Tell that these commands ended."""
        for event_id in event_ids:
            events.append(self.pending.settle(event_id, outcome, error))

    def want_response(self, command: c.ResponseCreate, event_id: str) -> None:
        """Ask for a response as soon as the gate allows."""
        self.pending.add(event_id, command)
        options = None if command.response is UNSET else command.response
        unacknowledged = self.pending.about("conversation.item.create")
        self.gate.want(Create([event_id], options, unacknowledged))

    def cancel(self, response_id: str) -> str:
        """Cancel a response by its id; gives the `event_id` of the cancel."""
        event_id = self.new_event_id()
        command = c.ResponseCancel(event_id=event_id, response_id=response_id)
        self.pending.add(event_id, command)
        self.queue(command)
        return event_id

    def follow_up(self, batch_id: str) -> None:
        """Ask for the one response that follows the answers to a response's calls (§3.7)."""
        wanted = self.calls.take_follow_up(batch_id)
        if wanted is _AUTO or (wanted is _IF_IDLE and self.gate.is_idle):
            self.want_response(c.ResponseCreate(), self.new_event_id())

    def cut_playing(self) -> Part | None:
        """Cut what is being heard, where we own the playback; gives it."""
        part = self.playback.audible()
        if part is None:
            return None
        part.stopped = True
        # What the service has not cannot be cut; nor can anything at 0 ms (livekit/agents#6157).
        if part.played_ms and not (part.out_of_band or part.deleted):
            event_id = self.new_event_id()
            command = c.ConversationItemTruncate(
                event_id=event_id,
                item_id=part.item_id,
                content_index=part.content_index,
                audio_end_ms=part.played_ms,
            )
            self.pending.add(event_id, command)
            self.queue(command)
        return part

    def is_stopped(self, response_id: str) -> bool:
        """Whether a response was told to stop: what still comes of it is not to be heard."""
        asked = self.pending.about("response.cancel")
        return response_id in self.interrupted or response_id in asked

    def interrupt(self, response_id: str, events: list[Event], cut: Part | None = None) -> None:
        """Tell, once for each response, that it is not to be played any more."""
        if response_id in self.interrupted:
            return
        if response_id:  # what has no name is not known again
            self.interrupted = (*self.interrupted[1 - STOPPED :], response_id)
        if cut is not None:
            item_id, audio_end_ms = cut.item_id, cut.played_ms
        else:
            spoken = self.conversation.last_of(response_id) if response_id else None
            item_id, audio_end_ms = "" if spoken is None else spoken.id, None
        events.append(
            Interrupted(response_id=response_id, item_id=item_id, audio_end_ms=audio_end_ms)
        )


def labelled(command: c.ResponseCreate, event_id: str) -> c.ResponseCreate:
    """A create that its response will echo: `response.created` names no client event (§3.4)."""
    options: JsonObject = {} if command.response is UNSET else command.response
    metadata: object = options.get("metadata") or JsonObject()
    if is_object(metadata) and len(metadata) < MAX_METADATA_PAIRS:
        options = {**options, "metadata": {**metadata, CLIENT_EVENT_ID: event_id}}
    return c.ResponseCreate(event_id=event_id, response=options)
