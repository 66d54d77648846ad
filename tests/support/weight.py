"""What a session or a service weighs: the memory of everything that it holds on to."""

import gc
import sys
from types import FunctionType, ModuleType

from talkwire import Session
from talkwire.service import Service


def weight(session: Session | Service) -> int:
    """The bytes of everything that can be reached from it, its classes not counted."""
    found: dict[int, object] = {}
    new: list[object] = [session]
    while new:
        held = new.pop()
        if id(held) not in found and not isinstance(held, type | ModuleType | FunctionType):
            found[id(held)] = held
            new += gc.get_referents(held)
    return sum(map(sys.getsizeof, found.values()))
