"""Hypothesis profiles: `dev` is quick; `ci` (CI=1) is thorough and tries the same every time.

`long` tries something else each time, at least a million steps of the machines, half an hour:

    HYPOTHESIS_PROFILE=long python -m pytest tests/core -k session_against -s
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from support.steps import PROFILE

collect_ignore = ["peers"]  # each in an environment of its own: make peers

COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("dev", COMMON, max_examples=50)
settings.register_profile("ci", COMMON, max_examples=320, stateful_step_count=60, derandomize=True)
settings.register_profile("long", COMMON, max_examples=3200, stateful_step_count=60)
settings.load_profile(PROFILE)
