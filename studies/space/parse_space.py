"""Read the `[space]` of a study: each line checked against the objective's hyperparameters.

activation = ["relu", "tanh"]                                    levels
filters = { small = [32, 64], large = [64, 128] }                levels with labels of their own
learning_rate = { low = 1e-5, high = 1e-1, log = true }          a range
momentum = { low = 0.0, high = 0.99, when = { optimizer = ["sgd"] } }
epsilon = [                                                      ranges for different conditions
    { low = 1e-8, high = 1e-2, log = true, when = { optimizer = ["adam"] } },
    { low = 1e-10, high = 1e-6, log = true, when = { optimizer = ["rmsprop"] } },
]
nesterov = { levels = [true, false], when = { optimizer = ["sgd"] } }
setting = { a = { optimizer = "adam", learning_rate = 1e-3 }, b = { optimizer = "sgd" } }

TOML has no None. The text "none" stands for it where the hyperparameter of a network may be None;
for a user's function a level that sets nothing does, such as `off` here:

decay = { off = {}, weak = { decay = 1e-4 }, strong = { decay = 1e-2 } }
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from itertools import chain, combinations
from math import isfinite
from types import MappingProxyType
from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from objectives import HyperparameterInfo
from objectives.errors import unknown_name
from objectives.fields import NUMBER_OR_LIST, Need, meets, need_in_words
from objectives.training_hyperparameters import TrainingHyperparameters
from studies.errors import DefinitionError, Mistakes
from studies.space.check_range import check_ends, check_number_of_programs
from studies.space.factor import Factor, Scalar, same
from studies.space.other_forms import check_form
from studies.space.space import Space
from studies.space.steps import Steps

NONE = "none"  # the text that stands for None
SEED = "seed"  # a study may vary it like a hyperparameter, although no network has it as one


def parse_space(
    lines: Mapping[str, Any],
    fixed: Mapping[str, Any],
    kind: type[TrainingHyperparameters] | None,
    earlier: Mapping[str, Any] = MappingProxyType({}),
) -> Space:
    """Read `[space]`.

    Args:
        lines: The table, as TOML gives it.
        fixed: The table `[fixed]`.
        kind: The hyperparameters of the objective; None for a user's own function, which may take
            any parameters.
        earlier: Defaults of the objective that were others when the study was made.

    Raises:
        DefinitionError: A line breaks a rule; the message names it.
    """
    infos = {} if kind is None else {info.name: info for info in kind.describe()}
    fixed, factors = _parse_lines(lines, fixed, infos, kind)
    _check_set_once(factors, fixed)
    factors = {name: _check_when(factor, factors, kind) for name, factor in factors.items()}
    defaults = {name: info.default for name, info in infos.items()} | dict(earlier)
    space = Space(_in_order(factors, {*defaults, *fixed}), dict(fixed), defaults, earlier)
    _check_reachable(space)
    _check_used(space, infos)
    return space


def _parse_lines(
    lines: Mapping[str, Any],
    fixed: Mapping[str, Any],
    infos: Mapping[str, HyperparameterInfo],
    kind: type[TrainingHyperparameters] | None,
) -> tuple[dict[str, Any], dict[str, Factor]]:
    """Return the values of `[fixed]` and the factors, each line by itself; tell all mistakes."""
    values: dict[str, Any] = {}
    factors: dict[str, Factor] = {}
    mistakes = Mistakes()
    for name, value in fixed.items():
        with mistakes.noted():
            is_none = _check_level(f"fixed.{name}", name, value, kind) is None
            values[name] = None if is_none else value
    for name, line in lines.items():
        with mistakes.noted():
            factors[name] = _parse_factor(name, line, infos, kind)
    mistakes.tell()
    return values, factors


def _parse_factor(
    name: str,
    line: Any,
    infos: Mapping[str, HyperparameterInfo],
    kind: type[TrainingHyperparameters] | None,
) -> Factor:
    key = f"space.{name}"
    if isinstance(line, list) and line and all(isinstance(each, dict) for each in line):
        return _several_ranges(key, [_parse_factor(name, each, infos, kind) for each in line])
    if isinstance(line, list):
        levels = {_label(key, value): value for value in line}
        if len(levels) != len(line):
            raise DefinitionError(key, f"Expected levels that differ. Received: {line!r}.")
        return _choices(key, name, levels, kind)
    check_form(key, name, line, None if name == SEED else kind)
    when = line.get("when", {})
    if any(end in line and not isinstance(line[end], list | dict) for end in ("low", "high")):
        return _range(key, name, line, infos.get(name), kind, _parse_when(key, when))
    if "levels" in line:
        _check_keys(key, line, {"levels", "when"})
        inner = _parse_factor(name, line["levels"], infos, kind)
        return Factor(name, inner.distribution, inner.meaning, _parse_when(key, when))
    if all(isinstance(level, dict) for level in line.values()):
        return _setting(key, name, line, infos, kind)
    return _choices(key, name, line, kind)


def _several_ranges(key: str, cases: list[Factor]) -> Factor:
    """Return one factor of the ranges that one hyperparameter has under different conditions."""
    # Optuna takes a parameter's other range only if it is of the same class, with the same `log`.
    kinds = {(type(case.distribution), getattr(case.distribution, "log", None)) for case in cases}
    if any(case.meaning or case.more for case in cases) or len(kinds) > 1:
        raise DefinitionError(
            key,
            "Expected ranges, all with log = true or none, all of whole numbers or none. "
            "Received: others. Give one of them a name of its own, as a setting.",
        )
    return replace(cases[0], more=tuple(cases[1:]))


def _label(key: str, value: Any) -> Scalar:
    """Return the form in which Optuna stores a level: itself, or its parts joined by dashes."""
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list) and all(isinstance(v, int | float | str) for v in value):
        return "-".join(str(part) for part in value) or "none"
    raise DefinitionError(
        key, f"Expected levels that are scalars or lists of them. Received: {value!r}."
    )


def _choices(
    key: str, name: str, levels: Mapping[Scalar, Any], kind: type[TrainingHyperparameters] | None
) -> Factor:
    if not levels:
        raise DefinitionError(key, "Expected at least one level. Received: none.")
    _check_lists(key, name, list(levels.values()), kind)
    meaning = {label: {name: _check_level(key, name, v, kind)} for label, v in levels.items()}
    return Factor(name, CategoricalDistribution(list(levels)), meaning)


def _check_lists(
    key: str, name: str, levels: list[Any], kind: type[TrainingHyperparameters] | None
) -> None:
    """Check that the levels of a hyperparameter that is a list are not the parts of one level."""
    types = {} if kind is None else {info.name: info.type for info in kind.describe()}
    if types.get(name) == "list of int" and all(isinstance(level, int) for level in levels):
        raise DefinitionError(
            key,
            f"Expected levels that are lists, one for each network. Received: {levels}. "
            f"Write {[[level] for level in levels]} for networks of one layer, "
            f"or {[levels]} for one of {len(levels)}.",
        )


def _setting(
    key: str,
    name: str,
    levels: Mapping[str, Mapping[str, Any]],
    infos: Mapping[str, HyperparameterInfo],
    kind: type[TrainingHyperparameters] | None,
) -> Factor:
    if name in infos:
        raise DefinitionError(
            key,
            "Expected a name of its own for a factor that sets several hyperparameters. "
            f"Received: the hyperparameter {name!r}.",
        )
    meaning: dict[Scalar, dict[str, Any]] = {
        label: {n: _check_level(f"{key}.{label}", n, v, kind) for n, v in sets.items()}
        for label, sets in levels.items()
    }
    return Factor(name, CategoricalDistribution(list(levels)), meaning)


def _range(
    key: str,
    name: str,
    line: Mapping[str, Any],
    info: HyperparameterInfo | None,
    kind: type[TrainingHyperparameters] | None,
    when: Mapping[str, list[Any]],
) -> Factor:
    _check_keys(key, line, {"low", "high", "step", "log", "when"})
    low, high = (_number(key, line, end) for end in ("low", "high"))
    step = _number(key, line, "step") if "step" in line else None
    log = line.get("log", False)
    if not isinstance(log, bool):
        raise DefinitionError(key, f"Expected true or false for 'log'. Received: log={log!r}.")
    for end in (low, high):
        _check(key, name, end, kind)
    if info is not None and info.type not in ("int", "float", NUMBER_OR_LIST):
        raise DefinitionError(key, f"Expected a list of levels for {name}. Received: a range.")
    check_ends(key, low, high, step, log)
    is_whole = info.type == "int" if info else {type(v) for v in (low, high, step or 1)} == {int}
    if is_whole and step is not None and not isinstance(step, int):
        raise DefinitionError(key, f"Expected a whole step for {name}. Received: step={step}.")
    if info is not None and info.kind == "structural" and step is None:
        check_number_of_programs(key, name, low, high, log=log, is_whole=is_whole)
    if is_whole:
        whole = range(int(low), int(high) + 1, int(step or 1))
        distribution = IntDistribution(whole[0], whole[-1], log, whole.step)
        return Factor(name, distribution, {}, when, () if log else whole)
    if step is None:
        return Factor(name, FloatDistribution(low, high, log), {}, when)
    steps = Steps(low, high, step)
    stepped = steps.distribution()
    if stepped is None:
        raise DefinitionError(
            key, f"Expected a step of fewer digits, or a list of levels. Received: step={step}."
        )
    return Factor(name, stepped, {}, when, steps)


def _number(key: str, line: Mapping[str, Any], end: str) -> int | float:
    value = line.get(end)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise DefinitionError(key, f"Expected a number for {end!r}. Received: {end}={value!r}.")
    return value


def _parse_when(key: str, when: Any) -> dict[str, list[Any]]:
    if not isinstance(when, dict) or not all(isinstance(v, list) and v for v in when.values()):
        raise DefinitionError(
            key, f"Expected when = {{ name = [values] }}. Received: when={when!r}."
        )
    return when


def _check_when(
    factor: Factor, factors: Mapping[str, Factor], kind: type[TrainingHyperparameters] | None
) -> Factor:
    """Return the factor with the values of its `when` in the form that hyperparameters have.

    A misspelt value is an error here; otherwise it would leave the factor inactive in every trial.
    """
    cases = [replace(case, when=_read_when(case, factors, kind)) for case in factor.cases]
    for one, other in combinations(cases, 2):
        if not _exclude_each_other(one.when, other.when):
            raise DefinitionError(
                f"space.{factor.name}",
                "Expected conditions that exclude each other, by different values of one name. "
                f"Received: when={dict(one.when)} and when={dict(other.when)}.",
            )
    return replace(cases[0], more=tuple(cases[1:]))


def _read_when(
    case: Factor, factors: Mapping[str, Factor], kind: type[TrainingHyperparameters] | None
) -> dict[str, list[Any]]:
    when = {}
    for name, values in case.when.items():
        key = f"space.{case.name}.when.{name}"
        if name in factors:
            choices = [factors[name].choice_of(value, key) for value in values]
            when[name] = [factors[name].hyperparameters(c).get(name, c) for c in choices]
        else:
            when[name] = [_check_level(key, name, value, kind) for value in values]
    return when


def _exclude_each_other(one: Mapping[str, list[Any]], other: Mapping[str, list[Any]]) -> bool:
    return any(
        not any(same(a, b) for a in one[name] for b in other[name])
        for name in one.keys() & other.keys()
    )


def _check_level(
    key: str, name: str, value: Any, kind: type[TrainingHyperparameters] | None
) -> Any:
    """Check a level; "none" is None where the hyperparameter has no such text but may be None."""
    try:
        return _check(key, name, value, kind)
    except DefinitionError:
        if value != NONE or kind is None or name == SEED:
            raise
        with suppress(ValueError):
            return kind.check(name, None)
        raise


def _check(key: str, name: str, value: Any, kind: type[TrainingHyperparameters] | None) -> Any:
    if name == SEED:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise DefinitionError(key, f"Expected a seed of 0 or more. Received: seed={value!r}.")
        return value
    if kind is None:
        return value
    try:
        return kind.check(name, value, none=f'"{NONE}"')
    except ValueError as error:
        raise DefinitionError(key, str(error)) from None


def _check_reachable(space: Space) -> None:
    """Check that every condition can be met: otherwise its factor is inactive in every trial."""
    for factor in chain.from_iterable(factor.cases for factor in space.factors.values()):
        for name, wanted in factor.when.items():
            if name in space.factors and space.factors[name].meaning:
                continue  # _check_when has checked each level
            values = space.possible_values(name)
            is_range = len(space.values_of(name)) > 0 and name in space.factors
            if not is_range and not any(same(a, b) for a in values for b in wanted):
                raise DefinitionError(
                    f"space.{factor.name}.when.{name}",
                    f"Expected a value that trials have. Received: {', '.join(map(str, wanted))}, "
                    f"where {name} is {' or '.join(map(str, values))}.",
                )


def _check_used(space: Space, infos: Mapping[str, HyperparameterInfo]) -> None:
    """Check that every factor can affect the network: otherwise its trials differ by chance."""
    for factor in chain.from_iterable(factor.cases for factor in space.factors.values()):
        names = {name for choice in factor.choices() for name in factor.hyperparameters(choice)}
        for name in sorted(names & infos.keys()):
            needs = infos[name].needs
            # A conditional factor can have an effect only where its own conditions hold.
            values = {
                other: factor.when.get(other) or space.possible_values(other)
                for need in needs
                for other in need
            }
            if needs and not any(_is_met(need, values) for need in needs):
                rule = "; or where ".join(map(need_in_words, needs))
                received = [f"{k}={' or '.join(map(str, found))}" for k, found in values.items()]
                raise DefinitionError(
                    f"space.{factor.name}",
                    f"Expected {name} to have an effect, which it has where {rule}. "
                    f"Received: {', '.join(received)}. Change that, or fix {name}.",
                )


def _is_met(need: Need, values: Mapping[str, list[Any]]) -> bool:
    return all(any(meets(v, wanted) for v in values[other]) for other, wanted in need.items())


def _check_keys(key: str, line: Mapping[str, Any], known: set[str]) -> None:
    for name in line:
        if name not in known:
            raise DefinitionError(f"{key}.{name}", str(unknown_name("a key", name, known)))


def _check_set_once(factors: Mapping[str, Factor], fixed: Mapping[str, Any]) -> None:
    setters = {name: f"fixed.{name}" for name in fixed}
    for factor in factors.values():
        sets = {n for level in factor.meaning.values() for n in level} or {factor.name}
        for name in sorted(sets):
            if name in setters:
                raise DefinitionError(
                    f"space.{factor.name}",
                    f"Expected {name} to be set once. Received: it again after {setters[name]}. "
                    "Take one of the two out.",
                )
            setters[name] = f"space.{factor.name}"


def _in_order(factors: Mapping[str, Factor], given: set[str]) -> dict[str, Factor]:
    """Sort the factors so that each comes after the factors that its `when` names."""
    ordered: dict[str, Factor] = {}
    set_later = {n for f in factors.values() for level in f.meaning.values() for n in level}
    waiting = dict(factors)
    while waiting:
        known = (given - set_later - set(waiting)) | _set_by(ordered)
        ready = [f for f in waiting.values() if f.conditions <= known]
        if not ready:
            factor = next(iter(waiting.values()))
            raise DefinitionError(
                f"space.{factor.name}.when",
                "Expected names of other factors or of hyperparameters, in no circle. "
                f"Received: {', '.join(sorted(factor.conditions))}.",
            )
        for factor in ready:
            ordered[factor.name] = waiting.pop(factor.name)
    return ordered


def _set_by(factors: Mapping[str, Factor]) -> set[str]:
    return {n for f in factors.values() for level in f.meaning.values() for n in level} | {*factors}
