"""What a session has cost so far, by modality, and what the account may still spend (§1.5).

Tokens of audio cost many times those of text, and cached ones are a part of the input, never an
addition to it. A response that was cancelled or failed has cost what it says it has.
"""

from collections.abc import Iterable, Mapping
from math import isfinite

import msgspec
from msgspec import Raw, Struct, field

from ..timers import Moment
from ..values import Payload
from .events import RateLimit
from .items import CachedTokens, TokenDetails, Usage, read

REMEMBERED = 16  # what was counted last; enough for what is told twice
LIMITS = 8  # by name; a service has two or three


class Tokens(Struct, gc=False):
    """A count of tokens. `total` may be more than its parts: a service need not tell them."""

    total: int = 0
    text: int = 0
    audio: int = 0
    image: int = 0

    def add(self, total: int, by: TokenDetails | CachedTokens) -> None:
        """Count more of them."""
        self.total += total or _sum(by)
        self.text += by.text_tokens
        self.audio += by.audio_tokens
        self.image += by.image_tokens


def _sum(by: TokenDetails | CachedTokens) -> int:
    """What a total is that was not told."""
    return by.text_tokens + by.audio_tokens + by.image_tokens


def _has_only_a_total(usage: Usage) -> bool:
    if not usage.total_tokens or usage.input_tokens or usage.output_tokens:
        return False
    return _sum(usage.input_token_details) == _sum(usage.output_token_details) == 0


class Transcribed(Struct, gc=False):
    """What transcribing the user has cost: billed apart, in tokens or by time."""

    turns: int = 0
    seconds: float = 0.0
    input: Tokens = field(default_factory=Tokens)
    output: int = 0
    """Tokens of text."""


class _Transcription(Struct):
    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    input_token_details: TokenDetails = TokenDetails()


_TRANSCRIPTION = msgspec.json.Decoder(_Transcription | None)


class SessionUsage(Struct, gc=False):
    """The sums of a session."""

    responses: int = 0
    """How many responses ended, whatever their status."""
    unreported: int = 0
    """How many of them did not say what they cost, or only a total that is neither side's."""
    input: Tokens = field(default_factory=Tokens)
    cached: Tokens = field(default_factory=Tokens)
    """The part of `input` that was cached."""
    output: Tokens = field(default_factory=Tokens)
    transcribed: Transcribed | None = None
    """None: nothing was transcribed."""
    _counted: tuple[str, ...] = ()

    def count(self, response_id: str, usage: Usage | None) -> None:
        """A response ended; hearing so twice changes nothing."""
        if self._is_known(response_id):
            return
        self.responses += 1
        if usage is None or _has_only_a_total(usage):
            self.unreported += 1
            return
        heard, said = usage.input_token_details, usage.output_token_details
        self.input.add(usage.input_tokens, heard)
        if heard.cached_tokens:
            self.cached.add(heard.cached_tokens, heard.cached_tokens_details)
        self.output.add(usage.output_tokens, said)

    def transcription(self, item_id: str, usage: Raw) -> None:
        """The user's words of an item are known; hearing so twice changes nothing."""
        cost = read(usage, _TRANSCRIPTION, None)
        if cost is None or self._is_known(item_id):
            return
        if self.transcribed is None:
            self.transcribed = Transcribed()
        self.transcribed.turns += 1
        seconds = self.transcribed.seconds + cost.seconds
        if isfinite(seconds):  # what is not cannot be told on
            self.transcribed.seconds = seconds
        self.transcribed.input.add(cost.input_tokens, cost.input_token_details)
        self.transcribed.output += cost.output_tokens

    def _is_known(self, any_id: str) -> bool:
        if any_id in self._counted:
            return True
        if any_id:  # the end of a response may be too malformed to have one
            self._counted = (*self._counted[1 - REMEMBERED :], any_id)
        return False


class Allowance(Payload, frozen=True, kw_only=True, gc=False):
    """What the account may still spend of one limit, until `reset_at` (the clock of `now`)."""

    limit: int = 0
    remaining: int = 0
    reset_at: Moment = Moment(0)


def allowances(
    before: Mapping[str, Allowance], told: Iterable[RateLimit], now: float
) -> dict[str, Allowance]:
    """The limits by name, the newest word on each; of very many, those told last."""
    limits = dict(before)
    for limit in told:
        limits.pop(limit.name, None)
        limits[limit.name] = Allowance(
            limit=limit.limit, remaining=limit.remaining, reset_at=Moment(now + limit.reset_seconds)
        )
    while len(limits) > LIMITS:
        del limits[next(iter(limits))]
    return limits
