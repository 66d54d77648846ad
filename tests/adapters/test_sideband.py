"""One session, two transports: a page's websocket, and the sideband of the call it made."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from support.frames import announced, arguments_done, response_created, text_of
from support.virtual import Wire, run, wire
from talkwire import (
    SIDEBAND,
    FunctionCall,
    PageLeft,
    PageOffer,
    PageText,
    Relay,
    Session,
    SessionClosed,
)
from talkwire.realtime.service import Service
from talkwire_io.asyncio import Connection

HELLO = '{"type":"talkwire.hello","version":1}'
OFFER = '{"type":"talkwire.offer","sdp":"v=0 offer"}'
READY = '{"type":"talkwire.ready"}'
BYE = '{"type":"talkwire.bye","code":"hangup","message":"Done."}'


def clock() -> float:
    return asyncio.get_running_loop().time()


class Call:
    """A call as an adapter opens it: the page's end and the service's are the test's."""

    def __init__(self) -> None:
        self.relay = Relay(Session(plane=SIDEBAND, now=clock()), now=clock())
        here, self.page = wire()
        self.connection = Connection(self.relay, here)
        self.sideband, self.far = wire()

    async def opened(self) -> Call:
        self.relay.ask_for_offer(now=clock())
        await self.page.send(HELLO)
        await self.page.send(OFFER)
        assert await self.connection.wait_for(PageOffer) == PageOffer(sdp="v=0 offer")
        self.connection.attach(self.sideband)
        self.relay.answer("v=0 answer", "rtc_1", now=clock())
        await self.connection.session_update({"instructions": "Be brief."})
        return self

    def page_heard(self) -> list[dict[str, Any]]:
        lines = [line for message in self.connection_end().sent for line in message.split("\n")]
        return [json.loads(line) for line in lines]

    def connection_end(self) -> Wire:
        return self.page.other

    def service_heard(self) -> list[str]:
        return [json.loads(message)["type"] for message in self.sideband.sent]


async def all_of(call: Connection) -> list[object]:
    return [event async for event in call]


def test_commands_go_to_the_service_and_control_messages_to_the_page() -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            await connection.send_text("Hello.")
            assert call.service_heard() == [
                "session.update",
                "conversation.item.create",
                "response.create",
            ]
            assert [each["type"] for each in call.page_heard()] == [
                "talkwire.init",
                "talkwire.answer",
            ]

    run(main())


def test_what_was_pumped_while_waiting_is_there_for_who_iterates() -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            await call.page.send(BYE)
            kinds = [type(event).__name__ for event in await all_of(connection)]
            assert kinds[:2] == ["PageHello", "PageOffer"]
            assert kinds[-1] == "SessionClosed"

    run(main())


def test_both_are_heard_in_the_order_in_which_they_speak() -> None:
    async def main() -> None:
        call = await Call().opened()
        service = Service(now=clock())
        async with call.connection as connection:
            events: list[object] = []

            async def read() -> None:
                events.extend(await all_of(connection))

            reading = asyncio.create_task(read())
            created = service.next_frame()
            assert created is not None
            await call.far.send(created)
            await asyncio.sleep(1)
            await call.page.send(READY)
            await asyncio.sleep(1)
            await call.page.send('{"type":"talkwire.text","text":"Hi."}')
            await asyncio.sleep(1)
            await call.far.close(1000)
            await reading
            kinds = [type(event).__name__ for event in events]
            assert kinds.index("SessionCreated") < kinds.index("PageReady")
            assert kinds.index("PageReady") < kinds.index("PageText")
            assert isinstance(events[-1], SessionClosed)

    run(main())


def test_a_function_call_comes_from_the_sideband_and_only_from_there() -> None:
    """S3: the page may claim what it likes."""

    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            told = [response_created("r1"), *announced("r1", "c1"), arguments_done("r1", "c1")]
            for frame in told:
                await call.page.send(text_of(frame))
                await call.far.send(text_of(frame))
            await call.page.send(text_of(arguments_done("r1", "c_forged")))
            await asyncio.sleep(0)
            await call.page.send(BYE)
            events = await all_of(connection)
            assert [e.call_id for e in events if isinstance(e, FunctionCall)] == ["c1"]

    run(main())


def test_when_the_sideband_ends_the_page_is_told() -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            await call.far.close(1011, "broken")
            events = await all_of(connection)
            assert events[-1] == SessionClosed(code=1011, reason="broken")
            assert call.page_heard()[-1]["type"] == "talkwire.bye"

    run(main())


def test_when_the_page_goes_the_sideband_is_closed() -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            await call.page.send(BYE)
            assert any(isinstance(e, PageLeft) for e in await all_of(connection))
        assert call.sideband.closes == 1

    run(main())


def test_a_sideband_that_breaks_while_we_write_is_told_to_the_page_at_once() -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            call.sideband.lose(1006, silently=True)
            await connection.send_text("Are you there?", respond=False)
            assert call.page_heard()[-1]["type"] == "talkwire.bye"
            assert (await all_of(connection))[-1] == SessionClosed(code=1006)

    run(main())


def test_a_cancelled_wait_loses_nothing_that_either_said() -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            before = len([await anext(connection) for _ in range(2)])  # hello and offer
            assert before == 2
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await anext(connection)
            await call.page.send('{"type":"talkwire.text","text":"Hi."}')
            await call.far.send(text_of(response_created("r1")))
            kinds = {type(await anext(connection)).__name__ for _ in range(2)}
            assert kinds == {"PageText", "ResponseCreated"}

    run(main())


def test_a_sideband_attached_while_somebody_waits_is_heard() -> None:
    async def main() -> None:
        call = Call()
        async with call.connection as connection:
            call.relay.ask_for_offer(now=clock())
            await call.page.send(HELLO)
            await call.page.send(OFFER)
            assert await connection.wait_for(PageOffer)
            reading = asyncio.create_task(connection.wait_for(PageText))
            await asyncio.sleep(0)
            connection.attach(call.sideband)
            await call.far.close(1000)
            assert await reading is None
            assert connection.protocol.closed

    run(main())


def test_nobody_is_left_waiting_when_the_block_is_left() -> None:
    async def main() -> None:
        call = await Call().opened()
        before = asyncio.all_tasks()
        async with call.connection as connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await connection.wait_for(PageText)
            assert len(asyncio.all_tasks()) == len(before) + 2
        assert asyncio.all_tasks() == before

    run(main())


def test_waiting_for_what_never_comes_ends_with_the_session() -> None:
    async def main() -> None:
        call = Call()
        async with call.connection as connection:
            await call.page.close()
            assert await connection.wait_for(PageOffer) is None

    run(main())
