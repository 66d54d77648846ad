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
from talkwire_io.local.sideband import attend
from talkwire_io.local.voice import Say
from talkwire_io.local.websocket import Line


def a_call(parrot: Parrot | None = None) -> tuple[Conductor, Line]:
    conductor = Conductor(
        Service(now=asyncio.get_running_loop().time()), Engine(MISSING, parrot or Parrot())
    )
    return conductor, Line(conductor)


async def says(conductor: Conductor, *frames: str) -> None:
    """A companion: the client says this as soon as it can."""
    for frame in frames:
        conductor.receive(frame)


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


def test_what_the_client_says_at_once_comes_after_the_session_was_created() -> None:
    async def main() -> None:
        conductor, line = a_call()
        wire = Wire(conductor, "response.done")
        update = {"type": "session.update", "session": {"type": "realtime"}}
        frames = json.dumps(update), '{"type": "response.create"}'
        await conductor.run(line, says(conductor, *frames), line.write(wire.send))
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
        await conductor.run(line, says(conductor, '{"type": "response.create"}'))
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


def test_a_sideband_that_never_reads_is_let_go_and_the_call_goes_on() -> None:
    async def never(*_: object) -> str:
        return await asyncio.Future[str]()

    async def main() -> None:
        conductor, line = a_call()
        wire = Wire(conductor, "response.done")
        session = {"type": "realtime", "instructions": "x" * 1_000_000}
        update = json.dumps({"type": "session.update", "session": session})

        async def sends(_: str) -> None:
            await never()

        async def talks() -> None:
            attending = asyncio.create_task(attend(conductor, never, sends))
            while not attending.done():
                await asyncio.sleep(0)
                conductor.receive(update)
            assert attending.result() == 1013
            conductor.receive('{"type": "response.create"}')

        await conductor.run(line, talks(), line.write(wire.send))
        assert conductor.reason == "heard enough"
        assert len(wire.events) > 16

    run(main())
