"""Hypothesis profiles: `dev` is quick; `ci` is thorough and tries the same every time."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

COMMON = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("dev", COMMON, max_examples=50)
settings.register_profile("ci", COMMON, max_examples=250, stateful_step_count=60, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
