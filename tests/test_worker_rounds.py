"""Workers on studies in rounds: the same slots however many they are, and whatever kills them."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from subprocess import Popen
from typing import Any

import optuna
import pytest
from commands import QUICK, executions, hpo_here, start_worker, wait_until
from optuna.trial import FrozenTrial, TrialState
from queues import end
from rich.console import Console
from small_studies import RANDOM
from user_objectives import valley

from storage import (
    RoundsOver,
    Slot,
    TrialStorage,
    beat,
    claim,
    create_storage,
    get_budget,
    latest_attempts,
    queue_round,
    storage_of,
    study_id,
    trial_id,
)
from storage.study_attributes import SLOT_KEY
from studies import create_study
from studies.cli.status import status_block
from studies.definition.study import StudyDefinition, parse_definition
from studies.samplers.plan import plan_of
from studies.suggest import reads_others
from studies.worker.loop import WorkerOptions, open_session
from studies.worker.open_studies import OpenStudies

SPACE: dict[str, Any] = {
    "x": {"low": 0.0, "high": 1.0, "step": 0.05},
    "y": {"low": 1e-3, "high": 1.0, "log": True},
    "kind": ["a", "b", "c"],
}
LEVELS = SPACE | {"y": [0.001, 0.01, 0.1]}
# A seed of which some trials fail, diverge and are pruned.
ROUNDS = {"sampler": {"name": "rounds", "perturbation": 0.1}, "seed": 30}
COORDINATE = {"sampler": "coordinate", "default": {"x": 0.5, "y": 0.1, "kind": "a"}}


def define(name: str = "s", space: dict[str, Any] = SPACE, **search: Any) -> StudyDefinition:
    return parse_definition(
        {
            "name": name,
            "objective": "user_objectives:valley",
            "direction": "minimize",
            "search": ROUNDS | search if "sampler" not in search else search,
            "space": space,
        }
    )


class Quick:
    """A trial of the objective that nobody waits for."""

    number = 0

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.reported: float | None = None

    def report(self, value: float, step: int) -> None:
        """Take a report."""
        self.reported = value


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the objective take no time where it is called here."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setenv("EXECUTIONS", str(tmp_path / "here"))


def value_of(params: dict[str, Any]) -> float | None:
    """Return what a slot's trial comes to."""
    trial: Any = Quick(params)
    try:
        value = valley(trial)
    except optuna.TrialPruned:
        return trial.reported  # type: ignore[no-any-return]
    except RuntimeError:
        return None
    return value if isfinite(value) else None


def planned(definition: StudyDefinition) -> list[Slot]:
    """Return all slots of a study, as they follow from its definition alone."""
    plan = plan_of(definition)
    assert plan is not None
    slots: list[Slot] = []
    while not isinstance(found := plan(slots), RoundsOver):
        for place, point in found.points.items():
            params = dict(point.params)
            slots.append(Slot(found.number, place, params, value_of(params)))
    return slots


def slots_of(study: optuna.Study) -> list[Slot]:
    """Return the slots of a study by their last attempts."""
    last = latest_attempts(study.get_trials(deepcopy=False))
    return sorted(
        (Slot(*t.system_attrs[SLOT_KEY], t.params, t.value) for t in last),
        key=lambda slot: (slot.round, slot.place),
    )


def unfinished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))


@pytest.mark.parametrize(("n", "killed"), [(1, 1), (3, 2), (8, 5)])
def test_workers_that_are_killed_get_the_same_slots_each_once(
    storage_url: str,
    tmp_path: Path,
    n: int,
    killed: int,
    launched: list[Popen[bytes]],
    request: pytest.FixtureRequest,
) -> None:
    study = create_study(define(), storage_url, artifacts=tmp_path / "artifacts")

    def start(n: int) -> None:
        for _ in range(n):
            launched.append(start_worker("s", *QUICK, url=storage_url, folder=tmp_path))

    start(n)
    wait_until(lambda: len(executions(tmp_path)) >= 5, "they execute")
    for worker in launched[:killed]:
        worker.send_signal(signal.SIGKILL)
    start(1)  # where all were killed, as in a fleet that replaces them
    assert [worker.wait(timeout=300) for worker in launched[killed:]] == [0] * (n - killed + 1)
    request.getfixturevalue("at_once")
    expected = planned(define())
    assert slots_of(study) == expected
    assert len(expected) > 12, "three rounds at least"
    assert unfinished(study) == []
    assert get_budget(storage_of(study), study_id(study)).over == (
        f"round {expected[-1].round} was no better than those before it"
    )
    values = [slot.value for slot in expected]
    assert None in values, "one has failed or diverged"
    states = {trial.state for trial in study.get_trials(deepcopy=False)}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}


def test_three_workers_vary_one_factor_after_the_other(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]], at_once: None
) -> None:
    definition = define(space=LEVELS, **COORDINATE)
    study = create_study(definition, sqlite_url, artifacts=tmp_path / "artifacts")
    launched += [start_worker("s", url=sqlite_url, folder=tmp_path) for _ in range(3)]
    assert [worker.wait(timeout=300) for worker in launched] == [0] * 3
    assert slots_of(study) == planned(definition)
    assert [trial.number for trial in study.trials] == list(range(21 + 2 + 2))
    assert sorted(executions(tmp_path)) == list(range(25))


def held(storage: TrialStorage, study: optuna.Study) -> Sequence[FrozenTrial]:
    """Claim a whole round, as another worker does that is slow."""
    plan = plan_of(define())
    assert plan is not None
    queue_round(storage, study_id(study), plan)
    return claim(storage, study_id(study), 9)


def words(study: optuna.Study) -> str:
    with (console := Console(width=80)).capture() as shown:
        console.print(status_block(study))
    return shown.get()


def test_a_worker_serves_another_study_while_a_round_waits_for_others(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    storage = create_storage(sqlite_url)
    first = create_study(define("first", n_trials=9), storage, artifacts=tmp_path)
    second = create_study(define("second", **RANDOM), storage, artifacts=tmp_path)
    trials = held(storage, first)
    for trial in trials[:4]:
        end(storage, trial)
    assert "waits for 2 of round 1" in words(first)
    names = ("first", "second")
    launched.append(start_worker(*names, url=sqlite_url, folder=tmp_path))
    wait_until(lambda: len(second.trials) == 3 and not unfinished(second), "it serves it")
    beat(storage, [trial_id(trial) for trial in trials[4:]])
    assert launched[0].poll() is None, "it waits for the round"
    assert len(first.trials) == 6
    for trial in trials[4:]:
        end(storage, trial)
    assert launched[0].wait(timeout=300) == 0
    assert [t.system_attrs[SLOT_KEY][0] for t in first.trials] == [1] * 6 + [2] * 3
    assert "waits for" not in words(first)
    assert "own rule" not in words(first), "its budget has ended it"


def test_a_round_is_seen_to_be_due_whatever_else_runs_in_the_study(
    sqlite_url: str, tmp_path: Path
) -> None:
    storage = create_storage(sqlite_url)
    study = create_study(define(enqueue=[{"x": 0.5}]), storage, artifacts=tmp_path)
    added, *trials = held(storage, study)
    assert SLOT_KEY not in added.system_attrs
    assert not reads_others(define(), trials), "they have their points"
    shown = hpo_here("status", "s", f"--trial={trials[1].number}", url=sqlite_url, folder=tmp_path)
    assert "place 2 of round 1" in shown.stdout
    session = open_session(sqlite_url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, [], ["user_objectives"])
    for trial in trials:
        assert studies.names() == ["s"]
        assert not studies.is_claimable("s")
        assert studies.has_more()
        end(storage, trial)
    assert studies.names() == ["s"]
    assert studies.is_claimable("s"), "although the trial that was added still runs"
    opened = studies.open("s")
    assert len(session.claims.take(opened, 9)) == 6
    assert not studies.is_claimable("s")


def test_a_run_tells_that_its_own_rule_has_ended_the_study(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def f(trial):\n    return trial.params['x']\n")
    (tmp_path / "s.toml").write_text(
        'name = "s"\nobjective = "mine.py:f"\ndirection = "minimize"\n'
        '[search]\nsampler = "coordinate"\n[search.default]\nx = 2\n[space]\nx = [1, 2, 3]\n'
    )
    done = hpo_here("run", "s.toml", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "s has ended by its own rule: its one factor was varied" in done.stdout
    again = hpo_here("run", "s.toml", url=sqlite_url, folder=tmp_path)
    assert again.returncode == 0
    assert "the best of 3 trials" in again.stdout
    assert "3/3" in hpo_here("status", "s", url=sqlite_url, folder=tmp_path).stdout


def test_a_mistake_in_a_file_names_its_line(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        'name = "s"\nobjective = "mine.py:f"\ndirection = "minimize"\n'
        '[search]\nsampler = { name = "rounds", n_kept = 9 }\n[space]\nx = [1, 2, 3]\n'
    )
    done = hpo_here("create", "s.toml", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 1
    assert "s.toml, line 5" in done.stderr
    assert "Expected n_kept <= n_settings" in done.stderr
