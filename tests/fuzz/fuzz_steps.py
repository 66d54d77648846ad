#!/usr/bin/env python3
"""The atheris target of `subjects.py`; `run.py` runs it. Arguments are libFuzzer's."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["talkwire"]):
    from fuzz.subjects import play

if __name__ == "__main__":
    atheris.Setup(sys.argv, play)
    atheris.Fuzz()
