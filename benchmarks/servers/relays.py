"""How many calls a core relays at 20 events a second each: talkwire beside AG2 0.9.9's client.

Pages forward one turn of the relay mix, as the service's data channel has it, and the server reads
it: AG2's `read_events()` on Starlette and uvicorn, talkwire's `Relay` in a `Connection`. Nobody
answers a call in it. The messages come as they do on a busy server: one of every page, then a
pause in which the server has done with them. What a page does to the frames differs:

* *a frame a message*: every frame by itself, as AG2's page sends them.
* *subscribed*: only the types that the backend asked for, here those that a session needs: words
  when they are whole.
* *batched*: so many frames a message. A page waits 8 ms for more, so it depends on how the
  service sends: the events that open or end a response come together, words in quick succession.
"""

import importlib
import json
import logging
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from attrs import frozen

from talkwire import RELAY, Relay, Session, events

from ..corpus import turn
from ..measure import Prepare, Report, Step, Table, Target, measure, median_us, ratio
from ..peers import AG2, beta
from ..peers import installed as installed_peers
from .hosting import Host
from .libraries import QUART, STARLETTE, Talk, Told, serve_starlette
from .pages import Pages

PAGES, GAP_S, EVENTS_PER_S = 16, 0.004, 20
ROUNDS_IN_ONE = 10  # a round with its pauses takes so much longer than others do
LAST, DONE = "output_audio_buffer.stopped", "done"
AG2_ROW = "AG2 0.9.9, Starlette: a frame a message"
BEST = "10 a message, subscribed"
GREETING = (
    '{"type":"talkwire.hello","version":1,"client":"benchmark"}',
    '{"type":"talkwire.ready","call_id":"rtc_benchmark"}',
)


def _relay(now: float) -> Relay:
    relay = Relay(Session(plane=RELAY, now=now), now=now)
    relay.open_call("http://127.0.0.1/v1/realtime/calls", "ek_benchmark", now=now)
    return relay


def _at_the_end(event: Told) -> str | None:
    return DONE if type(event) is events.OutputAudioBufferStopped else None


def ag2_on_uvicorn(listener: socket.socket) -> None:
    """AG2's client, as its `RealtimeAgent` reads it."""
    client = importlib.import_module(
        "autogen.agentchat.realtime.experimental.clients.oai.rtc_client"
    ).OpenAIRealtimeWebRTCClient
    config = {"config_list": [{"model": "gpt-realtime"}]}
    silent = logging.getLogger("ag2")
    silent.propagate = False  # it logs a page that leaves as an error
    silent.addHandler(logging.NullHandler())

    async def read(websocket: Any) -> None:
        ag2 = client(llm_config=config, websocket=websocket, logger=silent)
        async for event in ag2.read_events():
            if event.raw_message["type"] == LAST:
                await websocket.send_text(DONE)

    serve_starlette(listener, read)


@frozen
class Way:
    """A server, and what the pages send it."""

    host: Host
    messages: Sequence[str]
    greeting: Sequence[str] = ()

    def prepare(self, pages: Pages) -> Prepare:
        def open_pages() -> Step:
            pages.open(
                self.host.port,
                self.messages,
                count=PAGES,
                greeting=self.greeting,
                greeted=len(self.greeting) // 2,
                answers=1,
                in_flight=1,
                gap_s=GAP_S,
            )
            return pages.run

        return open_pages


def _batched(frames: Sequence[str], size: int) -> list[str]:
    return ["\n".join(frames[at : at + size]) for at in range(0, len(frames), size)]


def _ways(frames: Sequence[str]) -> dict[str, Way]:
    needed = Session.needs()
    fewer = [frame for frame in frames if json.loads(frame)["type"] in needed]
    ways: dict[str, Way] = {}
    if any(isinstance(peer, AG2) for peer in installed_peers()):
        ways[AG2_ROW] = Way(Host(ag2_on_uvicorn), list(map(beta, frames)))
    for name, library in (("Quart", QUART), ("Starlette", STARLETTE)):
        if not library.installed:
            continue
        way = partial(Way, library.host(Talk(_relay, _at_the_end)), greeting=GREETING)
        ways |= {
            f"talkwire, {name}: a frame a message": way(frames),
            f"talkwire, {name}: subscribed": way(fewer),
            f"talkwire, {name}: 4 a message, subscribed": way(_batched(fewer, 4)),
            f"talkwire, {name}: 10 a message": way(_batched(frames, 10)),
            f"talkwire, {name}: {BEST}": way(_batched(fewer, 10)),
        }
    return ways


def run(rounds: int) -> Report:
    frames = turn(audio=False).frames
    ways, pages = _ways(frames), Pages()
    steps = {name: way.prepare(pages) for name, way in ways.items()}
    times = measure(
        steps, max(1, rounds // ROUNDS_IN_ONE), clock=lambda name: ways[name].host.cpu_ns()
    )
    pages.close()
    rows: list[list[str]] = []
    for name, way in ways.items():
        each = median_us(times, name) / PAGES / len(frames)
        than = f"{ratio(times, AG2_ROW, name):.1f} x" if AG2_ROW in times else "-"
        sent = f"{len(way.messages)}"
        rows.append([name, sent, f"{each:.1f}", f"{1e6 / each / EVENTS_PER_S:,.0f}", than])
    if AG2_ROW not in times:
        rows.append([AG2_ROW, "not installed", "", "", ""])
    table = Table(
        title=f"Calls a core relays, {EVENTS_PER_S} events a second each",
        columns=["", f"messages for {len(frames)} events", "µs/event", "calls", "AG2 = 1"],
        rows=rows,
    )
    targets = [
        Target(
            f"calls a core, {name} batched and subscribed / AG2",
            ratio(times, AG2_ROW, row) if AG2_ROW in times else None,
            10,
            at_least=True,
        )
        for name in ("Quart", "Starlette")
        if (row := f"talkwire, {name}: {BEST}") in times
    ]
    return Report(tables=[table], targets=targets)
