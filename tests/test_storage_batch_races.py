"""Batches of eight processes at once: each trial ends once, and there is no deadlock."""

from __future__ import annotations

from multiprocessing.pool import Pool

import optuna
from optuna.trial import Trial, TrialState
from processes import PROCESSES, at_once, meet
from queues import adaptive, new_study, open_study, plain_view, states, suggest

from storage import TrialStorage, claim, create_storage, requeue_stale, trial_id
from studies.samplers.optuna_internals import forget_cached_trials


def work(rank: int, url: str, study_id: int) -> int:
    """Claim packs until the budget is spent; return the number of trials ended by this process."""
    storage = create_storage(url, waiting=False)
    study = open_study(storage, study_id)
    study.sampler = optuna.samplers.NSGAIISampler(seed=rank, population_size=10)
    study.pruner = optuna.pruners.SuccessiveHalvingPruner()
    meet()
    told = 0
    while pack := claim(storage, study_id, 5):
        with storage.batch(study_id) as batch:
            forget_cached_trials(study)
            trials = [Trial(study, trial_id(each)) for each in pack]
            values = [suggest(trial) for trial in trials]
        assert batch.write() == set()
        with storage.batch(study_id) as batch:
            for trial, value in zip(trials, values, strict=True):
                trial.report(value, 1)
                if trial.should_prune():
                    study.tell(trial, state=TrialState.PRUNED)
                else:
                    study.tell(trial, value)
        assert batch.write() == set()
        told += len(pack)
    return told


def test_eight_processes_that_work_by_batches_end_each_trial_once(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, adaptive(150))
    assert sum(at_once(workers, work, storage_url, study_id)) == 150
    trials = plain_view(storage_url, study_id)
    assert [t.number for t in trials] == list(range(150))
    assert all(t.state.is_finished() and t.params and t.values for t in trials)


def meddle(rank: int, url: str, study_id: int) -> set[int]:
    """End the same trials as the other processes; return those that this process ended."""
    storage = create_storage(url, waiting=False)
    study = open_study(storage, study_id)
    running = storage.get_all_trials(study_id, states=[TrialState.RUNNING])
    meet()
    if rank == 0:
        requeue_stale(storage, [study_id], grace=-1)
        return set()
    with storage.batch(study_id, others=False) as batch:
        for trial in running[:: 1 if rank % 2 else -1]:
            storage.set_trial_user_attr(trial_id(trial), "rank", rank)
            if trial.number % PROCESSES == rank:
                study.tell(trial.number, float(rank))
        study.set_user_attr("rank", rank)
    lost = batch.write()
    return {trial_id(t) for t in running if t.number % PROCESSES == rank} - lost


def test_batches_on_the_same_trials_neither_wait_for_each_other_nor_change_what_ended(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, adaptive(80))
    claim(storage, study_id, 80)
    ended = at_once(workers, meddle, storage_url, study_id)
    assert [state for state in states(storage, study_id) if state == "RUNNING"] == []
    done = [t for t in plain_view(storage_url, study_id) if t.state is TrialState.COMPLETE]
    assert {trial_id(t) for t in done} == set().union(*ended)
    assert all(t.values == [float(t.number % PROCESSES)] for t in done)
