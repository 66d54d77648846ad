"""Ids as an input: a counter by default, a factory of yours where several sessions meet.

Every session counts from one. Where two make items on one call (a page's and a sideband's, or one
that took over from another), give each a prefix of its own, a random one for instance: the service
refuses an item whose id it has already, and an error names a command by its id alone.
"""

from collections.abc import Callable

from attrs import define

IdFactory = Callable[[str], str]
"""Makes an id of a kind ("event", "item"); unique for the session, at most 32 characters."""


@define
class Counter:
    """Ids that count: `event_tw1`, `item_tw2`, ..."""

    prefix: str = "tw"
    count: int = 0

    def __call__(self, kind: str) -> str:
        self.count += 1
        return f"{kind}_{self.prefix}{self.count}"


def counter(prefix: str = "tw") -> IdFactory:
    """An id factory that counts; a prefix of your own keeps sessions apart."""
    return Counter(prefix)
