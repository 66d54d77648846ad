#!/usr/bin/env python3
"""The atheris target: `make fuzz ARGS="-runs=100000"`, arguments as libFuzzer takes them."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["talkwire"]):
    from fuzz.subjects import play

if __name__ == "__main__":
    atheris.Setup(sys.argv, play)
    atheris.Fuzz()
