"""The far ends of a talk as a test moves them: the peers of our wires, in the order of a score."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import anyio
import attrs
import httpx2
from anyio.abc import SocketStream
from websockets.client import ClientProtocol
from websockets.uri import parse_uri

from support.conversation import Close, Do, Entry, Hear, Say
from support.desk import KEY, Desk
from support.far_end import FarEnd, Wire
from support.peers import CHUNK, Peer, PeerEnded, WebSocketPeer
from support.talks import Talk
from talkwire_io.openai import OpenAI

Before = Callable[[Peer], Awaitable[None]]


@attrs.define
class Ends:
    """What the test moves: the peers of our wires; and the talk that it watches."""

    talk: Talk
    peers: dict[Wire, Peer]
    desk: Desk | None = None
    seen: int = 0
    """How many events the user is handed because of what was said so far."""
    _unheard: dict[Wire, deque[str]] = attrs.field(factory=dict[Wire, deque[str]])

    async def peer(self, wire: Wire) -> Peer:
        if wire not in self.peers:
            assert self.desk is not None
            self.peers[wire] = await self.desk.next_sideband()
        return self.peers[wire]

    async def hear(self, wire: Wire) -> str:
        """The next line; a message may bring several."""
        unheard = self._unheard.setdefault(wire, deque())
        if not unheard:
            unheard += (await (await self.peer(wire)).receive()).split("\n")
        return unheard.popleft()

    async def gone(self, wire: Wire) -> None:
        """Be gone on this wire once the user has all that was said; hear out the other."""
        await self.talk.has_seen(self.seen)
        await (await self.peer(wire)).drop()
        async with anyio.create_task_group() as group:
            group.start_soon(self._hear_out)
            await self.talk.ended.wait()
            group.cancel_scope.cancel()

    async def hear_out(self, *wires: Wire) -> None:
        """Take what still comes on these wires, none: on any, and answer its close."""
        async with anyio.create_task_group() as group:
            for wire in wires or self.peers:
                group.start_soon(_hear_out, await self.peer(wire))

    async def _hear_out(self) -> None:
        async with anyio.create_task_group() as group:
            for peer in self.peers.values():
                group.start_soon(_hear_out, peer)
            while self.desk is not None:
                group.start_soon(_hear_out, await self.desk.next_sideband())


async def _hear_out(peer: Peer) -> None:
    with suppress(PeerEnded, anyio.ClosedResourceError):
        while True:
            await peer.receive()
    await peer.drop()


async def follow(
    ends: Ends, far: FarEnd, score: Sequence[Entry], before: Before | None = None
) -> None:
    """Say and hear what the score says. Before a move, and before anything is said on another wire,
    the user has been handed what was said so far."""
    wire: Wire | None = None
    for entry in score:
        if isinstance(entry, Do) or (isinstance(entry, Say | Close) and entry.wire != wire):
            await ends.talk.has_seen(ends.seen)
        match entry:
            case Do(move):
                far.do(move)
            case Hear(wire_heard):
                if before is not None:
                    await before(await ends.peer(wire_heard))
                far.take(await ends.hear(wire_heard))
            case Say(wire, seen):
                peer = await ends.peer(wire)
                await peer.send(far.said[wire].popleft())
                ends.seen = seen
            case Close(wire, code, reason):
                await (await ends.peer(wire)).close(code, reason)


@asynccontextmanager
async def plain_http(url: str) -> AsyncIterator[OpenAI]:
    """The service at the desk, without loading certificates that nobody asks for: a tenth of a
    second, hundreds of times."""
    async with httpx2.AsyncClient(verify=False, trust_env=False) as http:
        yield OpenAI(KEY, base_url=url, http=http)


async def knock(port: int, *, origin: str | None = "") -> tuple[WebSocketPeer, int]:
    """Connect as a page of this very host would; `origin` None: as what is no page would."""
    line = socket.socket(proto=socket.IPPROTO_TCP)  # for which asyncio sends without delay
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)  # so that it can be full
    line.connect(("127.0.0.1", port))
    line.setblocking(False)
    uri = parse_uri(f"ws://127.0.0.1:{port}/talk")
    peer = WebSocketPeer(await SocketStream.from_socket(line), ClientProtocol(uri, max_size=None))
    given = f"http://127.0.0.1:{port}" if origin == "" else origin
    return peer, await peer.knock(**({} if given is None else {"Origin": given}))
