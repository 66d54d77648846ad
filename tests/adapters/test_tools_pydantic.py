"""Who has pydantic may use its types in a tool; who has not never loads it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Literal

import anyio
import attrs
import pydantic
import pydantic.dataclasses
import pytest

from support.wired import Wired
from talkwire import FunctionCall
from talkwire_io.tools import Tool, Tools, tool


class Place(pydantic.BaseModel):
    """A city."""

    city: str
    country: Literal["IT", "FR"] = "IT"

    @pydantic.field_validator("city")
    @classmethod
    def known(cls, city: str) -> str:
        if city == "Atlantis":
            raise ValueError("row 17 of the secret table")
        if city == "Utopia":
            raise LookupError("row 18 of the secret table")
        return city


class Trip(pydantic.BaseModel):
    stops: list[Place]
    back: Trip | None = None


@pydantic.dataclasses.dataclass
class Guest:
    name: str
    age: int = pydantic.Field(ge=0)


@attrs.frozen
class Room:
    number: int


Nights = Annotated[int, pydantic.Field(ge=1, description="How many nights.")]


@tool
def book(
    place: Annotated[Place, "Where to."], room: Room, nights: Nights = 1, trip: Trip | None = None
) -> dict[str, Any]:
    """Book a room.

    Args:
        trip: What else is planned.
    """
    return {"place": place, "room": room, "nights": nights, "stops": trip and trip.stops}


def answer(asked: Tool[..., Any], arguments: object) -> str:
    async def main() -> str:
        async with Tools([asked]).running(Wired()) as running:
            text = json.dumps(arguments)
            call = FunctionCall(call_id="call_1", name=asked.name, arguments=text)
            return (await running.answer(call)).output

    return anyio.run(main)


def test_models_are_described_beside_what_is_not_pydantics() -> None:
    schema = book.parameters
    properties, parts = schema["properties"], schema["$defs"]
    assert list(properties) == ["place", "room", "nights", "trip"]
    assert schema["required"] == ["place", "room"]
    assert properties["place"]["properties"]["country"]["enum"] == ["IT", "FR"]
    assert properties["place"]["description"] == "A city."  # a model's own words come first
    assert properties["room"] == {"$ref": "#/$defs/Room"}
    assert properties["nights"] == {
        "type": "integer",
        "minimum": 1,
        "description": "How many nights.",
        "default": 1,
    }
    assert properties["trip"]["anyOf"] == [{"$ref": "#/$defs/trip.Trip"}, {"type": "null"}]
    assert properties["trip"]["default"] is None
    assert properties["trip"]["description"] == "What else is planned."
    assert set(parts) == {"Room", "trip.Trip", "trip.Place"}
    assert parts["trip.Trip"]["properties"]["stops"]["items"] == {"$ref": "#/$defs/trip.Place"}


def test_models_arrive_as_models_and_are_answered_as_json() -> None:
    arguments = {
        "place": {"city": "Rome"},
        "room": {"number": 7},
        "trip": {"stops": [{"city": "Nice", "country": "FR"}], "back": {"stops": []}},
    }
    assert json.loads(answer(book, arguments)) == {
        "place": {"city": "Rome", "country": "IT"},
        "room": {"number": 7},
        "nights": 1,
        "stops": [{"city": "Nice", "country": "FR"}],
    }


def test_a_model_is_answered_as_pydantic_writes_it() -> None:
    @tool
    def find() -> Place:
        return Place(city="Paris", country="FR")

    assert answer(find, {}) == '{"city":"Paris","country":"FR"}'


ROOM = {"number": 7}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"place": {}, "room": ROOM}, "missing - at `place.city`"),
        ({"place": {"city": 1}, "room": ROOM}, "string_type - at `place.city`"),
        ({"place": {"city": "Rome"}, "room": ROOM, "nights": 0}, "greater_than_equal - at `nights"),
        ({"place": {"city": "Atlantis"}, "room": ROOM}, "value_error - at `place.city`"),
        ({"place": {"city": "Utopia"}, "room": ROOM}, "do not fit the parameters of book."),
        ({"place": {"city": "Rome"}, "room": {}}, "number"),
        ({"place": {"city": "Rome"}, "room": ROOM, "what": 1}, "what"),
        ({"room": ROOM}, "place"),
    ],
)
def test_arguments_that_no_model_takes_are_explained_and_no_validator_is_quoted(
    arguments: object, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    said = answer(book, arguments)
    assert words in said
    assert "secret" not in said
    assert "Atlantis" not in caplog.text  # nor is the model, in the log


def test_pydantics_dataclasses_and_lists_of_models_are_checked_by_pydantic() -> None:
    @tool
    def invite(guests: list[Guest]) -> int:
        return sum(guest.age for guest in guests)

    assert answer(invite, {"guests": [{"name": "Ada", "age": 36}]}) == "36"
    assert "greater_than_equal" in answer(invite, {"guests": [{"name": "Ada", "age": -1}]})


class Unknown(pydantic.BaseModel):
    later: Later  # type: ignore[name-defined]  # noqa: F821


class Opaque:
    pass


def forward(it: Unknown) -> str:
    return ""


def opaque(it: Annotated[Opaque, pydantic.Field()]) -> str:
    return ""


def as_default(it: int = pydantic.Field(default=3)) -> str:
    return ""


@pytest.mark.parametrize("function", [forward, opaque, as_default])
def test_what_pydantic_cannot_describe_is_refused_by_name(function: Callable[..., str]) -> None:
    with pytest.raises(TypeError, match=f"tool {function.__name__}: "):
        tool(function)


def test_pydantic_is_not_loaded_for_tools_without_it() -> None:
    code = (
        "import sys; from talkwire_io.tools import tool\n"
        "@tool\n"
        "def f(city: str, days: list[int] | None = None) -> object: ...\n"
        "sys.exit('pydantic' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
