"""A batch leaves the same rows in the database as Optuna itself."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, Trial, TrialState
from queues import adaptive, new_study, open_study, plain_view, rows, suggest, traffic

from storage import (
    Batch,
    TrialStorage,
    claim,
    create_storage,
    trial_id,
)
from studies.samplers.optuna_internals import forget_cached_trials

SEARCHES: dict[str, tuple[Any, Any]] = {
    "tpe, hyperband": (
        lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=4),
        lambda: optuna.pruners.HyperbandPruner(max_resource=9),
    ),
    "cmaes, median": (
        lambda seed: optuna.samplers.CmaEsSampler(
            seed=seed, popsize=4, n_startup_trials=2, warn_independent_sampling=False
        ),
        lambda: optuna.pruners.MedianPruner(n_startup_trials=3),
    ),
    "nsga2, successive halving": (
        lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=4),
        lambda: optuna.pruners.SuccessiveHalvingPruner(reduction_factor=2),
    ),
}


def search(storage: TrialStorage, name: str, *, in_batches: bool) -> int:
    """Run a small search in packs of 4, by the same calls with and without batches."""
    make_sampler, make_pruner = SEARCHES[name]
    study_id = new_study(storage, adaptive(28), name="s")
    study = open_study(storage, study_id)

    def batch() -> Any:
        return storage.batch(study_id) if in_batches else contextlib.nullcontext()

    def write(batch: Batch | None) -> None:
        assert batch is None or batch.write() == set()

    while claimed := claim(storage, study_id, 4):
        study.pruner = make_pruner()
        trials: dict[Trial, float] = {}
        with traffic(storage) as sent, batch() as entered:
            begun = len(sent.statements)
            for each in claimed:
                study.sampler = make_sampler(each.number)
                forget_cached_trials(study)
                trial = Trial(study, trial_id(each))
                trials[trial] = suggest(trial)
            assert len(sent.statements) == begun or not in_batches
        write(entered)
        for step in (1, 2, 3):
            with batch() as entered:
                for trial, base in list(trials.items()):
                    trial.report(base / step, step)
                    if trial.should_prune():
                        study.tell(trial, state=TrialState.PRUNED)
                        del trials[trial]
            write(entered)
        with batch() as entered:
            for i, (trial, base) in enumerate(trials.items()):
                if i == 0 and 8 <= trial.number < 16:
                    study.tell(trial, state=TrialState.FAIL)
                else:
                    study.tell(trial, float("inf") if i == 3 and trial.number < 8 else base)
        write(entered)
    return study_id


def timeless(trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    """Return the fields of trials, without the times, which differ between two runs."""
    found = [dict(vars(trial)) for trial in trials]
    for fields in found:
        assert fields.pop("_datetime_start") <= datetime.now()
        fields["datetime_complete"] = fields["datetime_complete"] is not None
    return found


@pytest.mark.parametrize("name", list(SEARCHES))
def test_a_batch_leaves_what_optuna_would_have_written(
    name: str, storage_url: str, tmp_path: Any
) -> None:
    ours = create_storage(storage_url, waiting=False)
    plain = create_storage(f"sqlite:///{tmp_path}/plain.db", waiting=False)
    study_id = search(ours, name, in_batches=True)
    plain_id = search(plain, name, in_batches=False)
    expected = plain.get_all_trials(plain_id)
    assert timeless(plain_view(storage_url, study_id)) == timeless(expected)
    assert ours.get_all_trials(study_id) == plain_view(storage_url, study_id)
    assert rows(ours) == rows(plain)
    assert {t.state for t in expected} >= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    assert any(t.system_attrs for t in expected)
