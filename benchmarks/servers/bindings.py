"""What a message costs through each binding, beside the bare library echoing the same frames.

Every server echoes one turn of the relay mix, a frame a message: of eight calls, a message of each
at a time, as a busy server has them; and of one call, all at once, where the library is at its
cheapest. *bare* is the library's own echo;
*driver* is `Connection` around a protocol that does nothing, so the binding alone; *session* has
a `Session` hear each frame as well, and the application each event.
"""

from collections.abc import Mapping, Sequence

from attrs import frozen

from ..corpus import turn
from ..measure import Prepare, Report, Step, Table, Target, Times, measure, median_us, ratio
from . import profile
from .echoes import EchoingSession, EchoWithDeadline
from .hosting import Host
from .libraries import LIBRARIES, Library, Talk
from .pages import Pages

LAYERS = {"bare": None, "driver": Talk(EchoWithDeadline), "session": Talk(EchoingSession)}
OURS = ("driver", "session")


CALLS = 8


@frozen
class Measured:
    """One library: a message of each call at a time, and all of one call."""

    each: Times
    at_once: Times


def _measure(library: Library, pages: Pages, frames: Sequence[str], rounds: int) -> Measured:
    hosts = {layer: library.host(talk) for layer, talk in LAYERS.items()}

    def prepare(host: Host, count: int, in_flight: int) -> Prepare:
        def open_pages() -> Step:
            answers = len(frames)
            pages.open(host.port, frames, count=count, answers=answers, in_flight=in_flight)
            return pages.run

        return open_pages

    def times(count: int, in_flight: int) -> Times:
        steps = {layer: prepare(host, count, in_flight) for layer, host in hosts.items()}
        return measure(steps, rounds, clock=lambda layer: hosts[layer].cpu_ns())

    return Measured(times(CALLS, 1), times(1, len(frames)))


def _share(times: Times, layer: str) -> float:
    """What comes on top of the bare library's cost (per cent of it)."""
    return 100 * (ratio(times, layer, "bare") - 1)


def _table(how: str, all_times: Mapping[str, Times], frames: Sequence[str], calls: int) -> Table:
    def row(name: str) -> list[str]:
        if name not in all_times:
            return [name, "not installed", *[""] * 4]
        times = all_times[name]
        each = [f"{median_us(times, layer) / len(frames) / calls:.1f}" for layer in LAYERS]
        return [name, *each, *(f"{_share(times, layer):.0f}%" for layer in OURS)]

    mean = sum(map(len, frames)) / len(frames)
    return Table(
        title=f"Echo through each binding, {how}: {len(frames)} messages of {mean:,.0f} bytes",
        columns=["µs/message", *LAYERS, *(f"{layer} over bare" for layer in OURS)],
        rows=[row(library.name) for library in LIBRARIES],
    )


def run(rounds: int) -> Report:
    frames = turn(audio=False).frames
    pages = Pages()
    measured = {
        library.name: _measure(library, pages, frames, rounds)
        for library in LIBRARIES
        if library.installed
    }
    pages.close()
    each = {name: times.each for name, times in measured.items()}
    at_once = {name: times.at_once for name, times in measured.items()}
    targets = [
        Target(f"{name}: {layer} over bare", _share(times, layer), 15, unit="%")
        for name, times in each.items()
        for layer in OURS
    ]
    tables = [
        _table(f"{CALLS} calls, a message of each at a time", each, frames, CALLS),
        _table("one call, all at once", at_once, frames, 1),
        profile.table(frames, rounds),
    ]
    return Report(tables=tables, targets=targets)
