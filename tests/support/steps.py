"""How many steps the machines made in this process, and how many were promised."""

from __future__ import annotations

import os
from collections import Counter

made: Counter[str] = Counter()
"""By machine."""
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
PROMISED = {"dev": 0, "ci": 100_000, "long": 1_000_000}[PROFILE]


def count(machine: object) -> None:
    """One more; called where invariants are looked at."""
    made[type(machine).__name__] += 1
