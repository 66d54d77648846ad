"""Fuzzing for as long as you like: `make fuzz ARGS="--target frames --seconds 600 --keep"`.

`steps` plays `subjects.py`: any bytes between any calls. `frames` plays `frames.py`: arbitrary
bytes into `receive`. Both start from their corpus, one input a line in hex. What is found
meanwhile, each worker's log and one line a minute of progress lie in `artifacts/fuzz`. `--keep`
puts what led somewhere new into the corpus. Ends with status 1, and the input in hex, when
something was not as it should be.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from hashlib import sha1
from pathlib import Path

from attrs import frozen

from fuzz import frames

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
KEPT = 75_000
"""Bytes of a corpus that is kept: the shortest inputs, where there are more."""


@frozen
class Target:
    """One thing to fuzz."""

    script: str
    corpus: Path
    longest: int
    """Bytes of an input."""
    seeds: Callable[[], list[bytes]] = list
    words: Callable[[], list[str]] = list

    def inputs(self) -> list[bytes]:
        """What is kept, and what there is to begin with."""
        kept = [bytes.fromhex(line) for line in self.corpus.read_text().split()]
        return [*kept, *self.seeds()]

    def unpack(self, folder: Path) -> None:
        """Write the inputs as libFuzzer wants them, a file for each; and a dictionary beside."""
        folder.mkdir(parents=True, exist_ok=True)
        for data in self.inputs():
            (folder / sha1(data).hexdigest()).write_bytes(data)
        quoted = [word.replace("\\", "\\\\").replace('"', '\\"') for word in self.words()]
        if quoted:
            dictionary(folder).write_text("".join(f'"{word}"\n' for word in quoted))

    def command(self, corpus: Path, *options: str, longest: int = 0) -> list[str]:
        """What runs the target, with libFuzzer's options."""
        common = [f"-max_len={longest or self.longest}", "-timeout=20", "-rss_limit_mb=2048"]
        words = [f"-dict={dictionary(corpus)}"] if dictionary(corpus).exists() else []
        script = str(HERE / self.script)
        return [sys.executable, script, *common, *words, *options, str(corpus)]


def dictionary(corpus: Path) -> Path:
    """Where the words lie, beside a corpus."""
    return corpus.with_suffix(".dict")


TARGETS = {
    "steps": Target("fuzz_steps.py", HERE / "steps.hex", 96),  # some twenty steps
    "frames": Target("fuzz_frames.py", HERE / "frames.hex", 512, frames.seeds, frames.words),
}


def environment() -> dict[str, str]:
    """Where the target finds the code, and libFuzzer, which runs it again to merge, this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    code = f"{ROOT / 'core'}{os.pathsep}{ROOT / 'tests'}"
    return {**os.environ, "PATH": path, "PYTHONPATH": code}


def executed(log: Path) -> int:
    """How many inputs a worker has tried, by what it has written so far."""
    counts = re.findall(r"^#(\d+)", log.read_text(errors="replace"), re.M)
    return max((int(count) for count in counts), default=0)


def fuzz(target: Target, folder: Path, seconds: int, runs: int, workers: int) -> list[Path]:
    """Fuzz, and tell every minute how far it is; gives the inputs that failed.

    Every other worker tries short inputs only, many more of them in the same time.
    """
    corpus = folder / "corpus"
    target.unpack(corpus)
    logs = [folder / f"worker-{n}.log" for n in range(workers)]
    running: list[subprocess.Popen[bytes]] = []
    for n, log in enumerate(logs):
        options = [f"-seed={int(time.time()) + n}", "-reload=30", f"-runs={runs}"]
        options += [f"-max_total_time={seconds}", f"-artifact_prefix={folder}/failed-{n}-"]
        args = target.command(corpus, *options, longest=target.longest // (1 + n % 2))
        with log.open("wb") as out:
            running.append(subprocess.Popen(args, stdout=out, stderr=out, env=environment()))
    started = told = time.monotonic()
    with (folder / "progress.txt").open("a") as progress:
        while True:
            over = all(worker.poll() is not None for worker in running)
            now = time.monotonic()
            if over or now - told >= 60:
                told = now
                done = sum(map(executed, logs))
                rate = done / (now - started)
                line = f"{now - started:7.0f} s {done:12,} executions {rate:8,.0f} a second"
                print(line, file=progress, flush=True)
                print(line, flush=True)
            if over:
                return sorted(folder.glob("failed-*"))
            time.sleep(1)


def keep(target: Target, folder: Path) -> None:
    """Put the smallest inputs that lead everywhere the corpus leads into the one that is kept."""
    merged = folder / "merged"
    merged.mkdir(exist_ok=True)
    for old in merged.iterdir():
        old.unlink()
    args = target.command(folder / "corpus", "-merge=1", str(merged))
    subprocess.run(args, env=environment(), check=True, capture_output=True)
    found = {path.read_bytes() for path in merged.iterdir()} - {*target.seeds(), b""}
    lines: list[str] = []
    room = KEPT
    for data in sorted(found, key=lambda each: (len(each), each)):
        room -= len(data)
        if room >= 0:
            lines.append(f"{data.hex()}\n")
    target.corpus.write_text("".join(lines))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", choices=TARGETS, default="steps")
    parser.add_argument("--seconds", type=int, default=60, help="at most; 0: no limit")
    parser.add_argument("--runs", type=int, default=-1, help="of each worker, at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="keep what led somewhere new")
    options = parser.parse_args()
    target = TARGETS[options.target]
    folder = ROOT / "artifacts" / "fuzz" / options.target
    folder.mkdir(parents=True, exist_ok=True)
    failed = fuzz(target, folder, options.seconds, options.runs, options.workers)
    for path in failed:
        print(f"{path}: {path.read_bytes().hex()}")
    if options.keep and not failed:
        keep(target, folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
