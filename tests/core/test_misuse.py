"""Any misuse of any public call: it works, or it is refused by name and has changed nothing.

The calls are found by looking at the classes and their arguments by looking at their types, so
that a call that is new is tried as well. "Nothing has changed" is asked of a twin that was spared
the call: both show the same of themselves, and do the same ever after.
"""

from __future__ import annotations

import enum
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Protocol, get_args, get_origin

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.frames import (
    Frame,
    already_active,
    announced,
    arguments_done,
    audio_delta,
    committed,
    completed,
    error,
    item_added,
    message,
    playing,
    response_created,
    response_done,
    session_created,
    session_updated,
    speech,
    text_of,
)
from support.picture import picture
from support.public import public_calls
from support.samples import CLIENT_FRAMES, SERVER_FRAMES
from support.situations import Ids, Situation, situations
from talkwire import (
    DIRECT,
    PARTIAL,
    RELAY,
    SIDEBAND,
    Hop,
    LocalProtocolError,
    Phase,
    Relay,
    Session,
)
from talkwire.errors import ProtocolError, UnreadableError
from talkwire.realtime.beta import Dialect
from talkwire.realtime.commands import InputAudioBufferAppend
from talkwire.realtime.kind import Kind
from talkwire.service import Service

NOW = 0.0
Arguments = dict[str, Any]
ServicePlane = Literal["websocket", "webrtc"]


class Subject(Protocol):
    """Something that can be misused, and that can go on afterwards."""

    ids: Ids

    @property
    def target(self) -> Any: ...

    def look(self) -> list[Any]:
        """Everything that it shows of itself."""
        ...

    def go_on(self) -> list[Any]:
        """What it does and says from now on, for a while and to its end."""
        ...


def heeded(call: Callable[[], Any]) -> Any:
    """What a call returns, or the words with which it is refused."""
    try:
        return picture(call())
    except LocalProtocolError as refusal:
        return str(refusal)


# -- what can be misused


AFTERMATH: list[Frame] = [
    response_created("resp_5"),
    item_added(message("item_5", "assistant", "Hello.")),
    already_active(None, "resp_5"),
    speech("started", "item_6"),
    playing("resp_5", "started"),
    response_done("resp_5", "cancelled"),
    speech("stopped", "item_6"),
    committed("item_6"),
    arguments_done("resp_1", "call_1"),
    response_done("resp_1"),
    error("invalid_value", event_id="event_tw2"),
    error("invalid_value", event_id="event_tw3"),
    response_done("resp_0"),
]


def drained(source: Session | Relay | Service) -> list[str]:
    frames: list[str] = []
    while (frame := source.next_frame()) is not None:
        frames.append(frame)
    return frames


def aftermath(end: Session | Relay, session: Session) -> list[Any]:
    trace: list[Any] = [drained(end)]
    for frame in AFTERMATH:
        trace += [picture(end.receive(text_of(frame), now=1.0)), drained(end), end.next_timeout()]
    for call in (
        lambda: session.send_function_result("call_1", "42", now=2.0),
        lambda: session.send_text("Hello?", now=2.0),
        lambda: session.truncate_audio("item_5", 10, now=2.0),
        lambda: session.session_update({"instructions": "Be brief."}, now=2.0),
        lambda: session.cancel(now=2.0),
    ):
        trace += [heeded(call), drained(end), end.next_timeout()]
    trace += [picture(end.handle_timeout(now=60.0)), drained(end), picture(session)]
    return [*trace, picture(end.receive_close(now=61.0)), drained(end), picture(end)]


@attrs.define
class ASession:
    at: Situation
    ids: Ids = attrs.field(init=False)
    target: Session = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        scene = self.at.reach()
        self.ids, self.target = scene.ids, scene.session

    def look(self) -> list[Any]:
        return [picture(self.target), self.target.snapshot(now=NOW)]

    def go_on(self) -> list[Any]:
        return aftermath(self.target, self.target)


@attrs.define
class AnotherKind(ASession):
    """A session of another kind or dialect, fresh or configured."""

    kind: Kind
    dialect: Dialect

    def __attrs_post_init__(self) -> None:
        self.ids = Ids()
        self.target = Session(
            plane=self.at.plane, kind=self.kind, dialect=self.dialect, now=NOW, ids=self.ids
        )
        if self.at.phase is not Phase.CONNECTING:
            self.target.receive(text_of(session_updated()), now=NOW)


@attrs.define
class ARelay:
    hop: Hop
    at: Situation
    ids: Ids = attrs.field(init=False)
    target: Relay = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        invited = self.hop is Hop.INVITED
        scene = (attrs.evolve(self.at, plane=PARTIAL) if invited else self.at).reach()
        self.ids, self.target = scene.ids, Relay(scene.session, now=NOW)
        offers = self.hop in (Hop.ASKED, Hop.OFFERED)
        opening = [Hop.ASKED, Hop.OFFERED] if offers else [Hop.OPENING, Hop.OPEN]
        steps = [Hop.WAITING, Hop.GREETED, *opening]
        reached = steps.index(self.hop) if self.hop in steps else 0
        if reached >= 1:
            self.target.receive('{"type":"talkwire.hello","version":1}', now=NOW)
        if reached >= 2 and offers:
            self.target.ask_for_offer(now=NOW)
        elif reached >= 2 or invited:
            self.target.open_call("https://example.test", "ek_1", now=NOW)
        if reached >= 3:
            last = (
                '{"type":"talkwire.offer","sdp":"v=0"}' if offers else '{"type":"talkwire.ready"}'
            )
            self.target.receive(last, now=NOW)
        if self.hop is Hop.CLOSED:
            self.target.receive_close(now=NOW)
        assert self.target.hop is self.hop

    def look(self) -> list[Any]:
        return [picture(self.target), self.target.snapshot(now=NOW)]

    def go_on(self) -> list[Any]:
        return aftermath(self.target, self.target.session)


SPEECH = {"audio": {"input": {"transcription": {"model": "whisper-1"}}}}
MOVES: dict[str, list[tuple[str, Arguments]]] = {
    "fresh": [],
    "configured": [("session.update", {"session": {"type": "realtime", **SPEECH}})],
    "responding": [("response.create", {})],
    "speaking": [("response.create", {}), ("message_started", {"modality": "audio"})],
    "writing": [("response.create", {}), ("message_started", {"modality": "text"})],
    "calling": [("response.create", {}), ("function_call", {"name": "f", "arguments": "{}"})],
    "done": [("response.create", {}), ("response_done", {})],
    "listening": [("speech_started", {"audio_start_ms": 0})],
    "closed": [("receive_close", {})],
}


@attrs.define
class AService:
    after: str
    plane: ServicePlane
    ids: Ids = attrs.field(factory=Ids)
    target: Service = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.target = Service(now=NOW, plane=self.plane, ids=self.ids)
        for kind, fields in MOVES[self.after]:
            if "." in kind:
                self.target.receive(json.dumps({"type": kind, **fields}), now=NOW)
            else:
                self._move(kind, fields)

    def _move(self, move: str, fields: Arguments) -> None:
        call = getattr(self.target, move)
        active = self.target.active_response
        whose = (
            {"response_id": active} if "response_id" in inspect.signature(call).parameters else {}
        )
        call(**whose, **fields, now=NOW)

    def look(self) -> list[Any]:
        return [picture(self.target)]

    def go_on(self) -> list[Any]:
        service = self.target
        response_id = service.active_response or "resp_0"
        trace: list[Any] = [drained(service)]
        for call in (
            lambda: service.text(response_id, "More.", now=1.0),
            lambda: service.message_done(response_id, now=1.0),
            lambda: service.speech_stopped(audio_end_ms=900, now=1.0),
            lambda: service.receive('{"type":"response.create"}', now=1.0),
            lambda: service.receive('{"type":"input_audio_buffer.commit"}', now=1.0),
            lambda: service.response_done(response_id, now=1.0),
            lambda: service.receive_close(now=1.0),
        ):
            trace += [heeded(call), drained(service), picture(service)]
        return trace


# -- what can be asked of it


TEXTS = st.sampled_from(
    [
        *["", "item_1", "resp_0", "resp_1", "call_1", "item_call_1", "event_tw1", "event_tw3"],
        *["user", "robot", "none", "root", "Hello.", "{}", "x" * 33, "x" * 600, "\ud800", "\n"],
    ]
)
KEYS = st.sampled_from(
    [
        *["type", "id", "call_id", "role", "content", "conversation", "metadata", "output"],
        *["model", "audio", "input", "voice", "tools", "tracing", "turn_detection", "name"],
        *["message", "function_call", "function_call_output", "mcp_approval_response"],
    ]
)


class Deep(list[Any]):
    """A list nested deeper than Python's stack, which a plain list could not even show."""

    def __repr__(self) -> str:
        return "Deep()"

    @classmethod
    def make(cls) -> Deep:
        below: list[Any] = []
        for _ in range(3000):
            below = [below]
        return cls(below)


DEEP = Deep.make()
# Not all of it can be written as JSON.
ODD = st.sampled_from([object(), {1, 2}, b"\x00", 1j, {1: 2}, float("nan"), 10**400, DEEP, int])
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 2**70), TEXTS, KEYS, ODD),
    lambda below: st.one_of(st.lists(below, max_size=2), st.dictionaries(KEYS, below, max_size=3)),
    max_leaves=6,
)
NUMBERS = st.sampled_from([0, 1, -1, 100, 2**31, -(2**63), 2**64, 10**400])
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bytes: st.sampled_from([b"", b"\x00" * 480, b"{}", b"\xff", b"\x00" * (12 * 2**20)]),
    int: NUMBERS,
    float: st.just(NOW),
    bool: st.booleans(),
    type(None): st.none(),
    msgspec.UnsetType: st.just(msgspec.UNSET),
    Any: JSON,
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type, the sensible and the senseless; fails for a type that it does not know."""
    origin, args = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(values(each) for each in args))
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (dict, Mapping):
        return st.dictionaries(KEYS, JSON, max_size=4)
    if origin in (list, tuple, set, frozenset, Iterable, Sequence):
        return st.lists(values(args[0]), max_size=3)
    if origin is Callable or hint is Callable:
        return st.just(Ids())
    if inspect.isclass(hint) and issubclass(hint, enum.Enum):
        return st.sampled_from(list(hint))
    if inspect.isclass(hint) and attrs.has(hint):
        return st.builds(hint, **{name: values(below) for name, below in fields_of(hint)})
    raise AssertionError(f"no strategy for {hint!r}: add one")


def fields_of(kind: type[Any]) -> Iterator[tuple[str, Any]]:
    """What an object of ours is made of; what it makes itself stays away."""
    hints = typing.get_type_hints(kind)
    for each in attrs.fields(kind):
        if each.name != "type" and not hasattr(each.default, "factory"):
            yield each.name, hints[each.name]


SAID: list[Frame] = [
    *SERVER_FRAMES.values(),
    *AFTERMATH,
    *announced("resp_1", "call_1"),
    *completed("resp_1", "call_1"),
    *(session_created(), session_updated(), response_created("resp_1")),
    *(error("invalid_api_key"), audio_delta("resp_1", "item_1", 100)),
]
CONTROL: list[Frame] = [
    {"type": "talkwire.hello", "version": 1},
    {"type": "talkwire.hello", "version": 2},
    {"type": "talkwire.ready", "call_id": "rtc_1"},
    {"type": "talkwire.text", "text": "Hello."},
    {"type": "talkwire.bye"},
]


def frames(*rows: Frame) -> st.SearchStrategy[str | bytes]:
    """Frames that say something, as text or bytes, and now and then something else."""
    text = st.sampled_from([text_of(row) for row in rows])
    return st.one_of(text, text.map(str.encode), values(str | bytes))


# Any text would do for a type; few of them would get past the first look.
TOLD: dict[tuple[type[Any], str, str], st.SearchStrategy[str | bytes]] = {
    (Session, "receive", "frame"): frames(*SAID),
    (Service, "receive", "frame"): frames(*CLIENT_FRAMES.values()),
    (Relay, "receive", "message"): st.one_of(
        frames(*SAID, *CONTROL),
        st.lists(st.sampled_from([*SAID, *CONTROL]), min_size=2, max_size=4).map(
            lambda rows: "\n".join(map(text_of, rows))
        ),
    ),
}


def value_for(kind: type[Any], call: str, name: str) -> st.SearchStrategy[Any]:
    """A value of the type that an argument of a call asks for."""
    told = TOLD.get((kind, call, name))
    return values(public_calls(kind)[call][name]) if told is None else told


def arguments_of(kind: type[Any], call: str) -> st.SearchStrategy[Arguments]:
    """Any arguments of the types that a call asks for."""
    return st.fixed_dictionaries(
        {name: value_for(kind, call, name) for name in public_calls(kind)[call]}
    )


# What a call sends, for refusals that are about that.
SENDS = {
    "send_text": "ConversationItemCreate",
    "send_function_result": "ConversationItemCreate",
    "send_mcp_approval": "ConversationItemCreate",
    "session_update": "SessionUpdate",
    "truncate_audio": "ConversationItemTruncate",
}


def name_of(call: str, arguments: Arguments) -> tuple[str, ...]:
    """What a refusal may call it: the call, or the command that it sends."""
    command = arguments.get("command")
    return (call, SENDS.get(call, call) if command is None else type(command).__name__)


def spared(subject: Subject, twin: Subject, what: str) -> None:
    """Hold a subject that was refused something to a twin that was not asked it."""
    subject.ids.count = twin.ids.count  # an id that was made for nothing is no change
    assert subject.look() == twin.look(), what
    assert subject.go_on() == twin.go_on(), what


def misuse(make: Callable[[], Subject], call: str, arguments: Arguments) -> None:
    """Ask something of a subject; where that is refused, it must not matter that it was asked."""
    subject = make()
    try:
        getattr(subject.target, call)(**arguments)
    except UnreadableError:
        spared(subject, make(), call)
    except LocalProtocolError as refusal:
        words = str(refusal)
        named = [name for name in name_of(call, arguments) if name in words]
        assert named and len(words) > len(named[0]) + 4, f"{call}: {words!r} names no call"
        spared(subject, make(), f"{call}: {words}")
    else:
        subject.go_on()


# Of no type that any call takes, or of that of another argument; nan is no time.
WRONGS = [None, 3, 1.5, "x", b"x", [], {}, (), object(), list, bytearray(b"x"), float("nan")]
WRONG = st.sampled_from(WRONGS)


def wrong_for(kind: type[Any], call: str) -> st.SearchStrategy[Arguments]:
    """The arguments of a call, one of which is of another type."""
    hints = public_calls(kind)[call]
    return st.sampled_from(sorted(hints)).flatmap(
        lambda wrong: st.fixed_dictionaries(
            {name: WRONG if name == wrong else value_for(kind, call, name) for name in hints}
        )
    )


def mistype(make: Callable[[], Subject], call: str, arguments: Arguments) -> None:
    """Call with a wrong type, which is for a type checker to find; nothing may be half done.

    It is refused, or Python refuses it; any other error is one that nobody thought of.
    """
    subject = make()
    try:
        getattr(subject.target, call)(**arguments)
    except (ProtocolError, TypeError) as error:
        spared(subject, make(), f"{call}: {error!r}")
    else:
        subject.go_on()


PLANES = (DIRECT, SIDEBAND, RELAY, PARTIAL)
SITUATIONS = {plane: list(situations(plane)) for plane in PLANES}
ANYWHERE = st.sampled_from([at for some in SITUATIONS.values() for at in some])
A_SESSION = st.one_of(
    ANYWHERE.map(lambda at: partial(ASession, at)),
    st.builds(
        partial, st.just(AnotherKind), ANYWHERE, st.sampled_from(Kind), st.sampled_from(Dialect)
    ),
)
BEHIND_A_PAGE = st.sampled_from(SITUATIONS[RELAY])
COMMANDS = get_args(public_calls(Session)["send"]["command"])
few = settings(max_examples=settings().max_examples // 10)  # of each call


def calls_with_arguments(kind: type[Any]) -> list[str]:
    return sorted(call for call, hints in public_calls(kind).items() if hints)


@pytest.mark.parametrize("call", sorted({*public_calls(Session)} - {"send"}))
@few
@given(data=st.data())
def test_what_a_session_refuses_has_changed_nothing(call: str, data: st.DataObject) -> None:
    misuse(data.draw(A_SESSION), call, data.draw(arguments_of(Session, call)))


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: str(kind.__name__))
@few
@given(data=st.data())
def test_a_command_that_is_refused_has_changed_nothing(
    kind: type[Any], data: st.DataObject
) -> None:
    misuse(data.draw(A_SESSION), "send", {"command": data.draw(values(kind)), "now": NOW})


@pytest.mark.parametrize("call", sorted(public_calls(Relay)))
@few
@given(data=st.data())
def test_what_a_relay_refuses_has_changed_nothing(call: str, data: st.DataObject) -> None:
    hop, at = data.draw(st.sampled_from(Hop)), data.draw(BEHIND_A_PAGE)
    misuse(lambda: ARelay(hop, at), call, data.draw(arguments_of(Relay, call)))


@pytest.mark.parametrize("call", sorted(public_calls(Service)))
@few
@given(data=st.data())
def test_what_a_service_refuses_has_changed_nothing(call: str, data: st.DataObject) -> None:
    after, plane = data.draw(st.sampled_from(sorted(MOVES))), data.draw(values(ServicePlane))
    misuse(lambda: AService(after, plane), call, data.draw(arguments_of(Service, call)))


@pytest.mark.parametrize("call", calls_with_arguments(Session))
@few
@given(data=st.data())
def test_a_session_does_nothing_by_halves_for_a_wrong_type(call: str, data: st.DataObject) -> None:
    mistype(data.draw(A_SESSION), call, data.draw(wrong_for(Session, call)))


@pytest.mark.parametrize("call", calls_with_arguments(Relay))
@few
@given(data=st.data())
def test_a_relay_does_nothing_by_halves_for_a_wrong_type(call: str, data: st.DataObject) -> None:
    hop, at = data.draw(st.sampled_from(Hop)), data.draw(BEHIND_A_PAGE)
    mistype(lambda: ARelay(hop, at), call, data.draw(wrong_for(Relay, call)))


@pytest.mark.parametrize("call", calls_with_arguments(Service))
@few
@given(data=st.data())
def test_a_service_does_nothing_by_halves_for_a_wrong_type(call: str, data: st.DataObject) -> None:
    after, plane = data.draw(st.sampled_from(sorted(MOVES))), data.draw(values(ServicePlane))
    mistype(lambda: AService(after, plane), call, data.draw(wrong_for(Service, call)))


def test_a_page_is_told_nothing_that_is_no_text_and_its_call_stays_as_it_was() -> None:
    for hop, call in ((Hop.GREETED, "open_call"), (Hop.OFFERED, "answer"), (Hop.OPEN, "close")):
        words = dict.fromkeys({*public_calls(Relay)[call]} - {"now"}, "\ud800")
        make = partial(ARelay, hop, SITUATIONS[RELAY][0])
        with pytest.raises(LocalProtocolError, match=call):
            getattr(make().target, call)(**words, now=NOW)
        misuse(make, call, {**words, "now": NOW})


def test_an_engine_cannot_say_what_kind_of_frame_its_words_are() -> None:
    more: Arguments = {"more": {"type": "error"}, "now": NOW}
    arguments: Arguments = {"item_id": "item_1", "transcript": "Hi.", **more}
    make = partial(AService, "configured", "websocket")
    with pytest.raises(LocalProtocolError, match="transcribed"):
        make().target.transcribed(**arguments)
    misuse(make, "transcribed", arguments)


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: repr(wrong)[:12])
@pytest.mark.parametrize("name", sorted(inspect.signature(Session).parameters))
def test_a_session_is_opened_with_what_it_can_live_with_or_not_at_all(
    name: str, wrong: Any
) -> None:
    if name == "ids" and callable(wrong):
        return
    try:
        session = Session(**{"now": NOW, name: wrong})
    except LocalProtocolError as refusal:
        assert name in str(refusal)
    else:
        session.receive(text_of(session_updated()), now=NOW)
        aftermath(session, session)
        Session.resume(session.snapshot(now=NOW), now=NOW)


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: repr(wrong)[:12])
@pytest.mark.parametrize("name", sorted({*inspect.signature(Relay).parameters} - {"subscribe"}))
def test_a_relay_is_opened_with_what_it_can_live_with_or_not_at_all(name: str, wrong: Any) -> None:
    session = Session(plane=RELAY, now=NOW)
    try:
        relay = Relay(**{"session": session, "now": NOW, name: wrong})
    except LocalProtocolError as refusal:
        assert name in str(refusal)
    else:
        relay.receive(text_of(CONTROL[0]), now=NOW)
        aftermath(relay, session)


BY_NAME: list[tuple[str, Arguments]] = [
    ("send_audio", {"audio": 5, "now": NOW}),
    ("report_playback", {"item_id": "a", "played_ms": "x", "now": NOW}),
    ("report_playback", {"item_id": 3, "played_ms": 1, "now": NOW}),
    ("report_playback", {"item_id": "a", "played_ms": 1, "content_index": "x", "now": NOW}),
    *(("receive", {"frame": frame, "now": NOW}) for frame in (None, memoryview(b"{}"), 3)),
    *(
        ("receive", {"frame": text_of(frame), "now": now})
        for frame in (response_created("resp_9"), completed("resp_1", "call_1")[-1])
        for now in (None, "1", float("nan"), float("inf"))
    ),
    *(
        (call, {"now": now})
        for call in ("receive_close", "handle_timeout", "close", "cancel", "snapshot")
        for now in (None, "1", float("nan"), -float("inf"))
    ),
    ("send", {"command": InputAudioBufferAppend(audio=[1]), "now": NOW}),  # type: ignore
    ("send_text", {"text": "Hi.", "now": float("nan")}),
]


@pytest.mark.parametrize(("call", "arguments"), BY_NAME)
def test_what_is_of_no_use_to_a_session_is_refused_and_nothing_is_half_done(
    call: str, arguments: Arguments
) -> None:
    at = Situation(DIRECT, Phase.READY, "active", "announced")
    with pytest.raises(LocalProtocolError):
        getattr(ASession(at).target, call)(**arguments)
    mistype(partial(ASession, at), call, arguments)
