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


def check_conditions(space: Space, key: str, setting: Mapping[str, Any]) -> None:
    """Check that the factors of a setting are active, whatever the sampler chooses for the rest."""
    unset = {**space.defaults, **space.fixed}
    known = {name: [value] for name, value in unset.items()}  # hyperparameter or factor -> values
    for factor in space.factors.values():
        is_given = factor.name in setting
        for name, wanted in factor.when.items() if is_given else ():
            if not all(any(same(value, each) for each in wanted) for value in known[name]):
                raise DefinitionError(
                    f"{key}.{factor.name}",
                    f"Expected {name}={' or '.join(map(str, wanted))} beside it, without which "
                    f"there is no {factor.name}. Received: {name}="
                    f"{' or '.join(map(str, known[name]))}.",
                )
        choices = factor.choices()
        if is_given:
            choices = [factor.choice_of(setting[factor.name], key)]
        levels = [{factor.name: each, **factor.hyperparameters(each)} for each in choices]
        for name in {name for level in levels for name in level}:
            values = [level[name] for level in levels if name in level]
            is_always_set = len(values) == len(levels) and (is_given or not factor.when)
            known[name] = values if is_always_set else [*values, *known.get(name, [])]
