"""The tools of one session while it lasts: which calls run, side by side, and which end early."""

import logging
import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import msgspec
from attrs import define, field, frozen

from talkwire import (
    Event,
    FunctionCall,
    Interrupted,
    LocalProtocolError,
    PageEvent,
    Respond,
    SessionClosed,
    events,
)

from .answers import send_result
from .context import Connection, ToolContext
from .execution import RefusedError, execute
from .tool import Tool

_log = logging.getLogger(__name__)


@frozen(kw_only=True)
class Answer:
    """What a call is answered with, and whether the model shall speak about it."""

    output: str
    respond: Respond = Respond.AUTO


@frozen(eq=False)
class _Run:
    call: FunctionCall
    may_be_cancelled: bool
    scope: anyio.CancelScope = field(factory=anyio.CancelScope)


@define(eq=False)
class Running:
    """Runs the calls of one session, each in a task of its own; made by `Tools.running`.

    Hand it every event: `handle` takes those that are its business. Each call is answered once,
    whatever becomes of it, unless the session is over.
    """

    _tools: Mapping[str, Tool[..., Any]]
    _connection: Connection
    _deps: object
    _max_rounds: int
    _group: anyio.abc.TaskGroup
    _runs: set[_Run] = field(factory=set[_Run], init=False)
    _called: dict[str, deque[float]] = field(factory=dict[str, "deque[float]"], init=False)

    def handle(self, event: Event | PageEvent) -> None:
        """Start what a function call asks for, and stop what ends with an interruption or with the
        session. A call out of band is left to you: `answer` runs it, and you send the output on.
        """
        match event:
            case FunctionCall(out_of_band=False):
                tool = self._tools.get(event.name)
                run = _Run(event, tool is not None and tool.cancel_on_interruption)
                self._runs.add(run)
                self._group.start_soon(self._respond, run)
            case events.InputAudioBufferSpeechStarted():
                if self._connection.session.settings.speech_interrupts:
                    self.interrupt()
            case Interrupted():
                self.interrupt()
            case SessionClosed():
                self.stop()
            case _:
                pass

    def interrupt(self) -> None:
        """Cancel the calls whose tools chose so, as when the user speaks; a button may mean it too.

        They are answered as cancelled, and the model is not asked to speak about it (§3.7).
        """
        for run in self._runs:
            if run.may_be_cancelled:
                run.scope.cancel()

    def stop(self) -> None:
        """Cancel every call; leaving the `async with` block does."""
        for run in self._runs:
            run.scope.cancel()

    async def answer(self, call: FunctionCall) -> Answer:
        """Run a call and return its answer, which is yours to send.

        What went wrong is `{"error": "…"}`; nothing is raised but cancellation.
        """
        respond = Respond.AUTO
        try:
            rounds = self._rounds(call)
            if rounds > self._max_rounds:
                # Told once that it is enough. A model that goes on all the same is not asked again.
                respond = Respond.AUTO if rounds == self._max_rounds + 1 else Respond.NEVER
                raise RefusedError("Too many tool calls in a row: answer with what you have.")
            tool = self._admit(call)
            context = ToolContext(call=call, connection=self._connection, deps=self._deps)
            return Answer(output=await execute(tool, context))
        except RefusedError as refused:
            words = str(refused)
            # Up to the colon: what follows it may repeat what the model sent.
            _log.warning("tool call %r: %s", call.name[:64], words.partition(":")[0])
            return Answer(output=_error(words), respond=respond)

    def _rounds(self, call: FunctionCall) -> int:
        """How many responses have called functions since the user last had a word, this one too."""
        callers = {call.response_id}
        for item in reversed(list(self._connection.session.conversation)):
            if item.role == "user":
                break
            if item.type == "function_call":
                callers.add(item.response_id)
        return len(callers)

    def _admit(self, call: FunctionCall) -> Tool[..., Any]:
        tool = self._tools.get(call.name)
        if tool is None:
            raise RefusedError(f"There is no tool of that name: {call.name[:64]}")
        plane = self._connection.session.plane
        if tool.trust != "relay" and not plane.trusted:
            _log.warning(
                "tool %s runs only at the service's own word, and on the %s plane a page passes it "
                'on: attach a sideband, or declare @tool(trust="relay") (S3)',
                tool.name,
                plane.name,
            )
            raise RefusedError(f"The tool {tool.name} cannot be used in this call.")
        if tool.max_calls_per_minute is not None:
            self._count(tool.name, tool.max_calls_per_minute)
        return tool

    def _count(self, name: str, limit: int) -> None:
        now, called = anyio.current_time(), self._called.setdefault(name, deque())
        while called and called[0] <= now - 60:
            called.popleft()
        if len(called) >= limit:
            seconds = math.ceil(called[0] + 60 - now)
            raise RefusedError(f"The tool {name} was used too often: wait {seconds} seconds.")
        called.append(now)

    async def _respond(self, run: _Run) -> None:
        call, answer = run.call, None
        with run.scope:
            await anyio.lowlevel.checkpoint_if_cancelled()
            try:
                answer = await self.answer(call)
            except anyio.get_cancelled_exc_class():
                if anyio.current_effective_deadline() == -math.inf:
                    raise
                # Nobody cancelled this task: what the tool waited for was cancelled elsewhere.
                _log.exception("tool %s was cancelled by itself", call.name[:64])
        self._runs.discard(run)
        if answer is None:
            respond = Respond.NEVER if run.scope.cancel_called else Respond.AUTO
            answer = Answer(output=_error("The call was cancelled."), respond=respond)
        try:
            await send_result(self._connection, call.call_id, answer.output, respond=answer.respond)
        except LocalProtocolError as error:
            _log.info("tool %r has nobody to answer: %s", call.name[:64], error)


def _error(words: str) -> str:
    speakable = words.encode(errors="replace").decode()  # a lone surrogate is not JSON
    return msgspec.json.encode({"error": speakable}).decode()
