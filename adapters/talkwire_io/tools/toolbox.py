"""The tools of one agent."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from .context import Connection
from .running import Running
from .tool import Tool

MAX_ROUNDS = 10


class Tools:
    """The tools of one agent, for any number of sessions.

    `max_rounds` is how many responses in a row may call functions before the user has a word again:
    a model that only ever calls spends money in silence (S12). Raises ValueError for no number of
    rounds, and when two tools have one name.
    """

    def __init__(
        self, tools: Iterable[Tool[..., Any]] = (), *, max_rounds: int = MAX_ROUNDS
    ) -> None:
        if max_rounds < 1:
            raise ValueError(f"max_rounds is at least 1, not {max_rounds}")
        self.max_rounds = max_rounds
        self._tools: dict[str, Tool[..., Any]] = {}
        for each in tools:
            if not isinstance(each, Tool):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"{each!r} is not a tool: decorate it with @tool")
            if each.name in self._tools:
                raise ValueError(f"two tools are named {each.name!r}")
            self._tools[each.name] = each

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """The tools as the session's configuration lists them."""
        return [each.definition for each in self._tools.values()]

    @asynccontextmanager
    async def running(
        self, connection: Connection, *, deps: object = None
    ) -> AsyncGenerator[Running]:
        """Run the calls of one session, on asyncio and on trio: hand each event to its `handle`.

        A slow tool holds up nothing: not the events, and not the hang-up. Leaving the block cancels
        what still runs: a tool whose work must outlive the session hands it to a task elsewhere.
        `deps` is what tools find in their `ToolContext`.
        """
        failed: Exception | None = None
        async with anyio.create_task_group() as group:
            running = Running(self._tools, connection, deps, self.max_rounds, group)
            try:
                yield running
            except Exception as error:  # the group would tell it as an ExceptionGroup
                failed = error
            running.stop()
        if failed is not None:
            raise failed
