"""Check the settings in `search.enqueue` and `search.default` against the conditions of factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.errors import DefinitionError
from studies.space.factor import Factor, Scalar, same
from studies.space.space import Space


def check_whole(space: Space, key: str, setting: Mapping[str, Any]) -> None:
    """Check that a setting gives every factor of a design that is active in it."""

    def level(factor: Factor) -> Scalar:
        if factor.name not in setting:
            raise DefinitionError(
                key, f"Expected every factor of the design. Received: no {factor.name}."
            )
        return factor.choice_of(setting[factor.name], key)

    space.pick(level)


def check_every(space: Space, key: str, setting: Mapping[str, Any]) -> None:
    """Check that a setting gives every factor, also those that are inactive in it.

    A level of another factor may make them active.
    """
    for name, factor in space.factors.items():
        if name not in setting:
            when = " or ".join(" and ".join(_in_words(case.when)) for case in factor.cases)
            why = f"which is active with {when}" if when else "one of [space]"
            raise DefinitionError(
                key, f"Expected every factor. Received: no {name}, {why}. Add a level of it."
            )


def check_conditions(space: Space, key: str, setting: Mapping[str, Any]) -> None:
    """Check that the factors of a setting are active, whatever the sampler chooses for the rest."""
    unset = {**space.defaults, **space.fixed}
    known = {name: [value] for name, value in unset.items()}  # hyperparameter or factor -> values
    for factor in space.factors.values():
        is_given = factor.name in setting
        case = _case_for_sure(factor, known, key) if is_given else factor
        choices = factor.choices()
        if is_given:
            choices = [case.choice_of(setting[factor.name], f"{key}.{factor.name}")]
        levels = [{factor.name: each, **factor.hyperparameters(each)} for each in choices]
        for name in {name for level in levels for name in level}:
            values = [level[name] for level in levels if name in level]
            is_always_set = len(values) == len(levels) and (is_given or not factor.conditions)
            known[name] = values if is_always_set else [*values, *known.get(name, [])]


def _case_for_sure(factor: Factor, known: Mapping[str, list[Any]], key: str) -> Factor:
    """Return the case of a factor that is active whichever of the `known` values a point has."""
    for case in factor.cases:
        if all(_is_one_of(known[name], wanted) for name, wanted in case.when.items()):
            return case
    needs = "; or ".join(" and ".join(_in_words(case.when)) for case in factor.cases)
    received = ", ".join(_in_words({name: known[name] for name in sorted(factor.conditions)}))
    raise DefinitionError(
        f"{key}.{factor.name}",
        f"Expected {needs} beside it, without which there is no {factor.name}. "
        f"Received: {received}.",
    )


def _in_words(values: Mapping[str, list[Any]]) -> list[str]:
    return [f"{name}={' or '.join(map(str, each))}" for name, each in values.items()]


def _is_one_of(values: list[Any], wanted: list[Any]) -> bool:
    return all(any(same(value, each) for each in wanted) for value in values)
