from . import by_type, floor, memory, receive, send
from .command import main
from .page import CORE

BENCHMARKS = {
    "receive": receive.run,
    "send": send.run,
    "memory": memory.run,
    "floor": floor.run,
    "profile": by_type.run,
}

main("benchmarks", BENCHMARKS, CORE)
