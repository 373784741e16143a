"""The progress of a study as one bar, in notebooks and terminals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
from tqdm.auto import tqdm

from storage import best_trial, get_budget, overview, storage_of, study_id


@contextmanager
def trials_bar(study: optuna.Study) -> Iterator[Callable[[], None]]:
    """Show how many trials have ended, and the best value; yield the function that redraws it.

    Nothing is shown where standard error is neither a notebook nor a terminal.
    """
    storage, own_id = storage_of(study), study_id(study)
    total = overview(storage, own_id).total(get_budget(storage, own_id).n_trials)
    with tqdm(total=total, desc=study.study_name, unit="trial", disable=None) as bar:

        def advance() -> None:
            ended = overview(storage, own_id).ended
            best = best_trial(study) if ended > bar.n else None
            if best is not None:
                bar.set_postfix(best=best.value, refresh=False)
            bar.update(ended - bar.n)

        yield advance
