"""A brain of rules, so that the demo's wiring can be tried without any model or key.

It knows no language: it counts the words that an utterance shares with the tools, and fills their
arguments with patterns. What it does honour exactly is the protocol around it: `tool_choice`,
parallel calls, outputs that come late or say that something failed, and never a call that has
been made already.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from talkwire_io.local.voice.arguments import Filled, choices, fill, placeholder
from talkwire_io.local.voice.history import History, read_history
from talkwire_io.local.voice.interfaces import CallTool, Reply, Say, Turn
from talkwire_io.local.voice.phrasing import output_in_words
from talkwire_io.local.voice.shapes import as_mapping
from talkwire_io.local.voice.toolbox import Tool, best_tool, read_tools
from talkwire_io.local.voice.words import in_list, numbers, words

DEMO_BRAIN_NOTICE = (
    "This is an offline demo brain that matches words to tools; it is not a language model."
)

_CLAUSE = re.compile(r"(?:[.?!;]+\s+|,?\s+(?:and\s+)?then\s+|,?\s+and\s+(?:also\s+)?|,\s+)")
_FRAGMENT_STARTS = frozenset({"in", "for", "at", "to", "the"})
_SMALL_TALK = (
    (r"can you hear me|are you there", "Yes, I can hear you."),
    (r"never ?mind|forget it|cancel that", "All right."),
    (r"who are you|what are you|are you (?:an? )?(?:real|ai|robot|human|model)", DEMO_BRAIN_NOTICE),
    (r"how are you|how's it going", "I am fine, thank you."),
    (r"thanks?|thank you", "You are welcome."),
    (r"good ?bye|bye|see you", "Goodbye!"),
    (r"hello|hi|hey|good (?:morning|afternoon|evening)", "Hello!"),
    (r"^(?:yes|no|okay|ok|sure|cancel|stop)(?: please| thanks)?$", "All right."),
)
_HELP = re.compile(r"(?i)\b(?:help|what can you do|what do you do|what are your tools)\b")


class RuleBrain:
    """Answer a turn by rules. Pure, quick (1-5 ms), and never raises because of a turn."""

    def answer(self, turn: Turn) -> Reply:
        """Say what came back from the tools, then do what the user asked for last."""
        history = read_history(turn.items)
        tools = read_tools(turn.tools)
        told = [
            Say(output_in_words(call.name, call.arguments, call.output))
            for call in history.unspoken
        ]
        if history.user_is_waiting or not history.said_anything:
            return [*told, *_act(history, tools, turn.tool_choice)]
        if told:
            return told
        if history.running:
            names = in_list([_spoken(name) for name in history.running])
            return [Say(f"I am still waiting for {names}.")]
        return [Say("Is there anything else?")]


def _act(history: History, tools: Sequence[Tool], choice: Any) -> Reply:
    text = history.user_text
    forced = _forced_name(choice)
    if forced is not None:
        named = [tool for tool in tools if tool.name == forced]
        return _must_call(named, history) or [Say(f"I have no tool named {_spoken(forced)}.")]
    if choice == "required":
        return _must_call(tools, history) or [Say(_abilities(tools))]
    if not text:
        return [Say("I did not catch that." if history.said_anything else _greeting(tools))]
    plans = _plan(text, history, tools) if choice != "none" else []
    if not plans:
        return [Say(_small_talk(text, tools, may_call=choice != "none"))]
    calls = [_call(plan) for plan in plans if not plan.missing]
    return calls or [Say(_question(plans[0]))]


def _plan(text: str, history: History, tools: Sequence[Tool]) -> list[Filled]:
    """Return the calls an utterance asks for: one a clause, or one for all of it."""
    if best_tool(tools, text) is None:
        return _answered_question(text, history, tools)
    plans = _clauses(text, tools)
    if len(plans) > 1 and not any(plan.missing for plan in plans):
        return plans
    tool = best_tool(tools, text)
    whole = fill(tool, text) if tool else None
    if whole and (not whole.missing or not plans or all(plan.missing for plan in plans)):
        return [whole]
    return plans


def _clauses(text: str, tools: Sequence[Tool]) -> list[Filled]:
    plans: list[Filled] = []
    for clause in _split(text):
        tool = best_tool(tools, clause)
        if plans and tool in (None, plans[-1].tool) and _is_fragment(clause):
            plan = _once_more(plans[-1], clause)
        elif tool is not None:
            known = {name: value for plan in plans for name, value in plan.values.items()}
            plan = fill(tool, clause).with_defaults(known)
        else:
            continue
        if plan not in plans:
            plans.append(plan)
    return plans


def _split(text: str) -> list[str]:
    """Cut at "and", commas and full stops, but not inside "an hour and 30 minutes"."""
    clauses: list[str] = []
    for clause in filter(None, _CLAUSE.split(text)):
        found = numbers(clause)
        if clauses and found and found[0].start == 0:
            clauses[-1] += f" and {clause}"
        else:
            clauses.append(clause)
    return clauses


def _is_fragment(clause: str) -> bool:
    """Tell "Paris" and "the bedroom" from a sentence of its own."""
    begins = clause.split()
    return len(begins) <= 5 and (begins[0][0].isupper() or begins[0] in _FRAGMENT_STARTS)


def _once_more(last: Filled, clause: str) -> Filled:
    """Read "... and Paris" as the last call again, with what the clause changes in it."""
    changed = fill(last.tool, clause, defaults=False).values
    return Filled(last.tool, last.values | changed, last.missing).with_defaults(changed)


def _answered_question(text: str, history: History, tools: Sequence[Tool]) -> list[Filled]:
    """Read "Rome." as the answer to our own question about the request before it."""
    tool = best_tool(tools, history.asked_about) if history.asked_about else None
    if tool is None:
        return []
    before, now = fill(tool, history.asked_about), fill(tool, text)
    found = before.with_defaults(now.values)
    return [found] if found.missing != before.missing else []


def _must_call(tools: Sequence[Tool], history: History) -> list[CallTool]:
    """Return calls for `required` and for a named tool: what nobody said gets a placeholder."""
    if not tools:
        return []
    plans = _plan(history.user_text, history, tools) or [
        fill(best_tool(tools, history.user_text) or tools[0], history.user_text)
    ]
    return [
        _call(plan.with_defaults({name: placeholder(plan.tool, name) for name in plan.missing}))
        for plan in plans
    ]


def _call(plan: Filled) -> CallTool:
    return CallTool(plan.tool.name, json.dumps(plan.values, ensure_ascii=False))


def _forced_name(choice: Any) -> str | None:
    wanted = as_mapping(choice)
    return str(wanted.get("name")) if wanted.get("type") == "function" else None


def _question(plan: Filled) -> str:
    wanted = in_list([_spoken(name) for name in plan.missing])
    listed = choices(plan.tool, plan.missing[0])
    among = f": {' or '.join(listed[:6])}" if listed else ""
    return f"For {plan.tool.spoken} I need the {wanted}{among}. Which should I take?"


def _small_talk(text: str, tools: Sequence[Tool], *, may_call: bool) -> str:
    if _HELP.search(text):
        return f"{DEMO_BRAIN_NOTICE} {_abilities(tools)}"
    heard = " ".join(words(text))
    for pattern, answer in _SMALL_TALK:
        if re.search(rf"\b(?:{pattern})(?!\w)", heard):
            return answer
    if not may_call and best_tool(tools, text):
        return "I may not use my tools right now."
    return f"I did not understand that. {_abilities(tools)}"


def _greeting(tools: Sequence[Tool]) -> str:
    return f"Hello! {_abilities(tools)}"


def _abilities(tools: Sequence[Tool]) -> str:
    if not tools:
        return "I have no tools in this session."
    return f"What I can do is: {in_list([tool.spoken for tool in tools])}."


def _spoken(name: str) -> str:
    return " ".join(words(name)) or name
