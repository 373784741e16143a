"""A line of `[space]` in the form of another tool, told as it is written here.

The forms are those of KerasTuner 1.4, W&B sweeps, Ray Tune 2, Hyperopt .2, NNI 3 and Optuna 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp
from typing import Any

from objectives.errors import SettingError, UnknownNameError
from objectives.own.toml import toml_key, toml_value
from objectives.training_hyperparameters import TrainingHyperparameters
from studies.errors import DefinitionError

# Words are compared by `_plain`: small, without "_" and the prefix of a method.
# A key -> what it gives.
PARTS = {
    **dict.fromkeys(("low", "min", "minvalue", "lower", "start"), "low"),
    **dict.fromkeys(("high", "max", "maxvalue", "upper", "stop", "end"), "high"),
    **dict.fromkeys(("step", "q"), "step"),
    **dict.fromkeys(("log", "logscale", "sampling"), "log"),
    **dict.fromkeys(("levels", "values", "choices", "options", "categories"), "levels"),
    **dict.fromkeys(("type", "distribution"), "kind"),
    **dict.fromkeys(("parameters", "args"), "arguments"),
    **dict.fromkeys(("mu", "sigma"), "normal"),
    **{"value": "value", "parentname": "parent", "parentvalues": "parent's"},
    **{"name": "name", "default": "default", "probabilities": "probabilities"},
}
OURS = frozenset(("low", "high", "step", "log", "levels"))
TELLING = frozenset(("low", "high", "levels", "value", "arguments", "normal"))
# The name of a distribution -> what its arguments give; "q" before it is left out.
KINDS = {
    **dict.fromkeys(("choice", "categorical", "gridsearch", "grid", "ordinal"), "levels"),
    **dict.fromkeys(("boolean", "bool"), "boolean"),
    **dict.fromkeys(("constant", "fixed", "value"), "value"),
    **dict.fromkeys(("uniform", "float", "double", "int", "integer", "intuniform", "uniformint",
                     "discreteuniform", "range", "bounds"), "range"),
    **dict.fromkeys(("loguniform", "loguniformvalues", "logfloat", "logint"), "log"),
    **dict.fromkeys(("randint", "lograndint"), "below"),  # whose upper end is no value
    **dict.fromkeys(("normal", "lognormal", "randn"), "normal"),
}  # fmt: skip


def check_form(key: str, name: str, line: Any, kind: type[TrainingHyperparameters] | None) -> None:
    """Check that a line has a form of ours; the error says what to write instead.

    Args:
        key: The key of the line.
        name: The name of the factor.
        line: What stands behind the `=`; no list.
        kind: The hyperparameters of the objective; None for a user's own function.

    Raises:
        DefinitionError: It has none, or that of another tool.
    """
    if not isinstance(line, dict) or not line:
        example = toml_value([line] if isinstance(line, str | int | float) else [1, 9])
        raise DefinitionError(
            key,
            f"Expected a list of levels, a range or a table of levels. Received: {line!r}. Write "
            f"levels as {toml_key(name)} = {example}, a range as {{ low = 1, high = 9 }}, and what "
            "all trials have in [fixed].",
        )
    infos = () if kind is None else kind.describe()
    are_lists = any(info.name == name and info.type == "list of int" for info in infos)
    told = in_our_words(name, line, are_lists=are_lists)
    if told is None:
        return
    received = ", ".join(f"{word}={value}" for word, value in line.items())
    message = f"Expected a range or levels. Received: {received}. {told}"
    if kind is not None:
        try:
            kind.check(name, None)
        except UnknownNameError as error:  # told first, with what it is called here
            message = str(error)
        except SettingError:  # of the value
            pass
    raise DefinitionError(key, message)


def in_our_words(name: str, line: Mapping[str, Any], *, are_lists: bool) -> str | None:
    """Return what to write instead of a line in another tool's form; None for any other line.

    Args:
        name: The name of the factor.
        line: Its table.
        are_lists: Whether each of its levels is a list of numbers, as the widths of layers.
    """
    given = {key: value for key, value in line.items() if key != "when"}
    parts = _of_one_word(given)
    if parts is None:
        parts = _of_words(given)
    if parts is None:
        return None
    if are_lists and isinstance(parts.get("levels"), list):
        parts["levels"] = [[each] if isinstance(each, int) else each for each in parts["levels"]]
    when = {"when": line["when"]} if "when" in line else {}
    if "parent" in parts:
        values = parts.get("parent's")
        when = {"when": {parts["parent"]: values if isinstance(values, list) else [values]}}
    return _told(toml_key(name), parts, when)


def _of_one_word(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read `{ choice = [..] }`, whose only word is the name of a distribution."""
    if len(given) != 1:
        return None
    ((word, arguments),) = given.items()
    if _kind(word) is None or isinstance(arguments, str | bool):  # a level with this label
        return None
    if isinstance(arguments, Mapping) and not all(_plain(key) in PARTS for key in arguments):
        return None  # a level that sets hyperparameters
    return _applied(word, arguments, {})


def _of_words(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read `{ min = .., max = .., sampling = .. }`, whose words are all those of a form."""
    words = {_plain(key) for key in given}
    if words <= {"step", "log"}:
        return {}
    if words <= OURS or not words <= PARTS.keys():
        return None
    parts = {PARTS[_plain(key)]: value for key, value in given.items()}
    kind = str(parts.get("kind", ""))
    if not parts.keys() & TELLING and _kind(kind) != "boolean":
        return None
    if _kind(kind) is not None and "value" in parts:  # as NNI names the arguments
        parts["arguments"] = parts.pop("value")
    return _applied(kind, parts.pop("arguments", None), parts)


def _applied(kind: str, arguments: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """Return parts with what a distribution and its arguments say."""
    what = _kind(kind)
    if isinstance(arguments, Mapping):
        parts |= {PARTS[_plain(k)]: v for k, v in arguments.items() if _plain(k) in PARTS}
    elif what in ("levels", "value"):
        parts |= {} if arguments is None else {what: arguments}
    elif isinstance(arguments, list):
        parts |= dict(zip(("low", "high", "step"), arguments, strict=False))
    elif arguments is not None:
        parts |= {"low": 0, "high": arguments}
    if what == "boolean":
        parts["levels"] = [False, True]
    if what == "normal":
        parts["normal"] = True
    if _is_number(parts.get("low")) and _is_number(parts.get("high")):
        parts |= _ends(kind, parts)
    return parts


def _ends(kind: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ends of a range, and whether it is searched by its logarithm."""
    low, high = parts["low"], parts["high"]
    is_log = "log" in _plain(kind) or parts.get("log") in (True, "log", "reverse_log")
    if _kind(kind) == "below" and "q" not in _plain(kind):
        high -= 1
    if is_log and low <= 0:  # Hyperopt and one distribution of W&B take exponents of e
        low, high = (float(f"{exp(end):.3g}") for end in (low, high))
    step = {"step": parts["step"]} if "step" in parts and not is_log else {}
    return {"range": {"low": low, "high": high, **step, **({"log": True} if is_log else {})}}


def _told(name: str, parts: Mapping[str, Any], when: Mapping[str, Any]) -> str:
    levels = parts.get("levels")
    if "value" in parts:
        return f"All trials have it: write {name} = {toml_value(parts['value'])} in [fixed]."
    if isinstance(levels, list):
        words = f"{name} = {toml_value({'levels': levels, **when} if when else levels)}"
    elif "range" in parts and "normal" not in parts:
        words = f"{name} = {toml_value({**parts['range'], **when})}"
    else:
        words = f"a range, as in {name} = {{ low = 1, high = 9 }}, or levels, as in {name} = [1, 9]"
    first = " What is tried first stands in search.enqueue." if "default" in parts else ""
    return f"Write {words}.{first}"


def _kind(word: str) -> str | None:
    plain = _plain(word)
    return KINDS.get(plain) or KINDS.get(plain.removeprefix("q"))


def _plain(word: str) -> str:
    plain = word.lower().replace("_", "")
    return plain.removeprefix("suggest").removeprefix("hp").removesuffix("distribution") or plain


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
