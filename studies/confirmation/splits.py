"""Confirm settings on several new divisions of the data, a study each."""

from __future__ import annotations

import optuna

from objectives.data.divisions import why_not_redrawn
from studies.confirmation.looks import Wanted, check_splits
from studies.confirmation.settings import Chosen, Division, choose
from studies.confirmation.study import Plan, Prepare, find, make, queue_all
from studies.errors import SettingError
from studies.lookup import as_argument, definition_of
from studies.results.confirmed.link import link_of


def opened_divisions(
    searched: optuna.Study, name: str, wanted: Wanted, prepare: Prepare
) -> list[optuna.Study]:
    """Return the study of each division, new ones where there are none yet.

    Args:
        searched: The searched study.
        name: What their names begin with.
        wanted: What is wanted, `splits` among it.
        prepare: See `make`.

    Raises:
        SettingError: The validation part cannot be drawn anew, or so few divisions and seeds cannot
            tell settings apart, or others were begun with.
    """
    n = wanted.splits
    assert n is not None
    _check_redrawn(searched)
    names = [f"{name}-split-{number}" for number in range(1, n + 1)]
    first = find(names[0], searched, wanted.top)
    chosen = choose(searched, wanted.top) if first is None else _of(first)
    n_seeds = check_splits(len(chosen.trials), n, wanted)
    found = []
    for number, own in enumerate(names, 1):
        study = find(own, searched, len(chosen.trials))
        if study is None:
            plan = Plan(n_seeds, [n], division=Division(number, n))
            study = make(searched, own, chosen, plan, prepare)
        _check_plan(study, n, wanted)
        queue_all(study)
        found.append(study)
    return found


def _check_redrawn(searched: optuna.Study) -> None:
    definition = definition_of(searched)
    own = link_of(searched)
    if own is not None:
        raise SettingError(
            f"Expected a searched study for splits. Received: {searched.study_name}, which "
            f"confirms one. Name that: {as_argument(own.study)}"
        )
    if definition.dataset is None:
        raise SettingError(
            "Expected a study with a data set for splits. Received: "
            f"{definition.objective}, a function of yours, which knows its data itself."
        )
    fixed = why_not_redrawn(definition.dataset, definition.data)
    if fixed is not None:
        raise SettingError(
            "Expected data whose validation part is drawn at random, for splits. Received: "
            f"{fixed}. Confirm on this one, without --splits."
        )


def _of(study: optuna.Study) -> Chosen:
    """Return the settings that a study confirms."""
    link = link_of(study)
    assert link is not None
    settings = definition_of(study).search.enqueue
    return Chosen(settings, link.trials, link.values, link.n_searched)


def _check_plan(study: optuna.Study, n: int, wanted: Wanted) -> None:
    link = link_of(study)
    assert link is not None
    n_seeds = definition_of(study).search.replicates
    if link.divisions != n or wanted.seeds not in (None, n * n_seeds):
        raise SettingError(
            f"Expected splits={link.divisions} and seeds={(link.divisions or 1) * n_seeds}, with "
            f"which {study.study_name} was begun. Received: splits={n}, seeds={wanted.seeds}. "
            "Choose another name with --name."
        )
