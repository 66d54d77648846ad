"""pydantic's types in a signature: pydantic itself describes and reads them, and is imported only
where a hint is one of its own.
"""

from typing import Any, Protocol, get_args

import msgspec
from attrs import frozen

_PACKAGES = ("pydantic", "pydantic_core", "annotated_types")


def is_pydantic(hint: object) -> bool:
    """Whether a hint is a type of pydantic's, or has one in it: `list[Model]`,
    `Annotated[int, Field(ge=1)]`."""
    kind = hint if isinstance(hint, type) else type(hint)
    of_its_own = kind.__module__.partition(".")[0] in _PACKAGES
    derived = hasattr(kind, "__pydantic_validator__")
    return of_its_own or derived or any(map(is_pydantic, get_args(hint)))


def is_field(value: object) -> bool:
    """Whether a parameter's default is a `Field(…)`, which is no value."""
    return type(value).__module__ == "pydantic.fields"


class Unfit(Exception):  # noqa: N818 - the model's mistake, not ours
    """JSON that is not of the type; the words say where and what kind of mistake it was."""


class _Adapter(Protocol):
    """pydantic's `TypeAdapter`, as far as it is used."""

    def validate_json(self, data: bytes, /) -> Any: ...


@frozen
class ModelParameter:
    """The parameter `name`, whose type is pydantic's: its schema, and the types it refers to."""

    name: str
    schema: dict[str, Any]
    parts: dict[str, Any]
    _adapter: _Adapter

    def read(self, text: bytes) -> Any:
        """JSON text as the type. Raises Unfit, and whatever a validator raises that is no refusal.

        pydantic's message is not told: a validator's own words may be in it.
        """
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join([self.name, *map(str, first["loc"])])
            raise Unfit(f"{first['type']} - at `{place}`") from None


def model_parameter(name: str, hint: Any) -> ModelParameter:
    """A parameter as pydantic knows it. Raises TypeError where it does not."""
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        # No Struct has a dot in its name, so that none can be taken for a model.
        schema = adapter.json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise TypeError(f"parameter {name!r}: {error}") from error
    parts = {f"{name}.{model}": part for model, part in schema.pop("$defs", {}).items()}
    return ModelParameter(name, schema, parts, adapter)


def as_json(value: object) -> msgspec.Raw:
    """A model in a result, for msgspec to put in its place. Raises TypeError for any other."""
    write = getattr(value, "model_dump_json", None)
    if write is None:
        raise TypeError(f"{type(value).__name__} is not JSON")
    return msgspec.Raw(write())
