"""The queue under eight processes at once: every trial goes to exactly one of them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from multiprocessing.pool import Pool
from typing import Any

import optuna
from optuna.distributions import IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState
from processes import PROCESSES, at_once, meet
from queues import (
    DESIGN,
    adaptive,
    end,
    new_study,
    plain_view,
    points,
    run_out,
    silence,
    states,
)

from storage import (
    Budget,
    Point,
    TrialStorage,
    claim,
    create_storage,
    enqueue,
    requeue,
    requeue_stale,
)


def opened(rank: int, job: Callable[..., Any], url: str, *arguments: Any) -> Any:
    """Run `job(storage, rank, *arguments)` once all processes have opened the storage."""
    storage = create_storage(url, waiting=False)
    meet()
    return job(storage, rank, *arguments)


def pull(storage: TrialStorage, rank: int, study_id: int, n: int) -> list[int]:
    """Claim until nothing is left, and return the numbers of the claimed trials.

    All meet after their first claims: else one may have claimed all before others get their turn.
    """
    taken: list[int] = []
    while trials := claim(storage, study_id, n):
        assert len(trials) <= n
        if not taken:
            meet()
        taken += [trial.number for trial in trials]
    return taken


def test_eight_workers_claim_each_of_200_queued_trials_once_and_in_order(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, n=200)
    taken = at_once(workers, opened, pull, storage_url, study_id, 1)
    assert sorted(chain.from_iterable(taken)) == list(range(200))
    assert all(numbers == sorted(numbers) for numbers in taken)
    assert all(taken)  # they did compete


def pull_together(storage: TrialStorage, rank: int, study_id: int) -> list[list[int]]:
    """Claim packs of one size until nothing is left, and return the numbers and sizes."""
    packs = []
    while trials := claim(storage, study_id, 7, together=["size"]):
        assert len({trial.params["size"] for trial in trials}) == 1
        packs.append([trial.number for trial in trials])
    return packs


def test_eight_workers_that_claim_together_leave_none_and_take_none_twice(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage)
    space = {"size": IntDistribution(0, 99)}
    sized = [Point({"size": i // 30}, space) for i in range(200)]
    enqueue(storage, study_id, sized, DESIGN)
    packs = list(
        chain.from_iterable(at_once(workers, opened, pull_together, storage_url, study_id))
    )
    assert sorted(chain.from_iterable(packs)) == list(range(200))
    assert states(storage, study_id) == ["RUNNING"] * 200


def test_eight_workers_never_overshoot_an_adaptive_budget(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, adaptive(200))
    taken = at_once(workers, opened, pull, storage_url, study_id, 3)
    assert sorted(chain.from_iterable(taken)) == list(range(200))
    assert [t.number for t in plain_view(storage_url, study_id)] == list(range(200))


def do_everything(storage: TrialStorage, rank: int, study_id: int, url: str) -> list[int]:
    """Create trials in the way that the rank selects, and return the numbers of those claimed."""
    name = storage.get_study_name_from_id(study_id)
    taken: list[int] = []
    for i in range(12):
        match rank % 5:
            case 0 | 1:
                trials = claim(storage, study_id, 2)
                taken += [trial.number for trial in trials]
                if rank % 5 == 1:
                    requeue(storage, trials[0], "asked to")
            case 2:
                enqueue(storage, study_id, points(20 * i), adaptive(None))
            case 3:
                taken.append(optuna.load_study(study_name=name, storage=storage).ask().number)
            case 4:
                optuna.load_study(study_name=name, storage=url).add_trial(
                    optuna.create_trial(value=1.0)
                )
    return taken


def test_numbers_have_no_gap_and_no_double_whoever_creates_trials(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, adaptive(None))
    taken = list(
        chain.from_iterable(
            at_once(workers, opened, do_everything, storage_url, study_id, storage_url)
        )
    )
    trials = plain_view(storage_url, study_id)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len(taken) == len(set(taken))
    started = {t.number for t in trials if t.state in (TrialState.RUNNING, TrialState.FAIL)}
    assert started == set(taken)


def find_stale(storage: TrialStorage, rank: int, study_id: int) -> list[int]:
    return [number for _, number in requeue_stale(storage, [study_id], grace=60)]


def test_processes_that_look_for_lost_trials_at_once_requeue_each_once(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, n=20)
    claim(storage, study_id, 20)
    silence(storage)
    found = at_once(workers, opened, find_stale, storage_url, study_id)
    assert sorted(chain.from_iterable(found)) == list(range(20))
    assert states(storage, study_id) == ["FAIL"] * 20 + ["WAITING"] * 20


def finish_or_requeue(storage: TrialStorage, rank: int, study_id: int) -> int:
    """End all RUNNING trials; return the number that this process ended."""
    ended = 0
    for trial in storage.get_all_trials(study_id, states=[TrialState.RUNNING]):
        if rank % 2:
            ended += requeue(storage, trial, "lost") is not None
            continue
        try:
            end(storage, trial)
            ended += 1
        except UpdateFinishedTrialError:
            pass
    return ended


def test_a_trial_is_finished_or_requeued_and_never_both(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, n=20)
    claim(storage, study_id, 20)
    assert sum(at_once(workers, opened, finish_or_requeue, storage_url, study_id)) == 20
    found = states(storage, study_id)
    assert found[:20].count("COMPLETE") + found[:20].count("FAIL") == 20
    assert found[20:] == ["WAITING"] * found[:20].count("FAIL")


def test_workers_that_find_the_timeout_over_leave_what_waits(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, Budget(None, 3600, adaptive=False), n=50)
    claim(storage, study_id)
    run_out(storage, study_id)
    assert at_once(workers, opened, pull, storage_url, study_id, 1) == [[]] * PROCESSES
    assert states(storage, study_id) == ["RUNNING"] + ["WAITING"] * 49
