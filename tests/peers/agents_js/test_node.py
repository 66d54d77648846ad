"""OpenAI's Agents SDK for JavaScript in Node, over its websocket, unmodified."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from support.command import Served

HERE = Path(__file__).parent


def test_a_typed_question_runs_a_function_and_is_answered_aloud(service: Served) -> None:
    url = f"{service.url.replace('http', 'ws')}/v1/realtime?model=gpt-realtime"
    done = subprocess.run(
        ["node", "turn.mjs", url], cwd=HERE, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    turn = json.loads(done.stdout)
    assert turn["errors"] == []
    assert turn["calls"] == ["Rome"]
    assert turn["said"][0] == "user: What is the weather in Rome?"
    assert turn["said"][-1].startswith("assistant: ") and "sunny" in turn["said"][-1]
    assert turn["soundBytes"] > 24_000  # half a second of it, in 16 bits
