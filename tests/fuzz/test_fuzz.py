"""Any bytes at all: into `receive` as they are, and as steps between any calls.

`frames.py` and `subjects.py` say what must hold.
"""

from __future__ import annotations

import importlib.util
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz import frames, subjects
from fuzz.run import TARGETS, environment

RUNS = {"steps": 15_000, "frames": 30_000}
PLAY: dict[str, Callable[[bytes], None]] = {"steps": subjects.play, "frames": frames.play}
HAS_A_WHEEL = sys.platform == "linux" and platform.machine() == "x86_64"
each = pytest.mark.parametrize("name", list(TARGETS))


@each
def test_every_input_of_the_corpus_still_plays(name: str) -> None:
    corpus = TARGETS[name].inputs()
    assert len(corpus) > 100
    for data in corpus:
        try:
            PLAY[name](data)
        except BaseException as error:
            raise AssertionError(f"input {data.hex()}") from error


@each
@given(data=st.binary(max_size=200))
def test_any_bytes_play(name: str, data: bytes) -> None:
    PLAY[name](data)


def test_what_is_kept_is_weighed_whole() -> None:
    light: list[object] = []
    heavy = [{"words": ["x" * 1000]}]
    assert subjects.weight(light) < 200 < 1000 < subjects.weight(heavy) < 2000


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None and not HAS_A_WHEEL,
    reason="atheris has wheels for Linux on x86-64 only",
)
@each
def test_a_bounded_run_of_the_fuzzer_finds_nothing(name: str, tmp_path: Path) -> None:
    target, corpus = TARGETS[name], tmp_path / "corpus"
    target.unpack(corpus)
    options = ["-seed=1", f"-runs={RUNS[name]}", f"-artifact_prefix={tmp_path}/failed-"]
    done = subprocess.run(
        target.command(corpus, *options),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    failed = [path.read_bytes().hex() for path in tmp_path.glob("failed-*")]
    assert done.returncode == 0, f"input {failed}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    found = re.search(r"Done (\d+) runs", done.stderr)
    assert found and int(found[1]) >= RUNS[name], done.stderr[-3000:]
