"""A function's signature, both ways: as the schema that the model sees, and as the reader of what
the model sends.

msgspec knows plain hints, Structs, attrs and dataclasses, TypedDicts, enums and Literals; what is
pydantic's own, pydantic reads.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, get_args, get_origin

import msgspec
from attrs import frozen

from . import models
from .context import ToolContext


@frozen(eq=False)
class Arguments:
    """What a function takes. `schema` is JSON schema 2020-12: closed, and the same every time."""

    schema: dict[str, Any]
    contexts: tuple[str, ...]
    """The parameters that take a `ToolContext`."""
    _struct: type[msgspec.Struct]
    _models: tuple[models.ModelParameter, ...]

    def read(self, text: str) -> dict[str, Any]:
        """JSON text as the function's keyword arguments; one left out takes its default.

        Raises msgspec.ValidationError and `models.Unfit` where it does not fit, the other errors of
        JSON, and whatever your types raise.
        """
        # Some models leave the text empty where a tool takes no arguments.
        read = msgspec.json.decode(text.strip() or "{}", type=self._struct)
        fields = ((name, getattr(read, name)) for name in read.__struct_fields__)
        given = {name: value for name, value in fields if value is not msgspec.UNSET}
        for model in self._models:
            if model.name in given:
                given[model.name] = model.read(bytes(given[model.name]))
        return given


def read_signature(function: Callable[..., Any], described: Mapping[str, str]) -> Arguments:
    """What a function takes; `described` are words about parameters by name.

    Raises TypeError for a signature that no schema can describe.
    """
    try:
        every = inspect.signature(function, eval_str=True).parameters.values()
    except NameError as error:
        raise TypeError(
            f"its type hints name {error.name!r}, which its module does not know"
        ) from error
    for parameter in every:
        _check(parameter)
    contexts = tuple(each.name for each in every if _is_context(each.annotation))
    told = [each for each in every if each.name not in contexts]
    read_by_pydantic = {
        each.name: models.model_parameter(each.name, each.annotation)
        for each in told
        if models.is_pydantic(each.annotation)
    }
    struct = msgspec.defstruct(
        "Arguments",
        (_field(each, raw=each.name in read_by_pydantic) for each in told),
        kw_only=True,
        forbid_unknown_fields=True,
    )
    schema = _schema(struct, read_by_pydantic.values())
    for parameter in told:
        _annotate(schema["properties"][parameter.name], parameter, described)
    return Arguments(schema, contexts, struct, tuple(read_by_pydantic.values()))


def _check(parameter: inspect.Parameter) -> None:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise TypeError(f"parameter {parameter} cannot be given by name")
    if parameter.annotation is parameter.empty:
        raise TypeError(
            f"parameter {parameter.name!r} needs a type hint (a method: wrap the bound one)"
        )
    if models.is_field(parameter.default):
        raise TypeError(f"parameter {parameter.name!r}: write Annotated[…, Field(…)] = default")


def _is_context(hint: object) -> bool:
    return ToolContext in (hint, get_origin(hint))


def _field(parameter: inspect.Parameter, *, raw: bool) -> tuple[str, Any] | tuple[str, Any, Any]:
    """A parameter as a Struct's field; one left out by the model takes the function's default."""
    kind = msgspec.Raw if raw else parameter.annotation
    if parameter.default is parameter.empty:
        return parameter.name, kind
    return parameter.name, kind, msgspec.UNSET


def _schema(
    struct: type[msgspec.Struct], of_pydantic: Iterable[models.ModelParameter]
) -> dict[str, Any]:
    (reference,), parts = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    schema: dict[str, Any] = parts.pop(reference["$ref"].removeprefix("#/$defs/"))
    del schema["title"]
    for model in of_pydantic:
        schema["properties"][model.name] = model.schema
        parts |= model.parts
    return schema | {"$defs": parts} if parts else schema


def _annotate(
    entry: dict[str, Any], parameter: inspect.Parameter, described: Mapping[str, str]
) -> None:
    """Add what the type does not say: the words of `Annotated[T, "…"]`, and the default."""
    hint = parameter.annotation
    notes: Iterable[object] = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    words = next((note for note in notes if isinstance(note, str)), None)
    words = words or described.get(parameter.name)
    if words:
        entry.setdefault("description", words)
    if parameter.default is not parameter.empty:
        # A default that JSON cannot say still holds; the schema is silent about it.
        with contextlib.suppress(TypeError, ValueError):
            default = msgspec.json.encode(
                parameter.default, enc_hook=models.as_json, order="deterministic"
            )
            entry["default"] = msgspec.json.decode(default)
