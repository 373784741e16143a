"""Declare hyperparameters as pydantic fields, and read the declarations back."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.fields import FieldInfo

from objectives.errors import SettingError, near_names, not_among

NUMBER_OR_LIST = "float or list of float"
Kind = Literal["structural", "tunable", "schedule"]
Need = Mapping[str, tuple[Any, ...] | None]
"""Other hyperparameters -> the values of each with which this one has an effect. None instead of
values stands for any value except None, zero, false, "none" and an empty list."""


@dataclass(frozen=True)
class HyperparameterInfo:
    """A description of a hyperparameter, for tables and search spaces.

    Attributes:
        name: The field's name.
        type: "float", "int", "bool", "text", "choice", "list of int", "float or list of float" or
            "balanced or table".
        low: Lower bound, of each element for a list; None where there is none.
        high: Upper bound, likewise.
        default: The default value; None means Keras's default or "not used".
        levels: The values of a choice, else None.
        kind: "structural", "tunable" or "schedule".
        help: One sentence.
        needs: It has an effect where one of these conditions holds in full; empty for always.
    """

    name: str
    type: str
    low: float | None
    high: float | None
    default: Any
    levels: tuple[str, ...] | None
    kind: Kind
    help: str
    needs: tuple[Need, ...]


def structural(
    default: Any,
    description: str,
    *,
    shared: bool = False,
    needs: Need | Sequence[Need] = (),
    **bounds: float,
) -> Any:
    """Declare a field whose value changes the compiled program.

    Args:
        default: The default value.
        description: One sentence.
        shared: Whether one program can serve all values that a study gives it.
        needs: The conditions under which it has an effect; one of them is enough.
        **bounds: `gt`, `ge`, `lt`, `le`, as for `pydantic.Field`.
    """
    return _declare("structural", default, description, bounds, shared=shared, needs=needs)


def tunable(
    default: Any,
    description: str,
    *,
    presence: bool = False,
    shared: bool = False,
    needs: Need | Sequence[Need] = (),
    **bounds: float,
) -> Any:
    """Declare a field that is a number inside the compiled program.

    Args:
        default: The default value.
        description: One sentence.
        presence: Whether zero (or "none") means that a part of the program is left out.
        shared: Whether one program can serve trials with that part and trials without it, where a
            study has both.
        needs: The conditions under which it has an effect; one of them is enough.
        **bounds: `gt`, `ge`, `lt`, `le`, as for `pydantic.Field`.
    """
    return _declare(
        "tunable", default, description, bounds, presence=presence, shared=shared, needs=needs
    )


def schedule(
    default: Any, description: str, *, needs: Need | Sequence[Need] = (), **bounds: float
) -> Any:
    """Declare a field that only the training loop reads."""
    return _declare("schedule", default, description, bounds, needs=needs)


def _declare(
    kind: Kind,
    default: Any,
    description: str,
    bounds: dict[str, Any],
    *,
    presence: bool = False,
    shared: bool = False,
    needs: Need | Sequence[Need] = (),
) -> Any:
    extra: dict[str, Any] = {"kind": kind, "presence": presence, "shared": shared}
    extra["needs"] = (needs,) if isinstance(needs, Mapping) else tuple(needs)
    return Field(default, description=description, json_schema_extra=extra, **bounds)


def describe(name: str, field: FieldInfo) -> HyperparameterInfo:
    """Describe one declared field."""
    kind, levels = _type(field)
    low, high = _bounds(field)
    return HyperparameterInfo(
        name=name,
        type=kind,
        low=None if low is None else low[1],
        high=None if high is None else high[1],
        default=field.default,
        levels=levels,
        kind=_extra(field)["kind"],
        help=field.description or "",
        needs=_extra(field)["needs"],
    )


def need_in_words(need: Need) -> str:
    """Return a condition as text, such as `head is classification and ...`."""
    return " and ".join(
        f"{name} is {'something' if wanted is None else ' or '.join(map(str, wanted))}"
        for name, wanted in need.items()
    )


def meets(value: Any, wanted: tuple[Any, ...] | None) -> bool:
    """Tell whether a value meets one entry of a `Need`."""
    return bool(value) and value != "none" if wanted is None else value in wanted


def adapter(field: FieldInfo) -> TypeAdapter[Any]:
    """Make the validator of one field by itself, as strict as the whole model."""
    annotated: Any = Annotated[field.annotation, field]
    return TypeAdapter(annotated, config=ConfigDict(strict=True, allow_inf_nan=False))


def broken_rule(name: str, field: FieldInfo, value: Any, none: str = "None") -> SettingError:
    """Make the error for a value that breaks its field's rule, for the caller to raise.

    Args:
        name: The name of the field.
        field: The field.
        value: The value.
        none: How None is written where the value comes from.
    """
    received = f"{name}={value!r}"
    _, levels = _type(field)
    if not levels:
        return SettingError(f"Expected {_rule(field, none)}. Received: {received}.")
    nearest = near_names(str(value), levels)
    hint = f"Did you mean {nearest[0]!r}?" if nearest else ""
    known = [*map(repr, levels), *([none] if _annotation(field)[1] else [])]
    return SettingError(not_among(f"a level of {name}", received, known, hint))


def served(field: FieldInfo, value: Any, levels: Sequence[Any]) -> frozenset[Hashable]:
    """Return what a trial's program serves of a field: all levels if it is shared, or one.

    Args:
        field: The field.
        value: The trial's value.
        levels: The values that trials of the study can have. A value outside the levels has a
            program of its own, without them.

    Returns:
        Values, each reduced to what a program depends on: the value itself for a structural field,
        whether the part is present for an optional part, and None for any other number.
    """
    own = _reduce(field, value)
    if not _extra(field)["shared"]:
        return frozenset({own})
    others = frozenset(_reduce(field, level) for level in levels)
    return others if own in others else frozenset({own})


def fullest(field: FieldInfo, value: Any, levels: Sequence[Any]) -> Any:
    """Return the value, among those that a trial's program serves, with the most parts."""
    if not _extra(field)["presence"] or len(served(field, value, levels)) == 1:
        return value

    def parts(value: Any) -> int:
        present = _reduce(field, value)
        # None stands for another field's value, which may be zero or not.
        return 1 if present is None else 2 if present else 0

    most = max([value, *levels], key=parts)
    # One rate for all layers, also for those where this list, or another one, has zero.
    return max(most) if isinstance(most, list | tuple) else most


def _reduce(field: FieldInfo, value: Any) -> Any:
    extra = _extra(field)
    if extra["kind"] == "structural":
        return value
    # None is not the same as zero: it may stand for another field's value.
    if not extra["presence"] or value is None:
        return None
    if isinstance(value, list | tuple):  # of one number for each layer
        present = tuple(each != 0 for each in value)
        return present if len(set(present)) > 1 else present[0]
    return value not in (0, "none")


def _extra(field: FieldInfo) -> dict[str, Any]:
    return cast(dict[str, Any], field.json_schema_extra)


def _annotation(field: FieldInfo) -> tuple[Any, bool]:
    """Return a field's annotation without `| None` and validators, and whether it had None."""
    inner, optional = field.annotation, False
    if get_origin(inner) in (Union, UnionType) and NoneType in get_args(inner):
        (inner,) = (part for part in get_args(inner) if part is not NoneType)
        optional = True
    return (get_args(inner)[0] if get_origin(inner) is Annotated else inner), optional


def _type(field: FieldInfo) -> tuple[str, tuple[str, ...] | None]:
    annotation, _ = _annotation(field)
    if get_origin(annotation) is Literal:
        return "choice", get_args(annotation)
    if get_origin(annotation) is tuple:
        return "list of int", None
    if get_origin(annotation) is Union:
        return NUMBER_OR_LIST, None
    if annotation is Any:
        return "balanced or table", None
    return "text" if annotation is str else cast(str, annotation.__name__), None


def _bounds(field: FieldInfo) -> tuple[Any, Any]:
    """Return the lower and the upper bound as (sign, number); for a list, of its elements."""
    annotation, _ = _annotation(field)
    # A list, or a number or a list: the first argument is that of a number.
    is_bounded_inside = get_origin(annotation) in (tuple, Union)
    metadata = get_args(get_args(annotation)[0])[1:] if is_bounded_inside else field.metadata
    low = high = None
    for mark in metadata:
        match mark:
            case Ge(number) | Gt(number):
                low = (">=" if isinstance(mark, Ge) else ">", number)
            case Le(number) | Lt(number):
                high = ("<=" if isinstance(mark, Le) else "<", number)
    return low, high


_WORDS = {
    "int": "an int",
    "float": "a float",
    "bool": "a bool",
    "text": "text",
    "balanced or table": "'balanced', a table of labels and their weights,",
}


def _rule(field: FieldInfo, none: str) -> str:
    kind, _ = _type(field)
    words = _WORDS.get(kind, "")
    if kind == "list of int":
        least = next((mark.min_length for mark in field.metadata if isinstance(mark, MinLen)), 0)
        most = next(mark.max_length for mark in field.metadata if isinstance(mark, MaxLen))
        words = f"a list of {least} to {most} ints"
    bounds = " and ".join(f"{sign} {number}" for sign, number in filter(None, _bounds(field)))
    is_optional = _annotation(field)[1] or field.default is None
    optional = f" or {none}" if is_optional else ""
    if kind == NUMBER_OR_LIST:
        return f"a float {bounds}, or a list of them, one for each layer{optional}"
    return " ".join(filter(None, [words, bounds])) + optional
