"""Compare confirmed settings on the test part: one look of all of them, after training anew.

Each network is trained for a fixed number of epochs on training and validation part, so that
nothing is left to stop, prune or choose an epoch by. It is kept until all are trained: one that is
there is not trained again after an interruption.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from storage import storage_of
from storage.study_attributes import SEED_KEY
from studies.attributes import ARTIFACTS_KEY, CREATED_KEY, DATA_KEY, TESTED_KEY
from studies.definition.study import StudyDefinition
from studies.errors import SettingError
from studies.executor.client import Executor
from studies.executor.protocol import EvaluateHoldout, HoldoutEvaluated
from studies.lookup import as_argument, definition_of
from studies.results.child import Child, child_of
from studies.results.confirmed.confirmation import Confirmation, answer_on_test
from studies.results.confirmed.values import trials_of_settings
from studies.results.holdout import HoldoutEvaluation, evaluations_on, record
from studies.results.whole import ONLY, request_whole, train_whole
from studies.worker.checkpoints import FOLDER, mark_of, remove_part

Tell = Callable[[str], None]
NETWORK = "network.keras"


@dataclass(frozen=True)
class _Network:
    """A network to train and to evaluate.

    Attributes:
        setting: The place of its setting.
        seed: Its seed.
        settings: Its hyperparameters.
        n_epochs: For how many epochs it is trained.
        folder: Where it is kept until all are trained.
    """

    setting: int
    seed: int
    settings: Mapping[str, Any]
    n_epochs: int
    folder: Path


def compare_on_test(study: optuna.Study, *, again: bool, tell: Tell) -> Confirmation:
    """Train the settings of a study of confirmation for the test part, and compare them there.

    Args:
        study: The study, whose trials are complete.
        again: Whether the test part may be looked at once more.
        tell: Called with a line for each network.

    Raises:
        SettingError: Trials are missing, a setting has `plateau_patience`, the data are others by
            now, or somebody has looked at the test part already.
        TrialError: There is no test part, or a network cannot be trained.
        ExecutorDiedError: The child process ended.
    """
    definition = definition_of(study)
    by_setting = [_complete(own) for own in trials_of_settings(study)]
    _check(study, definition, by_setting)
    first = by_setting[0][0]
    data = str(first.user_attrs[DATA_KEY])
    if not again:
        _check_unseen(study, data)
    networks = [
        network
        for place, own in enumerate(by_setting)
        for network in _networks(study, definition, place, own)
    ]
    child = child_of(study, definition, first)
    executor = Executor(child.kind, should_abort=lambda: False)
    try:
        _check_data(executor, child, data)
        for number, network in enumerate(networks, 1):
            if not network.folder.is_dir():
                tell(_line(number, len(networks), network))
                _train(executor, child, definition, network)
        found = [_evaluate(executor, child, network, data) for network in networks]
    finally:
        executor.close()
    values = _values(definition, networks, found)
    _record(study, data, by_setting, networks, found, values)
    for network in networks:
        remove_part(network.folder)
    return answer_on_test(study, values)


def _complete(trials: Sequence[FrozenTrial | None]) -> list[FrozenTrial]:
    return [each for each in trials if each is not None and each.value is not None]


def _check(
    study: optuna.Study, definition: StudyDefinition, by_setting: Sequence[Sequence[FrozenTrial]]
) -> None:
    name = study.study_name
    if not all(by_setting):
        raise SettingError(
            f"Expected complete trials of each setting in {name}, whose best epochs tell for how "
            f"long to train. Received: one without. See why: hpo status {as_argument(name)}"
        )
    for own in by_setting:
        given = definition.setting_at(definition.factors.at(own[0].params))
        if given.get("plateau_patience") is not None:
            raise SettingError(
                "Expected settings without plateau_patience: nothing is left to validate on, by "
                f"which to lower a rate. Received: plateau_patience={given['plateau_patience']}."
            )


def _check_unseen(study: optuna.Study, data: str) -> None:
    seen = evaluations_on(data, storage_of(study))
    if seen:
        what = f"{seen[0].networks} networks" if seen[0].networks > 1 else f"trial {seen[0].trial}"
        raise SettingError(
            f"Expected a test part that nobody has looked at. Received: {len(seen)} "
            f"look{'' if len(seen) == 1 else 's'}, the first at {seen[0].at}, of {what} of "
            f"{seen[0].study}. Choosing by these results uses it up; to look once more: --again"
        )


def _check_data(executor: Executor, child: Child, data: str) -> None:
    """Check, before anything is trained, that the data are the same and have a test part."""
    found = executor.load_data(child.dataset, for_test=True)
    if found != data:
        raise SettingError(
            f"Expected the data of {child.dataset.name} that the settings were confirmed on, of "
            f"SHA-256 {data[:12]}. Received: others, of SHA-256 {found[:12]}."
        )


def _networks(
    study: optuna.Study, definition: StudyDefinition, place: int, trials: Sequence[FrozenTrial]
) -> list[_Network]:
    """Return the networks of a setting, one a seed, all for the median of its best epochs."""
    best = [epoch for trial in trials for epoch in _best_epochs(trial)]
    mark = mark_of(study.user_attrs[CREATED_KEY])
    folder = Path(study.user_attrs[ARTIFACTS_KEY]) / FOLDER
    n_epochs = max(1, statistics.median_low(best))
    return [
        _Network(
            place,
            int(trial.user_attrs[SEED_KEY]),
            definition.setting_at(definition.factors.at(trial.params)),
            n_epochs,
            folder / f"{mark}-test-{place}-{trial.user_attrs[SEED_KEY]}-{n_epochs}",
        )
        for trial in trials
    ]


def _best_epochs(trial: FrozenTrial) -> list[int]:
    """Return the best epoch of a trial; of folds that of each."""
    return trial.user_attrs.get("fold_best_epochs") or [int(trial.user_attrs["best_epoch"])]


def _train(
    executor: Executor, child: Child, definition: StudyDefinition, network: _Network
) -> None:
    """Train a network, and keep it; of one that diverges only the folder."""
    unfinished = network.folder.with_suffix(".part")
    remove_part(unfinished)
    unfinished.mkdir(parents=True)
    request = request_whole(child, definition, network.settings, network.seed)
    result = train_whole(executor, request, network.n_epochs)
    if result.value is not None:
        executor.save(ONLY, unfinished / NETWORK)
    unfinished.rename(network.folder)


def _evaluate(
    executor: Executor, child: Child, network: _Network, data: str
) -> HoldoutEvaluated | None:
    """Evaluate a network on the test part; None where it has diverged."""
    files = sorted(network.folder.iterdir())
    if not files:
        return None
    request = EvaluateHoldout(
        objective=child.objective,
        hyperparameters=dict(network.settings),
        dataset=child.dataset,
        file=next((file for file in files if file.name == NETWORK), files[0]),
        sha256=data,
    )
    return executor.evaluate_holdout(request)


def _values(
    definition: StudyDefinition,
    networks: Sequence[_Network],
    found: Sequence[HoldoutEvaluated | None],
) -> list[list[float | None]]:
    """Return the metric of each seed of each setting; None where a seed was not trained."""
    name = definition.metric.removeprefix("val_")
    first, last = (pick(each.seed for each in networks) for pick in (min, max))
    n = 1 + max(each.setting for each in networks)
    values: list[list[float | None]] = [[None] * (last - first + 1) for _ in range(n)]
    for network, evaluated in zip(networks, found, strict=True):
        value = None if evaluated is None else evaluated.metrics.get(name)
        values[network.setting][network.seed - first] = nan if value is None else value
    return values


def _record(
    study: optuna.Study,
    data: str,
    by_setting: Sequence[Sequence[FrozenTrial]],
    networks: Sequence[_Network],
    found: Sequence[HoldoutEvaluated | None],
    values: Sequence[Sequence[float | None]],
) -> None:
    """Record one look at the test part, by all networks."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    record(
        study,
        HoldoutEvaluation(
            trial=by_setting[0][0].number,
            at=now,
            n=next((each.n for each in found if each is not None), 0),
            metrics={} if found[0] is None else found[0].metrics,
            data=data,
            study=study.study_name,
            networks=len(networks),
        ),
    )
    epochs = {each.setting: each.n_epochs for each in networks}
    study.set_user_attr(
        TESTED_KEY,
        {
            "at": now,
            "epochs": [epochs[place] for place in range(len(by_setting))],
            "values": [[_stored(value) for value in own] for own in values],
        },
    )


def _stored(value: float | None) -> float | str | None:
    return "diverged" if value is not None and value != value else value


def _line(number: int, n: int, network: _Network) -> str:
    return (
        f"network {number} of {n}: setting {network.setting + 1}, seed {network.seed}, "
        f"{network.n_epochs} epoch{'' if network.n_epochs == 1 else 's'} on training and "
        "validation part"
    )
