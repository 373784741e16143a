"""Samplers by name: seeded by study and trial number, on any worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.samplers import BaseSampler
from sampling import MIXED, PLANE, QUICK, define, finish, pull, start

from storage import TrialStorage, create_storage
from studies.create import create_study
from studies.samplers.build import build_sampler, seed_for


@pytest.fixture
def workers(sqlite_url: str) -> Iterator[Callable[[], TrialStorage]]:
    """Open the same file as a worker of its own does, with what it knows being its own."""
    opened = []

    def start() -> TrialStorage:
        opened.append(create_storage(sqlite_url, waiting=False))
        return opened[-1]

    yield start
    for each in opened:
        each.engine.dispose()


@pytest.mark.parametrize("name", list(QUICK))
def test_every_sampler_builds_by_its_name_and_with_options(name: str) -> None:
    for spec in (name, QUICK[name]):
        assert isinstance(build_sampler(spec, 0, 0, {}), BaseSampler)


def test_a_seed_depends_on_study_and_number() -> None:
    seeds = {seed_for(seed, number) for seed in range(20) for number in range(50)}
    assert len(seeds) == 1000
    assert seed_for(3, 4) == seed_for(3, 4)


@pytest.mark.parametrize("name", list(QUICK))
def test_workers_never_copy_each_other_and_a_restart_goes_on(
    name: str, workers: Callable[[], TrialStorage]
) -> None:
    # Wide, since a genetic child of two parameters is often the copy of a parent.
    definition = define({f"x{i}": PLANE["x"] for i in range(8)}, QUICK[name], seed=5)
    first, second = workers(), workers()
    create_study(definition, first)
    done = []
    for _ in range(6):
        started = [start(worker, definition) for worker in (first, second)]  # both know the same
        done += [finish(*each) for each in started]
    restarted = workers()
    done += [finish(*start(restarted, definition)) for _ in range(4)]
    assert [number for number, _ in done] == list(range(16))
    assert len({tuple(params.values()) for _, params in done}) == 16


@pytest.mark.parametrize("name", list(QUICK))
def test_a_study_can_be_repeated_by_other_workers(
    name: str, tmp_path: Path, sqlite_storage: TrialStorage, workers: Callable[[], TrialStorage]
) -> None:
    definition = define(MIXED, QUICK[name], seed=5)
    create_study(definition, sqlite_storage)
    alone = [pull(sqlite_storage, definition) for _ in range(12)]

    again = definition.model_copy(update={"name": "again"})
    pair = workers(), workers()
    create_study(again, pair[0])
    assert [pull(pair[i % 2], again) for i in range(12)] == alone

    other = define(MIXED, QUICK[name], seed=6).model_copy(update={"name": "other"})
    create_study(other, sqlite_storage)
    assert [pull(sqlite_storage, other) for _ in range(12)] != alone


@pytest.mark.parametrize("name", list(QUICK))
def test_a_proposal_is_a_function_of_seed_and_number(name: str) -> None:
    space: dict[str, BaseDistribution] = {"x": FloatDistribution(0.0, 1.0)}

    def propose(seed: int, number: int) -> float:
        study = optuna.create_study(sampler=build_sampler(QUICK[name], seed, number, space))
        for past in range(8):  # the same past for all
            system_attrs = {"cma:generation": 0} if name == "cmaes" else {}
            study.add_trial(
                optuna.trial.create_trial(
                    params={"x": past / 8},
                    distributions=space,
                    value=float(past),
                    system_attrs=system_attrs,
                )
            )
        return float(study.ask(space).params["x"])

    assert propose(1, 8) == propose(1, 8)
    assert propose(1, 8) != propose(1, 9)
    assert propose(1, 8) != propose(2, 8)
