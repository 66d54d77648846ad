"""The calls of a session run side by side, under their limits, and each is answered once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from typing import Any, assert_type

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
import trio
import trio.testing
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from support.wired import Wired
from talkwire import (
    DIRECT,
    RELAY,
    SIDEBAND,
    Event,
    FunctionCall,
    Interrupted,
    LocalProtocolError,
    PageText,
    Plane,
    Respond,
    Session,
    SessionClosed,
    commands,
)
from talkwire_io.tools import Answer, Running, ToolContext, Tools, tool
from talkwire_io.tools.answers import send_result

Run = Callable[[Callable[[], Awaitable[None]]], None]
CANCELLED = '{"error":"The call was cancelled."}'
UNSENDABLE = '{"error":"The result cannot be sent."}'
NO_INTERRUPTION = {
    "audio": {"input": {"turn_detection": {"type": "server_vad", "interrupt_response": False}}}
}


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a scenario to its end on each of the runtimes."""

    def run(main: Callable[[], Awaitable[None]]) -> None:
        async def bounded() -> None:
            with anyio.fail_after(20):
                await main()

        anyio.run(bounded, backend=request.param)

    return run


async def hand(running: Running, *happened: Iterable[Event]) -> None:
    """Hand events over, and let whatever follows from them happen."""
    for events in happened:
        for event in events:
            running.handle(event)
    await anyio.wait_all_tasks_blocked()


async def asked(line: Wired, running: Running, text: str = "Go on.") -> None:
    """The user says something, and the model takes it up."""
    await line.send_text(text)
    await hand(running, line.respond())


@tool
def ping() -> str:
    """Answer."""
    return "pong"


@define
class Waiting:
    """Tools that wait until they are released, and what became of them."""

    released: anyio.Event = field(factory=anyio.Event)
    ended: list[str] = field(factory=list[str])

    def tools(self) -> Tools:
        return Tools([tool(self.patient), tool(cancel_on_interruption=True)(self.hasty)])

    async def patient(self) -> str:
        return await self._wait("patient")

    async def hasty(self) -> str:
        return await self._wait("hasty")

    async def _wait(self, name: str) -> str:
        end = "cancelled"
        try:
            await self.released.wait()
            end = "done"
        finally:
            self.ended.append(f"{name} {end}")
        return name


@define
class Scene:
    """A session whose model waits for its tools."""

    line: Wired
    waiting: Waiting
    running: Running

    async def hears(self, *happened: Iterable[Event]) -> None:
        await hand(self.running, *happened)


@contextlib.asynccontextmanager
async def calling(*names: str, **how: Any) -> AsyncGenerator[Scene]:
    """The user has spoken, and these tools are called in one response, which is whole then."""
    line, waiting = Wired(**how), Waiting()
    async with waiting.tools().running(line) as running:
        await asked(line, running)
        await hand(running, *map(line.call, names), line.done())
        yield Scene(line, waiting, running)


# Each call is answered, once


def test_the_calls_of_a_response_run_side_by_side_and_are_followed_by_one_response(
    run: Run,
) -> None:
    async def main() -> None:
        async with calling("patient", "hasty", "nobody") as it:
            assert it.line.outputs == ['{"error":"There is no tool of that name: nobody"}']
            it.waiting.released.set()
            await it.hears()
            assert sorted(it.line.outputs[1:]) == ["hasty", "patient"]
            assert it.line.asked == 2  # the user's turn, and the one that follows the results

    run(main)


def test_events_that_are_not_its_business_are_let_by(run: Run) -> None:
    async def main() -> None:
        line = Wired()
        async with Tools([ping]).running(line) as running:
            running.handle(PageText(text="Hello"))
            await hand(running, [Interrupted(response_id="resp_9")], speaks(line))
            assert line.outputs == []

    run(main)


def test_leaving_the_block_cancels_what_still_runs_and_says_so(run: Run) -> None:
    async def main() -> None:
        async with calling("patient") as it:
            pass
        assert it.waiting.ended == ["patient cancelled"]
        assert it.line.outputs == [CANCELLED]
        assert it.line.asked == 1

    run(main)


def test_the_end_of_the_session_cancels_what_still_runs_and_nobody_is_answered(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with calling("patient") as it:
            end = it.line.pair.drop()
            assert any(isinstance(each, SessionClosed) for each in end)
            await it.hears(end)
            assert it.waiting.ended == ["patient cancelled"]
            assert it.line.outputs == []

    run(main)
    assert "'patient' has nobody to answer" in caplog.text


def test_what_the_block_raises_is_raised_as_it_is(run: Run) -> None:
    waiting: list[Waiting] = []

    async def main() -> None:
        with pytest.raises(KeyError, match="mine"):
            async with calling("patient") as it:
                waiting.append(it.waiting)
                raise KeyError("mine")
        assert waiting[0].ended == ["patient cancelled"]

    run(main)


def test_a_cancelled_block_is_cancelled_with_all_that_runs(run: Run) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:
            async with calling("patient") as it:
                scope.cancel()
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert it.waiting.ended == ["patient cancelled"]
        assert it.line.outputs == []

    run(main)


def test_a_tool_whose_own_task_was_cancelled_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    @tool
    async def lookup() -> str:
        async def never() -> str:
            await asyncio.Event().wait()
            return "never"

        task = asyncio.create_task(never())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    async def main() -> None:
        line = Wired()
        async with Tools([lookup]).running(line) as running:
            await asked(line, running)
            await hand(running, line.call("lookup"), line.done())
            while not line.outputs:
                await anyio.lowlevel.checkpoint()
            assert line.outputs == [CANCELLED]
            assert line.asked == 2

    asyncio.run(asyncio.wait_for(main(), 20))
    assert "tool lookup was cancelled by itself" in caplog.text


@tool(trust="relay", max_result_bytes=1_000_000)
def verbose() -> str:
    """Say more than a page's channel carries."""
    return "x" * 300_000


def test_a_result_that_does_not_pass_is_answered_all_the_same(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        line = Wired(plane=RELAY)
        async with Tools([verbose]).running(line) as running:
            await asked(line, running)
            await hand(running, line.call("verbose"))
            while not line.outputs:
                await anyio.lowlevel.checkpoint()
            assert line.outputs == [UNSENDABLE]
            await hand(running, line.done())
            assert line.asked == 2

    run(main)
    assert "the limit of the relay plane is 256000" in caplog.text


def test_what_cannot_be_sent_is_answered_once_and_a_call_that_nobody_made_not_at_all(
    run: Run,
) -> None:
    async def main() -> None:
        line = Wired()
        await line.send_text("Go on.")
        line.respond()
        (call_id,) = [e.call_id for e in line.call("ping") if isinstance(e, FunctionCall)]
        await send_result(line, call_id, "\ud800")
        assert line.outputs == [UNSENDABLE]
        for again in (call_id, "call_of_nobody"):
            with pytest.raises(LocalProtocolError, match="send_function_result is not legal"):
                await send_result(line, again, "21")
        line.pair.drop()
        with pytest.raises(LocalProtocolError, match="closed"):
            await send_result(line, call_id, "21")

    run(main)


def test_a_call_out_of_band_is_yours_to_run_and_to_answer(run: Run) -> None:
    ran: list[str] = []

    @tool
    async def note() -> str:
        ran.append("note")
        return "noted"

    async def main() -> None:
        line = Wired()
        async with Tools([note]).running(line) as running:
            await line.send(commands.ResponseCreate(response={"conversation": "none"}))
            line.respond()
            [call] = [each for each in line.call("note") if isinstance(each, FunctionCall)]
            assert call.out_of_band
            await hand(running, [call])
            assert ran == []
            assert await running.answer(call) == Answer(output="noted")

    run(main)


# Interruption (§3.7, pipecat#3661)


def speaks(line: Wired) -> list[Event]:
    return line.move("speech_started", audio_start_ms=0)


def test_a_tool_that_chose_so_is_cancelled_when_the_user_speaks_and_answered_in_silence(
    run: Run,
) -> None:
    async def main() -> None:
        async with calling("hasty") as it:
            await it.hears(speaks(it.line))
            assert it.waiting.ended == ["hasty cancelled"]
            assert it.line.outputs == [CANCELLED]
            await it.hears(it.line.move("speech_stopped", audio_end_ms=900))
            assert it.line.asked == 1  # the service answers what the user said by itself

    run(main)


def test_other_tools_go_on_when_the_user_speaks(run: Run) -> None:
    async def main() -> None:
        async with calling("patient", "hasty") as it:
            await it.hears(speaks(it.line))
            assert it.waiting.ended == ["hasty cancelled"]
            it.waiting.released.set()
            await it.hears()
            assert it.line.outputs == [CANCELLED, "patient"]

    run(main)


def test_a_tool_is_cancelled_when_its_response_is_stopped(run: Run) -> None:
    async def main() -> None:
        line, waiting = Wired(plane=SIDEBAND), Waiting()
        async with waiting.tools().running(line) as running:
            await asked(line, running)
            await hand(running, line.call("hasty"))
            line.pair.call("cancel")
            stopped = line.pair.run()
            assert any(isinstance(each, Interrupted) for each in stopped)
            await hand(running, stopped)
            assert line.outputs == [CANCELLED]

    run(main)


def test_nothing_is_cancelled_where_speech_does_not_interrupt(run: Run) -> None:
    async def main() -> None:
        async with calling("hasty", settings=NO_INTERRUPTION) as it:
            await it.hears(speaks(it.line))
            assert it.waiting.ended == []

    run(main)


def test_a_button_may_interrupt_too(run: Run) -> None:
    async def main() -> None:
        async with calling("patient", "hasty") as it:
            it.running.interrupt()
            it.running.interrupt()
            await it.hears()
            assert it.waiting.ended == ["hasty cancelled"]

    run(main)


def test_a_call_that_is_interrupted_at_once_does_not_run(run: Run) -> None:
    ran: list[str] = []

    @tool(cancel_on_interruption=True)
    async def order() -> str:
        ran.append("order")
        return "ordered"

    async def main() -> None:
        line = Wired()
        async with Tools([order]).running(line) as running:
            await asked(line, running)
            await hand(running, [*line.call("order"), *line.done(), *speaks(line)])
            assert line.outputs == [CANCELLED]
            assert ran == []

    run(main)


def test_a_plain_function_is_left_behind_in_its_thread(run: Run) -> None:
    begun, release = threading.Event(), threading.Event()

    @tool(cancel_on_interruption=True)
    def block() -> str:
        begun.set()
        release.wait(20)
        return "too late"

    async def main() -> None:
        line = Wired()
        async with Tools([block]).running(line) as running:
            await asked(line, running)
            await hand(running, line.call("block"), line.done())
            assert await anyio.to_thread.run_sync(begun.wait, 20)
            await hand(running, speaks(line))
            while not line.outputs:
                await anyio.lowlevel.checkpoint()
            assert line.outputs == [CANCELLED]

    try:
        run(main)
    finally:
        release.set()


# Trust (S3)


@tool(trust="relay")
def public() -> str:
    """Anybody may know."""
    return "pong"


@pytest.mark.parametrize(
    ("plane", "name", "runs"),
    [
        (DIRECT, "ping", True),
        (SIDEBAND, "ping", True),
        (RELAY, "ping", False),
        (DIRECT, "public", True),
        (SIDEBAND, "public", True),
        (RELAY, "public", True),
    ],
    ids=lambda value: value.name if isinstance(value, Plane) else str(value),
)
def test_a_page_alone_can_call_only_what_was_declared_for_it(
    run: Run, plane: Plane, name: str, runs: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        line = Wired(plane=plane)
        async with Tools([ping, public]).running(line) as running:
            call = FunctionCall(call_id="call_1", name=name, arguments="{}")
            refused = f'{{"error":"The tool {name} cannot be used in this call."}}'
            assert await running.answer(call) == Answer(output="pong" if runs else refused)

    run(main)
    assert ('declare @tool(trust="relay")' in caplog.text) is not runs


# Approval, rate and rounds (S11, S12)


def test_a_tool_runs_when_it_is_approved_with_the_arguments_it_would_get(run: Run) -> None:
    seen: list[tuple[str, Mapping[str, Any]]] = []

    async def approve(context: ToolContext[str], arguments: Mapping[str, Any]) -> bool:
        seen.append((context.deps, arguments))
        return bool(arguments["euros"] <= 100)

    @tool(approve=approve)
    def pay(euros: int) -> str:
        return f"paid {euros}"

    async def main() -> None:
        async with Tools([pay]).running(Wired(), deps="Ada") as running:

            async def answer(arguments: str) -> str:
                call = FunctionCall(call_id="call_1", name="pay", arguments=arguments)
                return (await running.answer(call)).output

            assert await answer('{"euros":100}') == "paid 100"
            refusal = '{"error":"The tool pay may not be used so: it was not approved."}'
            assert await answer('{"euros":101}') == refusal
            assert "do not fit" in await answer('{"euros":"101"}')
        assert seen == [("Ada", {"euros": 100}), ("Ada", {"euros": 101})]

    run(main)


@pytest.mark.parametrize("verdict", [None, 0, "yes", ValueError("secret")], ids=repr)
def test_only_a_clear_yes_approves(
    run: Run, verdict: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def approve(context: ToolContext[None], arguments: Mapping[str, Any]) -> Any:
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    async def main() -> None:
        async with Tools([tool(approve=approve)(ping.function)]).running(Wired()) as running:
            call = FunctionCall(call_id="call_1", name="ping", arguments="{}")
            output = (await running.answer(call)).output
            assert "not approved" in output
            assert "secret" not in output

    run(main)
    assert ("secret" in caplog.text) is isinstance(verdict, Exception)


def test_a_tool_is_called_so_often_a_minute_by_each_session() -> None:
    tools = Tools([tool(max_calls_per_minute=2)(ping.function)])
    call = FunctionCall(call_id="call_1", name="ping", arguments="{}")

    async def main() -> None:
        async with tools.running(Wired()) as running, tools.running(Wired()) as other:

            async def answer() -> str:
                return (await running.answer(call)).output

            assert await answer() == "pong"
            await anyio.sleep(20)
            assert await answer() == "pong"
            await anyio.sleep(10)
            assert await answer() == (
                '{"error":"The tool ping was used too often: wait 30 seconds."}'
            )
            assert (await other.answer(call)).output == "pong"
            await anyio.sleep(30)
            assert [await answer(), "wait 20" in await answer()] == ["pong", True]

    clock = trio.testing.MockClock(autojump_threshold=0.01)
    anyio.run(main, backend="trio", backend_options={"clock": clock})


def test_a_model_that_only_ever_calls_is_told_to_answer_and_then_not_asked_again(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        line = Wired()
        async with Tools([ping], max_rounds=2).running(line) as running:

            async def play(calls: int) -> list[str]:
                """The model calls in a response, and again in each that follows from it."""
                before = len(line.outputs)
                await asked(line, running)
                for _ in range(calls):
                    # In pairs: the calls of one response are one round.
                    events = [*line.call("ping"), *line.call("ping"), *line.done()]
                    for event in events:
                        running.handle(event)
                        if isinstance(event, FunctionCall):
                            call_id = event.call_id
                            while not answered(line, call_id):
                                await anyio.lowlevel.checkpoint()
                    if line.pair.requests:
                        await hand(running, line.respond())
                return line.outputs[before:]

            enough = '{"error":"Too many tool calls in a row: answer with what you have."}'
            assert await play(4) == ["pong"] * 4 + [enough] * 4
            # The user's turn, three that follow, and none after the fourth.
            assert line.asked == 4
            assert await play(1) == ["pong"] * 2

    run(main)
    assert "Too many tool calls in a row" in caplog.text


def answered(line: Wired, call_id: str) -> bool:
    items = line.pair.service.items
    return any(
        item["type"] == "function_call_output" and item["call_id"] == call_id for item in items
    )


def test_a_number_of_rounds_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="max_rounds is at least 1, not 0"):
        Tools(max_rounds=0)


# What a tool is told beside its arguments


class Database:
    user = "Ada"


@tool
def who(context: ToolContext[Database], polite: bool = False) -> dict[str, object]:
    """Say who is calling."""
    assert_type(context.deps, Database)
    words = [item.text for item in context.session.conversation if item.role == "user"]
    name = f"Dr {context.deps.user}" if polite else context.deps.user
    return {"name": name, "call": context.call.call_id, "said": words}


@tool
async def say(text: str, *, context: ToolContext[None]) -> str:
    """Put words into the conversation."""
    await context.connection.send_text(text, respond=False)
    return context.call.response_id


@tool
def say_from_a_thread(context: ToolContext[None]) -> str:
    return anyio.from_thread.run(context.connection.send_text, "from a thread")


def test_a_context_is_injected_and_hidden_from_the_model(run: Run) -> None:
    assert list(who.parameters["properties"]) == ["polite"]
    assert list(say.parameters["properties"]) == ["text"]
    assert say.parameters["required"] == ["text"]

    async def main() -> None:
        line = Wired()
        tools = Tools([who, say, say_from_a_thread])
        async with tools.running(line, deps=Database()) as running:
            await asked(line, running, "It is me.")
            calls = [*line.call("who", '{"polite":true}'), *line.call("say", '{"text":"Hello"}')]
            [first, second] = [each for each in calls if isinstance(each, FunctionCall)]
            told = json.loads((await running.answer(first)).output)
            assert told == {"name": "Dr Ada", "call": first.call_id, "said": ["It is me."]}
            assert (await running.answer(second)).output == second.response_id == line.response_id
            third = FunctionCall(call_id="call_3", name="say_from_a_thread", arguments="{}")
            assert (await running.answer(third)).output.startswith("event")
            assert [item.text for item in line.session.conversation if item.role == "user"] == [
                "It is me.",
                "Hello",
                "from a thread",
            ]

    run(main)


def test_the_model_cannot_fill_in_a_context(run: Run) -> None:
    async def main() -> None:
        async with Tools([who]).running(Wired(), deps=Database()) as running:
            arguments = '{"context":{"deps":{"user":"Eve"}}}'
            call = FunctionCall(call_id="call_1", name="who", arguments=arguments)
            assert "unknown field `context`" in (await running.answer(call)).output

    run(main)


def test_a_context_shows_neither_the_connection_nor_what_is_yours() -> None:
    call = FunctionCall(call_id="call_1", name="who", arguments="{}")
    shown = repr(ToolContext(call=call, connection=Wired(), deps="sk-secret"))
    assert "call_1" in shown
    assert "secret" not in shown
    assert "Wired" not in shown


def test_a_tool_is_still_its_function() -> None:
    line = Wired()
    call = FunctionCall(call_id="call_1", name="who", arguments="{}")
    context = ToolContext(call=call, connection=line, deps=Database())
    assert who(context, polite=True)["name"] == "Dr Ada"
    assert isinstance(context.session, Session)


# Whatever the model sends

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("city"), inner),
    max_leaves=8,
)


@tool
def fits(city: str, days: list[int] | None = None, more: dict[str, float] = {}) -> str:  # noqa: B006
    return "fits"


@given(
    name=st.sampled_from(["fits", "ping", "nobody"]) | st.text(),
    arguments=JSON.map(json.dumps) | st.text(st.characters(exclude_categories=())),
)
def test_any_arguments_at_all_are_answered_with_one_text_that_json_can_carry(
    name: str, arguments: str
) -> None:
    async def main() -> None:
        async with Tools([ping, fits]).running(Wired()) as running:
            answer = await running.answer(
                FunctionCall(call_id="call_1", name=name, arguments=arguments)
            )
            answer.output.encode()
            assert answer.respond is Respond.AUTO
            assert answer.output in ("pong", "fits") or list(json.loads(answer.output)) == ["error"]

    anyio.run(main)
