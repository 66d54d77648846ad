"""Which tool an utterance is about: the words it shares with a tool's name, text and schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from talkwire_io.local.voice.shapes import as_list, as_mapping
from talkwire_io.local.voice.words import keywords, same, stem, words

_NAME, _CHOICE, _TEXT = 3.0, 2.0, 1.0
# One word that is in one tool's description alone is reason enough; anything less is a guess.
_ENOUGH = 1.0
_OPENING = 1.0
# "Is the light on?" and "Turn the light on" share their words with both get_light and set_light,
# and only set_light lists the rooms: being asked has to weigh more than a choice that was named.
_FITTING, _TIE = 2.5, 0.1
_ASKING = frozenset("what whats what's which who how is are does do did when where any".split())
_READING = frozenset("get read query list check find look lookup search show is has fetch".split())


@attrs.frozen(eq=False)
class Tool:
    """A wire tool, with its words counted."""

    name: str
    parameters: Mapping[str, Any]
    weights: Mapping[str, float]

    @property
    def spoken(self) -> str:
        """Its name as one says it: "set timer"."""
        return " ".join(words(self.name)) or self.name

    @property
    def reads(self) -> bool:
        """Whether its name says that it looks something up rather than doing something."""
        return not _READING.isdisjoint(words(self.name)[:1])


def read_tools(tools: Sequence[Mapping[str, Any]]) -> list[Tool]:
    """Return the functions among wire tools; whatever else is offered there is passed over."""
    return [
        _tool(tool)
        for tool in tools
        if tool.get("type", "function") == "function" and isinstance(tool.get("name"), str)
    ]


def best_tool(tools: Sequence[Tool], utterance: str) -> Tool | None:
    """Return the tool the utterance is about, None when it is about none of them."""
    heard = keywords(utterance)
    first = words(utterance)[:1]
    opening = frozenset(map(stem, first)) & heard
    asking = not _ASKING.isdisjoint(first)
    best, most = None, 0.0
    for tool in tools:
        score = _score(tool, heard, tools)
        # "Text Bob that ...": an order begins with what is to be done.
        score += _OPENING * any(_weight(tool, word) for word in opening)
        if score < _ENOUGH:
            continue
        score += _FITTING if asking and tool.reads else _TIE * (asking == tool.reads)
        if score > most:
            best, most = tool, score
    return best


def _score(tool: Tool, heard: frozenset[str], tools: Sequence[Tool]) -> float:
    return sum(_weight(tool, word) / _sharers(tools, word) for word in heard if _weight(tool, word))


def _weight(tool: Tool, word: str) -> float:
    return max((w for known, w in tool.weights.items() if same(known, word)), default=0.0)


def _sharers(tools: Sequence[Tool], word: str) -> int:
    return sum(1 for tool in tools if _weight(tool, word))


def _tool(tool: Mapping[str, Any]) -> Tool:
    parameters = as_mapping(tool.get("parameters"))
    weights = dict.fromkeys(keywords(str(tool.get("description") or "")), _TEXT)
    for name, schema in as_mapping(parameters.get("properties")).items():
        weights |= dict.fromkeys(keywords(name), _TEXT)
        choices = as_list(as_mapping(schema).get("enum"))
        weights |= dict.fromkeys(keywords(" ".join(map(str, choices))), _CHOICE)
    weights |= dict.fromkeys(keywords(tool["name"]), _NAME)
    return Tool(name=tool["name"], parameters=parameters, weights=weights)
