"""Page bindings: who may connect, what a page and its handler are told when a call cannot open, and
how it ends. The same on every framework."""

from __future__ import annotations

import os

import anyio
import pytest
import trio
from quart_trio import QuartTrio
from starlette.exceptions import WebSocketException
from starlette.websockets import WebSocket

from support.bindings import Connection, driving
from support.cells import Halls
from support.conversation import nothing
from support.desk import KEY, Desk, Reply, open_desk
from support.ends import Ends, knock, plain_http
from support.far_end import CALL_ID, HELLO
from support.hop import tell
from support.page_bindings import PAGE_BINDINGS, Connect, PageBinding
from support.talks import Talk, plainly
from support.visits import Transporting, last_word, meet, open_call, refused
from talkwire import RELAY, Relay, Session
from talkwire_io.openai import (
    CallNotFound,
    KeyRefused,
    MissingKey,
    OpenAI,
    ServiceUnreachable,
)
from talkwire_io.quart_trio import PageConnection
from talkwire_io.starlette import connect as starlette_connect

every_page = pytest.mark.parametrize("binding", PAGE_BINDINGS, ids=lambda each: each.name)
both_ways = pytest.mark.parametrize("sideband", [True, False], ids=["relay+sideband", "relay"])
BYE = tell(type="talkwire.bye", code="hangup", message="")


# Who may connect (S1).


@every_page
@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1", "ftp://127.0.0.1:{port}"]
)
def test_another_origin_or_none_is_refused_before_the_websocket(
    halls: Halls, binding: PageBinding, origin: str | None
) -> None:
    hall = halls.of(binding)

    async def main() -> None:
        async with open_desk() as desk:
            talk = Talk(nothing, plainly, codes=False)

            async def handle(connect: Connect, _: object) -> None:
                async with plain_http(desk.url) as service:
                    await talk.run(connect({}, service=service))

            hall.expect(handle)
            given = None if origin is None else origin.format(port=hall.port)
            page, status = await knock(hall.port, origin=given)
            await talk.ended.wait()
            await page.drop()
            assert status == 403
            assert talk.error is not None
            assert desk.asked == []

    anyio.run(main)


@every_page
def test_a_page_of_an_origin_that_was_named_may_connect(halls: Halls, binding: PageBinding) -> None:
    async def act(ends: Ends, _: Desk) -> None:
        await open_call(ends, sideband=False)
        await (await ends.peer("page")).send(BYE)

    origins = {f"http://127.0.0.1:{halls.of(binding).port}"}
    assert meet(halls, binding, act, origins=origins, sideband=False).error is None


@pytest.mark.parametrize("known", [True, False])
def test_on_starlette_a_handler_may_accept_by_itself_after_a_check_of_its_own(
    halls: Halls, known: bool
) -> None:
    [binding] = [each for each in PAGE_BINDINGS if each.name == "starlette"]
    hall = halls.of(binding)

    async def main() -> tuple[int, Talk]:
        async with open_desk() as desk:
            talk = Talk(nothing, plainly, codes=False)

            async def handle(connect: Connect, _: object) -> None:
                websocket: WebSocket = connect.args[0]  # type: ignore[attr-defined]
                if not known:
                    talk.ended.set()
                    raise WebSocketException(1008, "who are you?")
                await websocket.accept()
                async with plain_http(desk.url) as service:
                    await talk.run(
                        starlette_connect(websocket, {}, service=service, sideband=False)
                    )

            hall.expect(handle)
            page, status = await knock(hall.port)
            if known:
                await open_call(ends := Ends(talk, {"page": page}, desk), sideband=False)
                await page.send(BYE)
                await ends.hear_out()
            await talk.ended.wait()
            await page.drop()
        return status, talk

    status, talk = anyio.run(main)
    assert (status, talk.error) == ((101 if known else 403), None)
    assert ("PageReady" in talk.seen) is known


# A call that cannot open.


@every_page
@both_ways
def test_a_refused_key_is_told_to_the_page_and_raised(
    halls: Halls, binding: PageBinding, sideband: bool
) -> None:
    words = {"message": f"Incorrect API key: {KEY}.", "type": "x", "code": "invalid_api_key"}

    async def act(ends: Ends, _: Desk) -> None:
        assert await refused(ends, sideband=sideband) == (
            "The voice service refused the call (invalid_api_key)."
        )

    no = Reply(401, {"error": words})
    desk_has = {"call": no, "secret": no}
    error = meet(halls, binding, act, sideband=sideband, desk_has=desk_has).error
    assert isinstance(error, KeyRefused)
    assert KEY not in f"{error} {error!r}"


@every_page
@both_ways
def test_a_service_that_cannot_be_reached_is_told_to_the_page_and_raised(
    halls: Halls, binding: PageBinding, sideband: bool
) -> None:
    async def act(ends: Ends, _: Desk) -> None:
        words = await refused(ends, sideband=sideband)
        assert words == "The voice service cannot be reached."

    nowhere = OpenAI(KEY, base_url="http://127.0.0.1:9/v1")
    talk = meet(halls, binding, act, service=nowhere, sideband=sideband)
    assert isinstance(talk.error, ServiceUnreachable)


@every_page
@both_ways
def test_a_missing_key_is_told_to_the_page_and_raised(
    halls: Halls, binding: PageBinding, sideband: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(os.environ, "OPENAI_API_KEY", raising=False)

    async def act(ends: Ends, _: Desk) -> None:
        words = (await last_word(ends))["message"]
        assert "key" in words and "OPENAI_API_KEY" not in words

    talk = meet(halls, binding, act, service=None, sideband=sideband)
    assert isinstance(talk.error, MissingKey)
    assert "OPENAI_API_KEY" in str(talk.error)


@every_page
def test_a_call_that_nobody_may_hear_is_told_raised_and_hung_up(
    halls: Halls, binding: PageBinding
) -> None:
    """S15: its sideband is refused for as long as a fresh call may take."""

    async def act(ends: Ends, desk: Desk) -> None:
        assert "call_id_not_found" in await refused(ends, sideband=True)
        assert await desk.next_hang_up() == CALL_ID

    no = Reply(404, {"error": {"message": "No.", "code": "call_id_not_found"}})
    assert isinstance(meet(halls, binding, act, desk_has={"sideband": no}).error, CallNotFound)


# How it ends.


@every_page
@both_ways
@pytest.mark.parametrize("how", ["bye", "drop"])
def test_the_call_is_hung_up_when_the_page_goes(
    halls: Halls, binding: PageBinding, sideband: bool, how: str
) -> None:
    async def act(ends: Ends, desk: Desk) -> None:
        await open_call(ends, sideband=sideband)
        await ends.talk.has_seen(3 if sideband else 2)  # ready
        page = await ends.peer("page")
        if how == "bye":
            await page.send(BYE)
            await ends.hear_out()
        else:
            await ends.gone("page")
        assert await desk.next_hang_up() == CALL_ID

    talk = meet(halls, binding, act, sideband=sideband)
    assert talk.error is None
    assert talk.seen[-1] == "SessionClosed"


async def leave(talk: Talk, call: Connection) -> None:
    """Hang up as soon as the call is open."""
    async for event in call:
        await talk.take(call, event)
        if talk.seen[-1].startswith("PageReady"):
            break


@every_page
@both_ways
def test_leaving_the_block_says_goodbye_closes_and_hangs_up(
    halls: Halls, binding: PageBinding, sideband: bool
) -> None:
    async def act(ends: Ends, desk: Desk) -> None:
        await open_call(ends, sideband=sideband)
        async with anyio.create_task_group() as group:
            if sideband:
                group.start_soon(ends.hear_out, "service")
            assert (await last_word(ends))["code"] == "ended"
        assert await desk.next_hang_up() == CALL_ID

    assert meet(halls, binding, act, manner=leave, sideband=sideband).error is None


@every_page
def test_a_page_that_speaks_on_behind_our_goodbye_harms_nobody(
    halls: Halls, binding: PageBinding
) -> None:
    async def act(ends: Ends, desk: Desk) -> None:
        await open_call(ends, sideband=False)
        page = await ends.peer("page")
        # hypercorn 0.18 keeps a connection for ever whose app ends with more than ten unread.
        await page.send(*[tell(type="talkwire.text", text="Wait!")] * 5)
        await ends.hear_out()
        assert await desk.next_hang_up() == CALL_ID

    talk = meet(halls, binding, act, manner=leave, sideband=False)
    assert talk.error is None


async def test_on_quart_trio_what_comes_behind_our_close_is_dropped(nursery: trio.Nursery) -> None:
    page = PageConnection(QuartTrio("app"), {})
    page.carries_a_call = True
    page.receive_channel.close()  # as our close does
    told = iter([{"type": "websocket.receive", "text": "Wait!"}, {"type": "websocket.disconnect"}])

    async def receive() -> dict[str, str]:
        return next(told)

    await page.handle_messages(nursery, receive)
    assert page.gone


@every_page
def test_a_page_that_never_says_hello_is_sent_away(halls: Halls, binding: PageBinding) -> None:
    async def handler(talk: Talk, _: Connect, transport: Transporting) -> None:
        now = anyio.current_time() - 9.9  # as `connect` does, ten seconds ago but for a moment
        wire = await transport()
        relay = Relay(Session(plane=RELAY, now=now), now=now)
        await talk.run(driving(relay, wire))

    async def act(ends: Ends, _: Desk) -> None:
        said = await last_word(ends)
        assert (said["code"], "hello" in said["message"]) == ("failed", True)

    assert meet(halls, binding, act, handler=handler).seen == ["TimedOut", "SessionClosed"]


# A page that misbehaves.


@every_page
@pytest.mark.parametrize(
    "message",
    ["", "{", "[" * 60_000, "x" * 100_000, HELLO, "\n\n"],
    ids=["empty", "cut", "deep", "long", "hello again", "blank"],
)
def test_no_message_of_a_page_ends_the_handler(
    halls: Halls, binding: PageBinding, message: str
) -> None:
    async def act(ends: Ends, _: Desk) -> None:
        await open_call(ends, sideband=False)
        page = await ends.peer("page")
        await page.send(message, tell(type="talkwire.text", text="still here"), BYE)
        await ends.hear_out()

    talk = meet(halls, binding, act, sideband=False)
    assert talk.error is None
    assert "PageText text=still here" in talk.seen
