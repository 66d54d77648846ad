"""The rule brain: exact about the protocol, plain about the rest, and never lost for an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkwire_io.local.voice import DEMO_BRAIN_NOTICE, CallTool, Reply, RuleBrain, Say, Turn

Json = dict[str, Any]

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
REAL: Json = {"type": "number"}


def tool(name: str, description: str, required: Json, optional: Json | None = None) -> Json:
    schema = {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
    }
    return {
        "type": "function",
        "name": name,
        "description": description,
        "parameters": schema,
    }


WEATHER = tool("get_weather", "Get the current weather", {"location": TEXT})
TIMER = tool("set_timer", "Start a countdown", {"minutes": WHOLE}, {"label": TEXT})
LIGHT = tool(
    "set_light",
    "Turn a light on or off",
    {"room": {"enum": ["kitchen", "living_room", "bedroom"]}, "on": {"type": "boolean"}},
)
IS_LIGHT_ON = tool("get_light", "Tell whether a light is on", {"room": TEXT})
MESSAGE = tool("send_message", "Send a message to somebody", {"text": TEXT, "to": TEXT})
ADD = tool("add", "Add two numbers", {"a": REAL, "b": REAL})
TRANSLATE = tool("translate", "Translate a text", {"text": TEXT, "language": TEXT})
SHOPPING = tool(
    "add_to_list", "Put items on the shopping list", {"items": {"type": "array", "items": TEXT}}
)
MUSIC = tool("playMusic", "Play some music", {"query": TEXT})
TABLE = tool("book_table", "Book a restaurant table", {"people": WHOLE, "time": TEXT})
TIME = tool("get_time", "Tell the time", {}, {"city": TEXT})
TOOLS = [WEATHER, TIMER, LIGHT, MESSAGE, ADD, TRANSLATE, SHOPPING, MUSIC, TABLE, TIME]


def user(text: str) -> Json:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


def assistant(text: str) -> Json:
    content = [{"type": "output_audio", "transcript": text}]
    return {"type": "message", "role": "assistant", "content": content}


def call(name: str, arguments: Json, call_id: str = "c1") -> Json:
    return {
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": json.dumps(arguments),
    }


def output(value: Any, call_id: str = "c1") -> Json:
    text = value if isinstance(value, str) else json.dumps(value)
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def answer(*items: Json | str, tools: list[Json] | None = None, choice: Any = "auto") -> Reply:
    shaped = [user(item) if isinstance(item, str) else item for item in items]
    return RuleBrain().answer(Turn(shaped, "", TOOLS if tools is None else tools, choice))


def calls(reply: Reply) -> list[tuple[str, Json]]:
    assert all(isinstance(action, CallTool) for action in reply), reply
    return [(a.name, json.loads(a.arguments)) for a in reply if isinstance(a, CallTool)]


def said(reply: Reply) -> str:
    assert all(isinstance(action, Say) for action in reply), reply
    return " ".join(action.text for action in reply if isinstance(action, Say))


@pytest.mark.parametrize(
    ("utterance", "name", "arguments"),
    [
        ("What is the weather in Rome?", "get_weather", {"location": "Rome"}),
        ("weather in new york tomorrow please", "get_weather", {"location": "new york"}),
        ("What\u2019s the weather at the Isle of Man?", "get_weather", {"location": "Isle of Man"}),
        ("Will it rain in São Paulo?", "get_weather", {"location": "São Paulo"}),
        ("Weather Rome", "get_weather", {"location": "Rome"}),
        ("Set a timer for ten minutes.", "set_timer", {"minutes": 10}),
        ("Set a timer for 1 hour and 30 minutes", "set_timer", {"minutes": 90}),
        ("start a countdown of twenty-five minutes", "set_timer", {"minutes": 25}),
        (
            "Set a timer for half an hour called pasta",
            "set_timer",
            {"minutes": 30, "label": "pasta"},
        ),
        ("Turn off the kitchen lights", "set_light", {"room": "kitchen", "on": False}),
        ("Turn on the light in the living room", "set_light", {"room": "living_room", "on": True}),
        (
            "Send a message to Anna saying I'm late.",
            "send_message",
            {"text": "I'm late", "to": "Anna"},
        ),
        ("What is 5 plus 3?", "add", {"a": 5, "b": 3}),
        ("add one hundred and five and minus 2.5", "add", {"a": 105, "b": -2.5}),
        (
            "Translate good morning into French",
            "translate",
            {"text": "good morning", "language": "French"},
        ),
        ("Add milk and eggs to my shopping list.", "add_to_list", {"items": ["milk", "eggs"]}),
        ("Play rock and roll", "playMusic", {"query": "rock and roll"}),
        (
            "Book a table for four people at 7:30 tomorrow",
            "book_table",
            {"people": 4, "time": "7:30 tomorrow"},
        ),
        ("What time is it?", "get_time", {}),
        ("What time is it in Tokyo?", "get_time", {"city": "Tokyo"}),
    ],
)
def test_an_utterance_picks_a_tool_and_fills_its_arguments(
    utterance: str, name: str, arguments: Json
) -> None:
    assert calls(answer(utterance)) == [(name, arguments)]


def test_a_spoken_turn_is_read_from_its_transcript() -> None:
    content = [{"type": "input_audio", "transcript": "What is the weather in Rome?"}]
    item = {"type": "message", "role": "user", "content": content}
    assert calls(answer(item)) == [("get_weather", {"location": "Rome"})]


def test_a_question_reads_and_an_order_acts_when_two_tools_share_their_words() -> None:
    both = [LIGHT, IS_LIGHT_ON]
    assert calls(answer("Is the bedroom light on?", tools=both))[0][0] == "get_light"
    assert calls(answer("Turn on the bedroom light", tools=both))[0][0] == "set_light"


def test_schemas_with_references_and_alternatives_are_read() -> None:
    parameters = {
        "type": "object",
        "properties": {
            "unit": {"$ref": "#/$defs/Unit"},
            "where": {"anyOf": [{"type": "null"}, {"type": "object", **WEATHER["parameters"]}]},
            "days": {"type": ["null", "integer"]},
        },
        "required": ["where"],
        "$defs": {"Unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
    }
    forecast = {"type": "function", "name": "weather_forecast", "parameters": parameters}
    reply = answer("Weather in Rome for three days in Celsius", tools=[forecast])
    [(_, arguments)] = calls(reply)
    assert arguments == {"unit": "celsius", "where": {"location": "Rome"}, "days": 3}


def test_a_schema_that_contains_itself_comes_to_an_end() -> None:
    parameters = {
        "type": "object",
        "properties": {"child": {"$ref": "#/$defs/Node"}},
        "required": ["child"],
        "$defs": {
            "Node": {"type": "object", "properties": {"child": {"$ref": "#/$defs/Node"}}},
            "Loop": {"$ref": "#/$defs/Loop"},
        },
    }
    tree = {"type": "function", "name": "plant_tree", "parameters": parameters}
    assert calls(answer("Plant a tree", tools=[tree])) == [("plant_tree", {"child": {}})]


@pytest.mark.parametrize(
    ("utterance", "expected"),
    [
        (
            "What's the weather in Rome and Paris?",
            [("get_weather", {"location": "Rome"}), ("get_weather", {"location": "Paris"})],
        ),
        (
            "Turn on the lights in the kitchen and the bedroom",
            [
                ("set_light", {"room": "kitchen", "on": True}),
                ("set_light", {"room": "bedroom", "on": True}),
            ],
        ),
        (
            "What's the weather in Rome and set a timer for two minutes, then play Miles Davis",
            [
                ("get_weather", {"location": "Rome"}),
                ("set_timer", {"minutes": 2}),
                ("playMusic", {"query": "Miles Davis"}),
            ],
        ),
    ],
)
def test_several_requests_become_parallel_calls(
    utterance: str, expected: list[tuple[str, Json]]
) -> None:
    assert calls(answer(utterance)) == expected


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("It is sunny in Rome", "It is sunny in Rome."),
        ('"Sunny!"', "Sunny!"),
        (21.0, "The answer is 21."),
        (True, "Yes."),
        (None, "Done: get weather."),
        ("", "Done: get weather."),
        ({"ok": True}, "Done: get weather."),
        ({"message": "It rains."}, "It rains."),
        ({"result": 3}, "The answer is 3."),
        (["sun", "rain", "snow"], "There are 3: sun, rain and snow."),
        ([{"name": "Anna"}], "Anna."),
        (
            {"location": "rome", "temperature_c": 21.0, "sky": "clear"},
            "For rome, the temperature is 21 degrees Celsius and the sky is clear.",
        ),
        (
            {"temperature": 70, "unit": "fahrenheit", "windy": False},
            "The temperature is 70 degrees Fahrenheit and windy is no.",
        ),
    ],
)
def test_an_output_is_answered_in_words(value: Any, sentence: str) -> None:
    items: list[Json | str] = [
        "Weather in Rome?",
        call("get_weather", {"location": "Rome"}),
        output(value),
    ]
    assert said(answer(*items)) == sentence


@pytest.mark.parametrize(
    "value",
    [
        {"error": "no such city"},
        {"error": {"type": "not_found", "message": "no such city"}},
        {"ok": False, "reason": "no such city"},
        {"status": "failed", "message": "no such city"},
        "Error: no such city",
        "ValueError: no such city",
    ],
)
def test_an_error_output_is_told_and_not_tried_again(value: Any) -> None:
    items: list[Json | str] = [
        "Weather in Rome?",
        call("get_weather", {"location": "Rome"}),
        output(value),
    ]
    assert said(answer(*items)) == "Sorry, get weather did not work: no such city."
    assert said(answer(*items, choice="required")), "not even when a call is required"


@pytest.mark.parametrize(
    "choice", ["auto", "none", "required", {"type": "function", "name": "get_weather"}]
)
def test_a_tool_is_never_called_again_for_an_output_that_is_there(choice: Any) -> None:
    items: list[Json | str] = ["Weather in Rome?", call("get_weather", {"location": "Rome"})]
    assert "get weather" in said(answer(*items, choice=choice)), "still waiting"
    items.append(output("Sunny."))
    assert said(answer(*items, choice=choice)) == "Sunny."
    items.append(assistant("Sunny."))
    assert said(answer(*items, choice=choice)) == "Is there anything else?"


def test_parallel_outputs_are_told_together_and_a_missing_one_is_waited_for() -> None:
    items = [
        user("Weather in Rome and Paris?"),
        call("get_weather", {"location": "Rome"}, "c1"),
        call("get_weather", {"location": "Paris"}, "c2"),
        output("Rome is sunny.", "c1"),
    ]
    assert said(answer(*items)) == "Rome is sunny."
    assert said(answer(*items, output("Paris is wet.", "c2"))) == "Rome is sunny. Paris is wet."
    waiting = said(answer(*items, assistant("Rome is sunny.")))
    assert "waiting for get weather" in waiting


def test_an_output_that_comes_after_the_next_request_loses_neither() -> None:
    items = [
        user("Weather in Rome?"),
        call("get_weather", {"location": "Rome"}),
        user("Set a timer for 5 minutes"),
        output("Rome is sunny."),
    ]
    assert list(answer(*items)) == [Say("Rome is sunny."), CallTool("set_timer", '{"minutes": 5}')]


def test_a_new_request_is_a_new_call() -> None:
    items: list[Json | str] = [
        "Weather in Rome?",
        call("get_weather", {"location": "Rome"}),
        output("Sunny."),
    ]
    reply = answer(*items, assistant("Sunny."), "And the weather in Paris?")
    assert calls(reply) == [("get_weather", {"location": "Paris"})]


def test_tool_choice_none_never_calls() -> None:
    assert "may not use my tools" in said(answer("Weather in Rome?", choice="none"))
    assert said(answer("Hello", choice="none")) == "Hello!"


def test_tool_choice_required_always_calls() -> None:
    assert calls(answer("Tell me a joke", choice="required"))
    assert calls(answer("Weather in Rome?", choice="required")) == [
        ("get_weather", {"location": "Rome"})
    ]
    assert said(answer("Tell me a joke", choice="required", tools=[]))


def test_a_named_tool_is_the_one_that_is_called() -> None:
    choice = {"type": "function", "name": "set_light"}
    [(name, arguments)] = calls(answer("Weather in Rome?", choice=choice))
    assert name == "set_light"
    assert arguments == {"room": "kitchen", "on": False}
    unknown = {"type": "function", "name": "fly_away"}
    assert "fly away" in said(answer("Weather in Rome?", choice=unknown))


def test_a_missing_argument_is_asked_for_and_the_answer_completes_the_call() -> None:
    question = said(answer("What's the weather like today?"))
    assert "location" in question
    assert question.endswith("?")
    items = [user("What's the weather like today?"), assistant(question)]
    assert calls(answer(*items, "Rome.")) == [("get_weather", {"location": "Rome"})]


def test_the_choices_are_named_when_one_has_to_be_made() -> None:
    question = said(answer("Turn on the light"))
    assert "kitchen or living_room or bedroom" in question


@pytest.mark.parametrize(
    ("utterance", "reply"),
    [
        ("Hello there", "Hello!"),
        ("Thank you very much", "You are welcome."),
        ("Can you hear me?", "Yes, I can hear you."),
        ("Goodbye", "Goodbye!"),
        ("Stop.", "All right."),
        ("Are you a robot?", DEMO_BRAIN_NOTICE),
    ],
)
def test_small_talk(utterance: str, reply: str) -> None:
    assert said(answer(utterance)) == reply


def test_what_it_does_not_understand_it_answers_with_what_it_can_do() -> None:
    reply = said(answer("Sing me the national anthem", tools=[WEATHER, TIMER]))
    assert "get weather and set timer" in reply
    assert "no tools" in said(answer("Sing me the national anthem", tools=[]))
    assert DEMO_BRAIN_NOTICE in said(answer("What can you do?"))


def test_it_greets_when_nobody_has_spoken_yet_and_says_so_when_no_words_came() -> None:
    assert said(answer(tools=[WEATHER])) == "Hello! What I can do is: get weather."
    assert said(answer("")) == "I did not catch that."


def test_the_notice_is_one_line_that_says_what_this_is() -> None:
    assert "\n" not in DEMO_BRAIN_NOTICE
    assert "offline demo brain" in DEMO_BRAIN_NOTICE
    assert "not a language model" in DEMO_BRAIN_NOTICE


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
SPEECH = st.lists(
    st.sampled_from(
        'weather in Rome set timer a the 5 7:30 " ( [ \\ and , . ? minus hundred half an hour'
        " tomorrow text Bob into French \ud800 ☃ on off light kitchen".split(" ")
    ),
    max_size=20,
).map(" ".join)
CONTENT = ANY | st.lists(
    st.fixed_dictionaries({}, optional={"text": SPEECH | ANY, "transcript": SPEECH | ANY}),
    max_size=2,
)
ITEM = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["message", "function_call", "function_call_output", "odd", None]),
        "role": st.sampled_from(["user", "assistant", "system", None]),
        "content": CONTENT,
        "call_id": st.sampled_from(["c1", "c2", None]),
        "name": st.sampled_from(["get_weather", "add"]) | st.none(),
        "arguments": ANY | ANY.map(json.dumps),
        "output": ANY | ANY.map(json.dumps) | SPEECH,
    }
)
TOOL = st.sampled_from(TOOLS) | st.fixed_dictionaries(
    {"type": st.just("function"), "name": st.text(max_size=8)},
    optional={
        "description": ANY,
        "parameters": ANY
        | st.fixed_dictionaries(
            {"properties": st.dictionaries(st.text(max_size=5), ANY, max_size=3)},
            optional={"required": ANY | st.lists(st.text(max_size=5), max_size=2)},
        ),
    },
)
CHOICE = st.sampled_from(
    ["auto", "none", "required", None, {"type": "function", "name": "add"}, {"type": "mcp"}]
)


@given(st.lists(ITEM, max_size=5), st.lists(TOOL, max_size=4), CHOICE)
def test_any_turn_has_an_answer_that_the_wire_can_carry(
    items: list[Json], tools: list[Json], choice: Any
) -> None:
    reply = RuleBrain().answer(Turn(items, "", tools, choice))
    assert reply
    for action in reply:
        if isinstance(action, Say):
            assert action.text.strip()
        else:
            assert choice != "none"
            assert action.name in [each["name"] for each in tools]
            assert isinstance(json.loads(action.arguments), dict)


def test_very_deep_or_long_outputs_are_answered_briefly() -> None:
    deep = '{"result":' * 900 + "1" + "}" * 900
    for text in (deep, "[" * 100_000, "word " * 100_000, '{"a": [' + "1," * 50_000 + "1]}"):
        reply = said(answer("Weather?", call("get_weather", {}), output(text)))
        assert 0 < len(reply) < 600


def test_a_pasted_book_does_not_keep_it_busy() -> None:
    assert answer("weather in " + "Rome and " * 100_000)
