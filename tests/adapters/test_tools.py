"""A call always gets an answer, whatever the model sent and whatever the tool did."""

from __future__ import annotations

import asyncio
import enum
import functools
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple

import anyio
import attrs
import msgspec
import pytest
import trio

from support.wired import Wired
from talkwire import FunctionCall
from talkwire_io.tools import Tool, Tools, tool

Answer = Callable[[Tools, str, str], str]


@pytest.fixture(params=["asyncio", "trio"])
def answer(request: pytest.FixtureRequest) -> Answer:
    """`Running.answer`, run to its end on each of the runtimes."""

    def answer(tools: Tools, name: str, arguments: str) -> str:
        async def main() -> str:
            with anyio.fail_after(20):
                async with tools.running(Wired()) as running:
                    call = FunctionCall(call_id="call_1", name=name, arguments=arguments)
                    return (await running.answer(call)).output

        return anyio.run(main, backend=request.param)

    return answer


def error_in(text: str) -> str:
    said = json.loads(text)
    assert list(said) == ["error"]
    words = said["error"]
    assert isinstance(words, str)
    return words


@attrs.frozen
class Place:
    city: str
    country: str = "IT"


class Unit(enum.Enum):
    C = "celsius"
    F = "fahrenheit"


class Level(str, enum.Enum):  # noqa: UP042 - the kind whose str() names the member
    HIGH = "high"


@tool
def get_weather(city: Annotated[str, "City name"]) -> str:
    """Look up
    the weather.

    More that only a reader needs.
    """
    return f"18 degrees in {city}"


@tool
def book(
    place: Place,
    nights: Annotated[int, msgspec.Meta(ge=1, description="How many nights")] = 1,
    unit: Unit | None = None,
    *,
    extras: list[Literal["breakfast", "parking"]] = ["breakfast"],  # noqa: B006 - must be legal
) -> dict[str, Any]:
    """Book a room.

    Args:
        place: Where, and
            in which country.
        unit (Unit, optional): The thermostat's.

        extras: What else.
        nights: Not this, as Meta has said it.

    Returns:
        place: not this one.
    """
    return {"city": place.city, "nights": nights, "unit": unit, "extras": extras}


# What the model sees


def test_a_tool_is_its_function_with_a_wire_definition() -> None:
    assert get_weather("Rome") == "18 degrees in Rome"
    assert get_weather.definition == {
        "type": "function",
        "name": "get_weather",
        "description": "Look up the weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "City name"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    }
    assert get_weather.timeout_s == 20


def test_the_schema_holds_nested_types_limits_defaults_and_documented_arguments() -> None:
    schema = book.definition["parameters"]
    properties = schema["properties"]
    assert schema["required"] == ["place"]
    assert schema["additionalProperties"] is False
    assert properties["place"] == {
        "$ref": "#/$defs/Place",
        "description": "Where, and in which country.",
    }
    assert properties["nights"] == {
        "type": "integer",
        "minimum": 1,
        "default": 1,
        "description": "How many nights",
    }
    assert properties["unit"]["description"] == "The thermostat's."
    assert properties["unit"]["default"] is None
    assert properties["extras"]["default"] == ["breakfast"]
    assert properties["extras"]["description"] == "What else."
    assert set(schema["$defs"]) == {"Place", "Unit"}
    assert book.description == "Book a room."


def google(city: str, nights: int = 1) -> None:
    """Book
    a room.

    Longer words.

    Args:
        city (str): Where:
            the city.
        nights: How many.

    Returns:
        nights: Not this one.
    """


def numpy(city: str, nights: int = 1) -> None:
    """Book
    a room.

    Longer words.

    Parameters
    ----------
    city : str
        Where:
        the city.
    nights : int, optional

        How many.

    Returns
    -------
    nights : int
        Not this one.
    """


def sphinx(city: str, nights: int = 1) -> None:
    """Book
    a room.
    :param str city: Where:
        the city.
    :type nights: int
    :param nights: How many.
    :returns nights: Not this one.
    """


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_the_usual_docstrings_describe_a_tool_and_its_parameters(
    function: Callable[[str], None],
) -> None:
    definition = tool(function).definition
    assert definition["description"] == "Book a room."
    properties = definition["parameters"]["properties"]
    assert properties["city"] == {"type": "string", "description": "Where: the city."}
    assert properties["nights"]["description"] == "How many."


def test_definitions_are_the_same_in_every_process() -> None:
    code = (
        "import enum, typing; from talkwire_io.tools import Tools, tool\n"
        "class Unit(enum.Enum):\n    C = 'c'\n    F = 'f'\n    K = 'k'\n"
        "def f(a: Unit, b: typing.Literal['x', 'y', 'z'], c: set[str] = {'q', 'r'}): ...\n"
        "print(Tools([tool(f)]).definitions)"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(said) == 1


def test_a_definition_is_a_copy() -> None:
    get_weather.definition["parameters"]["properties"].clear()
    assert get_weather.definition["parameters"]["properties"]


def test_a_tool_without_parameters_or_docstring_has_a_closed_empty_schema() -> None:
    @tool
    def ping() -> str:
        return "pong"

    assert ping.description == ""
    assert ping.parameters == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


def test_name_description_and_timeout_can_be_given() -> None:
    @tool(name="look-up_1", description="Look it up.", timeout_s=0.5)
    def find(text: str) -> str:
        """Not this."""
        return text

    assert (find.name, find.description, find.timeout_s) == ("look-up_1", "Look it up.", 0.5)
    assert find("x") == "x"


def test_a_default_that_json_cannot_say_is_left_out_of_the_schema(answer: Answer) -> None:
    marker = object()

    @tool
    def same(value: str = marker) -> bool:  # type: ignore[assignment]
        return value is marker

    assert same.parameters["properties"]["value"] == {"type": "string"}
    assert answer(Tools([same]), "same", "{}") == "true"


def test_a_tool_may_share_its_name_with_the_type_it_takes(answer: Answer) -> None:
    @tool(name="Place")
    def show(place: Place) -> str:
        return place.country

    assert answer(Tools([show]), "Place", '{"place":{"city":"Rome"}}') == "IT"
    assert list(show.parameters["properties"]) == ["place"]
    assert len(show.parameters["$defs"]) == 1


@pytest.mark.parametrize("name", ["", "two words", "a" * 65, "naïve", "line\n"])
def test_a_name_the_service_would_refuse_is_refused_here(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        tool(name=name)(lambda: "")
    assert tool(name="a" * 64)(lambda: "").name == "a" * 64


def test_a_description_is_at_most_1024_characters() -> None:
    assert tool(name="f", description="é" * 1024)(lambda: "").description
    with pytest.raises(ValueError, match="1024"):
        tool(name="f", description="é" * 1025)(lambda: "")


@pytest.mark.parametrize("limit", ["timeout_s", "max_result_bytes", "max_calls_per_minute"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_a_limit_is_above_zero(limit: str, value: float) -> None:
    options: Any = {limit: value}
    with pytest.raises(ValueError, match=f"tool f: {limit} is above 0, not {value}"):
        tool(name="f", **options)(lambda: "")


def test_a_tool_trusts_the_service_or_who_relays_it_and_nobody_else() -> None:
    with pytest.raises(ValueError, match="'page'"):
        tool(name="f", trust="page")(lambda: "")  # type: ignore[call-overload]


def untyped(city) -> str:  # type: ignore[no-untyped-def]  # pyright: ignore
    return ""


def any_number(*cities: str) -> str:
    return ""


def by_place(city: str, /) -> str:
    return city


def misspelt(city: Sting) -> str:  # type: ignore[name-defined]  # noqa: F821
    return ""


def unknown_type(lock: threading.Thread) -> str:
    return ""


@pytest.mark.parametrize("function", [untyped, any_number, by_place, misspelt, unknown_type])  # pyright: ignore
def test_a_signature_no_schema_can_describe_is_refused_by_name(
    function: Callable[..., str],
) -> None:
    with pytest.raises(TypeError, match=f"tool {function.__name__}: "):
        tool(function)


def test_tools_lists_its_definitions_in_order() -> None:
    tools = Tools([get_weather, book])
    assert tools.definitions == [get_weather.definition, book.definition]
    assert Tools().definitions == []


def test_two_tools_of_one_name_and_bare_functions_are_refused() -> None:
    with pytest.raises(ValueError, match="get_weather"):
        Tools([get_weather, get_weather])
    with pytest.raises(TypeError, match="@tool"):
        Tools([len])  # type: ignore[list-item]


# Calls that succeed


def test_a_str_is_passed_as_it_is(answer: Answer) -> None:
    assert answer(Tools([get_weather]), "get_weather", '{"city":"Rome"}') == "18 degrees in Rome"


def test_arguments_arrive_as_the_types_the_signature_names(answer: Answer) -> None:
    tools = Tools([book])
    said = answer(tools, "book", '{"place":{"city":"Rome"},"unit":"celsius","nights":2}')
    assert json.loads(said) == {
        "city": "Rome",
        "nights": 2,
        "unit": "celsius",
        "extras": ["breakfast"],
    }


@dataclass
class Data:
    a: int


class Struct(msgspec.Struct):
    a: int


class Pair(NamedTuple):
    a: int
    b: int


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (None, "null"),
        ({"a": [1, 2.5, True]}, '{"a":[1,2.5,true]}'),
        (Data(1), '{"a":1}'),
        (Struct(1), '{"a":1}'),
        (Place("Rome"), '{"city":"Rome","country":"IT"}'),
        (Pair(1, 2), "[1,2]"),
        (date(2026, 9, 1), '"2026-09-01"'),
        (Unit.C, '"celsius"'),
        (Level.HIGH, "high"),
        ("è ☂", "è ☂"),
    ],
)
def test_anything_else_is_answered_as_json(answer: Answer, result: object, text: str) -> None:
    @tool
    def give() -> object:
        return result

    assert answer(Tools([give]), "give", "{}") == text


@pytest.mark.parametrize("arguments", ["", "  ", "{}"])
def test_a_tool_without_parameters_takes_empty_arguments(answer: Answer, arguments: str) -> None:
    @tool
    def ping() -> str:
        return "pong"

    assert answer(Tools([ping]), "ping", arguments) == "pong"


def test_an_async_function_is_awaited_and_a_plain_one_leaves_the_loop_free(answer: Answer) -> None:
    @tool
    async def here() -> bool:
        return threading.current_thread() is threading.main_thread()

    @tool
    def elsewhere() -> bool:
        return threading.current_thread() is threading.main_thread()

    class Later:
        async def __call__(self) -> bool:
            return threading.current_thread() is threading.main_thread()

    later = tool(name="later")(Later())
    partial = tool(name="partial")(functools.partial(here.function))
    wrapped = tool(name="wrapped")(lambda: here.function())
    tools = Tools([here, elsewhere, later, partial, wrapped])
    assert answer(tools, "here", "{}") == "true"
    assert answer(tools, "elsewhere", "{}") == "false"
    assert answer(tools, "later", "{}") == "true"
    assert answer(tools, "partial", "{}") == "true"
    assert answer(tools, "wrapped", "{}") == "true"


# Calls that do not


def test_an_unknown_tool_is_answered(answer: Answer) -> None:
    words = error_in(answer(Tools([get_weather]), "get_wether", "{}"))
    assert "get_wether" in words
    assert len(error_in(answer(Tools(), "x" * 100_000, "{}"))) < 200
    assert error_in(answer(Tools(), "\ud800", "{}"))


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ("", "city"),
        ("{}", "city"),
        ('{"city":1}', "str"),
        ('{"city":null}', "str"),
        ('{"city":"Rome","when":"now"}', "when"),
        ('{"City":"Rome"}', "City"),
        ("[]", "object"),
        ('"Rome"', "object"),
        ("null", "object"),
    ],
)
def test_arguments_off_the_schema_are_explained(answer: Answer, arguments: str, hint: str) -> None:
    assert hint in error_in(answer(Tools([get_weather]), "get_weather", arguments))


@pytest.mark.parametrize(
    "arguments",
    [
        "city=Rome",
        '{"city":"Rome"',
        '{"city":"Rome"} {}',
        "{'city':'Rome'}",
        '{"city":"\ud800"}',
        '{"city":"\\ud800"}',
        '{"city":' + "[" * 100_000,
        "[" * 100_000,
    ],
    ids=range(8),
)
def test_arguments_that_are_not_json_are_answered(answer: Answer, arguments: str) -> None:
    assert error_in(answer(Tools([get_weather]), "get_weather", arguments))


def test_a_long_value_is_not_repeated_at_length(answer: Answer) -> None:
    arguments = json.dumps({"place": {"city": "Rome"}, "unit": "x" * 100_000})
    assert len(error_in(answer(Tools([book]), "book", arguments))) < 500


def test_a_value_refused_by_its_own_class_is_not_quoted(answer: Answer) -> None:
    class Even(msgspec.Struct):
        number: int

        def __post_init__(self) -> None:
            if self.number == 1:
                raise ValueError("row 17 of the secret table")
            if self.number == 3:
                raise LookupError("row 18 of the secret table")

    def double(even: Even) -> int:
        return even.number

    double.__annotations__["even"] = Even  # a local class is out of a string hint's reach
    tools = Tools([tool(double)])
    assert answer(tools, "double", '{"even":{"number":2}}') == "2"
    assert "secret" not in error_in(answer(tools, "double", '{"even":{"number":1}}'))
    assert "secret" not in error_in(answer(tools, "double", '{"even":{"number":3}}'))


def a_group() -> str:
    raise ExceptionGroup("secret", [ValueError("secret")])


def an_exit() -> str:
    sys.exit("secret")


def a_stop() -> str:
    raise StopIteration("secret")


def a_timeout() -> str:
    raise TimeoutError("secret")


def a_key() -> str:
    raise KeyError("secret")


async def an_async_exit() -> str:
    sys.exit("secret")


async def an_async_timeout() -> str:
    raise TimeoutError("secret")


@pytest.mark.parametrize(
    "function",
    [a_group, an_exit, a_stop, a_timeout, a_key, an_async_exit, an_async_timeout],
)
def test_a_tool_that_raises_is_answered_and_the_traceback_is_logged(
    answer: Answer, function: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    text = answer(Tools([tool(function)]), function.__name__, "{}")
    assert error_in(text) == f"The tool {function.__name__} failed."
    assert "secret" in caplog.text
    assert "Traceback" in caplog.text


def test_the_log_does_not_repeat_what_the_model_sent(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    arguments = '{"place":{"city":"Rome"},"unit":"my mother is ill"}'
    assert "my mother" in error_in(answer(Tools([book]), "book", arguments))
    assert "book" in caplog.text
    assert "my mother" not in caplog.text


def test_an_async_tool_that_never_returns_is_cancelled_and_answered(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []

    @tool(timeout_s=0.05)
    async def wait() -> str:
        try:
            await never()
        finally:
            ended.append("cancelled")
        return "never"

    assert "0.05 seconds" in error_in(answer(Tools([wait]), "wait", "{}"))
    assert ended == ["cancelled"]
    assert "wait" in caplog.text


async def never() -> None:
    """Wait for ever on whichever runtime is running."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        await trio.sleep_forever()
    await asyncio.Event().wait()


def test_a_plain_tool_that_never_returns_is_left_behind_and_answered(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    release, returned = threading.Event(), threading.Event()

    @tool(timeout_s=0.05)
    def block() -> str:
        release.wait(20)
        returned.set()
        return "too late"

    tools = Tools([block, get_weather])
    try:
        started = time.monotonic()
        assert "0.05 seconds" in error_in(answer(tools, "block", "{}"))
        assert time.monotonic() - started < 5
        assert not returned.is_set()
        assert answer(tools, "get_weather", '{"city":"Rome"}') == "18 degrees in Rome"
    finally:
        release.set()
    assert returned.wait(20)
    assert "block" in caplog.text


def looped() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


@pytest.mark.parametrize(
    "result",
    [object(), {"a": object()}, {(1, 2): 3}, lambda: 1, looped(), "\ud800", ["\ud800"]],
    ids=range(7),
)
def test_a_result_that_cannot_be_sent_is_answered(answer: Answer, result: object) -> None:
    @tool
    def give() -> object:
        return result

    assert error_in(answer(Tools([give]), "give", "{}")) == (
        "The tool give returned what cannot be sent."
    )


def test_a_result_is_at_most_32_kib_of_utf8(answer: Answer) -> None:
    @tool
    def give(count: int) -> str:
        return "é" * count

    tools = Tools([give])
    assert answer(tools, "give", '{"count":16384}') == "é" * 16384
    words = error_in(answer(tools, "give", '{"count":16385}'))
    assert "32770" in words
    assert "32768" in words
    assert "at most 10)" in error_in(
        answer(Tools([tool(max_result_bytes=10)(give.function)]), "give", '{"count":6}')
    )


def test_a_tool_keeps_its_types() -> None:
    shout: Tool[[str], str] = tool(_shout)
    assert shout("hi") == "HI"


def _shout(text: str) -> str:
    return text.upper()
