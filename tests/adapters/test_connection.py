"""The drivers on both runtimes: iterating is pumping, every end of a connection is an event."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest

from support.bindings import Connection, Runtime, driving, every_runtime
from support.virtual import Wire, wire
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
from talkwire_io.asyncio import LAST_WORD_S

E = TypeVar("E")

pytestmark = every_runtime


def clock() -> float:
    return anyio.current_time()


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
    return driving(Session(now=clock()), here), Far(there)


async def until(call: Connection, kind: type[E]) -> E:
    async for event in call:
        if isinstance(event, kind):
            return event
    raise AssertionError(f"the session ended without {kind.__name__}")


def types(messages: Sequence[str]) -> list[str]:
    return [json.loads(message)["type"] for message in messages]


def test_events_come_in_the_order_of_the_wire_each_before_what_follows_from_it(
    runtime: Runtime,
) -> None:
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

    runtime.run(main)


def test_a_tool_using_turn_needs_nothing_but_iterating(runtime: Runtime) -> None:
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

        async with call, anyio.create_task_group() as group:
            group.start_soon(service)
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

    runtime.run(main)


def test_nothing_is_read_and_no_deadline_passes_while_nobody_iterates(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            await call.session_update({})
            await far.speak()
            await anyio.sleep(1000)  # it has 15 s to be confirmed
            assert isinstance(await anext(call), events.SessionCreated)
            assert await anext(call) == TimedOut(timer=Timer.HANDSHAKE)

    runtime.run(main)


def test_what_a_frame_caused_leaves_before_its_event_is_handed_out(runtime: Runtime) -> None:
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

    runtime.run(main)


def test_what_was_queued_before_leaves_on_entering(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        call.session.session_update({}, now=clock())
        async with call:
            assert types(far.wire.other.sent) == ["session.update"]
            call.session.send(commands.InputAudioBufferClear(), now=clock())
            await call.flush()
            assert types(far.wire.other.sent)[1:] == ["input_audio_buffer.clear"]

    runtime.run(main)


def test_every_call_of_the_session_leaves_as_its_command(runtime: Runtime) -> None:
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

    runtime.run(main)


def test_a_request_for_approval_is_answered_on_the_wire(runtime: Runtime) -> None:
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

    runtime.run(main)


@pytest.mark.parametrize("reported", [True, False])
def test_what_a_player_reports_is_where_an_interrupted_answer_is_cut(
    runtime: Runtime, reported: bool
) -> None:
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

    runtime.run(main)


def test_a_mistake_raises_and_the_call_goes_on(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            await far.speak()
            with pytest.raises(LocalProtocolError):
                await call.send_function_result("call_unknown", "42")
            assert far.wire.other.sent == []
            assert isinstance(await anext(call), events.SessionCreated)

    runtime.run(main)


def test_frames_that_cannot_be_read_are_events(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            for message in (b"\xff\xfe", "no json", "", "[" * 100_000, '"\ud800"'):
                call_end = far.wire.other
                call_end.deliver(message)
                assert isinstance(await anext(call), InvalidFrame)
            await far.speak()
            assert isinstance(await anext(call), events.SessionCreated)

    runtime.run(main)


# Deadlines.


def test_the_clock_is_kept_while_waiting_for_a_message(runtime: Runtime) -> None:
    async def main() -> None:
        call, _ = dial()
        async with call:
            begun = clock()
            assert await anext(call) == TimedOut(timer=Timer.HANDSHAKE)
            assert clock() - begun == pytest.approx(15.0, abs=0.1)

    runtime.run(main)


def test_a_call_from_another_task_sets_the_clock_of_who_waits(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        async with call, anyio.create_task_group() as group:
            await far.speak()
            await call.session_update({})
            await far.hear()
            await until(call, CommandSettled)  # configured: no deadline is running
            begun = clock()
            reading = group.start_soon(until, call, TimedOut)
            await anyio.sleep(100)
            event_id = await call.send_text("Are you there?")
            assert (await reading).timer is Timer.RESPONSE_CREATED
            assert clock() - begun == pytest.approx(115.0, abs=0.1)
            settled = await until(call, CommandSettled)
            assert settled.outcome is Outcome.LOST and settled.event_id != event_id

    runtime.run(main)


def test_a_deadline_that_was_moved_up_does_not_bring_a_later_one_along(runtime: Runtime) -> None:
    async def main() -> None:
        now = clock()
        here, _ = wire()
        relay = Relay(Session(plane=RELAY, now=now), now=now)
        relay.open_call("/calls", "ek_test", now=now)
        async with driving(relay, here) as call, anyio.create_task_group() as group:
            here.deliver('{"type":"talkwire.hello","version":1}')
            await until(call, PageHello)  # the page has 30 s to open its call
            here.deliver('{"type":"session.created","session":{}}')
            await until(call, events.SessionCreated)
            reading = group.start_soon(until, call, TimedOut)
            await anyio.sleep(1)
            await call.send_text("Hello.")  # the service has 15 s to answer
            assert (await reading).timer is Timer.RESPONSE_CREATED
            assert clock() - now == pytest.approx(16.0, abs=0.1)
            assert not relay.closed
            assert (await until(call, TimedOut)).timer is Timer.READY
            assert clock() - now == pytest.approx(30.0, abs=0.1)
        assert types(there_lines(here))[-1] == "talkwire.bye"

    def there_lines(end: Wire) -> list[str]:
        return [line for message in end.sent for line in message.split("\n")]

    runtime.run(main)


def test_a_call_made_at_the_very_moment_of_a_deadline_is_made(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        async with call, anyio.create_task_group() as group:
            deadline = call.protocol.next_timeout()
            assert deadline is not None

            async def speak() -> str:
                # Both are due in one turn of the loop, and the deadline's reader wakes second.
                await anyio.sleep(deadline - clock() - 5e-10)
                return await call.send_text("Now.", respond=False)

            speaking = group.start_soon(speak)
            await anyio.lowlevel.checkpoint()
            assert await anext(call) == TimedOut(timer=Timer.HANDSHAKE)
            assert speaking.return_value
            assert types(far.wire.other.sent) == ["conversation.item.create"]

    runtime.run(main)


# Ends.


def test_the_far_end_s_close_ends_the_iteration_with_everything_settled(runtime: Runtime) -> None:
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

    runtime.run(main)


def test_a_close_found_by_writing_is_an_event_not_an_exception(runtime: Runtime) -> None:
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

    runtime.run(main)


@pytest.mark.parametrize("way", ["reading", "writing"])
@pytest.mark.parametrize("error", [TimeoutError(110, "timed out"), ConnectionResetError("reset")])
def test_a_network_that_gives_up_is_the_end_and_no_deadline(
    runtime: Runtime, way: str, error: OSError
) -> None:
    class Broken(Wire):
        async def receive(self) -> str | bytes:
            if way == "reading":
                raise error
            return await super().receive()

        async def send(self, message: str) -> None:
            raise error

    async def main() -> None:
        async with driving(Session(now=clock()), Broken()) as call:
            begun = clock()
            if way == "writing":
                await call.session_update({})
            seen = [event async for event in call]
            assert not any(isinstance(each, TimedOut) for each in seen)
            assert seen[-1] == SessionClosed(reason=str(error))
            assert clock() - begun == pytest.approx(LAST_WORD_S if way == "writing" else 0)

    runtime.run(main)


def test_who_waits_for_a_message_hears_of_a_close_that_another_task_found(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        async with call, anyio.create_task_group() as group:
            reading = group.start_soon(until, call, SessionClosed)
            await anyio.sleep(1)
            far.wire.other.lose(1006, silently=True)  # reading stays silent
            begun = clock()
            await call.send_text("Hello?")
            assert (await reading).code == 1006
            assert clock() - begun == pytest.approx(LAST_WORD_S)

    runtime.run(main)


def test_what_came_before_the_end_that_writing_met_is_still_read(runtime: Runtime) -> None:
    """A service that refuses says why, and closes: our next frame may find that out first."""

    async def main() -> None:
        call, far = dial()
        async with call:
            refusal = {"type": "error", "error": {"code": "invalid_api_key", "message": "No."}}
            await far.wire.send(json.dumps(refusal))
            await far.wire.close(4000, "refused")
            begun = clock()
            await call.send_text("Hello?")
            seen = [event async for event in call]
            assert isinstance(seen[0], events.ErrorEvent)
            assert seen[-1] == SessionClosed(code=4000, reason="refused")
            assert clock() == begun

    runtime.run(main)


def test_ending_it_from_another_task_ends_who_waits(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        async with call, anyio.create_task_group() as group:

            async def read() -> list[object]:
                return [event async for event in call]

            reading = group.start_soon(read)
            await anyio.sleep(1)
            await call.close()
            assert await reading == [SessionClosed(reason="closed by us")]
            assert far.wire.closed == (1000, "")

    runtime.run(main)


def test_leaving_the_block_ends_the_session_and_closes_the_transport(runtime: Runtime) -> None:
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

    runtime.run(main)


def test_an_exception_in_the_block_ends_it_too_and_comes_out(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        with pytest.raises(ZeroDivisionError):
            async with call:
                raise ZeroDivisionError
        assert call.session.closed and far.wire.closed is not None

    runtime.run(main)


def test_the_page_hears_the_relay_s_last_word_before_the_close(runtime: Runtime) -> None:
    async def main() -> None:
        here, there = wire()
        now = clock()
        async with driving(Relay(Session(plane=RELAY, now=now), now=now), here) as call:
            assert call.session is not call.protocol
        last = json.loads(await there.receive())
        assert (last["type"], last["code"]) == ("talkwire.bye", "ended")

    runtime.run(main)


def test_leaving_the_block_closes_the_transport_even_when_the_last_word_cannot_leave(
    runtime: Runtime,
) -> None:
    async def main() -> None:
        here, _ = wire()
        now = clock()
        call = driving(Relay(Session(plane=RELAY, now=now), now=now), here)
        here.lose(1006, silently=True)
        async with call:
            pass
        assert here.closes == 1

    runtime.run(main)


# Several tasks.


def test_senders_at_the_same_time_keep_the_order_of_their_calls(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        far.wire.other.slow = True
        async with call, anyio.create_task_group() as group:
            called: list[str] = []

            async def send(text: str) -> None:
                called.append(text)
                await call.send_text(text, respond=False)

            for number in range(50):
                group.start_soon(send, str(number))
        sent = [json.loads(each) for each in far.wire.other.sent]
        assert [each["item"]["content"][0]["text"] for each in sent] == called
        assert len(called) == 50

    runtime.run(main)


def test_a_call_returns_when_its_frames_have_left(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        far.wire.other.slow = True
        async with call, anyio.create_task_group() as group:
            group.start_soon(functools.partial(call.send_text, respond=False), "First.")
            await anyio.sleep(0.001)
            second = await call.send_text("Second.", respond=False)
            assert json.loads(far.wire.other.sent[-1])["event_id"] == second

    runtime.run(main)


@pytest.mark.parametrize("patience", [0.0, 0.005, 0.015])
def test_a_sender_that_gives_up_loses_no_frame(runtime: Runtime, patience: float) -> None:
    """The wire takes 10 ms a message, and the call has two to send."""

    async def main() -> None:
        call, far = dial()
        far.wire.other.slow = True
        async with call:
            with pytest.raises(TimeoutError):
                async with runtime.giving_up(patience):
                    await call.send_text("Hello?")
            await call.send(commands.InputAudioBufferClear())
            assert types(far.wire.other.sent) == [
                "conversation.item.create",
                "response.create",
                "input_audio_buffer.clear",
            ]

    runtime.run(main)


@pytest.mark.parametrize("patience", [0.0, 0.25, 0.5, 1.0])
def test_a_reader_that_gives_up_loses_no_message(runtime: Runtime, patience: float) -> None:
    """Messages come every half second; the reader gives up before, between and with them."""

    async def main() -> None:
        call, far = dial()
        here = far.wire.other

        async def speak() -> None:
            for number in range(40):
                await anyio.sleep(0.5)
                here.deliver(f"message {number}")
            here.lose()

        heard: list[str | bytes] = []
        async with call, anyio.create_task_group() as group:
            group.start_soon(speak)
            while not call.session.closed:
                try:
                    async with runtime.giving_up(patience):
                        async for event in call:
                            if isinstance(event, InvalidFrame):
                                heard.append(event.frame)
                except TimeoutError:
                    # Whoever never waits hears nothing: let the clock go on.
                    await anyio.sleep(0.125)
        heard += [each.frame async for each in call if isinstance(each, InvalidFrame)]
        assert heard == [f"message {number}" for number in range(40)]

    runtime.run(main)


# A full socket.


class Stuck(Wire):
    """Takes nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.taking = anyio.Event()
        self.taking.set()

    async def send(self, message: str) -> None:
        await self.taking.wait()
        await super().send(message)


@pytest.mark.parametrize("gives_up", [False, True])
def test_who_cannot_write_holds_up_nobody_s_reading_and_no_frame_is_forgotten(
    runtime: Runtime, gives_up: bool
) -> None:
    async def main() -> None:
        here, there = Stuck(), Wire()
        here.other, there.other = there, here
        far = Far(there)
        async with driving(Session(now=clock()), here) as call:
            await far.speak()
            await call.send_text("One.")
            request = await far.reply()
            await until(call, events.ResponseCreated)
            await call.send_text("Two.")  # its request waits for the end of the response
            here.taking = anyio.Event()
            async with anyio.create_task_group() as group:
                with anyio.CancelScope() as stuck:

                    async def give_up() -> None:
                        await anyio.sleep(3)
                        if gives_up:
                            stuck.cancel()
                        here.taking.set()

                    async def read() -> None:
                        begun = clock()
                        await until(call, events.ResponseDone)
                        assert clock() - begun < 2
                        await anext(call)

                    reading = group.start_soon(read)
                    group.start_soon(give_up)
                    await anyio.sleep(1)
                    far.service.response_done(request.response_id, now=clock())
                    group.start_soon(far.speak)
                    await call.send(commands.InputAudioBufferClear())
                await anyio.sleep(1)
                assert types(here.sent)[-2:] == ["input_audio_buffer.clear", "response.create"]
                reading.cancel()

    runtime.run(main)


def test_what_a_reader_was_about_to_answer_when_it_gave_up_leaves_when_it_reads_on(
    runtime: Runtime,
) -> None:
    async def main() -> None:
        here, page = wire()
        here.slow = True  # so that a cancel finds it sending
        relay = Relay(Session(plane=RELAY, now=clock()), now=clock())
        relay.open_call("/calls", "ek_1", now=clock())
        call = driving(relay, here)
        await page.send('{"type":"talkwire.hello","version":1}')
        with pytest.raises(TimeoutError):
            async with runtime.giving_up(0.005):
                await anext(call)
        assert here.sent == []
        assert isinstance(await anext(call), PageHello)
        async with anyio.create_task_group() as group:
            group.start_soon(functools.partial(anext, call, None))
            begun = clock()
            assert json.loads(await page.receive())["type"] == "talkwire.init"
            assert clock() - begun < 1
            group.cancel_scope.cancel()

    runtime.run(main)


def test_a_second_task_that_iterates_is_told_so(runtime: Runtime) -> None:
    async def main() -> None:
        call, _ = dial()
        async with call, anyio.create_task_group() as group:
            group.start_soon(until, call, SessionClosed)
            await anyio.sleep(1)
            with pytest.raises(LocalProtocolError, match="one task at a time"):
                await anext(call)
            group.cancel_scope.cancel()

    runtime.run(main)


def test_read_events_is_iterating(runtime: Runtime) -> None:
    async def main() -> None:
        call, far = dial()
        async with call:
            await far.wire.close(1000, "over")
            assert [event async for event in call.read_events()] == [
                SessionClosed(code=1000, reason="over")
            ]
            assert call.call_id is None

    runtime.run(main)
