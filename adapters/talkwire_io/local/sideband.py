"""Second controllers of a WebRTC call: the same events over a websocket, but no sound (§3.1)."""

from __future__ import annotations

import asyncio

from talkwire_io.local.conductor import Conductor
from talkwire_io.local.outlet import say_last_words
from talkwire_io.local.websocket import Receive, Send, Wire

_CALL_OVER = 1000
_TOO_SLOW = 1013  # S9


async def attend(conductor: Conductor, receive: Receive, send: Send) -> int:
    """Carry a sideband until its call is over; return the code to close its websocket with.

    Raises what `receive` and `send` raise, in an ExceptionGroup; cancel it when the websocket is
    gone. The call goes on without it.
    """
    lost = asyncio.Event()
    wire = Wire(conductor, lambda _: lost.set())
    async with asyncio.TaskGroup() as group:
        with conductor.attached(wire):
            ends = [group.create_task(lost.wait()), group.create_task(conductor.wait_ended())]
            flows = [group.create_task(wire.read(receive)), group.create_task(wire.write(send))]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not lost.is_set():
            await say_last_words(wire)
        for task in (*ends, *flows):
            task.cancel()
    return _TOO_SLOW if lost.is_set() else conductor.service.close_code or _CALL_OVER
