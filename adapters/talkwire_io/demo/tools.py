"""The demo's tools: plain functions, made-up data, no network."""

import datetime
import hashlib
from typing import Annotated

import msgspec

from ..tools import Tools, tool

_SKIES = ("sunny", "cloudy", "rainy", "windy", "foggy", "clear")


@tool
def get_weather(city: Annotated[str, "The city, e.g. Rome"]) -> dict[str, object]:
    """Get the current weather in a city."""
    # The same city always has the same weather, which is all a demo can promise.
    luck = hashlib.sha256(city.strip().lower().encode()).digest()
    return {"city": city, "sky": _SKIES[luck[0] % len(_SKIES)], "celsius": 8 + luck[1] % 22}


@tool
def set_timer(
    minutes: Annotated[int, msgspec.Meta(ge=1, le=600, description="How many minutes")],
) -> str:
    """Set a timer for a number of minutes."""
    rings = datetime.datetime.now() + datetime.timedelta(minutes=minutes)
    return f"The timer for {minutes} minutes is set. It rings at {rings.strftime('%H:%M')}."


@tool
def get_time() -> str:
    """Tell the current time on the server."""
    return f"It is {datetime.datetime.now().strftime('%H:%M')}."


TOOLS = Tools([get_weather, set_timer, get_time])
EXAMPLES = ("What is the weather in Rome?", "Set a timer for ten minutes.", "What time is it?")
