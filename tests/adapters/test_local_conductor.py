"""The conductor on its own: what happens before a call runs, and when nobody takes its frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

pytest.importorskip("aiortc", reason="needs the extra: pip install 'talkwire[local]'")

from support.local import MISSING, Event, Parrot, run
from talkwire.realtime.service import Service
from talkwire_io.local.conductor import Conductor
from talkwire_io.local.engine import Engine
from talkwire_io.local.voice import Say
from talkwire_io.local.websocket import Line


def a_call(parrot: Parrot | None = None) -> tuple[Conductor, Line]:
    conductor = Conductor(
        Service(now=asyncio.get_running_loop().time()), Engine(MISSING, parrot or Parrot())
    )
    return conductor, Line(conductor)


class Wire:
    """Takes frames until an event of a type came, then ends the call."""

    def __init__(self, conductor: Conductor, last: str) -> None:
        self.events: list[Event] = []
        self._end: Callable[[str], None] = conductor.end
        self._last = last

    async def send(self, frame: str) -> None:
        self.events.append(json.loads(frame))
        if self.events[-1]["type"] == self._last:
            self._end("heard enough")


def test_what_the_page_says_at_once_is_not_lost() -> None:
    async def main() -> None:
        conductor, line = a_call()
        wire = Wire(conductor, "response.done")
        # A browser may put its first frames into the very packet that opens the channel.
        update = {"type": "session.update", "session": {"type": "realtime"}}
        conductor.receive(json.dumps(update))
        conductor.receive('{"type": "response.create"}')
        await conductor.run(line, line.write(wire.send))
        types = [event["type"] for event in wire.events]
        assert types[:3] == ["session.created", "session.updated", "response.created"]
        assert conductor.reason == "heard enough"

    run(main())


def test_a_call_that_was_ended_before_it_ran_ends_at_once() -> None:
    async def main() -> None:
        conductor, line = a_call()
        conductor.end("too late")
        await conductor.run(line)
        assert conductor.reason == "too late"
        assert conductor.service.closed

    run(main())


def test_a_client_that_never_reads_is_hung_up_on() -> None:
    async def main() -> None:
        conductor, line = a_call(Parrot(lambda _: [Say("x" * 1_000_000) for _ in range(20)]))
        conductor.receive('{"type": "response.create"}')
        await conductor.run(line)
        assert conductor.reason == "the client stopped reading"

    run(main())


def test_a_companion_that_breaks_ends_the_call() -> None:
    async def broken() -> None:
        raise OSError("the line is cut")

    async def main() -> None:
        before = asyncio.all_tasks()
        conductor, line = a_call()
        with pytest.raises(ExceptionGroup) as raised:
            await conductor.run(line, broken())
        assert isinstance(raised.value.exceptions[0], OSError)
        assert conductor.ended
        assert conductor.service.closed
        assert asyncio.all_tasks() == before

    run(main())


def test_cancelling_ends_the_call() -> None:
    async def main() -> None:
        conductor, line = a_call()
        call = asyncio.create_task(conductor.run(line))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert conductor.ended
        assert conductor.service.closed

    run(main())
