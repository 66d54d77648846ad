"""A results page, as `--write` leaves it in `docs/`."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from attrs import frozen

from .measure import Table
from .peers import DISTRIBUTIONS

_DOCS = Path(__file__).parents[1] / "docs"
_TOP = """# Benchmarks

What a frame costs in the core. What a message costs in a server is on
[a page of its own](benchmarks-servers.md).

Written by `make bench-peers ARGS=--write`; do not edit. {when}, {machine}.

{versions}

## How to read this

Every table comes from one process: equal rounds ({rounds}), their order shuffled in each, thread
time, and for every comparison the median of the per-round ratios. The microseconds are medians
and drift with the machine and its load, by half and more; **trust the ratios**. A column that
says "= 1" divides by that row: 10 x there means ten times its time.

What is compared is not equal work. talkwire's step decodes a frame, types it, keeps the books
(conversation, calls, the response gate, playback) and decides what to send; on the direct mix it
hands out PCM. openai-agents does about the same. `json.loads`, orjson and msgspec only decode;
openai, AG2 and pipecat only parse. Each peer runs its own real code, against a socket that
swallows what is sent; AG2's frames carry the beta names it knows.

The frames are `benchmarks/corpus.py`'s: one spoken turn with a function call, types, order and
sizes as recorded from OpenAI's service. *Relay* is a WebRTC call's data channel, *direct* a
websocket with the sound in it. In a server, caches are colder than in a loop and the transport
costs several times more than any of this: read the table as an order, not as a promise.

## Where the floor is

Some targets are missed, and no rule of the protocol was given up to reach one. *The floor* says
what is left to gain. Decoding alone, into frozen attrs classes, costs more than orjson does for
plain dicts: msgspec builds an attrs object field by field, and cannot tell attrs classes apart by
their `type`, so each frame is sliced for it first. *doors without books* adds what any step costs
that hands out a list of events and is drained: that much is spent before the first rule is read.

The rest is books, in Python, and spread thin; *where the time goes* shows it by event type. Three
frames of four only add words, in three to six calls. The others move a lifecycle, in ten to
fifty, and as each comes once or twice in a turn, its code is cold: a round here is one turn behind
libraries that have emptied the caches, and the same turn in a loop of its own is a quarter
cheaper. The largest single piece, a tenth of a turn, is knowing a frame again that was heard
before (a checksum of each frame that moves something); then come `session.created`, once a call,
and `response.done`, which is asked for calls, approvals, usage and what may leave now.

What would reach further is a change of law: events as `msgspec.Struct`s in one tagged union. The
row *one union of structs* is that floor: it needs no look for the type, and is under half of
today's. Beyond that, only books that are compiled.

Of the bytes after a turn, about 2,500 are the configuration in force as the service told it, with
four tools in it; about as many are the ids and words of the conversation, 800 the checksums; the
rest is the books themselves, most of them empty.

"""


@frozen
class Page:
    """Where it is, what stands above the tables, and whose versions are told there."""

    file: Path
    top: str
    """`{when}`, `{machine}`, `{versions}` and `{rounds}` are put in."""
    distributions: Sequence[str]

    def write(self, tables: Sequence[Table], rounds: int) -> Path:
        """Put the tables on the page, under what they were measured with."""
        top = self.top.format(
            when=datetime.now(UTC).date(),
            machine=machine(),
            versions=", ".join(f"{name} {_version(name)}" for name in self.distributions) + ".",
            rounds=rounds,
        )
        self.file.parent.mkdir(exist_ok=True)
        text = top + "\n".join(table.markdown() for table in tables)
        self.file.write_text(text, encoding="utf-8")
        return self.file


CORE = Page(
    _DOCS / "benchmarks.md",
    _TOP,
    ("talkwire", "msgspec", "attrs", "orjson", "pybase64", *DISTRIBUTIONS),
)


def machine() -> str:
    """Python, and what it runs on."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{python}, {platform.system()}, {_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    names = [line for line in described.splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2] if names else platform.machine()


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(not installed)"
