"""An Optuna in which a private name of TPE has moved: all commands work, and its own TPE serves."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from commands import HERE, hpo
from optuna.trial import TrialState
from sampling import PLANE, define, pull

from storage import TrialStorage, claim, create_storage, study_id
from studies.attributes import SAMPLER_KEY
from studies.create import create_study
from studies.definition.study import parse_definition
from studies.samplers import tpe_variant
from studies.samplers.build import build_sampler
from studies.samplers.tpe_variant import OURS, STOCK
from studies.suggest import prepare_trial

# Python runs it at the start of every process: it renames `default_gamma` in Optuna's source, as a
# release of Optuna may.
SITECUSTOMIZE = """
import sys
from importlib.machinery import PathFinder, SourceFileLoader

class Renaming(SourceFileLoader):
    def get_code(self, fullname):
        source = self.get_data(self.path).replace(b"default_gamma", b"share_of_good")
        return self.source_to_code(source, self.path)

class Finder:
    @staticmethod
    def find_spec(fullname, path=None, target=None):
        if fullname != "optuna.samplers._tpe.sampler":
            return None
        found = PathFinder.find_spec(fullname, path)
        found.loader = Renaming(fullname, found.origin)
        return found

sys.meta_path.insert(0, Finder)
"""
MISSING = "optuna.samplers._tpe.sampler.default_gamma is missing"
FUNCTION = {"name": "s", "objective": "user_objectives:quick", "direction": "minimize"}
TPE = {"name": "tpe", "n_startup_trials": 2}


@pytest.fixture
def _changed_optuna(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the processes that a test starts have an Optuna with another private name."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


def python(code: str, folder: Path) -> str:
    """Run code in a process of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("_changed_optuna")
def test_commands_and_a_worker_on_a_grid_work_without_the_private_name(
    sqlite_url: str, tmp_path: Path
) -> None:
    problem = python(
        "from studies.samplers.optuna_internals import internals_problem\n"
        "print(internals_problem('tpe'))",
        tmp_path,
    )
    assert problem.strip() == f"Optuna {optuna.__version__}: {MISSING}"
    grid = {**FUNCTION, "search": {"design": "grid"}, "space": {"x": [0.1, 0.2]}}
    study = create_study(parse_definition(grid), sqlite_url, artifacts=tmp_path / "artifacts")
    for arguments in (["--help"], ["list"], ["status", "s"]):
        done = hpo(*arguments, url=sqlite_url, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    worker = ["worker", "s", "--allow-module", "user_objectives"]
    done = hpo(*worker, url=sqlite_url, folder=tmp_path, cwd=HERE)
    assert done.returncode == 0, done.stderr
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2
    assert all(SAMPLER_KEY not in trial.user_attrs for trial in study.trials)
    done = hpo("export", "s", "-o", "s.csv", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "s.csv").read_text().splitlines()) == 3
    assert python("import studies.dashboard.app; print('imported')", tmp_path) == "imported\n"


@pytest.mark.usefixtures("_changed_optuna")
def test_a_worker_falls_back_to_optunas_tpe_and_says_so(sqlite_url: str, tmp_path: Path) -> None:
    search = {"sampler": TPE, "n_trials": 6}
    table = {**FUNCTION, "search": search, "space": {"x": {"low": 0.0, "high": 1.0}}}
    study = create_study(parse_definition(table), sqlite_url, artifacts=tmp_path / "artifacts")
    worker = ["worker", "s", "--allow-module", "user_objectives"]
    done = hpo(*worker, url=sqlite_url, folder=tmp_path, cwd=HERE)
    assert done.returncode == 0, done.stderr
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 6
    assert study.user_attrs[SAMPLER_KEY] == STOCK == "tpe (Optuna's own)"
    assert {trial.user_attrs[SAMPLER_KEY] for trial in study.trials} == {STOCK}


SUGGEST = """
import logging, sys
import optuna
from storage import claim, create_storage, study_id
from studies import load_study
from studies.suggest import prepare_trials
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stdout)
storage = create_storage(sys.argv[1], waiting=False)
study, definition = load_study("s", storage)
for alike in (frozenset(), frozenset("x")):
    claimed = claim(storage, study_id(study), 4)
    with storage.batch(study_id(study)) as batch:
        pack = prepare_trials(study, definition, claimed, alike=alike)
        for each in pack:
            study.tell(each.trial, each.params["x"])
    assert batch.write() == set()
print(len({each.params["x"] for each in pack}), len({each.params["y"] for each in pack}))
"""


@pytest.mark.usefixtures("_changed_optuna")
@pytest.mark.parametrize("began", [None, OURS, STOCK])
def test_the_fallback_is_logged_once_and_recorded_with_each_trial(
    began: str | None, sqlite_url: str, tmp_path: Path
) -> None:
    definition = define(PLANE, TPE)
    study = create_study(definition, sqlite_url)
    if began is not None:
        study.set_user_attr(SAMPLER_KEY, began)
    (tmp_path / "suggest.py").write_text(SUGGEST)
    done = subprocess.run(
        [sys.executable, tmp_path / "suggest.py", sqlite_url], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *logged, values = done.stdout.splitlines()
    warnings = [line for line in logged if line.startswith("WARNING study 's'")]
    assert len(warnings) == 1
    assert MISSING in warnings[0]
    assert ("which began with our TPE" in warnings[0]) == (began == OURS)
    assert values == "1 4", "a pack takes the structure of its first trial"
    assert study.user_attrs[SAMPLER_KEY] == (began or STOCK)
    assert {trial.user_attrs[SAMPLER_KEY] for trial in study.trials} == {STOCK}


def test_a_study_records_our_tpe_and_each_trial_too(sqlite_storage: TrialStorage) -> None:
    definition = define(PLANE, TPE)
    study = create_study(definition, sqlite_storage)
    for _ in range(4):
        pull(sqlite_storage, definition)
    assert study.user_attrs[SAMPLER_KEY] == OURS
    assert [trial.user_attrs[SAMPLER_KEY] for trial in study.trials] == [OURS] * 4


def test_a_study_that_began_with_optunas_tpe_goes_on_with_it(
    sqlite_storage: TrialStorage, sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    definition = define(PLANE, TPE)
    study = create_study(definition, sqlite_storage)
    study.set_user_attr(SAMPLER_KEY, STOCK)
    with caplog.at_level(logging.INFO, logger=tpe_variant.__name__):
        for _ in range(3):
            (claimed,) = claim(sqlite_storage, study_id(study))
            trial, params = prepare_trial(study, definition, claimed)
            study.tell(trial, sum(map(float, params.values())))
    assert type(study.sampler) is optuna.samplers.TPESampler
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "study 's' goes on with Optuna's own TPE" in caplog.text
    assert {each.user_attrs[SAMPLER_KEY] for each in study.trials} == {STOCK}


def test_two_workers_that_begin_together_agree_from_the_second_pack_on(
    sqlite_storage: TrialStorage, sqlite_url: str
) -> None:
    definition = define(PLANE, TPE)
    study = create_study(definition, sqlite_storage)
    other = create_storage(sqlite_url, waiting=False)
    (claimed,) = claim(other, study_id(study))
    with other.batch(study_id(study)) as batch:
        late = optuna.load_study(study_name="s", storage=other)
        assert tpe_variant.tpe_variant(late) == OURS
    study.set_user_attr(SAMPLER_KEY, STOCK)  # meanwhile
    assert batch.write() == set()
    study.set_user_attr(SAMPLER_KEY, STOCK)  # or after it
    prepare_trial(late, definition, claimed)
    assert late.trials[claimed.number].user_attrs[SAMPLER_KEY] == STOCK
    other.engine.dispose()


@pytest.mark.parametrize("name", ["cmaes", "qmc"])
def test_a_sampler_that_cannot_do_without_its_internals_is_refused_with_the_reason(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.samplers.build.internals_problem", lambda name: "x is missing")
    with pytest.raises(RuntimeError, match=f"the sampler '{name}' can extend. Received: x is miss"):
        build_sampler(name, 0, 0, {})
