"""The examples in README and docs, as they stand there."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def block(page: str, language: str) -> str:
    """The first block of code in this language on a page (a path from the project's root)."""
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.S)
    assert found, f"{page} has no {language}"
    return found[1]


def run_example(folder: Path, code: str, name: str = "__main__") -> dict[str, Any]:
    """Run it as a module of its own; what it defined."""
    module = folder / "example.py"
    module.write_text(code)
    return runpy.run_path(str(module), run_name=name)
