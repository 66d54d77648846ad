"""A function as a tool, and what it may do."""

import copy
import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, Literal, ParamSpec, TypedDict, TypeVar, Unpack, get_args, overload

from attrs import field, frozen

from .arguments import Arguments, read_signature
from .context import ToolContext
from .docstrings import read_docstring

P = ParamSpec("P")
R = TypeVar("R")

Approve = Callable[[ToolContext[Any], Mapping[str, Any]], Awaitable[bool]]
"""Asked with the arguments, validated, before a tool runs; only True lets it."""
Trust = Literal["service", "relay"]

MAX_RESULT_BYTES = 32 * 1024
TIMEOUT_S = 20.0
# What the service accepts: https://platform.openai.com/docs/api-reference/realtime (2026).
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_DESCRIPTION = 1024


@frozen(kw_only=True, eq=False)
class Tool(Generic[P, R]):
    """A function that a model may call; made by `tool`. Calling it calls the function.

    Raises ValueError for what the service would refuse, and for a limit that is none.
    """

    name: str
    description: str
    function: Callable[P, R]
    arguments: Arguments = field(repr=False)
    timeout_s: float = TIMEOUT_S
    """Seconds that one call may take."""
    max_result_bytes: int = MAX_RESULT_BYTES
    """UTF-8 bytes of one result: all of it goes into the conversation."""
    max_calls_per_minute: int | None = None
    """Calls in any 60 seconds of a session; None: any number."""
    cancel_on_interruption: bool = False
    """Whether a call that still runs when the user interrupts is cancelled."""
    trust: Trust = "service"
    """Whose word is enough for a call: the service's own, or a page's that relays it (S3)."""
    approve: Approve | None = field(default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a tool's name is 1-64 of a-z A-Z 0-9 _ -, not {self.name!r}")
        if (size := len(self.description)) > _MAX_DESCRIPTION:
            raise ValueError(
                f"tool {self.name}: a description of {size} > {_MAX_DESCRIPTION} characters"
            )
        for limit in ("timeout_s", "max_result_bytes", "max_calls_per_minute"):
            value = getattr(self, limit)
            if value is not None and not value > 0:
                raise ValueError(f"tool {self.name}: {limit} is above 0, not {value}")
        if self.trust not in get_args(Trust):
            raise ValueError(f"tool {self.name}: trust is service or relay, not {self.trust!r}")

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    @property
    def parameters(self) -> dict[str, Any]:
        """The JSON schema of the arguments; a fresh copy."""
        return copy.deepcopy(self.arguments.schema)

    @property
    def definition(self) -> dict[str, Any]:
        """The tool as the session's configuration lists it; a fresh copy."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }


class Options(TypedDict, total=False):
    """What `tool` takes: the fields of `Tool` that a signature does not tell."""

    name: str
    description: str
    timeout_s: float
    max_result_bytes: int
    max_calls_per_minute: int | None
    cancel_on_interruption: bool
    trust: Trust
    approve: Approve | None


@overload
def tool(function: Callable[P, R], /) -> Tool[P, R]: ...
@overload
def tool(**options: Unpack[Options]) -> Callable[[Callable[P, R]], Tool[P, R]]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Unpack[Options]) -> Any:
    """Make a tool of a function: `@tool`, or `@tool(timeout_s=5)` with any of `Options`.

    The description is the docstring's first paragraph. A parameter is described by
    `Annotated[T, "…"]`, by `msgspec.Meta(description=…)` or `pydantic.Field(description=…)`, or in
    the docstring, as Google, NumPy or Sphinx write it. A parameter with a default may be left out
    by the model; one annotated `ToolContext` is not told to it.

    Raises TypeError for a signature that no schema can describe (a parameter without a type,
    `*args`, a type that neither msgspec nor pydantic knows) and ValueError as `Tool` does.
    """
    if function is None:
        return functools.partial(tool, **options)
    documented, described = read_docstring(inspect.getdoc(function) or "")
    name = options.setdefault("name", getattr(function, "__name__", ""))
    options.setdefault("description", documented)
    try:
        arguments = read_signature(function, described)
    except TypeError as error:
        raise TypeError(f"tool {name}: {error}") from error
    return Tool(function=function, arguments=arguments, **options)
