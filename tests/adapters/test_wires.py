"""Every binding under the same scripts: what passes a wire, and what an end or a cancel loses."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from support.bindings import Binding, Connection, every_binding, with_codes
from support.peers import LinePeer, Peer, PeerEnded, WebSocketPeer
from talkwire import (
    RELAY,
    FunctionCall,
    InvalidFrame,
    Relay,
    Session,
    SessionClosed,
    commands,
    events,
)
from talkwire.realtime.engine import ResponseRequested
from talkwire.realtime.service import Service
from talkwire_io.transport import Transport, TransportClosed


@asynccontextmanager
async def calling(binding: Binding) -> AsyncIterator[tuple[Connection, Peer]]:
    async with binding.link() as (transport, peer):
        async with binding.connect(Session(now=binding.now()), transport) as call:
            yield call, peer


async def heard(transport: Transport) -> tuple[list[str], TransportClosed]:
    """All that came, and how it ended."""
    messages: list[str] = []
    while True:
        try:
            message = await transport.receive()
        except TransportClosed as end:
            return messages, end
        messages.append(message if isinstance(message, str) else message.decode())


# What passes.


@every_binding
def test_a_tool_using_turn_runs_over_it(binding: Binding) -> None:
    async def serve(peer: Peer) -> None:
        service = Service(now=binding.now())

        async def reply() -> ResponseRequested:
            while True:
                asked = service.receive(await peer.receive(), now=binding.now())
                await speak()
                for request in asked:
                    if isinstance(request, ResponseRequested):
                        return request

        async def speak() -> None:
            while (frame := service.next_frame()) is not None:
                await peer.send(frame)

        await speak()
        first = await reply()
        service.function_call(first.response_id, "add", '{"a":1}', now=binding.now())
        service.response_done(first.response_id, now=binding.now())
        await speak()
        second = await reply()
        assert second.items[-1]["output"] == "2"
        service.response_done(second.response_id, now=binding.now())
        await speak()
        await peer.close(1000, "that was all")

    async def script() -> None:
        async with calling(binding) as (call, peer), anyio.create_task_group() as group:
            group.start_soon(serve, peer)
            await call.send_text("Add one.")
            seen = []
            async for event in call:
                seen.append(event)
                if isinstance(event, FunctionCall):
                    await call.send_function_result(event.call_id, "2")
            assert sum(isinstance(each, FunctionCall) for each in seen) == 1
            assert sum(isinstance(each, events.ResponseDone) for each in seen) == 2
            assert isinstance(seen[-1], SessionClosed)

    binding.run(script)


@every_binding
def test_a_message_of_a_megabyte_passes_either_way(binding: Binding) -> None:
    async def script() -> None:
        large = json.dumps({"type": "x", "padding": "é" * 500_000}, ensure_ascii=False)
        async with binding.link() as (transport, peer), anyio.create_task_group() as group:
            sent = group.start_soon(transport.send, large)
            assert await peer.receive() == large
            await sent
            sent = group.start_soon(peer.send, large)
            message = await transport.receive()
            assert (message if isinstance(message, str) else message.decode()) == large

    binding.run(script)


@every_binding
def test_several_messages_at_once_are_several_messages(binding: Binding) -> None:
    async def script() -> None:
        async with binding.link() as (transport, peer):
            sent = [f"message {number}" for number in range(100)]
            await peer.send(*sent)
            await peer.drop()
            messages, _ = await heard(transport)
            assert messages == sent

    binding.run(script)


@with_codes
def test_a_message_in_parts_and_a_storm_of_pings_are_one_message(binding: Binding) -> None:
    async def script() -> None:
        async with binding.link() as (transport, peer), anyio.create_task_group() as group:
            assert isinstance(peer, WebSocketPeer)
            answered = group.start_soon(peer.receive)  # and takes our pongs
            await peer.ping(500)
            await peer.send_in_parts('{"type":', '"x"', "}")
            await peer.ping(500)
            assert await transport.receive() == '{"type":"x"}'
            await transport.send("still there")
            assert await answered == "still there"

    binding.run(script)


# Ends.


@with_codes
@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "going away"), (1011, "é"), (4000, "beta is over")]
)
def test_a_close_is_told_with_its_code_and_reason(binding: Binding, code: int, reason: str) -> None:
    async def script() -> None:
        async with calling(binding) as (call, peer), anyio.create_task_group() as group:
            group.start_soon(peer.close, code, reason)
            assert [event async for event in call] == [SessionClosed(code=code, reason=reason)]

    binding.run(script)


@with_codes
def test_our_close_is_told_with_its_code_and_reason(binding: Binding) -> None:
    async def script() -> None:
        async with binding.link() as (transport, peer), anyio.create_task_group() as group:
            group.start_soon(transport.close, 4001, "over")
            with pytest.raises(PeerEnded) as end:
                await peer.receive()
            assert (end.value.code, end.value.reason) == (4001, "over")
            await peer.drop()

    binding.run(script)


@every_binding
@pytest.mark.parametrize("way", ["close", "drop", "half_close"])
@pytest.mark.parametrize("count", range(4))
def test_what_came_before_an_end_is_heard_whole(binding: Binding, way: str, count: int) -> None:
    async def script() -> None:
        async with calling(binding) as (call, peer), anyio.create_task_group() as group:
            await peer.send(*[f"message {number}" for number in range(count)])
            if way == "close":
                group.start_soon(peer.close, 1000)
            else:
                await getattr(peer, way)()
            *odd, last = [event async for event in call]
            frames = [each.frame for each in odd if isinstance(each, InvalidFrame)]
            told = [each if isinstance(each, str) else each.decode() for each in frames]
            assert told == [f"message {number}" for number in range(count)]
            assert isinstance(last, SessionClosed)
            assert last.code == (
                (1000 if way == "close" else 1006) if binding.tells_codes else None
            )

    binding.run(script)


@every_binding
def test_sending_to_who_has_gone_ends_it_and_raises_nothing(binding: Binding) -> None:
    async def script() -> None:
        async with calling(binding) as (call, peer):
            await peer.drop()
            for _ in range(3):
                if not call.session.closed:
                    await call.send(commands.InputAudioBufferClear())
                await anyio.lowlevel.checkpoint()
            *_, last = [event async for event in call]
            assert isinstance(last, SessionClosed)

    binding.run(script)


@with_codes
def test_a_half_open_peer_is_found_out_by_its_silence(binding: Binding) -> None:
    async def script() -> None:
        async with binding.link(ping_interval=20, ping_timeout=20) as (transport, _):
            begun = binding.now()
            _, end = await heard(transport)
            assert (end.code, end.reason) == (1006, "keepalive ping timeout")
            assert binding.now() - begun < 60

    binding.run(script)


@with_codes
def test_too_large_a_message_ends_it_with_1009(binding: Binding) -> None:
    async def script() -> None:
        async with binding.link(max_size=1000) as (transport, peer):
            async with anyio.create_task_group() as group:
                group.start_soon(peer.send, "small", "x" * 1001)
                messages = group.start_soon(heard, transport)
                with pytest.raises(PeerEnded) as end:
                    await peer.receive()
                assert end.value.code == 1009
                await peer.drop()
            assert (await messages)[0] == ["small"]

    binding.run(script)


@every_binding
def test_whoever_waits_hears_that_we_closed(binding: Binding) -> None:
    async def script() -> None:
        async with binding.link() as (transport, peer), anyio.create_task_group() as group:
            waiting = group.start_soon(heard, transport)
            await anyio.sleep(1)
            group.start_soon(transport.close)
            with pytest.raises(PeerEnded):
                await peer.receive()
            await peer.drop()
            assert (await waiting)[0] == []
            await transport.close()  # again does no harm

    binding.run(script)


@every_binding
def test_what_nobody_reads_does_not_hold_up_the_close(binding: Binding) -> None:
    async def script() -> None:
        begun = binding.now()
        async with binding.link() as (transport, peer), anyio.create_task_group() as group:
            await peer.send(*["unread"] * 500)
            await anyio.sleep(1)
            group.start_soon(transport.close)
            with pytest.raises(PeerEnded):
                await peer.receive()
            await peer.drop()
        assert binding.now() - begun < 2

    binding.run(script)


# Cancelling.


@every_binding
@pytest.mark.parametrize("patience", [0.0, 0.25, 0.5, 1.0])
def test_a_reader_that_gives_up_loses_no_message(binding: Binding, patience: float) -> None:
    """Messages come every half second in two halves; the reader gives up at, before, between."""

    async def speak(peer: Peer) -> None:
        for number in range(20):
            await anyio.sleep(0.5)
            if isinstance(peer, LinePeer):
                await peer.send_bytes(b"mess")
                await anyio.sleep(0.1)
                await peer.send_bytes(b"age %d\n" % number)
            else:
                assert isinstance(peer, WebSocketPeer)
                await peer.send_in_parts("mess", f"age {number}")
        await peer.drop()

    async def script() -> None:
        messages: list[str] = []
        async with binding.link() as (transport, peer), anyio.create_task_group() as group:
            group.start_soon(speak, peer)
            over = False
            while not over:
                with anyio.move_on_after(patience):
                    try:
                        message = await transport.receive()
                    except TransportClosed:
                        over = True
                    else:
                        messages.append(message if isinstance(message, str) else message.decode())
                if patience == 0:
                    await anyio.sleep(0.125)  # whoever never waits hears nothing: let time pass
                    over = binding.now() - begun > 20
        if patience:
            assert messages == [f"message {number}" for number in range(20)]

    begun = 0.0

    async def timed() -> None:
        nonlocal begun
        begun = binding.now()
        await script()

    binding.run(timed)


LARGE = "x" * 400_000  # more than the sockets hold


@every_binding
@pytest.mark.parametrize("patience", [0.0, 1.0, 5.0])
def test_a_sender_that_gives_up_in_the_middle_loses_nothing_and_sends_nothing_twice(
    binding: Binding, patience: float
) -> None:
    async def script() -> None:
        async with binding.link() as (transport, peer):
            now = binding.now()
            call = binding.connect(Session(now=now), transport)
            for number in range(3):
                text = f"{number}{LARGE}"
                call.session.send_text(text, respond=False, now=now)

            async def read() -> list[str]:
                await anyio.sleep(4)  # first it takes nothing: the socket is full
                items = [json.loads(await peer.receive())["item"] for _ in range(3)]
                return [item["content"][0]["text"][0] for item in items]

            async with anyio.create_task_group() as group:
                with anyio.move_on_after(patience):
                    await call.flush()
                reading = group.start_soon(read)
                await call.flush()
                assert await reading == ["0", "1", "2"]
                with anyio.move_on_after(1):
                    assert await peer.receive() == ""  # nothing more

    binding.run(script)


@every_binding
@pytest.mark.parametrize("when", range(12))
def test_a_cancel_at_any_await_of_a_call_loses_no_frame(binding: Binding, when: int) -> None:
    async def script() -> None:
        async with calling(binding) as (call, peer), anyio.create_task_group() as group:
            with anyio.CancelScope() as giving_up:

                async def give_up() -> None:
                    for _ in range(when):
                        await anyio.lowlevel.checkpoint()
                    giving_up.cancel()

                group.start_soon(give_up)
                await call.send_text("Hello.")
            await call.send(commands.InputAudioBufferClear())
            kinds = [json.loads(await peer.receive())["type"] for _ in range(3)]
            assert kinds == [
                "conversation.item.create",
                "response.create",
                "input_audio_buffer.clear",
            ]

    binding.run(script)


@every_binding
@pytest.mark.parametrize("when", range(12))
def test_a_cancel_at_any_await_of_a_reader_loses_no_event(binding: Binding, when: int) -> None:
    async def script() -> None:
        async with calling(binding) as (call, peer), anyio.create_task_group() as group:
            seen = []
            with anyio.CancelScope() as giving_up:

                async def give_up() -> None:
                    await peer.send(*[f"message {number}" for number in range(5)])
                    for _ in range(when):
                        await anyio.lowlevel.checkpoint()
                    giving_up.cancel()

                group.start_soon(give_up)
                async for event in call:
                    seen.append(event)
            await peer.drop()
            seen += [event async for event in call]
            assert [type(each) for each in seen] == [InvalidFrame] * 5 + [SessionClosed]

    binding.run(script)


@every_binding
def test_a_cancelled_block_still_says_its_last_word(binding: Binding) -> None:
    async def script() -> None:
        async with binding.link() as (transport, peer):
            now = binding.now()
            relay = Relay(Session(plane=RELAY, now=now), now=now)
            async with anyio.create_task_group() as group:

                async def talk() -> None:
                    async with binding.connect(relay, transport) as call:
                        async for _ in call:
                            pass

                group.start_soon(talk)
                await anyio.sleep(1)
                reading = group.start_soon(last_word, peer)
                await anyio.sleep(1)
                group.cancel_scope.cancel()
            assert json.loads(reading.return_value)["type"] == "talkwire.bye"

    async def last_word(peer: Peer) -> str:
        with anyio.CancelScope(shield=True):
            word = await peer.receive()
            with contextlib.suppress(PeerEnded):
                await peer.receive()
            await peer.drop()
        return word

    binding.run(script)


# A slow reader.


@every_binding
def test_a_slow_reader_holds_up_the_sender_and_not_the_reader(binding: Binding) -> None:
    async def script() -> None:
        async with calling(binding) as (call, peer), anyio.create_task_group() as group:

            async def send() -> float:
                for _ in range(3):
                    await call.send_text(LARGE, respond=False)
                return binding.now()

            begun = binding.now()
            sending = group.start_soon(send)
            await anyio.sleep(1)
            await peer.send("meanwhile")
            assert isinstance(await anext(call), InvalidFrame)
            assert binding.now() - begun < 2
            await anyio.sleep(4)
            for _ in range(3):
                assert len(await peer.receive()) > len(LARGE)
            assert await sending - begun >= 5

    binding.run(script)


@every_binding
def test_a_full_socket_does_not_hold_up_the_end_of_the_block(binding: Binding) -> None:
    async def script() -> None:
        async with binding.link() as (transport, _):
            begun = binding.now()
            async with anyio.create_task_group() as group:
                async with binding.connect(Session(now=binding.now()), transport) as call:
                    for _ in range(3):
                        group.start_soon(call.send_text, LARGE)
                    await anyio.sleep(1)
            assert binding.now() - begun < 10

    binding.run(script)
