"""What is wrong with a key, in words: its value, what it must be, the unit, and what was probably meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nmesd.toml import meant, unit_of, valued

_WHAT: Final = {
    "int_type": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "finite_number": "a number", "string_type": "a text in quotes", "tuple_type": "a list in brackets",
    "model_type": "a table", "model_attributes_type": "a table", "bool_type": "true or false",
}  # fmt: skip
_OUT_OF_RANGE: Final = ("greater_than", "greater_than_equal", "less_than", "less_than_equal")


def complaint(problem: Mapping[str, Any], kind: type[BaseModel]) -> str:
    """One sentence from one of pydantic's problems."""
    place, sort = problem["loc"], problem["type"]
    name = ".".join(str(part) for part in place)
    if sort == "extra_forbidden":
        return f"{name} = {problem['input']!r}: there is no such key here{_meant(kind, place)}"
    field = _field(kind, place)
    unit = unit_of(str(place[-1])) if place else ""
    wanted = _range(field, unit) if field is not None else ""
    if sort == "missing":
        return f"{name} is missing: give it" + (f", {wanted}" if wanted else "")
    if sort == "value_error":
        says = problem["msg"].removeprefix("Value error, ")
        return f"{name}: {says}" if name else says
    value = valued(name, problem["input"])
    if sort in _OUT_OF_RANGE:
        return f"{value}: must be {wanted}"
    if sort == "literal_error":
        return f"{value}: must be {problem['ctx']['expected']}"
    if sort in _WHAT:
        return f"{value}: must be {_WHAT[sort]}" + (f", {wanted}" if wanted else "")
    return f"{value}: {problem['msg']}"


def _meant(kind: type[BaseModel], place: Sequence[str | int]) -> str:
    model = _model(kind, place[:-1])
    if model is None:
        return ""
    return f": {meant(str(place[-1]), list(model.model_fields))}"


def _model(kind: type[BaseModel], place: Sequence[str | int]) -> type[BaseModel] | None:
    """The table at a place."""
    for part in place:
        if isinstance(part, int):
            continue
        field = kind.model_fields.get(part)
        found = _models(field.annotation) if field is not None else []
        if not found:
            return None
        kind = found[0]
    return kind


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _field(kind: type[BaseModel], place: Sequence[str | int]) -> FieldInfo | None:
    names = [part for part in place if not isinstance(part, int)]
    model = _model(kind, names[:-1])
    return model.model_fields.get(names[-1]) if model is not None and names else None


def _range(field: FieldInfo, unit: str) -> str:
    """`200 to 20000 Hz`, as far as there are bounds."""
    bounds: dict[str, float] = {}
    for one in (*field.metadata, *_nested(field.annotation)):
        for name in ("ge", "gt", "le", "lt"):
            if (bound := getattr(one, name, None)) is not None:
                bounds[name] = bound
    tail = f" {unit}" if unit else ""
    low = bounds.get("ge", bounds.get("gt"))
    high = bounds.get("le", bounds.get("lt"))
    over = "over " if "gt" in bounds else ""
    if low is not None and high is not None:
        return (
            f"{over}{low:g} to {high:g}{tail}"
            if not over
            else f"over {low:g}, up to {high:g}{tail}"
        )
    if low is not None:
        return f"{over or 'at least '}{low:g}{tail}"
    return f"at most {high:g}{tail}" if high is not None else ""


def _nested(annotation: Any) -> list[Any]:
    """Bounds inside `Annotated[float, Field(...)] | None`."""
    found: list[Any] = []
    for part in get_args(annotation):
        for one in getattr(part, "__metadata__", ()):
            found += one.metadata if isinstance(one, FieldInfo) else [one]
    return found
