"""The default of a design by one factor at a time, in the levels that its trials have."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from studies.attributes import DEFINITION_KEY
from studies.errors import HpoError
from studies.lookup import definition_of
from studies.results.effects.trials import Level, Trials

if TYPE_CHECKING:
    import optuna


def default_of(study: optuna.Study, trials: Trials) -> dict[str, Level]:
    """Return the default level of each factor.

    Where the definition cannot be read here, as without its data, it is found from the trials: in a
    design by one factor at a time most points have the default's level of each factor.
    """
    with suppress(HpoError, ValueError, OSError):
        definition = definition_of(study)
        given = definition.search.default
        factors = definition.factors.factors
        return {n: factors[n].choice_of(given[n], f"search.default.{n}") for n in factors}
    stored = study.user_attrs[DEFINITION_KEY]["search"]["default"]
    return {name: _default(trials, name, stored.get(name)) for name in trials.factors}


def _default(trials: Trials, name: str, stored: object) -> Level:
    levels = trials.factors[name]
    if stored in levels:
        return stored
    points = {t.point: t.levels[name] for t in trials.trials if name in t.levels}
    return Counter(points.values()).most_common(1)[0][0]
