"""Searches in rounds whose trials have several seeds, of functions and of networks."""

from __future__ import annotations

import signal
from math import isfinite
from pathlib import Path
from subprocess import Popen
from typing import Any

import optuna
import pytest
from commands import QUICK, executions, start_worker, wait_until
from optuna.trial import FrozenTrial
from small_workers import hold, let_go, network_study, wait_until_held
from user_objectives import valley_of_seed

from storage import RoundsOver, Slot, get_budget, latest_attempts, storage_of, study_id
from storage.study_attributes import SEED_VALUES_KEY, SLOT_KEY
from studies import create_study
from studies.definition.study import StudyDefinition, parse_definition
from studies.samplers.plan import plan_of

SPACE: dict[str, Any] = {"x": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0], "y": [0.3, 0.1, 0.2]}
IN_TURN = {"sampler": "coordinate", "default": {"x": 1.0, "y": 0.3}}
AT_ONCE = {"sampler": {"name": "rounds", "n_settings": 4}, "seed": 4}


def define(**search: Any) -> StudyDefinition:
    return parse_definition(
        {
            "name": "s",
            "objective": "user_objectives:valley_of_seed",
            "direction": "minimize",
            "search": {"replicates": 2} | search,
            "space": SPACE,
        }
    )


class _Call:
    """A call of the function that nobody waits for."""

    number = 0

    def __init__(self, params: dict[str, Any], seed: int) -> None:
        self.params, self.seed = params, seed


def planned(definition: StudyDefinition) -> list[Slot]:
    """Return all slots of a study, as they follow from its definition alone."""
    plan = plan_of(definition)
    assert plan is not None
    slots: list[Slot] = []
    while not isinstance(found := plan(slots), RoundsOver):
        for place, point in found.points.items():
            params = dict(point.params)
            calls: list[Any] = [_Call(params, definition.search.seed + i) for i in (0, 1)]
            value = sum(map(valley_of_seed, calls)) / 2
            slots.append(Slot(found.number, place, params, value if isfinite(value) else None))
    return slots


def last_attempts(study: optuna.Study) -> list[FrozenTrial]:
    """Return the last attempt at each slot, in order."""
    found = latest_attempts(study.get_trials(deepcopy=False))
    return sorted(found, key=lambda trial: trial.system_attrs[SLOT_KEY])


@pytest.mark.parametrize("search", [AT_ONCE, IN_TURN], ids=["rounds", "coordinate"])
def test_a_slot_of_a_function_is_the_mean_over_its_seeds_whoever_is_killed(
    storage_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    search: dict[str, Any],
) -> None:
    definition = define(**search)
    study = create_study(definition, storage_url, artifacts=tmp_path / "artifacts")
    for _ in range(2):
        launched.append(start_worker("s", *QUICK, url=storage_url, folder=tmp_path))
    wait_until(lambda: len(executions(tmp_path)) >= 5, "they execute")
    launched[0].send_signal(signal.SIGKILL)
    assert launched[1].wait(timeout=300) == 0
    monkeypatch.setenv("EXECUTIONS", str(tmp_path / "here"))
    expected = planned(definition)
    ended = last_attempts(study)
    assert [Slot(*t.system_attrs[SLOT_KEY], t.params, t.value) for t in ended] == expected
    assert all(len(t.user_attrs[SEED_VALUES_KEY]) == 2 for t in ended if t.value is not None)
    assert get_budget(storage_of(study), study_id(study)).over is not None
    assert None in [slot.value for slot in expected], "with one of its seeds a slot diverges"


@pytest.mark.parametrize("sampler", ["rounds", "coordinate"])
def test_a_slot_of_a_network_is_the_mean_over_its_seeds_whoever_is_killed(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    sampler: str,
) -> None:
    hold(tmp_path, monkeypatch, saved=True)
    search: dict[str, Any] = {
        "sampler": "coordinate",
        "default": {"optimizer": "sgd", "dropout": 0.0},
    }
    if sampler == "rounds":
        search = {"sampler": {"name": "rounds", "n_settings": 2, "n_kept": 1}, "n_trials": 4}

    def study_of(name: str) -> optuna.Study:
        return network_study(
            sqlite_url,
            tmp_path,
            name=name,
            search={"replicates": 2} | search,
            fixed={"hidden_units": [8], "epochs": 12},
            space={"optimizer": ["sgd", "adam"], "dropout": [0.0, 0.2]},
        )

    killed, whole = study_of("killed"), study_of("whole")
    # Checkpoints every .3 s; and as many lanes whatever they take.
    options = ("--heartbeat=0.1", "--grace=2.5", "--pack-size=2")
    launched.append(start_worker("killed", *options, url=sqlite_url, folder=tmp_path))
    wait_until_held(tmp_path)
    launched[0].send_signal(signal.SIGKILL)
    launched[0].wait(timeout=300)
    let_go(tmp_path)
    launched.append(start_worker("killed", "whole", *options, url=sqlite_url, folder=tmp_path))
    assert launched[1].wait(timeout=300) == 0
    undisturbed = last_attempts(whole)
    assert len(killed.trials) > len(undisturbed) >= 3, "some were lost"
    assert len(last_attempts(killed)) == len(undisturbed)
    for one, other in zip(last_attempts(killed), undisturbed, strict=True):
        assert one.system_attrs[SLOT_KEY] == other.system_attrs[SLOT_KEY]
        assert one.params == other.params
        values = one.user_attrs[SEED_VALUES_KEY]
        assert values == pytest.approx(other.user_attrs[SEED_VALUES_KEY], abs=1e-6)
        assert one.value == pytest.approx(sum(values) / 2)
