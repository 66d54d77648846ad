"""A page with its call open, WebRTC and all: the backend posted its offer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import attrs
from websockets.exceptions import ConnectionClosed

from support.hop import Frame, HopPage, visiting
from support.local import Page, page


@attrs.define
class Caller:
    """`hop` is its websocket, `peer` its end of the call, `last` what the backend said last."""

    hop: HopPage
    peer: Page
    last: Frame | None = None

    async def listen(self) -> None:
        """What the backend says: nothing but goodbye, as the rest goes to the service."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                self.last = await self.hop.hear()

    async def ask(self, text: str) -> str:
        """Type something; what the model says at last, having called what it was told to."""
        await self.hop.say({"type": "talkwire.text", "text": text})
        done = await self.peer.wait_for("response.output_text.done")
        await self.peer.wait_for("response.done")
        return str(done["text"])


@contextlib.asynccontextmanager
async def calling(port: int, path: str = "/talk") -> AsyncIterator[Caller]:
    """Open a call through the backend on this port."""
    async with visiting(port, path) as hop, page() as peer:
        await offer(hop, await peer.offer())
        answer = await hop.hear()
        assert answer["type"] == "talkwire.answer", answer
        peer.call_id = answer["call_id"]
        await peer.accept(answer["sdp"])
        await hop.say({"type": "talkwire.ready", "call_id": peer.call_id})
        caller = Caller(hop, peer)
        listening = asyncio.create_task(caller.listen())
        try:
            yield caller
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def offer(hop: HopPage, sdp: str) -> None:
    """Say hello, and send this offer when asked."""
    await hop.hello()
    init = await hop.hear()
    assert (init["call"], init["commands"]) == (None, []), init
    await hop.say({"type": "talkwire.offer", "sdp": sdp})
