from pathlib import Path

from ..command import main
from ..page import Page
from . import bindings, relays

_TOP = """# What a message costs in a server

Written by `make bench-servers ARGS=--write`; do not edit. {when}, {machine}.

{versions}

## How to read this

One process holds every server, each in a thread of its own, and what is told is that thread's
processor time, of both user and system. The pages are another process, with raw sockets, on
another core. Equal rounds ({rounds}; a tenth of them where messages have pauses), their order
shuffled in each, new websockets in each, and for every comparison the median of the per-round
ratios. The microseconds are medians and drift with the machine and its load; **trust the ratios**.

The frames are one turn of the relay mix: what a WebRTC call's data channel carries when the user
asks, and the model speaks and calls a function.

*bare* is the library's own echo, written as its documentation writes one. *driver* is talkwire's
`Connection` around a protocol that does nothing: the binding alone. *session* has a `Session` hear
each frame and the application each event: all that an application pays. A busy server finds **a
message of each** of several calls when it looks. With **all at once** of one call a library is at
its cheapest, and what comes on top at its dearest.

"""
_DISTRIBUTIONS = (
    *("talkwire", "msgspec", "attrs", "websockets", "trio", "quart", "hypercorn", "starlette"),
    *("uvicorn", "ag2"),
)
_PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-servers.md"

BENCHMARKS = {"bindings": bindings.run, "relays": relays.run}

main("benchmarks.servers", BENCHMARKS, Page(_PAGE, _TOP, _DISTRIBUTIONS))
