"""Fuzzing for as long as you like: `make fuzz ARGS="--seconds 600 --workers 2 --keep"`.

Starts from `corpus.hex`, one input a line. What is found meanwhile, each worker's log and one line
a minute of progress lie in `artifacts/fuzz`. `--keep` puts what led somewhere new into
`corpus.hex`. Ends with status 1, and the input in hex, when something was not as it should be.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from hashlib import sha1
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CORPUS = HERE / "corpus.hex"
LONGEST = 96
"""Bytes of an input: some twenty steps."""


def inputs() -> list[bytes]:
    """The corpus that is kept."""
    return [bytes.fromhex(line) for line in CORPUS.read_text().split()]


def unpack(folder: Path) -> None:
    """Write the corpus as libFuzzer wants it, a file for each input."""
    folder.mkdir(parents=True, exist_ok=True)
    for data in inputs():
        (folder / sha1(data).hexdigest()).write_bytes(data)


def command(*options: str, longest: int = LONGEST) -> list[str]:
    """What runs the target, with libFuzzer's options."""
    common = [f"-max_len={longest}", "-timeout=20", "-rss_limit_mb=2048"]
    return [sys.executable, str(HERE / "target.py"), *common, *options]


def environment() -> dict[str, str]:
    """Where the target finds the code, and libFuzzer, which runs it again to merge, this Python."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    code = f"{ROOT / 'core'}{os.pathsep}{ROOT / 'tests'}"
    return {**os.environ, "PATH": path, "PYTHONPATH": code}


def executed(log: str) -> int:
    """How many inputs a worker has tried, by what it has written so far."""
    return max((int(count) for count in re.findall(r"^#(\d+)", log, re.M)), default=0)


def fuzz(folder: Path, seconds: int, workers: int) -> list[Path]:
    """Fuzz, and tell every minute how far it is; gives the inputs that failed.

    Every other worker tries short inputs only, many more of them in the same time.
    """
    corpus = folder / "corpus"
    unpack(corpus)
    logs = [folder / f"worker-{n}.log" for n in range(workers)]
    running: list[subprocess.Popen[bytes]] = []
    for n, log in enumerate(logs):
        options = [f"-seed={int(time.time()) + n}", f"-max_total_time={seconds}", "-reload=30"]
        options += [f"-artifact_prefix={folder}/failed-{n}-", str(corpus)]
        args = command(*options, longest=LONGEST // (1 + n % 2))
        with log.open("wb") as out:
            running.append(subprocess.Popen(args, stdout=out, stderr=out, env=environment()))
    started = told = time.monotonic()
    with (folder / "progress.txt").open("a") as progress:
        while True:
            over = all(worker.poll() is not None for worker in running)
            now = time.monotonic()
            if over or now - told >= 60:
                told = now
                done = sum(executed(log.read_text(errors="replace")) for log in logs)
                rate = done / (now - started)
                line = f"{now - started:7.0f} s {done:12,} executions {rate:8,.0f} a second"
                print(line, file=progress, flush=True)
                print(line, flush=True)
            if over:
                return sorted(folder.glob("failed-*"))
            time.sleep(1)


def keep(folder: Path) -> None:
    """Put the smallest inputs that lead everywhere the corpus leads into `corpus.hex`."""
    merged = folder / "merged"
    merged.mkdir(exist_ok=True)
    for old in merged.iterdir():
        old.unlink()
    args = command("-merge=1", str(merged), str(folder / "corpus"))
    subprocess.run(args, env=environment(), check=True, capture_output=True)
    kept = sorted((path.read_bytes() for path in merged.iterdir()), key=lambda d: (len(d), d))
    CORPUS.write_text("".join(f"{data.hex()}\n" for data in kept if data))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="keep what led somewhere new")
    options = parser.parse_args()
    folder = ROOT / "artifacts" / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    failed = fuzz(folder, options.seconds, options.workers)
    for path in failed:
        print(f"{path}: {path.read_bytes().hex()}")
    if options.keep and not failed:
        keep(folder)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
