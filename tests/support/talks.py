"""Our side of a conversation on a binding: a loop over its events, watched by the far end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import cycle
from typing import Any

import anyio
import anyio.lowlevel
import attrs
import sniffio
import trio

from support.bindings import Connection
from support.conversation import Told, User, Verb, told
from talkwire import CommandSettled, Event, PageEvent


class Flag:
    """An event that any thread may set; the loop that made it waits."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        if sniffio.current_async_library() == "trio":
            self._soon: Callable[..., object] = trio.lowlevel.current_trio_token().run_sync_soon
        else:
            self._soon = asyncio.get_running_loop().call_soon_threadsafe

    def set(self) -> None:
        self._soon(self._event.set)

    async def wait(self) -> None:
        await self._event.wait()


@attrs.define(eq=False)
class Talk:
    """`seen` is what the user was handed, `asked` what its calls returned,
    `settled` the ids of what has ended, `error` what came out
    of the block. Made by the far end, and run by whoever has the connection."""

    user: User
    manner: Callable[[Talk, Connection], Awaitable[None]]
    codes: bool
    seen: list[Told] = attrs.field(factory=list[Told])
    asked: list[Any] = attrs.field(factory=list[Any])
    settled: list[str] = attrs.field(factory=list[str])
    error: BaseException | None = None
    ended: Flag = attrs.field(factory=Flag)
    _watched: list[tuple[int, Flag]] = attrs.field(factory=list[tuple[int, Flag]])

    async def run(self, opening: AbstractAsyncContextManager[Connection]) -> None:
        try:
            async with opening as call:
                await self.manner(self, call)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()

    async def take(self, call: Connection, event: Event | PageEvent) -> None:
        """Note an event, and do about it what the user does."""
        for verb in self.note(event):
            await self.do(call, verb)

    def note(self, event: Event | PageEvent) -> Sequence[Verb]:
        """Note an event; what the user does about it."""
        self.seen.append(told(event, codes=self.codes))
        if isinstance(event, CommandSettled):
            self.settled.append(event.event_id)
        for count, flag in list(self._watched):
            if len(self.seen) >= count:
                flag.set()
        return self.user(event, self.seen)

    async def do(self, call: Connection, verb: Verb) -> None:
        name, *arguments = verb
        self.asked.append(await getattr(call, name)(*arguments))

    async def has_seen(self, count: int) -> None:
        """Wait until the user has been handed so many events."""
        flag = Flag()
        self._watched.append((count, flag))
        if len(self.seen) < count:
            await flag.wait()


# -- manners of reading


async def plainly(talk: Talk, call: Connection) -> None:
    async for event in call:
        await talk.take(call, event)


async def impatiently(talk: Talk, call: Connection) -> None:
    """Give up reading again and again, a little later each time, and go on."""
    over, patience = False, cycle(range(20))
    while not over:
        with anyio.CancelScope() as reading:
            async with anyio.create_task_group() as group:
                group.start_soon(_give_up, reading, next(patience))
                async for event in call:
                    with anyio.CancelScope(shield=True):
                        await talk.take(call, event)
                over = True
                group.cancel_scope.cancel()


async def in_another_task(talk: Talk, call: Connection) -> None:
    """Read on while something is sent."""
    async with anyio.create_task_group() as group:
        async for event in call:
            if wanted := talk.note(event):
                group.start_soon(_do_all, talk, call, wanted)


async def _do_all(talk: Talk, call: Connection, wanted: Sequence[Verb]) -> None:
    for verb in wanted:
        await talk.do(call, verb)


async def fickly(talk: Talk, call: Connection) -> None:
    """Give up sending again and again, a little later each time, but for the last one: what was
    given up leaves with what comes next."""
    async with anyio.create_task_group() as group:
        async for event in call:
            if wanted := talk.note(event):
                group.start_soon(_do_fickly, talk, call, wanted)


async def _do_fickly(talk: Talk, call: Connection, wanted: Sequence[Verb]) -> None:
    *given_up, last = wanted
    for patience, verb in enumerate(given_up):
        with anyio.CancelScope() as sending:
            async with anyio.create_task_group() as group:
                group.start_soon(_give_up, sending, patience)
                await talk.do(call, verb)
                group.cancel_scope.cancel()
    await talk.do(call, last)


async def _give_up(scope: anyio.CancelScope, patience: int) -> None:
    for _ in range(patience):
        await anyio.lowlevel.checkpoint()
    scope.cancel()
