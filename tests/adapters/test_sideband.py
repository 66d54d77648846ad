"""One session, two transports: a page's websocket, and the sideband of the call it made."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from support.bindings import Connection, Runtime, driving, every_runtime
from support.frames import announced, arguments_done, response_created, text_of
from support.virtual import Wire, wire
from talkwire import (
    SIDEBAND,
    FunctionCall,
    PageLeft,
    PageOffer,
    PageText,
    Relay,
    Session,
    SessionClosed,
    UnknownEvent,
)
from talkwire.realtime.service import Service

HELLO = '{"type":"talkwire.hello","version":1}'
OFFER = '{"type":"talkwire.offer","sdp":"v=0 offer"}'
READY = '{"type":"talkwire.ready"}'
BYE = '{"type":"talkwire.bye","code":"hangup","message":"Done."}'


pytestmark = every_runtime


def clock() -> float:
    return anyio.current_time()


class Call:
    """A call as an adapter opens it: the page's end and the service's are the test's."""

    def __init__(self) -> None:
        self.relay = Relay(Session(plane=SIDEBAND, now=clock()), now=clock())
        here, self.page = wire()
        self.connection = driving(self.relay, here)
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


def tasks() -> set[int]:
    return {task.id for task in anyio.get_running_tasks()}


async def all_of(call: Connection) -> list[object]:
    return [event async for event in call]


def test_commands_go_to_the_service_and_control_messages_to_the_page(runtime: Runtime) -> None:
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

    runtime.run(main)


def test_what_was_pumped_while_waiting_is_there_for_who_iterates(runtime: Runtime) -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            await call.page.send(BYE)
            kinds = [type(event).__name__ for event in await all_of(connection)]
            assert kinds[:2] == ["PageHello", "PageOffer"]
            assert kinds[-1] == "SessionClosed"

    runtime.run(main)


def test_both_are_heard_in_the_order_in_which_they_speak(runtime: Runtime) -> None:
    async def main() -> None:
        call = await Call().opened()
        service = Service(now=clock())
        async with call.connection as connection, anyio.create_task_group() as group:
            events: list[object] = []

            async def read() -> None:
                events.extend(await all_of(connection))

            reading = group.start_soon(read)
            created = service.next_frame()
            assert created is not None
            await call.far.send(created)
            await anyio.sleep(1)
            await call.page.send(READY)
            await anyio.sleep(1)
            await call.page.send('{"type":"talkwire.text","text":"Hi."}')
            await anyio.sleep(1)
            await call.far.close(1000)
            await reading
            kinds = [type(event).__name__ for event in events]
            assert kinds.index("SessionCreated") < kinds.index("PageReady")
            assert kinds.index("PageReady") < kinds.index("PageText")
            assert isinstance(events[-1], SessionClosed)

    runtime.run(main)


def test_a_function_call_comes_from_the_sideband_and_only_from_there(runtime: Runtime) -> None:
    """S3: the page may claim what it likes."""

    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            told = [response_created("r1"), *announced("r1", "c1"), arguments_done("r1", "c1")]
            for frame in told:
                await call.page.send(text_of(frame))
                await call.far.send(text_of(frame))
            await call.page.send(text_of(arguments_done("r1", "c_forged")))
            await anyio.sleep(0.001)
            await call.page.send(BYE)
            events = await all_of(connection)
            assert [e.call_id for e in events if isinstance(e, FunctionCall)] == ["c1"]

    runtime.run(main)


def test_when_the_sideband_ends_the_page_is_told(runtime: Runtime) -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            await call.far.close(1011, "broken")
            events = await all_of(connection)
            assert events[-1] == SessionClosed(code=1011, reason="broken")
            assert call.page_heard()[-1]["type"] == "talkwire.bye"

    runtime.run(main)


def test_when_the_page_goes_the_sideband_is_closed(runtime: Runtime) -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            await call.page.send(BYE)
            assert any(isinstance(e, PageLeft) for e in await all_of(connection))
        assert call.sideband.closes == 1

    runtime.run(main)


def test_a_sideband_that_breaks_while_we_write_is_told_to_the_page(
    runtime: Runtime,
) -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            call.sideband.lose(1006, silently=True)
            await connection.send_text("Are you there?", respond=False)
            assert (await all_of(connection))[-1] == SessionClosed(code=1006)
            assert call.page_heard()[-1]["type"] == "talkwire.bye"

    runtime.run(main)


def test_a_cancelled_wait_loses_nothing_that_either_said(runtime: Runtime) -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            before = len([await anext(connection) for _ in range(2)])  # hello and offer
            assert before == 2
            with pytest.raises(TimeoutError):
                async with runtime.giving_up(1):
                    await anext(connection)
            await call.page.send('{"type":"talkwire.text","text":"Hi."}')
            await call.far.send(text_of(response_created("r1")))
            kinds = {type(await anext(connection)).__name__ for _ in range(2)}
            assert kinds == {"PageText", "ResponseCreated"}

    runtime.run(main)


def test_a_sideband_attached_while_somebody_waits_is_heard(runtime: Runtime) -> None:
    async def main() -> None:
        call = Call()
        async with call.connection as connection, anyio.create_task_group() as group:
            call.relay.ask_for_offer(now=clock())
            await call.page.send(HELLO)
            await call.page.send(OFFER)
            assert await connection.wait_for(PageOffer)
            reading = group.start_soon(connection.wait_for, PageText)
            await anyio.sleep(0.001)
            connection.attach(call.sideband)
            await call.far.close(1000)
            assert await reading is None
            assert connection.protocol.closed

    runtime.run(main)


def test_nobody_is_left_waiting_when_the_block_is_left(runtime: Runtime) -> None:
    async def main() -> None:
        call = await Call().opened()
        before = tasks()
        async with call.connection as connection:
            with pytest.raises(TimeoutError):
                async with runtime.giving_up(1):
                    await connection.wait_for(PageText)
            assert len(tasks() - before) <= 2
        assert tasks() == before

    runtime.run(main)


def test_waiting_for_what_never_comes_ends_with_the_session(runtime: Runtime) -> None:
    async def main() -> None:
        call = Call()
        async with call.connection as connection:
            await call.page.close()
            assert await connection.wait_for(PageOffer) is None

    runtime.run(main)


@pytest.mark.parametrize("last", range(6))
@pytest.mark.parametrize("before", [False, True])
def test_a_cancel_with_a_message_loses_nothing_that_either_said(
    runtime: Runtime, last: int, before: bool
) -> None:
    """The two speak in turn; a reader gives up with the `last`, just before or after it comes."""

    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection, anyio.create_task_group() as group:
            seen = [await anext(connection) for _ in range(2)]  # hello and offer
            with anyio.CancelScope() as giving_up:

                async def talk() -> None:
                    for number in range(6):
                        if before and number == last:
                            giving_up.cancel()
                        end = call.page if number % 2 else call.far
                        await end.send(f'{{"type":"talkwire.text","text":"{number}"}}')
                        if number == last:
                            giving_up.cancel()
                        await anyio.sleep(0.001)

                group.start_soon(talk)
                async for event in connection:
                    seen.append(event)
            while len(seen) < 8:
                seen.append(await anext(connection))
            told = [each.text for each in seen if isinstance(each, PageText)]
            assert told == ["1", "3", "5"]
            assert sum(isinstance(each, UnknownEvent) for each in seen) == 3

    runtime.run(main)


def test_what_the_sideband_said_comes_before_the_end_of_a_page_that_left_meanwhile(
    runtime: Runtime,
) -> None:
    async def main() -> None:
        call = await Call().opened()
        async with call.connection as connection:
            await call.page.send(BYE)
            await call.far.send(text_of(response_created("r1")))
            kinds = [type(event).__name__ for event in await all_of(connection)]
            assert "ResponseCreated" in kinds and "Anomaly" not in kinds
            assert kinds[-1] == "SessionClosed"

    runtime.run(main)


def test_a_block_that_is_cancelled_for_good_says_goodbye_and_closes_both(runtime: Runtime) -> None:
    """A cancel scope strikes at every wait; a task that is cancelled only once."""

    async def main() -> None:
        call = await Call().opened()
        with anyio.CancelScope() as scope:
            async with call.connection as connection:
                scope.cancel()
                await connection.wait_for(PageText)
        assert call.page_heard()[-1]["type"] == "talkwire.bye"
        assert (call.sideband.closes, call.page.other.closes) == (1, 1)

    runtime.run(main)
