"""`[fixed] from`: a study that fixes the best setting of another one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import hpo_here
from queues import end
from small_studies import table

from storage import TrialStorage, claim, create_storage, study_id
from studies import create_study, load_study
from studies.attributes import ORIGIN_KEY
from studies.create import check_new
from studies.definition.study import parse_definition
from studies.errors import DefinitionError

FIRST = table(
    name="first",
    search={"design": "grid"},
    fixed={"epochs": 30, "hidden_units": [16, 8], "early_stopping_patience": "none"},
    space={
        "regularizer": ["l2", "none"],
        "how": {"slow": {"optimizer": "sgd", "momentum": 0.5}, "fast": {"optimizer": "adam"}},
    },
)
BEST = {
    "epochs": 30, "hidden_units": [16, 8], "regularizer": "none", "optimizer": "sgd",
    "momentum": 0.5, "early_stopping_patience": "none",
}  # fmt: skip
NEXT = """\
name = "next"
objective = "mlp"
dataset = "digits"
[search]
design = "grid"
[fixed]
from = "first"
epochs = 2
[space]
dropout = [0.1, 0.3]
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a storage in which trial 2 of the study `first` is best."""
    url = f"sqlite:///{tmp_path}/hpo.db"
    storage = create_storage(url)
    made = create_study(parse_definition(FIRST), storage, artifacts=tmp_path)
    for trial in claim(storage, study_id(made), 4):
        end(storage, trial, 0.9 if trial.number == 2 else 0.1 * trial.number)
    (tmp_path / "next.toml").write_text(NEXT)
    return url


def test_the_best_setting_is_fixed_recorded_and_told(url: str, tmp_path: Path) -> None:
    done = hpo_here("create", "next.toml", url=url, folder=tmp_path)
    assert "Fixed by trial 2 of first, its best then: " in done.stdout
    assert "regularizer=none" in done.stdout
    study, definition = load_study("next", url)
    assert study.user_attrs[ORIGIN_KEY] == {"study": "first", "trial": 2, "setting": BEST}
    expected = {**BEST, "epochs": 2, "dropout": 0.3, "early_stopping_patience": None}
    assert definition.setting_at({"dropout": 0.3}) == expected
    assert [trial.params for trial in study.trials] == [{"dropout": 0.1}, {"dropout": 0.3}]


def test_a_study_that_is_made_keeps_its_setting_whatever_is_best_later(
    url: str, tmp_path: Path
) -> None:
    assert hpo_here("create", "next.toml", url=url, folder=tmp_path).returncode == 0
    tell(create_storage(url), "first", 3, 0.99)
    again = hpo_here("create", "next.toml", url=url, folder=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "trial 2 of first" in again.stdout
    other = hpo_here("create", "next.toml", "--name", "other", url=url, folder=tmp_path)
    assert "trial 3 of first" in other.stdout
    assert load_study("next", url)[0].user_attrs[ORIGIN_KEY]["trial"] == 2


def tell(storage: TrialStorage, name: str, number: int, value: float) -> None:
    """Give a trial of a study another value, as a longer one would have had."""
    import sqlalchemy

    with storage.transaction() as connection:
        connection.execute(
            sqlalchemy.text(
                f"UPDATE trial_values SET value = {value} WHERE trial_id = {number + 1}"
            )
        )
    assert load_study(name, storage)[0].best_trial.number == number


def test_what_the_next_study_searches_or_fixes_is_not_taken(url: str, tmp_path: Path) -> None:
    space = {
        "regularizer": ["l1", "l2"],
        "start": {"a": {"optimizer": "sgd"}, "b": {"optimizer": "sgd", "momentum": 0.9}},
        "dropout": {"levels": [0.1, 0.2], "when": {"hidden_units": [[16, 8]]}},
    }
    lines = table(search={"design": "grid"}, fixed={"from": "first", "epochs": 3}, space=space)
    made = create_study(parse_definition(lines), url, artifacts=tmp_path)
    definition = load_study(made.study_name, url)[1]
    assert definition.factors.fixed == {
        "epochs": 3,
        "hidden_units": [16, 8],
        "early_stopping_patience": None,
    }


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ({"from": "frist"}, "line 7: fixed.from: Expected a study in the storage, one of first"),
        ({"from": "fashion-mlp-grid"}, "Make it first: hpo create fashion-mlp-grid"),
        ({"from": 3}, "line 7: fixed.from: Expected the name of a study in the storage, as from ="),
        ({"from": ""}, "fixed.from: Expected the name of a study"),
        ({"from": "waits"}, "of which none is. Work on it first: hpo run waits"),
    ],
)
def test_what_cannot_be_taken_is_told_with_its_line(
    url: str, tmp_path: Path, lines: Mapping[str, Any], says: str
) -> None:
    create_study(parse_definition(FIRST | {"name": "waits"}), url, artifacts=tmp_path)
    written = repr(lines["from"]).replace("'", '"')
    (tmp_path / "next.toml").write_text(NEXT.replace('"first"', written))
    done = hpo_here("create", "next.toml", url=url, folder=tmp_path)
    assert done.returncode == 1
    assert says in done.stderr


def test_hyperparameters_that_the_next_objective_lacks_are_named(url: str, tmp_path: Path) -> None:
    text = NEXT.replace('"mlp"', '"cnn"')
    lines = FIRST | {"name": "wide", "fixed": {"input_dropout": 0.1}, "space": {"epochs": [1, 2]}}
    storage = create_storage(url)
    made = create_study(parse_definition(lines), storage, artifacts=tmp_path)
    end(storage, claim(storage, study_id(made), 1)[0], 0.5)
    (tmp_path / "next.toml").write_text(text.replace('"first"', '"wide"'))
    done = hpo_here("create", "next.toml", url=url, folder=tmp_path)
    assert done.returncode == 1
    assert "line 7: fixed.from: Expected the setting of a study whose" in done.stderr
    assert "Received: wide, whose best trial sets input_dropout too" in done.stderr


def test_without_a_storage_the_other_study_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "next.toml").write_text(NEXT)
    done = hpo_here("create", "next.toml", url=f"sqlite:///{tmp_path}/no.db", folder=tmp_path)
    assert "line 7: fixed.from: Expected a study in the storage. Received: first" in done.stderr
    assert not (tmp_path / "no.db").exists()
    with pytest.raises(DefinitionError, match=r"fixed.from"):
        check_new(parse_definition(table(fixed={"from": "first"})))
