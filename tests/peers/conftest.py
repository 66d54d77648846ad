"""What every peer is held against: the local service, whole, in a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.command import PYTHON, Served, serve

QUESTION = "What is the weather in Rome?"
TESTS = Path(__file__).parents[1]
SPEAK = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from support.speech import write_wav
write_wav(sys.argv[1], [({QUESTION!r}, 2.0)], 30.0, int(sys.argv[2]))
"""


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The local service, with its voice and its brain of rules."""
    with serve(tmp_path_factory.mktemp("service") / "log", command="serve") as served:
        yield served


def _spoken(path: Path, rate: int) -> Path:
    subprocess.run([PYTHON, "-c", SPEAK, path, str(rate)], check=True, timeout=60)
    return path


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WAV for a browser's microphone: two seconds of silence, the question, silence."""
    return _spoken(tmp_path_factory.mktemp("speech") / "48k.wav", 48_000)


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same at 24 kHz, as a websocket carries it."""
    return _spoken(tmp_path_factory.mktemp("speech") / "24k.wav", 24_000)
