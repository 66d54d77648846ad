"""How many steps the machines make, and how many were promised."""

from __future__ import annotations

import os
from collections import Counter

from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

made: Counter[str] = Counter()
"""By machine."""
PROFILE = os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
MACHINES = 9
PROMISED = {"dev": 0, "ci": 100_000, "long": 1_000_000}[PROFILE]


def count(machine: object) -> None:
    """One more; called where invariants are looked at."""
    made[type(machine).__name__] += 1


def run(machine: type[RuleBasedStateMachine]) -> None:
    """Let a machine run as often as the profile says; it keeps its share of the promise."""
    run_state_machine_as_test(machine)
    name = machine.__name__
    print(f"{name}: {made[name]} steps")
    assert made[name] >= PROMISED / MACHINES
