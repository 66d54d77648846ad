"""Where the recorded sessions lie: beside the project. They are not ours to ship."""

from pathlib import Path

RECORDINGS = Path(__file__).resolve().parents[2].parent / "shared" / "recordings"
