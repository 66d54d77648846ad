"""Any bytes at all, in any order, between any calls: `subjects.py` says what must hold."""

from __future__ import annotations

import importlib.util
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.run import LONGEST, command, environment, inputs, unpack
from fuzz.subjects import play, weight

RUNS = 20_000
HAS_A_WHEEL = sys.platform == "linux" and platform.machine() == "x86_64"


def test_every_input_of_the_corpus_still_plays() -> None:
    corpus = inputs()
    assert len(corpus) > 100
    for data in corpus:
        try:
            play(data)
        except BaseException as error:
            raise AssertionError(f"input {data.hex()}") from error


@given(st.binary(max_size=LONGEST))
def test_any_bytes_play(data: bytes) -> None:
    play(data)


def test_what_is_kept_is_weighed_whole() -> None:
    light: list[object] = []
    heavy = [{"words": ["x" * 1000]}]
    assert weight(light) < 200 < 1000 < weight(heavy) < 2000


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None and not HAS_A_WHEEL,
    reason="atheris has wheels for Linux on x86-64 only",
)
def test_a_bounded_run_of_the_fuzzer_finds_nothing(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    unpack(corpus)
    options = ["-seed=1", f"-runs={RUNS}", f"-artifact_prefix={tmp_path}/", str(corpus)]
    done = subprocess.run(
        command(*options), env=environment(), capture_output=True, text=True, timeout=300
    )
    failed = [path.read_bytes().hex() for path in tmp_path.glob("*-*") if path.is_file()]
    assert done.returncode == 0, f"input {failed}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    found = re.search(r"Done (\d+) runs", done.stderr)
    assert found and int(found[1]) >= RUNS, done.stderr[-3000:]
