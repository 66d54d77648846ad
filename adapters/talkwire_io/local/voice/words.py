"""Words and numbers in an English utterance: the little that the demo brain knows of language."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

STOPWORDS = frozenset(
    """a about all also am an and any are as at be been by can could current currently did do does
    for from function get gets give given had has have hear hello her here hey hi him his how i if
    in into is it its just let lets like me more my need now of ok okay on or our out please return
    returns right she should so some specified tell than thank thanks that the their them then there
    these they this those to tool up us use used user using value want was we were what whats when
    where whether which who will with would you your""".split()
)
MOMENTS = frozenset(
    """today tomorrow tonight now morning afternoon evening noon midnight monday tuesday wednesday
    thursday friday saturday sunday weekend week""".split()
)
# Enough for a demonstration's own tools to be found by what people say first.
_SYNONYMS = {
    **dict.fromkeys(
        ["rain", "raining", "rainy", "snow", "snowing", "sunny", "forecast"], "weather"
    ),
    **dict.fromkeys(["temperature", "cold", "hot", "warm", "umbrella", "windy"], "weather"),
    **dict.fromkeys(["oclock", "clock"], "time"),
    **dict.fromkeys(["lamp", "lamps"], "light"),
    **dict.fromkeys(["countdown"], "timer"),
    **dict.fromkeys(["song", "songs"], "music"),
    **dict.fromkeys(["plus", "sum"], "add"),
}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def words(text: str) -> list[str]:
    """Split text or an identifier (`set_timer`, `setTimer`) into lower-case words."""
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))]


def stem(word: str) -> str:
    """Cut the commonest endings, so that "lights" meets "light" and "booking" meets "book"."""
    for ending, replacement in (("'s", ""), ("ies", "y"), ("ing", ""), ("es", "e"), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)] + replacement
    return word


def keywords(text: str) -> frozenset[str]:
    """Return the stems that carry meaning, each with what it is another word for."""
    meant = {word for word in words(text) if word not in STOPWORDS and len(word) > 1}
    meant |= {_SYNONYMS[word] for word in meant & _SYNONYMS.keys()}
    return frozenset(map(stem, meant))


def same(one: str, other: str) -> bool:
    """Tell whether two stems are one word: equal, or one continues the other (remind, reminder)."""
    short, long = sorted((one, other), key=len)
    return short == long or (len(short) >= 5 and long.startswith(short))


def in_list(parts: list[str]) -> str:
    """Join as one says it: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))


@attrs.frozen
class Number:
    """A number found in text, the word after it ("minutes"), and where both stand together."""

    value: float
    unit: str
    start: int
    end: int


_ONES = {
    word: value
    for value, word in enumerate(
        """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
        fifteen sixteen seventeen eighteen nineteen""".split()
    )
}
_TENS = {
    word: value * 10
    for value, word in enumerate(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2
    )
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_SMALL = rf"(?:(?:{'|'.join(_TENS)})(?:[-\s](?:{'|'.join(list(_ONES)[1:10])}))?|{'|'.join(_ONES)})"
# "and" belongs to a number only after a hundred or more: "add two and three" has two of them.
_HUNDREDS = rf"(?:(?:{_SMALL}|an?)\s+hundred(?:\s+(?:and\s+)?{_SMALL}\b)?|{_SMALL})"
_SPELLED = re.compile(
    rf"\b(?:minus\s+)?(?:(?:{_HUNDREDS}|an?)\s+(?:thousand|million)\b(?:\s+(?:and\s+)?{_HUNDREDS}\b)?"
    rf"|{_HUNDREDS}\b)(?:\s+point(?:\s+(?:{'|'.join(_ONES)})\b)+)?",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"(?<![\w.:/])(?:-|minus\s+)?\d+(?:,\d{3})*(?:\.\d+)?(?![\d:/])")
# "an hour", "half an hour": an amount without a number.
_SINGLE = re.compile(r"\b(half\s+)?an?\s+(?=(?:second|minute|hour|day|week)\b)", re.IGNORECASE)
_UNIT = re.compile(r"\s*-?\s*(%|[^\W\d_]+)")


def numbers(text: str) -> list[Number]:
    """Return the numbers in text, in figures or words, in order; "7:30" is not one."""
    found = [(match.start(), match.end(), value) for match, value in _values(text)]
    return [_with_unit(text, *each) for each in sorted(found)]


def _values(text: str) -> Iterator[tuple[re.Match[str], float]]:
    for match in _DIGITS.finditer(text):
        yield match, float(re.sub(r"minus\s+", "-", match[0]).replace(",", ""))
    for match in _SPELLED.finditer(text):
        yield match, _spelled(match[0])
    for match in _SINGLE.finditer(text):
        yield match, 0.5 if match[1] else 1.0


def _with_unit(text: str, start: int, end: int, value: float) -> Number:
    unit = _UNIT.match(text, end)
    if unit is None:
        return Number(value, "", start, end)
    return Number(value, unit[1].lower(), start, unit.end())


def _spelled(text: str) -> float:
    total, group, digits, after_point = 0, 0, "", False
    for word in re.findall(r"[a-z]+", text.lower()):
        if word == "point":
            after_point = True
        elif after_point:
            digits += str(_ONES.get(word, ""))
        elif word == "hundred":
            group = max(group, 1) * 100
        elif word in _SCALES:
            total, group = total + max(group, 1) * _SCALES[word], 0
        else:
            group += _ONES.get(word, _TENS.get(word, 0))
    value = float(f"{total + group}.{digits or 0}")
    return -value if text.lower().startswith("minus") else value
