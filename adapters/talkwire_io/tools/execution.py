"""One call of one tool: read the arguments, run the function, write the result.

Whatever goes wrong on the way becomes words for the model; what exactly is for the log.
"""

import functools
import inspect
import logging
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import msgspec

from . import models
from .context import ToolContext
from .tool import Tool

# Tools have threads of their own. On trio an abandoned call keeps its place until it returns, and
# in the common pool a few stuck tools would take name look-ups down with them.
_MAX_THREADS = 40
_limiters: anyio.lowlevel.RunVar[anyio.CapacityLimiter] = anyio.lowlevel.RunVar(
    f"{__name__}.limiter"
)

# No NullHandler: the traceback of your own function must show where nothing is configured.
_log = logging.getLogger(__name__)


class RefusedError(Exception):
    """A call that gets words in place of a result; the words are for the model."""


async def execute(tool: Tool[..., Any], context: ToolContext[Any]) -> str:
    """Run the call of `context` and return the text for the model. Raises RefusedError.

    A result that is a str is passed as it is, any other as JSON. A plain function runs in a worker
    thread; one that outlives its time is left behind in it, as Python cannot stop a thread; such a
    thread keeps the process from ending by itself.
    """
    given = _read(tool, context.call.arguments)
    await _ask(tool, context, given)
    result = await _run(tool, {**given, **dict.fromkeys(tool.arguments.contexts, context)})
    return _write(tool, result)


def _read(tool: Tool[..., Any], text: str) -> dict[str, Any]:
    words = f"The arguments do not fit the parameters of {tool.name}"
    try:
        return tool.arguments.read(text)
    except (msgspec.ValidationError, models.Unfit) as error:
        # msgspec's own words speak of the schema only. A cause is a user's exception, repeated.
        detail = "" if error.__cause__ else f": {str(error)[:300]}"
        raise RefusedError(f"{words}{detail}.") from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RefusedError("The arguments are not valid JSON.") from error
    except Exception as error:
        _log.exception("tool %s could not read its arguments", tool.name)
        raise RefusedError(f"{words}.") from error


async def _ask(tool: Tool[..., Any], context: ToolContext[Any], given: dict[str, Any]) -> None:
    """Whoever approves may take the time that people take; the session's end is theirs as well."""
    approved: object = tool.approve is None
    if tool.approve is not None:
        try:
            approved = await tool.approve(context, given)
        except Exception:
            _log.exception("tool %s could not be approved", tool.name)
    if approved is not True:
        raise RefusedError(f"The tool {tool.name} may not be used so: it was not approved.")


async def _run(tool: Tool[..., Any], given: dict[str, Any]) -> Any:
    call = functools.partial(tool.function, **given)
    try:
        with anyio.move_on_after(tool.timeout_s):
            if inspect.iscoroutinefunction(tool.function):
                return await call()
            # In a list, since a plain function may return an awaitable, which is for this loop and
            # which trio would refuse to take from a thread.
            [result] = await anyio.to_thread.run_sync(
                lambda: [call()], abandon_on_cancel=True, limiter=_limiter()
            )
            return await result if inspect.isawaitable(result) else result
    except (Exception, SystemExit) as error:
        _log.exception("tool %s failed", tool.name)
        raise RefusedError(f"The tool {tool.name} failed.") from error
    raise RefusedError(f"The tool {tool.name} did not answer within {tool.timeout_s:g} seconds.")


def _limiter() -> anyio.CapacityLimiter:
    try:
        return _limiters.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(_MAX_THREADS)
        _limiters.set(limiter)
        return limiter


def _write(tool: Tool[..., Any], result: Any) -> str:
    try:
        # str.__str__: the text itself, where a str enum's own str() would name the member.
        text = (
            str.__str__(result)
            if isinstance(result, str)
            else msgspec.json.encode(result, enc_hook=models.as_json).decode()
        )
        size = len(text.encode())
    except Exception as error:
        _log.exception("the result of tool %s is not JSON", tool.name)
        raise RefusedError(f"The tool {tool.name} returned what cannot be sent.") from error
    if size > tool.max_result_bytes:
        raise RefusedError(
            f"The result of {tool.name} is too large ({size} bytes, "
            f"at most {tool.max_result_bytes})."
        )
    return text
