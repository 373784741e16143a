"""All that made a trial, and where it is written: what a reader needs to believe a result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import FrozenTrial, TrialState

from storage import storage_of
from storage.study_attributes import (
    FAIL_REASON_KEY,
    SEED_KEY,
    SEED_VALUES_KEY,
)
from studies.attributes import (
    ARTIFACTS_KEY,
    COMPILE_SECONDS_KEY,
    DATA_KEY,
    ENCODING_KEY,
    LANES_KEY,
    RERUN_KEY,
    TRAIN_SECONDS_KEY,
    VERDICT_KEY,
    VERSIONS_KEY,
)
from studies.definition.as_toml import as_toml
from studies.lookup import attempts_of, definition_of, find_trial
from studies.results.chosen_by import chosen_by
from studies.results.code_here import code_rows
from studies.results.reruns.study import find_reruns
from studies.results.settings import whole_setting
from studies.versions import installed_versions

if TYPE_CHECKING:
    import pandas as pd

    from studies.definition.study import StudyDefinition


@dataclass(frozen=True)
class Provenance:
    """All that made a trial.

    Attributes:
        study: Its study.
        trial: Its number.
        state: How it ended, or that it waits or runs.
        metric: What its value is.
        value: Its value; None where it has none.
        reason: Why it failed.
        epochs: How many epochs it trained, or None.
        best_epoch: That of its best value.
        pruned_at: The epoch or the step after which it was pruned.
        resumed_after: The epoch of the checkpoint that it went on from.
        setting: A row for each hyperparameter: name, value, origin. The origin is `searched`,
            `fixed`, `best of STUDY`, `default`, or `default when the study was made`.
        chosen_by: How its point came about.
        seed: Its seed, the first of several.
        n_seeds: How many seeds it has.
        seeds: A row for each of several seeds: seed, value.
        folds: A row for each fold of the data: fold, value, best_epoch.
        data: The data set, its SHA-256, and the options of the split.
        encoding: What the pixels are divided by, and the label of each class; what is known.
        code: A row for each file of a user's code: file, sha256, and `here`, what the file here is:
            the same, another, or not here.
        versions: A row for each library: library, study, trial, here.
        backend: What it was computed with.
        device: What it was computed on.
        worker: The name of the worker.
        host: The machine.
        lanes: In how many lanes of one program it trained: `[[1, 8], [13, 4]]` is 8 from epoch 1
            and 4 from epoch 13 on; empty where that is not recorded.
        trained_by: The way in which a user's network was trained, and why.
        began: When it began, UTC.
        ended: When it ended, UTC.
        seconds: How long training took, compiling included.
        compile_seconds: How much of that was for compiling.
        attempts: A row for each other attempt of its lineage: trial, state, value, reason, and the
            epoch that it went on after.
        files: A row for each kept file: name, place, is_here.
        reruns: A row for each time that it was made again: study, trial, verdict.
        attributes: What else is recorded with it.
        definition: The study's definition as TOML.
    """

    study: str
    trial: int
    state: str
    metric: str
    value: float | None
    reason: str | None
    epochs: int | None
    best_epoch: int | None
    pruned_at: int | None
    resumed_after: int | None
    setting: pd.DataFrame
    chosen_by: str
    seed: int | None
    n_seeds: int
    seeds: pd.DataFrame
    folds: pd.DataFrame
    data: Mapping[str, Any]
    encoding: Mapping[str, Any]
    code: pd.DataFrame
    versions: pd.DataFrame
    backend: str | None
    device: str | None
    worker: str | None
    host: str | None
    lanes: list[list[int]]
    trained_by: str | None
    began: datetime | None
    ended: datetime | None
    seconds: float | None
    compile_seconds: float | None
    attempts: pd.DataFrame
    files: pd.DataFrame
    reruns: pd.DataFrame
    attributes: Mapping[str, Any]
    definition: str


def show(study: optuna.Study, trial: int) -> Provenance:
    """Return all that made a trial: its setting, data, code, libraries, device and lineage.

    Args:
        study: The study.
        trial: The number of the trial.

    Raises:
        TrialNotFoundError: There is no such trial.
        StudyNotFoundError: The study was not made by this service.
        DefinitionError: The study's definition is not valid on this machine.
    """
    found = find_trial(study, trial)
    definition, attributes = definition_of(study), found.user_attrs
    worker = attributes.get("worker")
    ways = [attributes.get("trained_by"), attributes.get("trained_by_reason")]
    return Provenance(
        study=study.study_name,
        trial=found.number,
        state=found.state.name.lower(),
        metric=definition.metric,
        value=found.value,
        reason=attributes.get(FAIL_REASON_KEY),
        epochs=attributes.get("epochs"),
        best_epoch=attributes.get("best_epoch"),
        pruned_at=_pruned_at(found),
        resumed_after=attributes.get("resumed_after"),
        setting=_frame(whole_setting(definition, found), "name", "value", "origin"),
        chosen_by=chosen_by(study, definition, found),
        seed=attributes.get(SEED_KEY),
        n_seeds=definition.search.n_seeds,
        seeds=_frame(_seeds(found), "seed", "value"),
        folds=_frame(_folds(found), "fold", "value", "best_epoch"),
        data=_data(definition, found),
        encoding=study.user_attrs.get(ENCODING_KEY) or {},
        code=_frame(code_rows(definition, found), "file", "sha256", "here"),
        versions=_frame(_versions(study, found), "library", "study", "trial", "here"),
        backend=attributes.get("backend"),
        device=attributes.get("device"),
        worker=worker,
        host=None if worker is None else worker.rsplit("-", 2)[0],
        lanes=list(attributes.get(LANES_KEY, [])),
        trained_by=": ".join(filter(None, ways)) or None,
        began=_in_utc(found.datetime_start),
        ended=_in_utc(found.datetime_complete),
        seconds=attributes.get(TRAIN_SECONDS_KEY),
        compile_seconds=attributes.get(COMPILE_SECONDS_KEY),
        attempts=_frame(
            _attempts(study, found), "trial", "state", "value", "reason", "resumed_after"
        ),
        files=_frame(_files(study, found), "name", "place", "is_here"),
        reruns=_frame(_reruns(study, found), "study", "trial", "verdict"),
        attributes={k: v for k, v in attributes.items() if k not in TOLD_APART},
        definition=as_toml(definition),
    )


TOLD_APART = frozenset(
    (FAIL_REASON_KEY, "epochs", "best_epoch", "resumed_after", SEED_KEY, SEED_VALUES_KEY,
     "fold_values", "fold_best_epochs", "worker", "trained_by", "trained_by_reason", "backend",
     "device", LANES_KEY, TRAIN_SECONDS_KEY, COMPILE_SECONDS_KEY, VERSIONS_KEY, DATA_KEY, "history",
     "files_sha256", "code_sha256", "retry_of", "retried_as",
     RERUN_KEY)
)  # fmt: skip


def _frame(rows: Iterator[tuple[Any, ...]] | list[Any], *columns: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(columns), dtype=object)


def _in_utc(time: datetime | None) -> datetime | None:
    """Return a time of Optuna's, which is local and without a zone."""
    return time and time.astimezone(UTC)


def _pruned_at(trial: FrozenTrial) -> int | None:
    if trial.state is not TrialState.PRUNED:
        return None
    last = max(trial.intermediate_values, default=None)
    return trial.user_attrs.get("epochs", last)


def _seeds(trial: FrozenTrial) -> Iterator[tuple[int, float]]:
    for i, value in enumerate(trial.user_attrs.get(SEED_VALUES_KEY, [])):
        yield trial.user_attrs[SEED_KEY] + i, value


def _folds(trial: FrozenTrial) -> Iterator[tuple[int, float | None, int]]:
    values, best = (trial.user_attrs.get(k, []) for k in ("fold_values", "fold_best_epochs"))
    for i, (value, epoch) in enumerate(zip(values, best, strict=False), 1):
        yield i, value, epoch


def _data(definition: StudyDefinition, trial: FrozenTrial) -> dict[str, Any]:
    if definition.dataset is None:
        return {}
    options = {k: v for k, v in definition.data.model_dump().items() if v not in (None, {})}
    sha256 = trial.user_attrs.get(DATA_KEY)
    return {"dataset": definition.dataset, "sha256": sha256, **options}


def _versions(study: optuna.Study, trial: FrozenTrial) -> Iterator[tuple[str, Any, Any, Any]]:
    made, own = study.user_attrs.get(VERSIONS_KEY, {}), trial.user_attrs.get(VERSIONS_KEY, {})
    here = installed_versions()
    for name in dict.fromkeys([*made, *own, *here]):
        yield name, made.get(name), own.get(name), here.get(name)


def _attempts(study: optuna.Study, trial: FrozenTrial) -> Iterator[tuple[Any, ...]]:
    for each in attempts_of(study, trial):
        attributes = each.user_attrs
        reason = attributes.get(FAIL_REASON_KEY)
        state = each.state.name.lower()
        yield each.number, state, each.value, reason, attributes.get("resumed_after")


def _files(study: optuna.Study, trial: FrozenTrial) -> Iterator[tuple[str, str, bool]]:
    folder = Path(study.user_attrs.get(ARTIFACTS_KEY, ""))
    for meta in get_all_artifact_meta(trial, storage=storage_of(study)):
        file = folder / meta.artifact_id
        yield meta.filename, str(file), file.is_file()


def _reruns(study: optuna.Study, trial: FrozenTrial) -> Iterator[tuple[str, int, str | None]]:
    reruns = find_reruns(study)
    if reruns is None:
        return
    for each in reruns.get_trials(deepcopy=False):
        if each.user_attrs.get(RERUN_KEY) == trial.number:
            yield reruns.study_name, each.number, each.user_attrs.get(VERDICT_KEY)
