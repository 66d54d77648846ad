"""Rate limits as a service tells of them: buckets that responses empty and time fills (§1.2)."""

from attrs import define, field

from .json_values import JsonObject

WINDOW_S = 60.0
"""Limits are per minute."""


@define
class RateLimits:
    """What is left of each limit: "requests" and "tokens", each a number per minute."""

    _limits: dict[str, int]
    _left: dict[str, float] = field(init=False)
    _at: float = 0.0

    def __attrs_post_init__(self) -> None:
        self._left = {name: float(limit) for name, limit in self._limits.items()}

    def spend(self, tokens: int, now: float) -> list[JsonObject]:
        """Count one response that cost so many tokens; gives the limits as the wire shows them."""
        past = max(0.0, now - self._at) / WINDOW_S
        self._at = now
        cost = {"requests": 1, "tokens": tokens}
        shown: list[JsonObject] = []
        for name, limit in self._limits.items():
            filled = min(limit, self._left[name] + limit * past)
            self._left[name] = left = max(0.0, filled - cost[name])
            shown.append(
                {
                    "name": name,
                    "limit": limit,
                    "remaining": int(left),
                    "reset_seconds": round((limit - left) * WINDOW_S / limit, 3),
                }
            )
        return shown
