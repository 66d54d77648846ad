"""The voice, the brain and the threads they work in, shared by all calls of a service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from talkwire_io.local.voice import Brain, MissingVoice, Voice

T = TypeVar("T")

# A step that takes longer (seconds) will not end: transcribing two minutes takes about five.
STEP_S = 30.0
_EARS = 2
_MINDS = 4


class Engine:
    """Run the blocking steps off the event loop. A thread that hangs is lost until it returns."""

    def __init__(
        self, voice: Voice | MissingVoice, brain: Brain, *, step_s: float = STEP_S
    ) -> None:
        self.voice = voice
        self.brain = brain
        self._step_s = step_s
        # Apart: speech is noticed at once even while other callers are being understood. And apart
        # from the loop's own pool, in which aiortc encodes every call's audio.
        self._ears = ThreadPoolExecutor(_EARS, "talkwire-ears")
        self._minds = ThreadPoolExecutor(_MINDS, "talkwire-minds")

    async def listen(self, step: Callable[[], T]) -> T:
        """Run a short step of hearing."""
        return await asyncio.get_running_loop().run_in_executor(self._ears, step)

    async def work(self, step: Callable[[], T]) -> T:
        """Run a step of understanding, thinking or speaking; TimeoutError after `step_s`."""
        async with asyncio.timeout(self._step_s):
            return await asyncio.get_running_loop().run_in_executor(self._minds, step)

    def close(self) -> None:
        """Take no more steps; those that run are left to end."""
        self._ears.shutdown(wait=False, cancel_futures=True)
        self._minds.shutdown(wait=False, cancel_futures=True)
