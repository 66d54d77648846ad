"""Ids as an input: a counter by default, a factory of yours where several sessions meet."""

from collections.abc import Callable

IdFactory = Callable[[str], str]
"""Makes an id of a kind ("event", "item"); unique for the session, at most 32 characters."""


def counter(prefix: str = "tw") -> IdFactory:
    """Ids that count: `event_tw1`, `item_tw2`, ...; a prefix of your own keeps sessions apart."""
    count = 0

    def make(kind: str) -> str:
        nonlocal count
        count += 1
        return f"{kind}_{prefix}{count}"

    return make
