"""How a local service differs from one that takes anybody, as a test of yours may want it."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from talkwire.realtime.beta import Dialect


def _set_of(keys: Iterable[str] | None) -> frozenset[str] | None:
    return None if keys is None else frozenset(keys)


def _dialects(given: Iterable[Dialect]) -> frozenset[Dialect]:
    return frozenset(given)


@attrs.frozen(kw_only=True)
class Options:
    """Which keys open anything, and which dialects are spoken."""

    keys: frozenset[str] | None = attrs.field(default=None, converter=_set_of, repr=False)
    """The server keys that there are; others are refused with 401 `invalid_api_key`. None: any."""
    dialects: frozenset[Dialect] = attrs.field(default=frozenset({Dialect.GA}), converter=_dialects)
    """GA alone is what OpenAI speaks today. With both, the client's `OpenAI-Beta` header or the
    address decides; with beta alone, the addresses of GA are unknown (404)."""

    def dialect(self, *, beta: bool) -> Dialect | None:
        """What to speak with a websocket that asked for beta, or did not; None: it is refused."""
        if beta:
            return Dialect.BETA if Dialect.BETA in self.dialects else None
        return Dialect.GA if Dialect.GA in self.dialects else Dialect.BETA
