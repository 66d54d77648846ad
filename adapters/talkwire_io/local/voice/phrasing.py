"""Say a tool's output in words: JSON or plain text becomes a sentence or two."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from talkwire_io.local.voice.shapes import as_list, as_mapping
from talkwire_io.local.voice.words import in_list, words

_MOST_FIELDS = 6
_LONGEST = 400  # characters of somebody else's text read aloud

# A field of this name is the answer itself.
_ANSWERS = (
    "answer",
    "message",
    "summary",
    "speech",
    "text",
    "result",
    "content",
    "output",
    "reply",
)
_ERRORS = ("error", "errors", "exception")
_STATES = ("ok", "success", "succeeded", "status")
_FINE = ("ok", "success", "succeeded", "done", "true", "completed")
_FAILED = ("error", "failed", "failure")
_NOTHING: tuple[object, ...] = (None, "", [], {})
_UNITS = {
    "c": "degrees Celsius",
    "celsius": "degrees Celsius",
    "f": "degrees Fahrenheit",
    "fahrenheit": "degrees Fahrenheit",
    "percent": "percent",
    "pct": "percent",
    "kmh": "kilometres per hour",
    "kph": "kilometres per hour",
    "mph": "miles per hour",
    "km": "kilometres",
    "ms": "milliseconds",
    "seconds": "seconds",
    "minutes": "minutes",
    "hours": "hours",
    "usd": "dollars",
    "eur": "euros",
}


def output_in_words(tool: str, arguments: Mapping[str, Any], output: str) -> str:
    """Return what to say of a `function_call_output`. Any text will do; nothing raises."""
    spoken = " ".join(words(tool)) or "that"
    value = _parsed(output)
    try:
        problem = _problem(value)
        if problem is None:
            return _sentence(_said(value, arguments, spoken))
    except RecursionError:
        return _sentence(f"{spoken} gave more than I can say")
    return _sentence(f"Sorry, {spoken} did not work" + (f": {problem}" if problem else ""))


def parse_arguments(text: Any) -> Mapping[str, Any]:
    """Return a call's arguments, empty when they are not a JSON object."""
    return as_mapping(_parsed(text))


def _parsed(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _problem(value: Any) -> str | None:
    """Return what went wrong ("" when the output only says that it did), None when nothing did."""
    if isinstance(value, str):
        told = re.match(r"(?i)\s*(?:\w*error|\w*exception|traceback)\b[^:]*:?\s*(.*)", value, re.S)
        return _short(told[1]) if told else None
    fields = as_mapping(value)
    for key in _ERRORS:
        if found := fields.get(key):
            inner = as_mapping(found).get("message", "" if found is True else found)
            return _short(_plain(inner))
    states = [fields.get(key) for key in _STATES]
    if not any(state is False or str(state).lower() in _FAILED for state in states):
        return None
    return _short(_plain(fields.get("message") or fields.get("reason") or ""))


def _said(value: Any, arguments: Mapping[str, Any], spoken: str) -> str:
    if value in _NOTHING:
        return f"Done: {spoken}"
    items = as_list(value)
    match value:
        case bool():
            return "Yes" if value else "No"
        case int() | float():
            return f"The answer is {_plain(value)}"
        case str():
            return _short(value)
        case list():
            return _listing(items)
        case _:
            return _fields(as_mapping(value), arguments, spoken)


def _fields(value: Mapping[str, Any], arguments: Mapping[str, Any], spoken: str) -> str:
    answer = next((value[key] for key in _ANSWERS if value.get(key) not in _NOTHING), None)
    if isinstance(answer, str):
        return _short(answer)
    if answer is not None and len(value) == 1:
        return _said(answer, arguments, spoken)
    echoed = [_echo(k, v) for k, v in value.items() if k in arguments and _alike(v, arguments[k])]
    told = {k: v for k, v in value.items() if not (k in arguments and _alike(v, arguments[k]))}
    told = {k: v for k, v in told.items() if not (k in _STATES and str(v).lower() in _FINE)}
    unit = str(told.pop("unit", None) or told.pop("units", None) or "")
    parts = [_field(key, each, unit) for key, each in told.items() if each is not None]
    if not parts:
        return f"Done: {spoken}" + (f" for {in_list(echoed)}" if echoed else "")
    more = [f"{len(parts) - _MOST_FIELDS} more things"] if len(parts) > _MOST_FIELDS else []
    told_all = in_list(parts[:_MOST_FIELDS] + more)
    return f"For {in_list(echoed)}, {told_all}" if echoed else told_all


def _echo(key: str, value: Any) -> str:
    unit = _UNITS.get(key.lower(), "")
    return f"{_plain(value)} {unit}".strip()


def _field(key: str, value: Any, unit: str) -> str:
    parts = words(key) or [key]
    if isinstance(value, bool):
        return f"{' '.join(parts)} is {'yes' if value else 'no'}"
    number = isinstance(value, int | float)
    if number and len(parts) > 1 and parts[-1] in _UNITS:
        unit, parts = _UNITS[parts[-1]], parts[:-1]
    elif number and len(parts) == 1 and parts[0] in _UNITS:
        return f"{_plain(value)} {_UNITS[parts[0]]}"
    suffix = f" {_UNITS.get(unit.lower(), unit)}" if number and unit else ""
    return f"the {' '.join(parts)} is {_plain(value)}{suffix}"


def _listing(values: Sequence[Any]) -> str:
    shown = [_short(_plain(value), 80) for value in values[:_MOST_FIELDS]]
    if len(values) == 1:
        return shown[0]
    more = len(values) - len(shown)
    return f"There are {len(values)}: {in_list(shown + ([f'{more} more'] if more else []))}"


def _plain(value: Any) -> str:
    """Return a value as it is said inside a sentence."""
    shown = [_short(_plain(each), 80) for each in as_list(value)[:_MOST_FIELDS]]
    fields = as_mapping(value)
    match value:
        case None:
            return "nothing"
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case float():
            return f"{value:.6g}"
        case list():
            return in_list(shown) or "nothing"
        case dict():
            return _entry(fields)
        case _:
            return _short(str(value))


def _entry(value: Mapping[str, Any]) -> str:
    for key in ("text", "name", "title", "label", "message"):
        if isinstance(value.get(key), str):
            return _short(value[key])
    pairs = list(value.items())[:_MOST_FIELDS]
    return (
        in_list([f"{' '.join(words(k)) or k} {_short(str(v), 80)}" for k, v in pairs]) or "nothing"
    )


def _alike(one: Any, other: Any) -> bool:
    return isinstance(one, str | int | float) and str(one).lower() == str(other).lower()


def _short(text: str, longest: int = _LONGEST) -> str:
    flat = " ".join(text.split())
    if len(flat) <= longest:
        return flat
    return flat[:longest].rsplit(" ", 1)[0] + " and so on"


def _sentence(text: str) -> str:
    text = text.strip() or "Done"
    return text[0].upper() + text[1:] + ("" if text[-1] in ".!?" else ".")
