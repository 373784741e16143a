"""Several ranges of one hyperparameter, each under conditions of its own."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from sampling import define

from objectives.networks.mlp import MlpHyperparameters
from storage import TrialStorage, claim, study_id
from studies.create import create_study
from studies.definition.study import parse_definition
from studies.designs.points import initial_points
from studies.errors import DefinitionError
from studies.space.parse_space import parse_space
from studies.suggest import prepare_trials

SGD = {"low": 0.01, "high": 1.0, "log": True, "when": {"optimizer": ["sgd"]}}
ADAM = {"low": 1e-5, "high": 1e-3, "log": True, "when": {"optimizer": ["adam", "nadam"]}}
SPACE: dict[str, Any] = {
    "optimizer": ["sgd", "adam", "nadam", "adagrad"],
    "learning_rate": [SGD, ADAM],
}
STEPS: dict[str, Any] = {
    "learning_rate": [
        {"low": 0.1, "high": 0.2, "step": 0.1, "when": {"optimizer": ["sgd"]}},
        {"low": 0.2, "high": 0.4, "step": 0.2, "when": {"optimizer": ["adam"]}},
    ],
    "optimizer": ["sgd", "adam", "adagrad"],
}


def expected_range(optimizer: str) -> tuple[float, float] | None:
    return {"sgd": (0.01, 1.0), "adagrad": None}.get(optimizer, (1e-5, 1e-3))


TPE = {"name": "tpe", "n_startup_trials": 4}
GROUPED = TPE | {"multivariate": True, "group": True}


@pytest.mark.parametrize("sampler", [TPE, GROUPED, "qmc"])
def test_a_sampler_draws_from_the_range_whose_conditions_hold(
    sampler: Any, sqlite_storage: TrialStorage
) -> None:
    definition = define(SPACE, sampler, 24)
    study = create_study(definition, sqlite_storage)
    seen = set()
    for _ in range(3):  # packs, whose trials share what TPE makes of the trials before them
        taken = claim(sqlite_storage, study_id(study), 8)
        with sqlite_storage.batch(study_id(study)) as batch:
            for each in prepare_trials(study, definition, taken):
                # As good near the end of one range as near that of the other.
                rate = float(each.params.get("learning_rate", 1e9))
                study.tell(each.trial, abs(math.log10(rate) + 2.5))
        assert not batch.write()
    for trial in study.get_trials():
        seen.add(trial.params["optimizer"])
        limits = expected_range(trial.params["optimizer"])
        assert ("learning_rate" in trial.params) == (limits is not None)
        if limits is not None:
            assert limits[0] <= trial.params["learning_rate"] <= limits[1]
            stored: Any = trial.distributions["learning_rate"]
            assert (stored.low, stored.high) == limits
    assert len(seen) >= 3


def test_a_grid_has_the_levels_of_the_range_whose_conditions_hold() -> None:
    definition = parse_definition(
        {
            "name": "s",
            "objective": "mlp",
            "dataset": "digits",
            "search": {"design": "grid", "enqueue": [{"optimizer": "adam", "learning_rate": 0.4}]},
            "space": STEPS,
        }
    )
    points = initial_points(definition)
    assert [tuple(point.params.values()) for point in points] == [
        ("adam", 0.4), ("sgd", 0.1), ("sgd", 0.2), ("adam", 0.2), ("adagrad",),
    ]  # fmt: skip
    for point in points[:-1]:
        study = optuna.create_study()
        study.add_trial(
            optuna.create_trial(
                params=dict(point.params), distributions=dict(point.distributions), value=0.0
            )
        )
    assert definition.factors.possible_values("learning_rate") == [0.1, 0.2, 0.2, 0.4, None]


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ([SGD, {**ADAM, "when": {"optimizer": ["adam", "sgd"]}}], "conditions that exclude each"),
        ([SGD, {"low": 0.1, "high": 1.0, "log": True}], "conditions that exclude each"),
        ([SGD, {**ADAM, "log": False}], "Expected ranges, all with log = true or none"),
        ([SGD, {"levels": [0.1], "when": {"optimizer": ["adam"]}}], "Expected ranges, all with"),
        ([SGD, {**ADAM, "when": {"optimizer": ["adm"]}}], "Did you mean adam"),
        ([SGD, {**ADAM, "high": 1e9}], "Received: learning_rate=1000000000"),
    ],
)
def test_ranges_that_do_not_fit_together_are_refused(ranges: list[Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=rf"^space\.learning_rate.*{message}"):
        parse_space({**SPACE, "learning_rate": ranges}, {}, MlpHyperparameters)


def test_a_known_setting_is_checked_by_the_range_whose_conditions_hold() -> None:
    queue: list[dict[str, Any]] = [{"optimizer": "nadam", "learning_rate": 5e-4}]
    definition = define(SPACE, "tpe", enqueue=queue)
    (point,) = initial_points(definition)
    assert point.distributions["learning_rate"] == (
        optuna.distributions.FloatDistribution(1e-5, 1e-3, log=True)
    )
    for setting, message in (
        ({"optimizer": "sgd", "learning_rate": 5e-4}, r"a number from 0\.01 to 1\.0\. Received"),
        ({"learning_rate": 5e-4}, "Expected optimizer=sgd; or optimizer=adam or nadam beside it"),
        ({"optimizer": "adagrad", "learning_rate": 0.1}, "Received: optimizer=adagrad"),
    ):
        with pytest.raises(DefinitionError, match=message):
            define(SPACE, "tpe", enqueue=[setting])


def test_a_default_of_one_factor_at_a_time_has_no_level_for_a_second_range() -> None:
    default = {"optimizer": "sgd", "learning_rate": 0.1}
    words = r"^space\.learning_rate: Expected one range for .* Take the design grid or random, or"
    with pytest.raises(DefinitionError, match=words):
        define(STEPS, None, None, design="one-factor-at-a-time", default=default)
