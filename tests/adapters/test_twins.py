"""The modules for asyncio and for trio read alike: what differs is the runtime and nothing else."""

from __future__ import annotations

import difflib
import inspect
import re
from types import ModuleType
from typing import Any

import pytest

import talkwire_io.asyncio
import talkwire_io.trio
import talkwire_io.trio_websockets
import talkwire_io.websockets

DRIVERS = (talkwire_io.asyncio, talkwire_io.trio)
WEBSOCKETS = (talkwire_io.websockets, talkwire_io.trio_websockets)
RUNTIME = re.compile(r"\b(asyncio|trio|loop|run|Task|TaskGroup|nursery)\b")


def public(module: ModuleType) -> dict[str, Any]:
    own = {name: value for name, value in vars(module).items() if name[0] != "_"}
    return {n: v for n, v in own.items() if getattr(v, "__module__", "") == module.__name__}


def members(cls: type) -> dict[str, Any]:
    return {name: value for name, value in vars(cls).items() if callable(value) and name[0] != "_"}


def told(value: Any) -> tuple[str, str]:
    """A signature and a docstring, without the runtime's name."""
    words = " ".join((inspect.getdoc(value) or "").split())
    return RUNTIME.sub("…", str(inspect.signature(value))), RUNTIME.sub("…", words)


@pytest.mark.parametrize("ours", [DRIVERS, WEBSOCKETS], ids=["drivers", "websockets"])
def test_twins_have_the_same_names(ours: tuple[ModuleType, ModuleType]) -> None:
    one, other = map(public, ours)
    # What is only mended in the trio half of the library.
    assert set(one) == set(other) - {"Unblocked"}
    assert {"Connection"} <= set(one) or {"WebSocketTransport", "connect"} <= set(one)


def test_the_drivers_calls_have_the_same_signatures_and_say_the_same() -> None:
    one, other = (members(module.Connection) for module in DRIVERS)
    assert list(one) == list(other)
    for name, call in one.items():
        assert told(call) == told(other[name]), name


def test_both_connects_take_the_same_and_say_the_same() -> None:
    one, other = (module.connect for module in WEBSOCKETS)
    assert told(one) == told(other)
    assert "call_id" in inspect.signature(one).parameters
    for name in ("receive", "send", "close"):
        assert told(getattr(talkwire_io.websockets.WebSocketTransport, name)) == told(
            getattr(talkwire_io.trio_websockets.WebSocketTransport, name)
        )


@pytest.mark.parametrize(
    ("ours", "lines"), [(DRIVERS, 60), (WEBSOCKETS, 60)], ids=["drivers", "websockets"]
)
def test_a_diff_of_twins_is_short(ours: tuple[ModuleType, ModuleType], lines: int) -> None:
    one, other = (inspect.getsource(module).splitlines() for module in ours)
    told = difflib.unified_diff(one, other, n=0)
    assert sum(line[0] in "+-" and line[:3] not in ("+++", "---") for line in told) <= 2 * lines
