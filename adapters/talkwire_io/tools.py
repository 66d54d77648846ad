"""Functions with type hints, as tools a model may call.

`tool` reads a function's signature once, when it is defined: the schema the model sees and the
validation of what the model sends come from one type, so they cannot drift apart. `Tools.answer`
runs a call and always has an answer for the model, because a call without one leaves the caller in
silence. What went wrong inside is for your log; the model, and so the caller, hears only that it
did.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import logging
import re
import textwrap
from collections.abc import Awaitable, Callable, Iterable
from typing import (
    Annotated,
    Any,
    Generic,
    ParamSpec,
    Protocol,
    TypeVar,
    get_args,
    get_origin,
    overload,
)

import anyio
import anyio.lowlevel
import anyio.to_thread
import attrs
import msgspec

from talkwire import FunctionCall, LocalProtocolError

__all__ = ["Tool", "Tools", "tool"]

P = ParamSpec("P")
R = TypeVar("R")

MAX_RESULT_BYTES = 32 * 1024
TIMEOUT_S = 20.0
# What the service accepts: https://platform.openai.com/docs/api-reference/realtime (2026).
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_DESCRIPTION = 1024
# Tools have threads of their own. On trio an abandoned call keeps its place until it returns, and
# in the common pool a few stuck tools would take name look-ups down with them.
_MAX_THREADS = 40
_limiters: anyio.lowlevel.RunVar[anyio.CapacityLimiter] = anyio.lowlevel.RunVar(
    f"{__name__}.limiter"
)

# No NullHandler: the traceback of your own function must show where nothing is configured.
_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True, eq=False)
class Tool(Generic[P, R]):
    """A function that a model may call; made by `tool`. Calling it calls the function.

    `parameters` is a JSON schema (2020-12, closed), `arguments` the msgspec Struct behind it, and
    `timeout_s` the seconds one call may take. Raises ValueError for what the service would refuse.
    """

    name: str
    description: str
    function: Callable[P, R]
    parameters: dict[str, Any] = attrs.field(repr=False)
    arguments: type[msgspec.Struct] = attrs.field(repr=False)
    timeout_s: float = TIMEOUT_S

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a tool's name is 1-64 of a-z A-Z 0-9 _ -, not {self.name!r}")
        if (size := len(self.description)) > _MAX_DESCRIPTION:
            raise ValueError(
                f"tool {self.name}: a description of {size} > {_MAX_DESCRIPTION} characters"
            )
        if not self.timeout_s > 0:
            raise ValueError(f"tool {self.name}: timeout_s is seconds > 0, not {self.timeout_s}")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @property
    def definition(self) -> dict[str, Any]:
        """The tool as the session's configuration lists it; a fresh copy."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": copy.deepcopy(self.parameters),
        }


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(
    *, name: str | None = None, description: str | None = None, timeout_s: float = TIMEOUT_S
) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Any:
    """Make a tool of a function: `@tool`, or `@tool(name=…, description=…, timeout_s=…)`.

    The description is the docstring's first paragraph. A parameter is described by
    `Annotated[T, "…"]`, by `msgspec.Meta(description=…)`, or by its line under `Args:` in the
    docstring. A parameter with a default may be left out by the model.

    `timeout_s` is in seconds. Raises TypeError for a signature that no schema can describe (a
    parameter without a type, `*args`, a type msgspec does not know) and ValueError for a name or a
    description that the service would refuse.
    """
    if function is None:
        return functools.partial(tool, name=name, description=description, timeout_s=timeout_s)
    named: str = getattr(function, "__name__", "") if name is None else name
    documented, described = _read_docstring(inspect.getdoc(function) or "")
    arguments, parameters = _read_signature(function, named, described)
    return Tool(
        name=named,
        description=documented if description is None else description,
        function=function,
        parameters=parameters,
        arguments=arguments,
        timeout_s=timeout_s,
    )


def _read_signature(
    function: Callable[..., Any], name: str, described: dict[str, str]
) -> tuple[type[msgspec.Struct], dict[str, Any]]:
    try:
        signature = inspect.signature(function, eval_str=True)
    except NameError as error:
        raise TypeError(
            f"tool {name}: its type hints name {error.name!r}, which its module does not know"
        ) from error
    parameters = list(signature.parameters.values())
    try:
        arguments = msgspec.defstruct(
            "Arguments", map(_field, parameters), kw_only=True, forbid_unknown_fields=True
        )
        schema = _schema(arguments)
    except TypeError as error:
        raise TypeError(f"tool {name}: {error}") from error
    for parameter in parameters:
        _annotate(schema["properties"][parameter.name], parameter, described)
    return arguments, schema


def _field(parameter: inspect.Parameter) -> tuple[str, Any] | tuple[str, Any, Any]:
    """A parameter as a Struct's field; one left out by the model takes the function's default."""
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"parameter {parameter} cannot be given by name")
    if parameter.annotation is parameter.empty:
        raise TypeError(
            f"parameter {parameter.name!r} needs a type hint (a method: wrap the bound one)"
        )
    if parameter.default is parameter.empty:
        return parameter.name, parameter.annotation
    return parameter.name, parameter.annotation | msgspec.UnsetType, msgspec.UNSET


def _schema(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components(
        [arguments], ref_template="#/$defs/{name}"
    )
    schema: dict[str, Any] = components.pop(reference["$ref"].removeprefix("#/$defs/"))
    del schema["title"]
    return schema | {"$defs": components} if components else schema


def _annotate(
    entry: dict[str, Any], parameter: inspect.Parameter, described: dict[str, str]
) -> None:
    """Add what the type does not say: the words of `Annotated[T, "…"]`, and the default."""
    hint = parameter.annotation
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    words = next((note for note in notes if isinstance(note, str)), None)
    words = words or described.get(parameter.name)
    if words:
        entry.setdefault("description", words)
    if parameter.default is not parameter.empty:
        # A default that JSON cannot say still holds; the schema is silent about it.
        with contextlib.suppress(TypeError, ValueError):
            entry["default"] = msgspec.to_builtins(parameter.default)


_SECTION = re.compile(r"^(?:Args|Arguments|Parameters):[ ]*\n((?:[ ].*\n|\n)*)", re.M)
_ENTRY = re.compile(r"^(\w+)[ ]*(?:\([^)]*\))?:(.*\n(?:[ ].*\n|\n)*)", re.M)


def _read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The first paragraph, and the parameters of a Google-style `Args:` section."""
    section = _SECTION.search(text + "\n")
    summary = text[: section.start()] if section else text
    paragraph = re.split(r"\n\s*\n", summary.strip())[0]
    entries: list[tuple[str, str]] = _ENTRY.findall(textwrap.dedent(section[1])) if section else []
    described = {name: " ".join(words.split()) for name, words in entries}
    return " ".join(paragraph.split()), described


class _RefusedError(Exception):
    """A call that gets words in place of a result; the words are for the model."""


class Tools:
    """The tools of one agent, and the running of them.

    `max_result_bytes` bounds one result (UTF-8 bytes, 32 KiB by default), since all of it goes into
    the conversation. Raises ValueError when two tools have one name.
    """

    def __init__(
        self, tools: Iterable[Tool[..., Any]] = (), *, max_result_bytes: int = MAX_RESULT_BYTES
    ) -> None:
        self.max_result_bytes = max_result_bytes
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

    async def answer(self, name: str, arguments: str) -> str:
        """Run the tool `name` with `arguments` (JSON text) and return the text for the model.

        A result that is a str is passed as it is, any other as JSON. Whatever goes wrong becomes
        `{"error": "…"}`; nothing is raised but cancellation. Runs on asyncio and on trio. A plain
        function runs in a worker thread; one that outlives its timeout is left behind in it, as
        Python cannot stop a thread; such a thread keeps the process from ending by itself.
        """
        try:
            found = self._tools.get(name)
            if found is None:
                raise _RefusedError(f"There is no tool of that name: {name[:64]}")
            result = await _run(found, _read(found, arguments))
            return _write(found, result, self.max_result_bytes)
        except _RefusedError as refused:
            words = str(refused)
            # Up to the colon: what follows it may repeat what the model sent.
            _log.warning("tool call %r: %s", name[:64], words.partition(":")[0])
            speakable = words.encode(errors="replace").decode()  # a lone surrogate is not JSON
            return msgspec.json.encode({"error": speakable}).decode()

    async def respond(self, connection: Connection, call: FunctionCall) -> None:
        """Run a call of the model's and send its answer; when the session ends, so does the tool.

        For a task of its own (`TaskGroup.create_task`), so that a slow tool holds up nothing: not
        the events, and not the hang-up, for nobody is there to be answered. A tool whose work must
        outlive the call hands it to a task that is not the call's.
        """
        output = await _until(connection.wait_closed, self.answer(call.name, call.arguments))
        if output is None:
            return _log.info("tool %r was running when the session ended", call.name[:64])
        try:
            await connection.send_function_result(call.call_id, output)
        except LocalProtocolError as error:
            _log.info("tool %r answered too late: %s", call.name[:64], error)


class Connection(Protocol):
    """Where an answer goes: the drivers' connections have this."""

    async def send_function_result(self, call_id: str, output: str) -> str: ...

    async def wait_closed(self) -> None: ...


async def _until(end: Callable[[], Awaitable[None]], work: Awaitable[R]) -> R | None:
    """What `work` returns, or None when it was cancelled because `end` came first."""
    result: R | None = None
    async with anyio.create_task_group() as both:

        async def watch() -> None:
            await end()
            both.cancel_scope.cancel()

        both.start_soon(watch)
        result = await work
        both.cancel_scope.cancel()
    return result


def _read(found: Tool[..., Any], text: str) -> dict[str, Any]:
    try:
        # Some models leave the text empty where a tool takes no arguments.
        read = msgspec.json.decode(text.strip() or "{}", type=found.arguments)
    except msgspec.ValidationError as error:
        words = f"The arguments do not fit the parameters of {found.name}"
        # msgspec's own words speak of the schema only. A cause is a user's exception, repeated.
        detail = "" if error.__cause__ else f": {str(error)[:300]}"
        raise _RefusedError(f"{words}{detail}.") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise _RefusedError("The arguments are not valid JSON.") from error
    except Exception as error:
        _log.exception("tool %s could not read its arguments", found.name)
        raise _RefusedError(f"The arguments do not fit the parameters of {found.name}.") from error
    given = ((field, getattr(read, field)) for field in read.__struct_fields__)
    return {field: value for field, value in given if value is not msgspec.UNSET}


async def _run(found: Tool[..., Any], given: dict[str, Any]) -> Any:
    call = functools.partial(found.function, **given)
    try:
        with anyio.move_on_after(found.timeout_s):
            if inspect.iscoroutinefunction(found.function):
                return await call()
            # In a list, since a plain function may return an awaitable, which is for this loop and
            # which trio would refuse to take from a thread.
            [result] = await anyio.to_thread.run_sync(
                lambda: [call()], abandon_on_cancel=True, limiter=_limiter()
            )
            return await result if inspect.isawaitable(result) else result
    except (Exception, SystemExit) as error:
        _log.exception("tool %s failed", found.name)
        raise _RefusedError(f"The tool {found.name} failed.") from error
    raise _RefusedError(f"The tool {found.name} did not answer within {found.timeout_s:g} seconds.")


def _limiter() -> anyio.CapacityLimiter:
    try:
        return _limiters.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(_MAX_THREADS)
        _limiters.set(limiter)
        return limiter


def _write(found: Tool[..., Any], result: Any, limit: int) -> str:
    try:
        # str.__str__: the text itself, where a str enum's own str() would name the member.
        text = (
            str.__str__(result) if isinstance(result, str) else msgspec.json.encode(result).decode()
        )
        size = len(text.encode())
    except Exception as error:
        _log.exception("the result of tool %s is not JSON", found.name)
        raise _RefusedError(f"The tool {found.name} returned what cannot be sent.") from error
    if size > limit:
        raise _RefusedError(
            f"The result of {found.name} is too large ({size} bytes, at most {limit})."
        )
    return text
