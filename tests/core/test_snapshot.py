"""A session goes on from its snapshot as if nothing had happened, on whatever clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from attrs import define, field, fields
from msgspec import inspect

from support.frames import (
    audio_delta,
    completed,
    event,
    response_created,
    response_done,
    session_created,
    session_updated,
    settings,
    text_of,
)
from support.samples import SERVER_FRAMES
from support.situations import Situation, situations
from talkwire import (
    DIRECT,
    PARTIAL,
    RELAY,
    SIDEBAND,
    Dialect,
    Kind,
    LocalProtocolError,
    Plane,
    Relay,
    Session,
    SessionExpiring,
    Timer,
    UnreadableError,
    commands,
    counter,
)
from talkwire.realtime.books import Books
from talkwire.realtime.ids import Counter, IdFactory
from talkwire.snapshot import read, write
from talkwire.timers import Moment

PLANES = (DIRECT, SIDEBAND, RELAY, PARTIAL)
SHOWN = ("phase", "gate", "calls", "conversation", "settings", "usage", "mcp", "counts")
AWAY_S = 4096.0
"""How far apart the clocks are; that, and what is added to it, floats hold exactly."""


@define
class Twin:
    """A session or relay, on its own clock; what it ever said and did."""

    it: Any
    ahead: float = 0.0
    told: list[object] = field(factory=list[object])

    def do(self, call: str, *args: Any, at: float, **options: Any) -> None:
        try:
            result = getattr(self.it, call)(*args, now=at + self.ahead, **options)
        except LocalProtocolError as refusal:
            result = str(refusal)
        self.told.append((call, result))
        frames = 9 if int(at) % 4 else 0  # now and then they are left where they are
        while frames and (frame := self.it.next_frame()) is not None:
            self.told.append(frame)
            frames -= 1
        due = self.it.next_timeout()
        self.told.append(None if due is None else due - self.ahead)

    def shown(self) -> list[object]:
        """What it shows of its books."""
        return [getattr(self.it, name) for name in SHOWN]

    def move(self, at: float, ahead: float, ids: IdFactory | None = None) -> None:
        """Go on elsewhere, on a clock so far ahead."""
        snapshot = self.it.snapshot(now=at + self.ahead)
        self.it, self.ahead = type(self.it).resume(snapshot, now=at + ahead, ids=ids), ahead


Input = Callable[[Twin, float], None]


def doing(call: str, *args: Any, **options: Any) -> Input:
    return lambda twin, at: twin.do(call, *args, at=at, **options)


def a_walk() -> Iterator[Input]:
    """Much of what can happen to a session, in some order."""
    for kind, frame in SERVER_FRAMES.items():
        if kind != "error":
            yield doing("receive", text_of(frame))
    yield doing("send_text", "Hello.")
    yield doing("send_function_result", "call_1", "21")
    yield doing("session_update", {"instructions": "Be brief.", "tools": []})
    yield doing("send", commands.ResponseCreate(response={"conversation": "none"}))
    yield doing("send", commands.ResponseCreate(response={"instructions": "Sing."}))
    yield doing("send_audio", bytes(9600))
    yield doing("send", commands.InputAudioBufferCommit())
    for number in range(4):
        response_id = f"resp_f{number}"
        yield doing("receive", text_of(response_created(response_id)))
        yield doing("receive", text_of(audio_delta(response_id, f"item_f{number}", 400)))
        yield doing("report_playback", f"item_f{number}", 100)
        yield doing("truncate_audio", f"item_f{number}", 600)
        yield doing("receive", text_of(response_done(response_id, "failed")))
    yield doing("cancel")
    for frame in (response_created("resp_5"), *completed("resp_5", "call_5")):
        yield doing("receive", text_of(frame))
    yield doing("receive", "not JSON")
    yield doing("send_function_result", "call_5", "5")
    for _ in range(8):
        yield lambda twin, at: twin.do("handle_timeout", at=at + 400.0)
    for frame in SERVER_FRAMES.values():
        yield doing("receive", text_of(frame))
    yield doing("receive_close", code=1006)


@pytest.mark.parametrize("plane", PLANES, ids=lambda plane: plane.name)
def test_whatever_the_situation_it_goes_on_as_its_twin_does(plane: Plane) -> None:
    walk = list(a_walk())
    every = 1 if plane is DIRECT else 3  # they differ in little that matters here
    for number, situation in enumerate(list(situations(plane))[::every]):
        moved, twin = two_in(situation)
        for step, act in enumerate(walk):
            if (step + number) % 8 == 0:
                moved.move(at=float(step), ahead=AWAY_S * (step % 3), ids=moved.it.ids)
            for one in (moved, twin):
                act(one, float(step))
            assert moved.told[-3:] == twin.told[-3:], (str(situation), step)
            if not moved.ahead:  # on the same clock
                assert moved.shown() == twin.shown(), (str(situation), step)
        assert moved.told == twin.told


def two_in(situation: Situation) -> tuple[Twin, Twin]:
    return Twin(situation.reach().session), Twin(situation.reach().session)


@pytest.mark.parametrize("way", ["by the page", "by the backend"])
def test_the_relay_goes_on_as_well_wherever_its_page_stands(way: str) -> None:
    hello = {"type": "talkwire.hello", "version": 1}
    ready = {"type": "talkwire.ready", "call_id": "rtc_1"}
    offer = {"type": "talkwire.offer", "sdp": "v=0"}
    opening: dict[str, list[Input]] = {
        "by the page": [
            lambda twin, at: twin.it.open_call("https://example.test", "ek_1", now=at + twin.ahead),
            doing("receive", text_of(hello)),
        ],
        "by the backend": [
            doing("ask_for_offer"),
            doing("receive", text_of(hello)),
            doing("receive", text_of(offer)),
            doing("answer", "v=0", "rtc_1"),
        ],
    }
    walk: list[Input] = [
        lambda twin, at: twin.it.session.send_text("Hello.", now=at + twin.ahead),
        *opening[way],
        doing("receive", text_of(ready)),
        *[doing("receive", text_of(frame)) for frame in SERVER_FRAMES.values()],
        doing("handle_timeout"),
        doing("close", "failed", "It is over."),
        doing("receive", text_of(hello)),
    ]
    for moves_at in range(len(walk)):
        twins = [Twin(relay_of(RELAY)), Twin(relay_of(RELAY))]
        for step, act in enumerate(walk):
            if step == moves_at:
                twins[0].move(at=float(step), ahead=AWAY_S)
            for twin in twins:
                act(twin, float(step))
        assert twins[0].told == twins[1].told
        assert twins[0].it.call_id == "rtc_1"
        assert twins[0].it.closed


def relay_of(plane: Plane) -> Relay:
    subscribed = ["response.done", "response.output_text.delta"]
    return Relay(Session(plane=plane, now=0.0), subscribe=subscribed, now=0.0)


# -- what a session was made with


def test_what_it_was_made_with_goes_with_it() -> None:
    plane = Plane(name="own", carries_audio=True, trusted=False, delays={Timer.HANDSHAKE: 2.0})
    session = Session(
        plane=plane,
        kind=Kind.TRANSCRIPTION,
        dialect=Dialect.BETA,
        now=0.0,
        delays={Timer.HANDSHAKE: 5.0},
        retain=2,
    )
    again = Session.resume(session.snapshot(now=1.0), now=1.0)
    assert (again.plane, again.kind, again.dialect) == (plane, Kind.TRANSCRIPTION, Dialect.BETA)
    assert again.next_timeout() == 5.0
    assert again.conversation.retain == 2
    assert again.snapshot(now=1.0) == session.snapshot(now=1.0)


def test_a_session_that_has_heard_nothing_yet_goes_on_too() -> None:
    again = Session.resume(Session(plane=DIRECT, now=0.0).snapshot(now=5.0), now=105.0)
    assert again.next_timeout() == 115.0


def test_its_ids_go_on_where_they_were() -> None:
    session = Session(plane=DIRECT, now=0.0, ids=counter("mine"))
    assert session.send_text("Hi.", now=0.0) == "event_mine1"
    again = Session.resume(session.snapshot(now=0.0), now=0.0)
    assert again.send_text("Hi.", now=0.0) == session.send_text("Hi.", now=0.0) == "event_mine4"
    theirs = Session.resume(session.snapshot(now=0.0), now=0.0, ids=counter("theirs"))
    assert theirs.send_text("Hi.", now=0.0) == "event_theirs1"


def test_ids_of_a_factory_of_yours_need_it_again() -> None:
    session = Session(plane=DIRECT, now=0.0, ids=lambda kind: f"{kind}_1")
    snapshot = session.snapshot(now=0.0)
    with pytest.raises(LocalProtocolError, match="factory"):
        Session.resume(snapshot, now=0.0)
    again = Session.resume(snapshot, now=0.0, ids=lambda kind: f"{kind}_2")
    assert again.cancel(now=0.0) is None
    assert again.send_text("Hi.", respond=False, now=0.0) == "event_2"


# -- time


def test_all_times_are_on_the_new_clock() -> None:
    session = Session(plane=DIRECT, now=0.0)
    session.receive(text_of(session_created()), now=0.0)
    limit = {"name": "tokens", "limit": 10, "remaining": 5, "reset_seconds": 60.0}
    session.receive(text_of(event("rate_limits.updated", rate_limits=[limit])), now=8.0)
    assert session.rate_limits["tokens"].reset_at == 68.0
    again = Session.resume(session.snapshot(now=16.0), now=1016.0)
    assert again.rate_limits["tokens"].reset_at == 1068.0


@pytest.mark.parametrize(("known", "left"), [(True, 80.0), (False, 100.0)])
def test_only_until_the_told_end_time_may_have_passed(known: bool, left: float) -> None:
    unix = 2_000_000_000.0
    session = Session(plane=DIRECT, now=0.0, unix_time=unix, delays={Timer.EXPIRY: 300.0})
    config = settings(expires_at=unix + 400.0)
    session.receive(text_of(event("session.created", session=config)), now=0.0)
    session.receive(text_of(session_updated()), now=0.0)
    assert session.next_timeout() == 100.0
    snapshot = session.snapshot(now=0.0)
    again = Session.resume(snapshot, now=1000.0, unix_time=unix + 20.0 if known else None)
    assert again.next_timeout() == 1000.0 + left
    [warning] = again.handle_timeout(now=1000.0 + left)
    assert warning == SessionExpiring(expires_at=unix + 400.0, seconds_left=300.0)
    # It was warned of: knowing the time does not warn again.
    later = Session.resume(again.snapshot(now=1200.0), now=0.0, unix_time=unix + 300.0)
    assert later.next_timeout() is None


# -- what is no snapshot


def snapshots() -> Iterator[tuple[str, str]]:
    session = Session(plane=DIRECT, now=0.0).snapshot(now=0.0)
    yield "", "no snapshot of a session"
    yield "Dear diary", "no snapshot of a session"
    yield "{}", "no snapshot of a session"
    yield "[]", "no snapshot of a session"
    yield "\ud800", "no snapshot of a session"
    yield '{"snapshot":1,"of":"session","books":{}}', "no snapshot of a session"
    yield '{"snapshot":1,"of":"session","books":' + "[" * 100_000, "no snapshot of a session"
    yield relay_of(RELAY).snapshot(now=0.0), "of a relay, format 1; expected a session, format 1"
    yield session.replace('"snapshot":1', '"snapshot":2'), "format 2; expected a session, format 1"
    yield session.replace('"handshake"', '"shake"'), "no snapshot of a session"
    yield session.replace('"_deadlines":{', '"_deadlines":{"speech":"soon",'), "no snapshot"
    yield session.replace('"ids":{', '"ids":{"count":"many",'), "no snapshot"


@pytest.mark.parametrize(("text", "words"), list(snapshots()))
def test_what_is_no_snapshot_is_said_to_be_none(text: str, words: str) -> None:
    with pytest.raises(UnreadableError, match=words):
        Session.resume(text, now=0.0)


def test_a_session_is_no_relay() -> None:
    with pytest.raises(UnreadableError, match="of a session, format 1; expected a relay"):
        Relay.resume(Session(plane=RELAY, now=0.0).snapshot(now=0.0), now=0.0)
    whole = relay_of(RELAY).snapshot(now=0.0)
    with pytest.raises(UnreadableError, match="no snapshot of a session"):
        Relay.resume(whole.replace('"ids":{}', '"ids":5'), now=0.0)


# -- nothing is left out


def parts(info: inspect.Type, found: dict[Any, str], where: str) -> None:
    """Everything that a book is made of, by type, and where it was found first."""
    kind = getattr(info, "cls", type(info))
    if kind in found and not isinstance(info, inspect.CollectionType | inspect.DictType):
        return
    found.setdefault(kind, where)
    for each in getattr(info, "fields", ()):
        parts(each.type, found, f"{where}.{each.name}")
    inner = (getattr(info, name, None) for name in ("item_type", "key_type", "value_type"))
    for each in (*inner, *getattr(info, "types", ()), *getattr(info, "item_types", ())):
        if isinstance(each, inspect.Type):
            parts(each, found, where)


@pytest.mark.parametrize("book", [Books, Relay])
def test_whatever_is_in_the_books_can_be_written_and_read(book: type[Any]) -> None:
    """A class that is no book, with fields that nobody sees, would be left out in silence."""
    found: dict[Any, str] = {}
    parts(inspect.type_info(book), found, book.__name__)
    assert len(found) > 10
    special = {Moment, Session, IdFactory}
    books = {cls for cls in found if isinstance(cls, type) and cls.__module__.startswith("talk")}
    for cls in books - special:
        assert not isinstance(inspect.type_info(cls), inspect.CustomType), found[cls]


def filled(info: inspect.Type) -> Any:
    """A value of a type that is no default: every book in it is full."""
    match info:
        case inspect.StructType():
            return info.cls(**{each.name: other(each) for each in info.fields})
        case inspect.DataclassType():
            return info.cls(**{each.name.lstrip("_"): other(each) for each in info.fields})
        case inspect.UnionType():
            return filled(next(t for t in info.types if not isinstance(t, inspect.NoneType)))
        case inspect.DictType():
            return {filled(info.key_type): filled(info.value_type)}
        case inspect.ListType():
            return [filled(info.item_type)]
        case inspect.SetType():
            return {filled(info.item_type), "another"}
        case inspect.VarTupleType():
            return (filled(info.item_type),)
        case inspect.TupleType():
            return tuple(map(filled, info.item_types))
        case inspect.EnumType():
            return list(info.cls)[-1]
        case inspect.LiteralType():
            return info.values[-1]
        case inspect.CustomType():
            return Moment(80.0) if info.cls is Moment else Counter("full", 9)
        case inspect.AnyType():
            return {"any": [1, 2.5, None, True, "\u2028"]}
        case _:
            return FULL[type(info)]


def other(row: inspect.Field) -> Any:
    """A value that is not the default of a field."""
    return not row.default if isinstance(row.default, bool) else filled(row.type)


FULL: dict[type[inspect.Type], object] = {
    inspect.StrType: "full",
    inspect.IntType: 7,
    inspect.FloatType: 2.5,
    inspect.BoolType: True,
    inspect.BytesType: b"\xff\x00",
}


def test_every_field_of_every_book_comes_back() -> None:
    books = filled(inspect.type_info(Books))
    hooks: dict[Any, Callable[[Any], Any]] = {IdFactory: lambda told: Counter(**told)}
    again = read(write(books, of="full", now=16.0), Books, of="full", now=16.0, hooks=hooks)
    names = [each.name for each in fields(Books)]
    assert len(names) > 20
    for name in names:
        assert getattr(again, name) == getattr(books, name), name
    moved = read(write(books, of="full", now=16.0), Books, of="full", now=116.0, hooks=hooks)
    assert write(moved, of="full", now=116.0) == write(books, of="full", now=16.0)
    assert moved.timers.next() == 180.0


def test_a_default_takes_no_room_and_json_is_all_it_is() -> None:
    snapshot = Session(plane=DIRECT, now=0.0).snapshot(now=0.0)
    assert json.loads(snapshot) == msgspec.json.decode(snapshot)
    assert json.loads(snapshot)["books"].keys() == {"plane", "ids", "timers"}
