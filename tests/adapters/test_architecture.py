"""ARCHITECTURE's list of files, against the files."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIST = re.search(r"```\n(.*?)```", (ROOT / "ARCHITECTURE.md").read_text(), re.S)


def named() -> list[str]:
    assert LIST
    return re.findall(r"[\w*]+\.py\b", LIST[1])


@pytest.mark.parametrize(
    "folder", ["core/talkwire", "core/talkwire/realtime", "adapters/talkwire_io"]
)
def test_every_module_has_its_place_in_the_list(folder: str) -> None:
    there = [each.name for each in (ROOT / folder).glob("*.py") if each.name != "__init__.py"]
    assert there
    assert [each for each in there if not any(fnmatch(each, name) for name in named())] == []


def test_what_the_list_names_is_there() -> None:
    there = [each.name for top in ("core", "adapters") for each in (ROOT / top).rglob("*.py")]
    assert [name for name in named() if not any(fnmatch(each, name) for each in there)] == []
