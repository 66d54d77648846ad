"""Fill a tool's arguments from an utterance, guided by nothing but the tool's JSON schema.

What a schema says exactly goes first (enums, numbers, booleans); each takes its words out of the
utterance, so that a free string is not filled with what already was something else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from talkwire_io.local.voice.phrases import ANYTHING, Utterance, cued_text, kind_of, left_text
from talkwire_io.local.voice.shapes import as_list, as_mapping
from talkwire_io.local.voice.toolbox import Tool
from talkwire_io.local.voice.words import keywords, numbers, same, stem, words

Schema = Mapping[str, Any]

_SECONDS = {"second": 1, "sec": 1, "minute": 60, "min": 60, "hour": 3600, "day": 86400}
_NO = frozenset("off disable disabled deactivate stop without not don't no never false".split())
_YES = frozenset("on enable enabled activate start with yes true always".split())
_SWITCH = frozenset("on off enabled enable active power state status".split())
_BRANCHES = ("anyOf", "oneOf", "allOf")
_NUMERIC = ("integer", "number")
_DEEPEST = 3  # objects inside objects; a schema may also refer to itself


@attrs.frozen
class Filled:
    """A tool with what could be found for it, and the required names that could not."""

    tool: Tool
    values: dict[str, Any]
    missing: tuple[str, ...] = ()

    def with_defaults(self, others: Mapping[str, Any]) -> Filled:
        """Take what is missing from `others`, where it is there."""
        found = {name: others[name] for name in self.missing if name in others}
        missing = tuple(name for name in self.missing if name not in found)
        return Filled(self.tool, self.values | found, missing)


def fill(tool: Tool, text: str, *, defaults: bool = True) -> Filled:
    """Return the arguments found in the utterance. Optional ones are left out unless spoken of.

    Without `defaults`, so are the required ones that could be had without any words.
    """
    utterance = Utterance(text, keywords(tool.name) | frozenset(tool.weights))
    values = _Reader(tool.parameters, utterance, defaults).object(tool.parameters, 0)
    return Filled(tool, values, tuple(n for n in _required(tool.parameters) if n not in values))


def choices(tool: Tool, name: str) -> list[str]:
    """Return what an argument may be, as its schema lists it; empty when anything goes."""
    schema = plain(as_mapping(tool.parameters.get("properties")).get(name), tool.parameters)
    return [str(value) for value in _listed(schema)]


def placeholder(tool: Tool, name: str) -> Any:
    """Return something that fits the schema of an argument nobody spoke of."""
    schema = plain(as_mapping(tool.parameters.get("properties")).get(name), tool.parameters)
    if listed := _listed(schema):
        return listed[0]
    blanks: dict[str, Any] = {
        "integer": 0,
        "number": 0,
        "boolean": False,
        "array": [],
        "object": {},
    }
    return blanks.get(_type(schema), "")


def plain(schema: Any, root: Schema) -> Schema:
    """Follow references and take the first alternative that is not null."""
    found: Schema = as_mapping(schema)
    for _ in range(8):  # a reference may point at itself
        branches = [as_mapping(each) for key in _BRANCHES for each in as_list(found.get(key))]
        if "$ref" in found:
            section, _, name = str(found["$ref"]).removeprefix("#/").partition("/")
            found = as_mapping(as_mapping(root.get(section)).get(name))
        elif branches:
            found = next((each for each in branches if each.get("type") != "null"), branches[0])
        else:
            break
    return found


def _listed(schema: Schema) -> list[Any]:
    if "const" in schema:
        return [schema["const"]]
    return [value for value in as_list(schema.get("enum")) if value is not None]


def _type(schema: Schema) -> str:
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    return str(next((each for each in as_list(kind) if each != "null"), kind))


def _required(schema: Schema) -> list[str]:
    properties = as_mapping(schema.get("properties"))
    names = [name for name in as_list(schema.get("required")) if isinstance(name, str)]
    return [name for name in names if name in properties]


class _Reader:
    """Read one object after another out of the same utterance."""

    def __init__(self, root: Schema, utterance: Utterance, defaults: bool) -> None:
        self._root = root
        self._defaults = defaults
        self._utterance = utterance

    def object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = {
            name: plain(each, self._root)
            for name, each in as_mapping(schema.get("properties")).items()
        }
        required = _required(schema)
        numeric = [name for name, each in properties.items() if _type(each) in _NUMERIC]
        sure = {*required, *(numeric if len(numeric) == 1 else ())}
        found: dict[str, Any] = {}
        for name in sorted(properties, key=lambda n: (_rank(n, properties[n]), n not in required)):
            value = self._spoken(name, properties[name], name in sure, depth)
            if value is None and name in required:
                value = self._unspoken(name, properties[name])
            if value is not None:
                found[name] = value
        return {name: found[name] for name in properties if name in found}

    def _spoken(self, name: str, schema: Schema, sure: bool, depth: int) -> Any:
        """What the utterance says of an argument, None when it says nothing."""
        if listed := _listed(schema):
            return self._choice(listed)
        match _type(schema):
            case "integer" | "number" as kind:
                return self._number(name, schema, whole=kind == "integer", sure=sure)
            case "boolean":
                return self._boolean(name)
            case "object" if depth < _DEEPEST:
                return self.object(schema, depth + 1) or None
            case "string":
                return cued_text(kind_of(name, schema), self._utterance)
            case _:
                return None

    def _unspoken(self, name: str, schema: Schema) -> Any:
        """What a required argument is without a cue: the words that are left, or a default."""
        if not _listed(schema) and "default" not in schema:
            match _type(schema):
                case "string":
                    return left_text(kind_of(name, schema), self._utterance)
                case "array":
                    return self._array(plain(schema.get("items"), self._root))
                case "boolean" if self._defaults:
                    return not _YES.isdisjoint(words(self._utterance.whole))
                case "object" if self._defaults:
                    return {}
                case _:
                    return None
        return schema.get("default") if self._defaults else None

    def _array(self, items: Schema) -> list[Any] | None:
        if _type(items) in _NUMERIC:
            found = numbers(self._utterance.text)
            return [_exact(n.value, whole=_type(items) == "integer") for n in found] or None
        left = left_text(ANYTHING, self._utterance) or ""
        return [part for part in re.split(r",\s*(?:and\s+)?|\s+and\s+", left) if part] or None

    def _choice(self, listed: list[Any]) -> Any:
        for value in sorted(listed, key=lambda each: -len(str(each))):
            spelled = r"[\s_-]+".join(map(re.escape, words(str(value)))) or re.escape(str(value))
            if self._utterance.take(rf"(?i)(?<!\w)({spelled})(?:s|'s)?(?!\w)"):
                return value
        return None

    def _boolean(self, name: str) -> bool | None:
        heard = words(self._utterance.whole)
        about = any(same(stem(word), part) for word in heard for part in keywords(name))
        switched = not (_SWITCH.isdisjoint(words(name)) or (_NO | _YES).isdisjoint(heard))
        return _NO.isdisjoint(heard) if about or switched else None

    def _number(self, name: str, schema: Schema, *, whole: bool, sure: bool) -> float | None:
        about = words(f"{name} {schema.get('description', '')}")
        wanted = next((_SECONDS[s] for s in map(stem, about) if s in _SECONDS), None)
        found = numbers(self._utterance.text)
        times = [number for number in found if stem(number.unit) in _SECONDS]
        if wanted and times:
            self._utterance.blank(*times)
            total = sum(number.value * _SECONDS[stem(number.unit)] for number in times)
            return _exact(total / wanted, whole=whole)
        named = [n for n in found if any(same(stem(n.unit), key) for key in keywords(name))]
        chosen = named or (found if sure else [])
        self._utterance.blank(*chosen[:1])
        return _exact(chosen[0].value, whole=whole) if chosen else None


def _rank(name: str, schema: Schema) -> int:
    """Exact things first, then what a cue points at; what may be anything takes what is left."""
    if _listed(schema):
        return 0
    if _type(schema) == "string":
        return 3 if kind_of(name, schema).free else 2
    return 3 if _type(schema) == "array" else 1


def _exact(value: float, *, whole: bool) -> float:
    return round(value) if whole or value.is_integer() else round(value, 6)
