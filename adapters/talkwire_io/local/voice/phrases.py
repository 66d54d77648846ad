"""Find the words of an utterance that a string argument is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from talkwire_io.local.voice.words import MOMENTS, STOPWORDS, Number, keywords, same, words

_BREAK = (
    r"in|on|at|for|to|from|with|about|by|saying|that|and|please|right|now|today|tomorrow|tonight"
    r"|this|next"
)
_MOMENTS = "|".join(sorted(MOMENTS))
# A phrase is a run of capitalised words, or up to three words before something else begins.
_TITLED = r"[A-Z][\w'-]*(?:\s+(?:(?:of|de|la|the|upon)\s+)*[A-Z][\w'-]*)*"
_LOWER = rf"(?!(?i:{_BREAK}|an?|me|my|us|the|it)\b)[^\W\d_][\w'-]*"
_PHRASE = rf"(?:the\s+)?(?!(?i:{_MOMENTS})\b)({_TITLED}|{_LOWER}(?:\s+{_LOWER}){{0,2}})"
_REST = r"\"?(.+?)\"?[\s.?!]*$"
_QUOTED = r"\"([^\"]+)\""
_LANGUAGE = r"([A-Z]?[a-z]+(?:ese|ish|ian|an|ch|ic|eek|ew|di|ai))\b"
_CLOCK = r"\d{1,2}(?::\d\d)?\s*(?:[ap]\.?m\b\.?|o'clock)|\d{1,2}:\d\d|noon|midnight"
_MONTH = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_DAY = (
    rf"(?:(?:next|this)\s+)?(?:{_MOMENTS})"
    rf"|\d{{4}}-\d\d-\d\d|(?:{_MONTH})\w*\s+\d{{1,2}}(?:st|nd|rd|th)?"
)
_MOMENT = (
    rf"(?i)\b((?:{_DAY})(?:\s+(?:at\s+)?(?:{_CLOCK}))?|(?:{_CLOCK})(?:\s+(?:on\s+)?(?:{_DAY}))?)"
)
_POLITE = frozenset("can could hello hey i i'd let like need please want would you".split())


@attrs.frozen
class Kind:
    """What an argument's name asks for, and the cue before it. Free text runs to the end."""

    names: frozenset[str]
    cue: str
    free: bool = False


def _kind(names: str, cue: str, *, free: bool = False) -> Kind:
    return Kind(frozenset(names.split()), cue, free)


_PLACE = _kind(
    "location city place town country region address where venue",
    rf"\b(?i:in|for|at|near|around|of|to|from)\s+{_PHRASE}",
)
_WHEN = _kind("date day when time deadline due until", _MOMENT)
# The most telling first: `to_city` is a destination before it is a city.
_KINDS = (
    _kind("language lang", rf"\b(?i:into|in|to)\s+{_LANGUAGE}"),
    _WHEN,
    _kind("from origin source departure", rf"\b(?i:from)\s+{_PHRASE}"),
    _kind("destination arrival", rf"\b(?i:to|into|for|in|at)\s+{_PHRASE}"),
    _PLACE,
    _kind(
        "person recipient contact to who whom guest customer attendee receiver",
        rf"\b(?i:to|with|for|call|email|text|message)\s+{_PHRASE}",
    ),
    _kind(
        "name username title label",
        rf"\b(?i:named|called|titled|name\s+is|name's|for)\s+{_PHRASE}",
    ),
    _kind(
        "message text body content note phrase sentence task reminder memo",
        rf"(?i)\b(?:saying|says|say|that|about|me\s+to)\s*:?\s+{_REST}",
        free=True,
    ),
    _kind(
        "query question topic subject search term keyword keywords q prompt",
        rf"(?i)\b(?:about|for|up|on|called)\s+{_REST}",
        free=True,
    ),
)
ANYTHING = Kind(frozenset(), _QUOTED, free=True)
"""Whatever is quoted, else whatever is left."""


@attrs.define
class Utterance:
    """What was said, and what of it is still unclaimed."""

    whole: str
    tool_words: frozenset[str]
    text: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.text = self.whole

    def take(self, pattern: str) -> str | None:
        """Return the first group of the first match, and take the whole match out."""
        match = re.search(pattern, self.text)
        if match is None:
            return None
        self._cut(match.start(), match.end())
        return match[1].strip(" .,!?;:") or None

    def blank(self, *numbers: Number) -> None:
        """Take numbers out, each with its unit."""
        for number in sorted(numbers, key=lambda each: -each.start):
            self._cut(number.start, number.end)

    def _cut(self, start: int, end: int) -> None:
        # The comma keeps the words on both sides from becoming one phrase.
        self.text = f"{self.text[:start]} , {self.text[end:]}"


def kind_of(name: str, schema: Mapping[str, Any]) -> Kind:
    """Return what a string argument asks for, by its format, its name, else its description."""
    if schema.get("format") in ("date", "date-time", "time"):
        return _WHEN
    parts = set(words(name))
    if found := next((kind for kind in _KINDS if not kind.names.isdisjoint(parts)), None):
        return found
    # Descriptions are wordy; only a place is worth finding in one.
    described = set(words(str(schema.get("description") or "")))
    return ANYTHING if _PLACE.names.isdisjoint(described) else _PLACE


def cued_text(kind: Kind, utterance: Utterance) -> str | None:
    """Take the words a cue points at: a quotation, a preposition, a day. None without one."""
    quoted = utterance.take(_QUOTED) if kind.free else None
    return quoted or utterance.take(kind.cue)


def left_text(kind: Kind, utterance: Utterance) -> str | None:
    """Take what is left when the words that chose the tool, and the polite ones, are cut off."""
    parts = utterance.text.replace(" , ", " ").split()
    while parts and _is_frame(parts[0], kind, utterance):
        del parts[0]
    while parts and _is_frame(parts[-1], kind, utterance):
        del parts[-1]
    left = " ".join(parts).strip(" .,!?;:")
    # "How cold is it outside?" has no place in it; "weather rome" has, and so has "Rome".
    if not kind.free:
        brief = left[:1].isupper() and len(left.split()) <= 3
        if not brief and len(utterance.whole.split()) > 3:
            return None
    utterance.text = ""
    return left or None


def _is_frame(part: str, kind: Kind, utterance: Utterance) -> bool:
    return all(
        word in STOPWORDS
        or word in _POLITE
        or (word in MOMENTS and not kind.free)
        or any(same(key, known) for key in keywords(word) for known in utterance.tool_words)
        for word in (each.partition("'")[0] for each in words(part))
    )
