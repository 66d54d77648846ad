"""`Session`: one realtime voice session, seen from the client's side."""

from collections.abc import Callable, Mapping, Sequence
from typing import Self, TypeVar

import msgspec
from attrs import evolve

from ..errors import LocalProtocolError
from ..snapshot import read, write
from ..timers import Timer, TimerTable, chosen
from . import commands as c
from . import requests
from .beta import EVENTS, Dialect
from .books import Books
from .calls import Calls, Respond
from .clock import TIMES, checked, expired, set_wall_clock
from .continuation import MAX_IMAGE, Retold, continuation
from .conversation import Conversation
from .gate import ResponseGate
from .happenings import (
    Anomaly,
    Event,
    InvalidFrame,
    SessionClosed,
    UnknownEvent,
)
from .hearing import NOTES, STEADY, follow
from .ids import Counter, IdFactory
from .json_values import JsonObject
from .kind import VOCABULARIES, AnyCommand, Kind
from .limits import MAX_APPEND_BYTES
from .mcp import McpBook
from .plane import DIRECT, RELAY, Plane
from .reactions import ITEMS, MOVES, QUIET
from .settings import Settings
from .state import PHASES, Phase, PhaseInput, advance
from .usage import Allowance, SessionUsage
from .wire import as_object, audio_frame, decode_event, wire_type

Asked = TypeVar("Asked")

_IDLE = Timer.IDLE


def _follows(books: Books, event: Event) -> None:
    """Stands for a note where more than a note follows."""


class Session:
    """One realtime voice session as a state machine, the client's side of it.

    In: `receive`, `receive_close`, `handle_timeout`, each returning the events it caused, and
    your calls (`send_text`, ...), each returning the `event_id` that its `CommandSettled` will
    carry. Out: `next_frame` until it gives None, and `next_timeout`.

    **After every input, drain `next_frame`**: a call or a frame may have queued several.

    `now` is seconds on any monotonic clock, the same one throughout. No frame ever raises; a
    call of yours that cannot be obeyed raises LocalProtocolError and has changed nothing.
    """

    # Until the first input there are no books: a session that waits costs next to nothing.
    __slots__ = (
        "_books",
        "_delays",
        "_ids",
        "_retain",
        "_started",
        "_unix_time",
        "dialect",
        "kind",
        "plane",
    )

    def __init__(
        self,
        *,
        plane: Plane = DIRECT,
        kind: Kind = Kind.REALTIME,
        dialect: Dialect = Dialect.GA,
        now: float,
        unix_time: float | None = None,
        ids: IdFactory | None = None,
        delays: Mapping[Timer, float | None] | None = None,
        retain: int | None = None,
    ) -> None:
        """`plane` is the way to the service, `kind` what the session is for, `dialect` the names
        it says; both dialects are understood. `unix_time` is the wall clock at `now`, without
        which `expires_at` cannot be timed. `ids` makes the ids of events and items, by default
        a count from 1 on; where several sessions speak into one call, give each a `counter` with
        a prefix of its own. `retain` is how many items of the conversation are kept, the newest;
        None: all.

        `delays` (s) replaces those of `timers.DELAYS`, None turns one off. Without a `HANDSHAKE`
        no audio is held until the configuration is confirmed either (ag2ai/ag2#509).

        Raises LocalProtocolError for what is none of these, such as a delay that no session has.
        """
        _check_opened_with(plane, kind, dialect, ids, retain)
        self.plane = plane
        self.kind = kind
        self.dialect = dialect
        self._started = checked(now)
        self._unix_time = None if unix_time is None else checked(unix_time, "unix_time")
        self._delays = plane.delays if delays is None else chosen(plane.delays, delays)
        self._ids = ids
        self._retain = retain
        self._books: Books | None = None

    @classmethod
    def resume(
        cls,
        snapshot: str,
        *,
        now: float,
        unix_time: float | None = None,
        ids: IdFactory | None = None,
    ) -> Self:
        """The session as it was at its `snapshot`; on this clock no time has passed since.

        `unix_time`, the wall clock at `now`, tells how much of it has until `expires_at`. `ids`
        None: its own counter goes on.

        Raises UnreadableError for anything but a session's snapshot, LocalProtocolError where
        its ids came from a factory of yours and there is none now.
        """

        def made(told: JsonObject | None) -> IdFactory:
            if ids is None and told is None:
                raise LocalProtocolError("resume: this session's ids need the factory they had")
            return ids or msgspec.convert(told, Counter)

        now = checked(now)
        books = read(snapshot, Books, of="session", now=now, hooks={IdFactory: made})
        if unix_time is not None:
            set_wall_clock(books, checked(unix_time, "unix_time"), now)
        session = cls(
            plane=books.plane, kind=books.kind, dialect=books.dialect, now=now, ids=books.ids
        )
        session._books = books
        return session

    def _open(self) -> Books:
        ids, timers = self._ids or Counter(), TimerTable(self._delays)
        books = Books(self.plane, ids, timers, self.kind, self.dialect)
        if self._unix_time is not None:
            set_wall_clock(books, self._unix_time, self._started)
        books.conversation.retain = books.playback.retain = self._retain
        books.timers.run(Timer.HANDSHAKE, True, self._started)
        self._books = books
        return books

    # -- in: what happened

    def receive(self, frame: str | bytes, *, now: float) -> Sequence[Event]:
        """Take one frame of the service. Returns the events it caused, the wire's own first.

        A frame that moved something is known again by its `event_id`, for a few turns, and is then
        an `Anomaly`. Words and sound are not looked up: told twice, they are two events (§4).
        """
        books = self._books or self._open()
        event = decode_event(frame)
        note = NOTES.get(type(event), _follows)
        if note is _follows or books.phase not in STEADY or not books.plane.sees_all:
            return follow(books, event, frame, now)
        # Most frames by far: words, sound, and what the books do not need.
        if note is not None:
            note(books, event)
        return [event]

    def receive_close(
        self, *, code: int | None = None, reason: str = "", now: float
    ) -> Sequence[Event]:
        """The transport is gone. Everything still open is settled as lost; again is a no-op."""
        checked(now)
        books = self._books or self._open()
        phase = advance(PHASES, books.phase, PhaseInput.CLOSE)
        if phase is None:
            return []
        books.phase = phase
        books.audio_flows = False
        books.timers.clear()
        books.frames.clear()
        books.held = None
        books.gate.lose()
        return [*books.pending.lose_all(), SessionClosed(code=code, reason=reason)]

    def handle_timeout(self, *, now: float) -> Sequence[Event]:
        """The clock reached `next_timeout()`. Earlier or later calls do no harm."""
        now = checked(now)
        books = self._books or self._open()
        events: list[Event] = []
        for timer in books.timers.expire(now):
            events += expired(books, timer, now)
            if timer is Timer.ENDING:
                reason = "closed by us: the service did not"
                events += self.receive_close(reason=reason, now=now)
        books.after(now)
        return events

    def hear_all(self, *, now: float) -> None:
        """The page passes on every event after all: from now on nothing is guessed (`PARTIAL`).

        A no-op on the planes where all is heard anyway.
        """
        now = checked(now)
        if self.plane.sees_all:
            return
        books = self._books or self._open()
        self.plane = books.plane = evolve(self.plane, name=RELAY.name, sees_all=True)
        books.timers.stop(Timer.UNHEARD)
        books.after(now)

    # -- in: what you want

    def send(self, command: AnyCommand, *, now: float) -> str:
        """Send anything on the wire. Returns its `event_id`, given or made ("" for an append).

        Raises LocalProtocolError when the session is over or has no such command, an id is too
        long or not unique, a function call is not there to be answered, or the command is not JSON.
        """
        return self._ask(now, requests.send, command)

    def send_text(self, text: str, *, role: str = "user", respond: bool = True, now: float) -> str:
        """Add a text message; with `respond`, ask for an answer as soon as the gate allows.

        The `event_id` returned is the item's; the request for an answer settles on its own.
        `role` is user, system or assistant; an assistant's words are `output_text` (§1.4).
        """
        return self._ask(now, requests.send_text, text, role, respond)

    def send_function_result(
        self, call_id: str, output: str, *, respond: Respond | bool = True, now: float
    ) -> str:
        """Answer a function call, once. The follow-up response is asked for when all the calls
        of the same response are answered and it has ended (§3.7); `Respond` says which other
        policies there are, True is `AUTO` and False is `NEVER`.

        Raises LocalProtocolError for another policy, and when the call is unknown, cut off,
        answered already, or of a response outside the conversation (`FunctionCall.out_of_band`).
        """
        return self._ask(now, requests.send_function_result, call_id, output, respond)

    def send_audio(self, audio: bytes, *, now: float) -> None:
        """Append audio in the session's input format. Never acknowledged (§1.3).

        What comes before the configuration is confirmed is held until then, at most for as long
        as the handshake may take (`Timer.HANDSHAKE`), and what you send behind it with it.

        Raises LocalProtocolError over 15 MiB (in base64), or where no audio passes.
        """
        books = self._books or self._open()
        flows = books.audio_flows and books.plane.carries_audio
        if flows and type(audio) is bytes and len(audio) <= MAX_APPEND_BYTES:
            # As good as always, fifty times a second: there is nothing more to check.
            books.appended_bytes += len(audio)
            books.frames.append(audio_frame(VOCABULARIES[books.kind].append, audio))
        else:
            requests.append(books, audio)

    def truncate_audio(
        self, item_id: str, audio_end_ms: float, *, content_index: int = 0, now: float
    ) -> str:
        """Cut a spoken item at what was heard (ms, rounded down): where audio passes no later
        than what was received of it, and than what your player has reported, if it did (§3.6).

        Raises LocalProtocolError where audio passes and none of that item did: text and
        replayed items cannot be truncated (livekit/agents-js#977).
        """
        end = requests.whole_ms(audio_end_ms, "truncate_audio")
        command = c.ConversationItemTruncate(
            item_id=item_id, content_index=content_index, audio_end_ms=end
        )
        return self.send(command, now=now)

    def send_mcp_approval(
        self, approval_request_id: str, approve: bool, reason: str | None = None, *, now: float
    ) -> str:
        """Answer `McpApprovalRequested`, once. The service then runs the tool, or does not; an
        answer of the model's may have to be asked for (§3.8).

        Raises LocalProtocolError when the request is unknown or answered already.
        """
        return self._ask(now, requests.send_mcp_approval, approval_request_id, approve, reason)

    def session_update(self, patch: JsonObject, *, now: float) -> str:
        """Patch the configuration; `type` is filled in. A refusal loses the whole patch (§3.1).

        What is so already is not sent; when that is everything, an empty patch is, whose answer
        tells the configuration in force. Raises LocalProtocolError for another model, for another
        voice after the first output audio, and for other tracing than is on.
        """
        return self._ask(now, requests.session_update, patch)

    def session_init_data(self) -> list[JsonObject]:
        """Take out what is queued so far as objects: what opens the session, in order.

        For whoever opens the call elsewhere (a page) and sends it there first.
        """
        frames: list[str] = []
        while (frame := self.next_frame()) is not None:
            frames.append(frame)
        return [as_object(frame) for frame in frames]

    def cancel(self, *, now: float) -> str | None:
        """Stop the response now running, or on its way, and what is being played of it.

        Returns the `event_id` of the cancel, None when it leaves later or there is nothing to
        stop: a button pressed a moment late is no mistake. Functions already called go on: the
        answer to their results is asked for unless you send them with `respond=False`.
        """
        return self._ask(now, requests.cancel)

    def report_playback(
        self, item_id: str, played_ms: float, *, content_index: int = 0, now: float
    ) -> None:
        """Tell how much of a spoken item your player has played (ms, rounded down).

        On the direct plane only you know: report again and again while it plays, a few times a
        second. What nobody reports is not cut where the user speaks over it, and the model then
        believes that all of it was heard.

        Raises LocalProtocolError when the session is over, for what is no time, and for an id
        that is not Unicode.
        """
        now = checked(now)
        books = self._books or self._open()
        requests.report_playback(books, item_id, content_index, played_ms)
        books.after(now)

    def close(self, *, now: float) -> Sequence[Event]:
        """End the session from our side; the transport is then yours to close."""
        return self.receive_close(reason="closed by us", now=now)

    def _ask(self, now: float, request: Callable[..., Asked], *what: object) -> Asked:
        now = checked(now)
        books = self._books or self._open()
        asked = request(books, *what)
        if _IDLE in books.timers.delays:
            books.timers.stop(_IDLE)
        books.after(now)
        return asked

    # -- out

    def next_frame(self) -> str | None:
        """The next frame to send, None when there is none."""
        books = self._books
        return books.frames.pop(0) if books is not None and books.frames else None

    def snapshot(self, *, now: float) -> str:
        """Everything the session knows, as JSON text. It may go on from here, elsewhere too.

        Times inside are time left. It holds what was said, and what waits to be sent.
        """
        return write(self._books or self._open(), of="session", now=checked(now))

    def next_timeout(self) -> float | None:
        """When to call `handle_timeout`, on the clock of `now`; None: no need."""
        if self._books is not None:
            return self._books.timers.next()
        delay = self._delays.get(Timer.HANDSHAKE)
        return None if delay is None else self._started + delay

    @classmethod
    def needs(cls) -> frozenset[str]:
        """The event types without which the session would not know where it stands, old names
        included: a page passes on what it hears. Words are needed whole: a `.delta` says nothing
        that is not said again.
        """
        types = {wire_type(kind) for kind in (*QUIET, *ITEMS, *MOVES, *TIMES)}
        needed = {each for each in types if not each.endswith(".delta")}
        return frozenset(needed | {old for old, new in EVENTS.items() if new in needed})

    def continuation(self, *, max_image: int = MAX_IMAGE) -> list[Retold]:
        """The commands that set up a new session and tell it this conversation, in order.

        Send each with the new session's `send`; none asks for a response. What was cut off goes
        over as far as it was heard, calls with their outputs or not at all, the user's images if
        their data URL has at most `max_image` characters. What only the service has (speech
        without a transcript, MCP) stays behind, and so does what was configured elsewhere. Kinds of
        session that take no items have their configuration to tell.
        """
        books = self._books or self._open()
        items = books.conversation if books.vocabulary.responds else ()
        return continuation(items, books.settings.desired, max_image=max_image)

    # -- the books, to read

    @property
    def phase(self) -> Phase:
        """Where the session stands as a whole."""
        return Phase.CONNECTING if self._books is None else self._books.phase

    @property
    def closed(self) -> bool:
        """Whether the transport is gone."""
        return self.phase is Phase.CLOSED

    @property
    def takes_commands(self) -> bool:
        """Whether your calls make sense: the session has not ended, nor is it about to."""
        return self._books is None or self._books.takes_commands

    @property
    def gate(self) -> ResponseGate:
        """Who writes to the default conversation, and who waits to."""
        return (self._books or self._open()).gate

    @property
    def calls(self) -> Calls:
        """The function calls, by `call_id`."""
        return (self._books or self._open()).calls

    @property
    def conversation(self) -> Conversation:
        """The items of the default conversation, in order."""
        return (self._books or self._open()).conversation

    @property
    def settings(self) -> Settings:
        """What we asked for, and what the service says is in force."""
        return (self._books or self._open()).settings

    @property
    def ids(self) -> IdFactory:
        """What makes the ids; `recording` listens to it."""
        return (self._books or self._open()).ids

    @ids.setter
    def ids(self, ids: IdFactory) -> None:
        (self._books or self._open()).ids = ids

    @property
    def expires_at(self) -> float | None:
        """When the service ends the session, in unix seconds; None when it did not say."""
        return (self._books or self._open()).expiry.expires_at

    @property
    def rate_limits(self) -> Mapping[str, Allowance]:
        """What the account may still spend, by the name of the limit, as it was last told."""
        return (self._books or self._open()).rate_limits or {}

    def is_stopped(self, response_id: str) -> bool:
        """Whether a response was cancelled or spoken over lately: what still comes of it, and it
        may be a good deal, is not to be played or shown (§3.5)."""
        return self._books is not None and self._books.is_stopped(response_id)

    @property
    def usage(self) -> SessionUsage:
        """What the session has cost so far, in tokens by modality."""
        return (self._books or self._open()).usage or SessionUsage()

    @property
    def mcp(self) -> McpBook:
        """The MCP servers' tools, the calls of them and what asks for approval."""
        return (self._books or self._open()).mcp or McpBook()

    @property
    def counts(self) -> dict[str, int]:
        """How many frames were unreadable, unknown or out of place, by the event that told it."""
        return (self._books or self._open()).counts

    def count(self, odd: InvalidFrame | UnknownEvent | Anomaly) -> Sequence[Event]:
        """Count a frame that was refused before it came here; gives it back."""
        return (self._books or self._open()).count(odd)


def _check_opened_with(
    plane: object, kind: object, dialect: object, ids: object, retain: object
) -> None:
    """Raise LocalProtocolError for what only a frame would find out, much later."""
    choices = (("plane", plane, Plane), ("kind", kind, Kind), ("dialect", dialect, Dialect))
    for name, value, cls in choices:
        if not isinstance(value, cls):
            raise LocalProtocolError(f"Session: {name} is a {cls.__name__}, not {value!r:.40}")
    if ids is not None and not callable(ids):
        raise LocalProtocolError(f"Session: ids is a function, not {ids!r:.40}")
    if retain is not None and (type(retain) is not int or retain < 0):
        raise LocalProtocolError(f"Session: retain is a number of items, not {retain!r:.40}")
