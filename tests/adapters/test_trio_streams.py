"""trio over any stream, a pair in memory and TLS: by lines and by websockets, on either side."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair
from websockets.server import ServerProtocol
from websockets.trio.client import connect
from websockets.trio.server import Server, ServerConnection

pytest.importorskip("cryptography", reason="needs the extra: pip install 'talkwire[local]'")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from talkwire import Session, SessionClosed, events
from talkwire.realtime.engine import ResponseRequested
from talkwire.realtime.service import Service
from talkwire_io.transport import Transport, TransportClosed
from talkwire_io.trio import Connection
from talkwire_io.trio_streams import LineTransport
from talkwire_io.trio_websockets import Unblocked, WebSocketTransport

Streams = tuple[trio.abc.Stream, trio.abc.Stream]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(made.public_bytes(pem) + private)
    return path


@asynccontextmanager
async def in_memory(_: Path) -> AsyncIterator[Streams]:
    here, there = memory_stream_pair()
    async with here, there:
        yield here, there


@asynccontextmanager
async def over_tls(certificate: Path) -> AsyncIterator[Streams]:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificate)
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    async with listener:
        near = await trio.open_tcp_stream("127.0.0.1", port)
        far = await listener.accept()
    client = ssl.create_default_context(cafile=certificate)
    here = trio.SSLStream(near, client, server_hostname="127.0.0.1", https_compatible=True)
    there = trio.SSLStream(far, server, server_side=True, https_compatible=True)
    async with here, there, trio.open_nursery() as nursery:
        nursery.start_soon(there.do_handshake)
        await here.do_handshake()
        yield here, there


@asynccontextmanager
async def by_lines(streams: Streams) -> AsyncIterator[tuple[Transport, Transport]]:
    async with trio.open_nursery() as nursery:
        here, there = streams
        yield LineTransport(here, nursery), LineTransport(there, nursery)


@asynccontextmanager
async def by_websocket(streams: Streams) -> AsyncIterator[tuple[Transport, Transport]]:
    here, there = streams
    client = connect("ws://far/", stream=here, create_connection=Unblocked, proxy=None)
    async with trio.open_nursery() as nursery:
        # A connection wants to know its server, which here has taken one stream and no other.
        server = ServerConnection(nursery, there, ServerProtocol(), Server([], _nobody))
        nursery.start_soon(server.handshake)
        async with client as websocket:
            yield WebSocketTransport(websocket), WebSocketTransport(server)
            await server.aclose()


async def _nobody(_: trio.abc.Stream) -> None: ...


@pytest.mark.parametrize("streams", [in_memory, over_tls])
@pytest.mark.parametrize("framed", [by_lines, by_websocket])
async def test_a_turn_over_any_stream(streams: Any, framed: Any, certificate: Path) -> None:
    with trio.fail_after(20):
        async with streams(certificate) as pair, framed(pair) as (near, far):
            async with (
                Connection(Session(now=trio.current_time()), near) as call,
                trio.open_nursery() as nursery,
            ):
                nursery.start_soon(serve, far)
                await call.send_text("Hello?")
                done = [event async for event in call]
                assert any(isinstance(each, events.ResponseDone) for each in done)
                assert isinstance(done[-1], SessionClosed)


async def serve(far: Transport) -> None:
    """A service that answers once and hangs up."""
    service, now = Service(now=trio.current_time()), trio.current_time()
    answered = False
    while not answered:
        for request in service.receive(await far.receive(), now=now):
            if isinstance(request, ResponseRequested):
                service.response_done(request.response_id, now=now)
                answered = True
        while (frame := service.next_frame()) is not None:
            await far.send(frame)
    await far.close()


# Lines.

Lines = Callable[[LineTransport, trio.abc.Stream], Awaitable[None]]


async def over_lines(script: Lines, **options: int) -> None:
    here, there = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        await script(LineTransport(here, nursery, **options), there)


async def test_a_line_that_comes_byte_by_byte_is_one_message(autojump_clock: MockClock) -> None:
    async def script(lines: LineTransport, far: trio.abc.Stream) -> None:
        async def speak() -> None:
            for byte in '{"é":1}\n\n{"b":2}\n'.encode():
                await far.send_all(bytes([byte]))
                await trio.sleep(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak)
            heard: list[str | bytes] = []
            while len(heard) < 3:
                with trio.move_on_after(1.5):  # gives up in the middle of every line
                    heard.append(await lines.receive())
            assert heard == ['{"é":1}'.encode(), b"", b'{"b":2}']

    await over_lines(script)


@pytest.mark.parametrize(("length", "fits"), [(100, True), (101, False)])
async def test_a_line_may_be_so_long_and_no_longer(
    length: int, fits: bool, autojump_clock: MockClock
) -> None:
    async def script(lines: LineTransport, far: trio.abc.Stream) -> None:
        await far.send_all(b"x" * length)
        if fits:
            await far.send_all(b"\n")
            assert await lines.receive() == b"x" * 100
        else:
            with pytest.raises(TransportClosed, match="more than 100 bytes"):
                await lines.receive()
            with pytest.raises(trio.BrokenResourceError):
                await far.send_all(b"more")

    await over_lines(script, max_line=100)


async def test_an_end_in_the_middle_of_a_line_says_so(autojump_clock: MockClock) -> None:
    async def script(lines: LineTransport, far: trio.abc.Stream) -> None:
        await far.send_all(b'{"a":1}\n{"b')
        await far.aclose()
        assert await lines.receive() == b'{"a":1}'
        with pytest.raises(TransportClosed) as end:
            await lines.receive()
        assert end.value.reason == "in the middle of a line"

    await over_lines(script)


async def test_a_message_of_several_lines_comes_as_several(autojump_clock: MockClock) -> None:
    """As a `Relay` sends them; its frames are lines anyway."""

    async def script(lines: LineTransport, far: trio.abc.Stream) -> None:
        await lines.send('{"a":1}\n{"b":2}')
        assert await far.receive_some() == b'{"a":1}\n{"b":2}\n'

    await over_lines(script)


async def test_who_breaks_off_and_sends_another_sends_both(autojump_clock: MockClock) -> None:
    here, there = lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        lines = LineTransport(here, nursery)
        with trio.move_on_after(1):
            await lines.send("first")  # nobody reads
        nursery.start_soon(lines.send, "second")
        heard = b""
        while len(heard) < 13:
            heard += await there.receive_some()
        assert heard == b"first\nsecond\n"
