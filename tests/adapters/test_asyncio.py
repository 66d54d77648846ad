"""The asyncio driver: iterating is pumping, and every end of a connection is an event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import pytest

from support.virtual import Wire, run, wire
from talkwire import (
    CommandSettled,
    FunctionCall,
    InvalidFrame,
    LocalProtocolError,
    McpApprovalRequested,
    Outcome,
    PageHello,
    Relay,
    Session,
    SessionClosed,
    TimedOut,
    Timer,
    commands,
    events,
)
from talkwire.realtime.engine import ResponseRequested
from talkwire.realtime.plane import RELAY
from talkwire.realtime.service import Service
from talkwire_io.asyncio import Connection

E = TypeVar("E")


def clock() -> float:
    return asyncio.get_running_loop().time()


class Far:
    """The service at the far end of a wire, moved by the test."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.service = Service(now=clock())
        self.asked: list[Any] = []

    async def hear(self) -> str:
        """Take one frame of the client, and answer it; its type."""
        message = await self.wire.receive()
        self.asked += self.service.receive(message, now=clock())
        await self.speak()
        return str(json.loads(message)["type"])

    async def speak(self) -> None:
        while (frame := self.service.next_frame()) is not None:
            await self.wire.send(frame)

    async def serve(self) -> None:
        while True:
            await self.hear()

    async def reply(self) -> ResponseRequested:
        """Hear the client out until it asks for a response."""
        while not any(isinstance(each, ResponseRequested) for each in self.asked):
            await self.hear()
        request = self.asked.pop()
        assert isinstance(request, ResponseRequested)
        return request


def dial() -> tuple[Connection, Far]:
    here, there = wire()
    return Connection(Session(now=clock()), here), Far(there)


async def until(call: Connection, kind: type[E]) -> E:
    async for event in call:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the session ended without {kind.__name__}")


def types(messages: Sequence[str]) -> list[str]:
    return [json.loads(message)["type"] for message in messages]


def test_events_come_in_the_order_of_the_wire_each_before_what_follows_from_it() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            await far.speak()
            event_id = await call.session_update({"instructions": "Be brief."})
            await far.hear()
            created, updated, settled = [await anext(call) for _ in range(3)]
            assert isinstance(created, events.SessionCreated)
            assert isinstance(updated, events.SessionUpdated)
            assert settled == CommandSettled(
                event_id=event_id, type="session.update", outcome=Outcome.DONE
            )

    run(main())


def test_a_tool_using_turn_needs_nothing_but_iterating() -> None:
    async def main() -> None:
        call, far = dial()

        async def service() -> None:
            await far.speak()
            request = await far.reply()
            far.service.function_call(request.response_id, "add", '{"a":1}', now=clock())
            far.service.response_done(request.response_id, now=clock())
            await far.speak()
            request = await far.reply()
            said = [item["type"] for item in request.items]
            assert said == ["message", "function_call", "function_call_output"]
            far.service.response_done(request.response_id, now=clock())
            await far.speak()
            await far.wire.close()

        async with call, asyncio.TaskGroup() as group:
            group.create_task(service())
            await call.send_text("Add one.")
            seen: list[object] = []
            async for event in call:
                seen.append(event)
                if isinstance(event, FunctionCall):
                    await call.send_function_result(event.call_id, "2")
            settled = [each for each in seen if isinstance(each, CommandSettled)]
            assert len(settled) == 4
            assert {each.outcome for each in settled} == {Outcome.DONE}
            assert sum(isinstance(each, FunctionCall) for each in seen) == 1
            assert isinstance(seen[-1], SessionClosed)

    run(main())


def test_nothing_is_read_and_no_deadline_passes_while_nobody_iterates() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            await call.session_update({})
            await far.speak()
            await asyncio.sleep(1000)  # it has 15 s to be confirmed
            assert isinstance(await anext(call), events.SessionCreated)
            assert await anext(call) == TimedOut(timer=Timer.HANDSHAKE)

    run(main())


def test_what_a_frame_caused_leaves_before_its_event_is_handed_out() -> None:
    """A response that ends lets the create leave that waited for it, with no call of ours."""

    async def main() -> None:
        call, far = dial()
        async with call:
            await far.speak()
            await call.send_text("One.")
            request = await far.reply()
            await until(call, events.ResponseCreated)
            await call.send_text("Two.")
            await far.hear()
            held = types(far.wire.other.sent).count("response.create")
            far.service.response_done(request.response_id, now=clock())
            await far.speak()
            await until(call, events.ResponseDone)
            left = types(far.wire.other.sent).count("response.create")
            assert (held, left) == (1, 2)

    run(main())


def test_what_was_queued_before_leaves_on_entering() -> None:
    async def main() -> None:
        call, far = dial()
        call.session.session_update({}, now=clock())
        async with call:
            assert types(far.wire.other.sent) == ["session.update"]
            call.session.send(commands.InputAudioBufferClear(), now=clock())
            await call.flush()
            assert types(far.wire.other.sent)[1:] == ["input_audio_buffer.clear"]

    run(main())


def test_every_call_of_the_session_leaves_as_its_command() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            await far.speak()
            update = await call.session_update({"instructions": "Hm."})
            await far.hear()
            await until(call, events.SessionUpdated)
            text = await call.send_text("Hello.", role="system", respond=False)
            await call.send_audio(bytes(4800))
            plain = await call.send(commands.InputAudioBufferCommit())
            sent = [json.loads(each) for each in far.wire.other.sent]
            assert [each["type"] for each in sent] == [
                "session.update",
                "conversation.item.create",
                "input_audio_buffer.append",
                "input_audio_buffer.commit",
            ]
            assert [each.get("event_id") for each in sent] == [update, text, None, plain]
            assert sent[1]["item"]["role"] == "system"
            assert await call.cancel() is None  # nothing to stop
            await call.send_text("Speak.")
            request = await far.reply()
            far.service.message_started(request.response_id, modality="audio", now=clock())
            far.service.audio(request.response_id, bytes(4800), 100, now=clock())
            await far.speak()
            delta = await until(call, events.ResponseOutputAudioDelta)
            truncate = await call.truncate_audio(delta.item_id, 50)
            cancel = await call.cancel()
            last = [json.loads(each) for each in far.wire.other.sent][-2:]
            assert [each["event_id"] for each in last] == [truncate, cancel]
            assert last[0]["audio_end_ms"] == 50

    run(main())


def test_a_request_for_approval_is_answered_on_the_wire() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            asked = {"id": "item_q", "type": "mcp_approval_request", "name": "roll"}
            frame = {"type": "conversation.item.done", "event_id": "event_1", "item": asked}
            await far.speak()
            await far.wire.send(json.dumps(frame))
            request = await until(call, McpApprovalRequested)
            answer = await call.send_mcp_approval(request.approval_request_id, False, "No.")
            sent = json.loads(far.wire.other.sent[-1])
            assert (sent["event_id"], sent["item"]["reason"]) == (answer, "No.")

    run(main())


@pytest.mark.parametrize("reported", [True, False])
def test_what_a_player_reports_is_where_an_interrupted_answer_is_cut(reported: bool) -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            await far.speak()
            await call.send_text("Speak.")
            request = await far.reply()
            far.service.message_started(request.response_id, modality="audio", now=clock())
            far.service.audio(request.response_id, bytes(4800), 100, now=clock())
            await far.speak()
            delta = await until(call, events.ResponseOutputAudioDelta)
            if reported:
                await call.report_playback(delta.item_id, 60)
            far.service.speech_started(audio_start_ms=0, now=clock())
            await far.speak()
            await until(call, events.InputAudioBufferSpeechStarted)
            sent = [json.loads(each) for each in far.wire.other.sent]
            cuts = [each for each in sent if each["type"] == "conversation.item.truncate"]
            assert [each["audio_end_ms"] for each in cuts] == [60] * reported

    run(main())


def test_a_mistake_raises_and_the_call_goes_on() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            await far.speak()
            with pytest.raises(LocalProtocolError):
                await call.send_function_result("call_unknown", "42")
            assert far.wire.other.sent == []
            assert isinstance(await anext(call), events.SessionCreated)

    run(main())


def test_frames_that_cannot_be_read_are_events() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            for message in (b"\xff\xfe", "no json", "", "[" * 100_000, '"\ud800"'):
                call_end = far.wire.other
                call_end.deliver(message)
                assert isinstance(await anext(call), InvalidFrame)
            await far.speak()
            assert isinstance(await anext(call), events.SessionCreated)

    run(main())


# Deadlines.


def test_the_clock_is_kept_while_waiting_for_a_message() -> None:
    async def main() -> None:
        call, _ = dial()
        async with call:
            begun = clock()
            assert await anext(call) == TimedOut(timer=Timer.HANDSHAKE)
            assert clock() - begun == pytest.approx(15.0, abs=0.1)

    run(main())


def test_a_call_from_another_task_sets_the_clock_of_who_waits() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            await far.speak()
            await call.session_update({})
            await far.hear()
            await until(call, CommandSettled)  # configured: no deadline is running
            begun = clock()
            reading = asyncio.create_task(until(call, TimedOut))
            await asyncio.sleep(100)
            event_id = await call.send_text("Are you there?")
            assert (await reading).timer is Timer.RESPONSE_CREATED
            assert clock() - begun == pytest.approx(115.0, abs=0.1)
            settled = await until(call, CommandSettled)
            assert settled.outcome is Outcome.LOST and settled.event_id != event_id

    run(main())


def test_a_deadline_that_was_moved_up_does_not_bring_a_later_one_along() -> None:
    async def main() -> None:
        now = clock()
        here, _ = wire()
        relay = Relay(Session(plane=RELAY, now=now), now=now)
        relay.open_call("/calls", "ek_test", now=now)
        async with Connection(relay, here) as call:
            here.deliver('{"type":"talkwire.hello","version":1}')
            await until(call, PageHello)  # the page has 30 s to open its call
            here.deliver('{"type":"session.created","session":{}}')
            await until(call, events.SessionCreated)
            reading = asyncio.create_task(until(call, TimedOut))
            await asyncio.sleep(1)
            await call.send_text("Hello.")  # the service has 15 s to answer
            assert (await reading).timer is Timer.RESPONSE_CREATED
            assert clock() - now == pytest.approx(16.0, abs=0.1)
            assert not relay.closed
            assert (await until(call, TimedOut)).timer is Timer.READY
            assert clock() - now == pytest.approx(30.0, abs=0.1)
        assert types(there_lines(here))[-1] == "talkwire.bye"

    def there_lines(end: Wire) -> list[str]:
        return [line for message in end.sent for line in message.split("\n")]

    run(main())


def test_a_call_made_at_the_very_moment_of_a_deadline_is_made() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            deadline = call.protocol.next_timeout()
            assert deadline is not None

            async def speak() -> str:
                # Both are due in one turn of the loop, and the deadline's reader wakes second.
                await asyncio.sleep(deadline - clock() - 5e-10)
                return await call.send_text("Now.", respond=False)

            speaking = asyncio.create_task(speak())
            await asyncio.sleep(0)
            assert await anext(call) == TimedOut(timer=Timer.HANDSHAKE)
            assert speaking.done() and await speaking
            assert types(far.wire.other.sent) == ["conversation.item.create"]

    run(main())


# Ends.


def test_the_far_end_s_close_ends_the_iteration_with_everything_settled() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            await far.speak()
            event_id = await call.send_text("Hello?", respond=False)
            await far.wire.close(1011, "out of order")
            created, *rest = [event async for event in call]
            assert isinstance(created, events.SessionCreated)
            assert rest == [
                CommandSettled(
                    event_id=event_id, type="conversation.item.create", outcome=Outcome.LOST
                ),
                SessionClosed(code=1011, reason="out of order"),
            ]
            assert [event async for event in call] == []

    run(main())


def test_a_close_found_by_writing_is_an_event_not_an_exception() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            far.wire.other.lose(1006, silently=True)
            event_id = await call.send_text("Hello?", respond=False)
            assert [event async for event in call] == [
                CommandSettled(
                    event_id=event_id, type="conversation.item.create", outcome=Outcome.LOST
                ),
                SessionClosed(code=1006),
            ]

    run(main())


@pytest.mark.parametrize("way", ["reading", "writing"])
@pytest.mark.parametrize("error", [TimeoutError(110, "timed out"), ConnectionResetError("reset")])
def test_a_network_that_gives_up_is_the_end_and_no_deadline(way: str, error: OSError) -> None:
    class Broken(Wire):
        async def receive(self) -> str | bytes:
            if way == "reading":
                raise error
            return await super().receive()

        async def send(self, message: str) -> None:
            raise error

    async def main() -> None:
        async with Connection(Session(now=clock()), Broken()) as call:
            begun = clock()
            if way == "writing":
                await call.session_update({})
            seen = [event async for event in call]
            assert not any(isinstance(each, TimedOut) for each in seen)
            assert seen[-1] == SessionClosed(reason=str(error))
            assert clock() == begun

    run(main())


def test_who_waits_for_a_message_hears_of_a_close_that_another_task_found() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            reading = asyncio.create_task(until(call, SessionClosed))
            await asyncio.sleep(1)
            far.wire.other.lose(1006, silently=True)  # reading stays silent
            begun = clock()
            await call.send_text("Hello?")
            assert (await reading).code == 1006
            assert clock() == begun

    run(main())


def test_ending_it_from_another_task_ends_who_waits() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:

            async def read() -> list[object]:
                return [event async for event in call]

            reading = asyncio.create_task(read())
            await asyncio.sleep(1)
            await call.close()
            assert await reading == [SessionClosed(reason="closed by us")]
            assert far.wire.closed == (1000, "")

    run(main())


def test_leaving_the_block_ends_the_session_and_closes_the_transport() -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            pass
        assert call.session.closed
        assert far.wire.closed == (1000, "")
        with pytest.raises(LocalProtocolError):
            await call.send_text("Too late.")
        assert [event async for event in call] == [SessionClosed(reason="closed by us")]
        await call.close()
        assert [event async for event in call] == []

    run(main())


def test_an_exception_in_the_block_ends_it_too_and_comes_out() -> None:
    async def main() -> None:
        call, far = dial()
        with pytest.raises(ZeroDivisionError):
            async with call:
                raise ZeroDivisionError
        assert call.session.closed and far.wire.closed is not None

    run(main())


def test_the_page_hears_the_relay_s_last_word_before_the_close() -> None:
    async def main() -> None:
        here, there = wire()
        now = clock()
        async with Connection(Relay(Session(plane=RELAY, now=now), now=now), here) as call:
            assert call.session is not call.protocol
        last = json.loads(await there.receive())
        assert (last["type"], last["code"]) == ("talkwire.bye", "ended")

    run(main())


def test_leaving_the_block_closes_the_transport_even_when_the_last_word_cannot_leave() -> None:
    async def main() -> None:
        here, _ = wire()
        now = clock()
        call = Connection(Relay(Session(plane=RELAY, now=now), now=now), here)
        here.lose(1006, silently=True)
        async with call:
            pass
        assert here.closes == 1

    run(main())


# Several tasks.


def test_senders_at_the_same_time_keep_the_order_of_their_calls() -> None:
    async def main() -> None:
        call, far = dial()
        far.wire.other.slow = True
        async with call, asyncio.TaskGroup() as group:
            sending = [
                group.create_task(call.send_text(str(number), respond=False))
                for number in range(50)
            ]
        ids = [task.result() for task in sending]
        sent = [json.loads(each) for each in far.wire.other.sent]
        assert [each["event_id"] for each in sent] == ids
        texts = [each["item"]["content"][0]["text"] for each in sent]
        assert texts == [str(number) for number in range(50)]

    run(main())


def test_a_call_returns_when_its_frames_have_left() -> None:
    async def main() -> None:
        call, far = dial()
        far.wire.other.slow = True
        async with call, asyncio.TaskGroup() as group:
            group.create_task(call.send_text("First.", respond=False))
            await asyncio.sleep(0)
            second = await call.send_text("Second.", respond=False)
            assert json.loads(far.wire.other.sent[-1])["event_id"] == second

    run(main())


@pytest.mark.parametrize("patience", [0.0, 0.005, 0.015])
def test_a_sender_that_gives_up_loses_no_frame(patience: float) -> None:
    """The wire takes 10 ms a message, and the call has two to send."""

    async def main() -> None:
        call, far = dial()
        far.wire.other.slow = True
        async with call:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(patience):
                    await call.send_text("Hello?")
            await call.send(commands.InputAudioBufferClear())
            assert types(far.wire.other.sent) == [
                "conversation.item.create",
                "response.create",
                "input_audio_buffer.clear",
            ]

    run(main())


@pytest.mark.parametrize("patience", [0.0, 0.25, 0.5, 1.0])
def test_a_reader_that_gives_up_loses_no_message(patience: float) -> None:
    """Messages come every half second; the reader gives up before, between and with them."""

    async def main() -> None:
        call, far = dial()
        here = far.wire.other

        async def speak() -> None:
            for number in range(40):
                await asyncio.sleep(0.5)
                here.deliver(f"message {number}")
            here.lose()

        heard: list[str | bytes] = []
        async with call, asyncio.TaskGroup() as group:
            group.create_task(speak())
            while not call.session.closed:
                try:
                    async with asyncio.timeout(patience):
                        async for event in call:
                            if isinstance(event, InvalidFrame):
                                heard.append(event.frame)
                except TimeoutError:
                    # Whoever never waits hears nothing: let the clock go on.
                    await asyncio.sleep(0.125)
        heard += [each.frame async for each in call if isinstance(each, InvalidFrame)]
        assert heard == [f"message {number}" for number in range(40)]

    run(main())
