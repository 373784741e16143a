"""Studies that are deleted, made again or not to be worked on, under a worker that waits."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from subprocess import Popen

import numpy as np
import optuna
import pytest
from commands import executions, hpo, start_worker, states, wait_until
from queues import traffic
from small_studies import RANDOM, table
from small_workers import function_study

from storage import claim, create_storage, requeue, storage_of, study_id, workers_seen
from studies import create_study, delete_study
from studies.attributes import CREATED_KEY
from studies.definition.study import parse_definition
from studies.worker.checkpoints import checkpoint_file
from studies.worker.loop import WorkerOptions, open_session, work
from studies.worker.open_studies import OpenStudies


@pytest.fixture
def reused_ids_url(sqlite_url: str) -> str:
    """Name a file that Optuna has made, in which SQLite gives the ids of deleted rows out again."""
    command = [sys.executable, "-c", "import sys, optuna; optuna.storages.RDBStorage(sys.argv[1])"]
    subprocess.run([*command, sqlite_url], check=True, timeout=300)
    return sqlite_url


def test_a_study_that_is_made_again_has_its_data_loaded_again(
    reused_ids_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    lines = {"fixed": {"epochs": 1}, "search": {"sampler": "random", "n_trials": 1}}
    hashes = []
    for size in (1000, 500):
        if hashes:
            delete_study("s", create_storage(reused_ids_url))
        definition = parse_definition(table(**lines, data={"train_size": size}))
        study = create_study(definition, reused_ids_url, artifacts=tmp_path / "artifacts")
        if not hashes:
            launched.append(start_worker("s", "--wait", url=reused_ids_url, folder=tmp_path))
        wait_until(lambda study=study: states(study) == {"COMPLETE": 1}, "it is trained")
        hashes.append(study.trials[0].user_attrs.get("data_sha256"))
    assert hashes[0] == hashes[1] is not None


def test_a_study_that_was_left_out_is_worked_on_once_it_is_made_anew(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    file = tmp_path / "mine.npz"
    y = np.arange(100) % 2
    np.savez(file, x_train=np.zeros((100, 4, 4), np.uint8), y_train=y)
    lines = {"dataset": str(file), "fixed": {"epochs": 1}, "search": RANDOM | {"n_trials": 1}}
    definition = parse_definition(table(**lines))
    study = create_study(definition, sqlite_url, artifacts=tmp_path / "artifacts")
    aside = file.rename(tmp_path / "aside.npz")
    launched.append(start_worker("--wait", url=sqlite_url, folder=tmp_path))
    log = tmp_path / "worker.log"
    wait_until(lambda: "study 's' is left out" in log.read_text(), "it is left out")
    aside.rename(file)
    delete_study("s", storage_of(study))
    again = create_study(definition, sqlite_url, artifacts=tmp_path / "artifacts")
    wait_until(lambda: states(again) == {"COMPLETE": 1}, "it is trained")
    assert again.trials[0].user_attrs["epochs"] == 1
    assert log.read_text().count("is left out") == 1


def test_a_worker_that_can_work_on_no_study_ends_with_the_reason(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    function_study(sqlite_url, tmp_path, "quick", 2)
    done = hpo("worker", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: study 's': Expected an objective of an allowed package")


def test_a_study_made_again_under_its_name_is_executed_by_its_new_definition(
    reused_ids_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    function_study(reused_ids_url, tmp_path, "quick", 3)
    launched.append(start_worker("--wait", url=reused_ids_url, folder=tmp_path))
    wait_until(lambda: len(executions(tmp_path)) == 3, "the first study is executed")
    storage = create_storage(reused_ids_url)
    wait_until(lambda: not workers_seen(storage)[0].trial_numbers, "the worker rests")
    delete_study("s", storage)
    study = function_study(reused_ids_url, tmp_path, "ended_trials", 4)
    wait_until(lambda: states(study) == {"COMPLETE": 4}, "the second study is executed")
    assert [trial.value for trial in study.trials] == [0, 1, 2, 3]


def rest(studies: OpenStudies) -> None:
    """Search for work in vain."""
    for name in studies.names():
        assert not studies.is_claimable(name)


@pytest.mark.parametrize("n", [2, 12])
def test_a_worker_without_work_sends_one_statement_for_all_studies(
    sqlite_url: str, tmp_path: Path, n: int
) -> None:
    storage = create_storage(sqlite_url)
    made = []
    for i in range(n):
        search = {"design": "grid"} if i % 2 else RANDOM | {"n_trials": 2}
        definition = parse_definition(table(name=f"s{i}", search=search))
        made.append(create_study(definition, storage, artifacts=tmp_path))
        for trial in claim(storage, study_id(made[i]), 2):
            made[i].tell(trial.number, 0.5)
    session = open_session(sqlite_url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, [], [])
    rest(studies)
    with traffic(session.database.storage) as sent:
        rest(studies)
        assert not studies.has_more()
    assert len([each for each in sent.statements if "SELECT" in each]) == 1
    create_study(parse_definition(table(name="s0", search=RANDOM)), storage, artifacts=tmp_path)
    assert studies.names() == ["s0"]  # it has a larger budget now
    assert studies.is_claimable("s0")
    assert studies.open("s0").name == "s0"


def test_a_worker_forgets_what_is_deleted_and_watches_the_others(
    sqlite_url: str, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        lines = {"name": name, "search": RANDOM | {"n_trials": 1}}
        create_study(parse_definition(table(**lines)), sqlite_url, artifacts=tmp_path)
    session = open_session(sqlite_url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, [], [])
    opened = {name: studies.open(name) for name in studies.names()}
    assert {name: studies.open(name) for name in studies.names()} == opened
    delete_study("a", create_storage(sqlite_url))
    assert studies.names() == ["b"]
    assert list(studies.ids().values()) == ["b"]


def test_checkpoints_that_a_killed_worker_has_left_of_ended_trials_are_removed(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = function_study(sqlite_url, tmp_path, "quick", 4)
    storage, folder = storage_of(study), tmp_path / "artifacts" / "checkpoints"
    trials = claim(storage, study_id(study), 3)
    study.tell(0, 1.0)
    requeue(storage, trials[1], "lost")  # as trial 3, which is the same lineage
    created_at = study.user_attrs[CREATED_KEY]
    folder.mkdir(parents=True)
    mine = [checkpoint_file(folder.parent, created_at, trial) for trial in trials]
    for file in mine:
        for ending in (".npz", ".json", ".unfinished.npz"):
            file.with_suffix(ending).touch()
        (file.with_suffix("") / "resume" / "of a function").mkdir(parents=True)
    others = checkpoint_file(folder.parent, "another study", trials[0])
    others.touch()
    session = open_session(sqlite_url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, [], ["user_objectives"])
    (name,) = studies.names()
    studies.open(name)
    left = {file.name.partition(".")[0] for file in folder.iterdir()}
    assert left == {file.stem for file in (*mine[1:], others)}


def test_a_copy_that_a_worker_meets_has_checkpoints_of_its_own(
    sqlite_url: str, tmp_path: Path
) -> None:
    first = function_study(sqlite_url, tmp_path, "quick", 2)
    storage = storage_of(first)
    optuna.copy_study(
        from_study_name="s", from_storage=storage, to_storage=storage, to_study_name="copy"
    )
    (trial,) = claim(storage, study_id(first))
    files, opened = set(), []
    for _ in range(2):  # two workers
        session = open_session(sqlite_url, WorkerOptions())
        studies = OpenStudies(session.database, session.log, [], ["user_objectives"])
        opened = [studies.open(name) for name in studies.names()]
        files |= {(each.name, each.checkpoint(trial)) for each in opened}
        assert [studies.open(name) for name in studies.names()] == opened
    assert {name for name, _ in files} == {"s", "copy"}
    assert len({file for _, file in files}) == len(files) == 2
    assert opened[0].created_at == first.user_attrs[CREATED_KEY], "the first goes on from its own"


def test_a_worker_waits_for_the_trials_that_others_run(sqlite_url: str, tmp_path: Path) -> None:
    storage = create_storage(sqlite_url)
    definition = parse_definition(table(search=RANDOM | {"n_trials": 1}))
    study = create_study(definition, storage, artifacts=tmp_path)
    (trial,) = claim(storage, study_id(study))
    session = open_session(sqlite_url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, [], [])
    rest(studies)
    assert studies.has_more()
    requeue(storage, trial, "lost")
    assert studies.names() == ["s"]
    assert studies.is_claimable("s")
    (retry,) = claim(storage, study_id(study))
    study.tell(retry.number, 0.5)
    rest(studies)
    assert not studies.has_more()


def test_a_worker_searches_less_often_while_nothing_happens_but_within_two_seconds(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_storage(sqlite_url)
    rests: list[float] = []
    searches: list[int] = []

    def names(studies: OpenStudies) -> list[str]:
        searches.append(len(rests))
        if len(searches) > 6:
            raise StopIteration
        return plain(studies)

    plain = OpenStudies.names
    monkeypatch.setattr(OpenStudies, "names", names)
    monkeypatch.setattr("studies.worker.loop.time.sleep", rests.append)
    with pytest.raises(StopIteration):
        work(sqlite_url, [], WorkerOptions(wait=True))
    pauses = [sum(rests[a:b]) for a, b in itertools.pairwise(searches)]
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1] < 2
