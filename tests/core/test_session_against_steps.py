"""How long the machines ran that the modules before this one hold."""

from __future__ import annotations

from support import steps


def test_the_machines_made_as_many_steps_as_the_profile_promises() -> None:
    print(f"{steps.made.total()} steps: {dict(steps.made)}")
    assert steps.made.total() >= steps.PROMISED, dict(steps.made)
