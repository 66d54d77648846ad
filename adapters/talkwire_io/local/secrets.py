"""Ephemeral keys (`ek_…`): they open calls with the session that was bound to them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import attrs

PREFIX = "ek_"
DEFAULT_SECONDS = 600
SHORTEST_SECONDS = 10
LONGEST_SECONDS = 7200


@attrs.frozen(kw_only=True)
class Secret:
    """A key, until when it opens calls (unix seconds), and the session it opens."""

    value: str = attrs.field(repr=False)
    expires_at: int
    session: dict[str, Any]


class Secrets:
    """The keys that are valid now. A key is reusable until it expires; a call outlives its key."""

    def __init__(self, *, clock: Callable[[], float] = time.time, at_most: int = 10_000) -> None:
        self._clock = clock
        self._at_most = at_most
        self._secrets: dict[str, Secret] = {}

    def mint(self, session: dict[str, Any], *, seconds: int = DEFAULT_SECONDS) -> Secret:
        """Make a key for `session` (settings as the wire has them), valid for `seconds`.

        Raises ValueError unless 10 <= seconds <= 7200. With too many keys the oldest goes.
        """
        if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
            raise ValueError(
                f"a key lives {SHORTEST_SECONDS} to {LONGEST_SECONDS} s, not {seconds}"
            )
        self._forget_expired()
        while len(self._secrets) >= self._at_most:
            del self._secrets[next(iter(self._secrets))]
        made = Secret(
            value=PREFIX + secrets.token_urlsafe(24),
            expires_at=int(self._clock()) + seconds,
            session=session,
        )
        self._secrets[made.value] = made
        return made

    def find(self, value: str) -> Secret | None:
        """Return the key if it was made here and has not expired."""
        self._forget_expired()
        return self._secrets.get(value)

    def _forget_expired(self) -> None:
        now = self._clock()
        for value in [key for key, each in self._secrets.items() if each.expires_at <= now]:
            del self._secrets[value]
