"""What only asyncio knows: a task that is cancelled once more while it is ending."""

from __future__ import annotations

import asyncio

import pytest

from support.bindings import ASYNCIO, driving
from support.virtual import Wire, wire
from talkwire import SIDEBAND, PageText, Relay, Session
from talkwire_io.asyncio import Connection


class Slow(Wire):
    """Takes its time to close."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        await asyncio.sleep(0.01)
        await super().close(code, reason)


def test_a_second_cancel_leaves_nobody_behind() -> None:
    async def main() -> None:
        now = asyncio.get_running_loop().time()
        page, sideband = Slow(), wire()[0]
        connection = driving(Relay(Session(plane=SIDEBAND, now=now), now=now), page)
        assert isinstance(connection, Connection)
        connection.attach(sideband)
        before = asyncio.all_tasks()

        async def talk() -> None:
            async with connection:
                await connection.wait_for(PageText)

        talking = asyncio.create_task(talk())
        await asyncio.sleep(1)
        talking.cancel()
        await asyncio.sleep(0.005)  # the page is being closed
        talking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await talking
        assert asyncio.all_tasks() == before
        assert sideband.closes == 1

    ASYNCIO.run(main)
