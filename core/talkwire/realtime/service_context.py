"""How much of a conversation the model sees: truncation by tokens, oldest items first (§1.6).

A service without a tokenizer estimates: a token is 100 ms of the user's audio, 50 ms of the
assistant's, or four characters (§3.10).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import define, field

from .json_values import JsonObject, is_object

_MS_PER_TOKEN = {"user": 100, "assistant": 50}
_CHARACTERS_PER_TOKEN = 4


@define
class Context:
    """What was left out stays left out, so that what is cached of the rest remains so."""

    _budget: int | None
    """Tokens that the model takes as input, None for any number."""
    _left_out: set[str] = field(factory=set[str])

    def fit(
        self, items: Sequence[JsonObject], lengths_ms: Mapping[str, int], truncation: Any
    ) -> tuple[JsonObject, ...] | None:
        """The items that the model sees, None when they are too many and none may be left out.

        `lengths_ms` are those of audio by item; `truncation` is the session's setting.
        """
        most, kept = self._limits(truncation)
        seen = [item for item in items if item["id"] not in self._left_out]
        sizes = [_tokens(item, lengths_ms.get(item["id"])) for item in seen]
        total = sum(sizes)
        if total <= most:
            return tuple(seen)
        if truncation == "disabled":
            return None
        oldest = 0
        while total > kept:
            total -= sizes[oldest]
            oldest += 1
        dropped = seen[:oldest]
        # An output without its call would confuse the model (§3.7).
        calls = {item["call_id"] for item in dropped if item["type"] == "function_call"}
        orphans = [item for item in seen[oldest:] if _answers(item, calls)]
        self._left_out.update(item["id"] for item in (*dropped, *orphans))
        return tuple(item for item in seen if item["id"] not in self._left_out)

    def forget(self, item_id: str) -> None:
        """An item was deleted; its id may be used anew."""
        self._left_out.discard(item_id)

    def _limits(self, truncation: Any) -> tuple[float, float]:
        """How many tokens are too many, and how many are kept then."""
        most = math.inf if self._budget is None else self._budget
        if not is_object(truncation):
            return most, most
        most = min(most, truncation.get("token_limits", {}).get("post_instructions", math.inf))
        return most, most * truncation["retention_ratio"]


def _answers(item: JsonObject, calls: set[str]) -> bool:
    return item["type"] == "function_call_output" and item["call_id"] in calls


def _tokens(item: JsonObject, audio_ms: int | None) -> int:
    if audio_ms is not None:
        return math.ceil(audio_ms / _MS_PER_TOKEN[item["role"]])
    characters = sum(len(words) for words in _words(item))
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)


def _words(item: JsonObject) -> list[str]:
    parts = [item, *item.get("content", ())]
    names = ("name", "arguments", "output", "text", "transcript")
    return [part[name] for part in parts for name in names if isinstance(part.get(name), str)]
