"""The look at the test part, when a search is over: of one kept network, and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import objectives
from storage import storage_of
from studies.attributes import DATA_KEY, HOLDOUT_KEY
from studies.executor.client import Executor
from studies.executor.protocol import DatasetSpec, EvaluateHoldout, ExecutorKind
from studies.lookup import definition_of
from studies.results.export import save_model
from studies.space.parse_space import SEED

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Look:
    """One look at the test part.

    Attributes:
        trial: The number of the trial whose network was judged.
        at: When, in UTC.
        n: The number of pictures.
        metrics: What it came to: "loss" and the objective's metrics.
        data: SHA-256 of the data that the trial was trained on, to whose test part this belongs.
        study: The name of its study.
    """

    trial: int
    at: str
    n: int
    metrics: Mapping[str, float | None]
    data: str
    study: str


def looks_at(study: optuna.Study) -> list[Look]:
    """Return the looks at the test part that a study has taken, the first one first."""
    return sorted(_looks(study.user_attrs), key=lambda look: look.at)


def looks_before(now: Look, study: optuna.Study) -> list[Look]:
    """Return the earlier looks at the same test part, by all studies in the storage."""
    everywhere = storage_of(study).get_all_studies()
    looks = [look for each in everywhere for look in _looks(each.user_attrs)]
    earlier = [look for look in looks if look.data == now.data and look.at < now.at]
    return sorted(earlier, key=lambda look: look.at)


def _looks(attributes: Mapping[str, Any]) -> list[Look]:
    return [Look(**value) for key, value in attributes.items() if key.startswith(HOLDOUT_KEY)]


def look(study: optuna.Study, trial: int | None = None) -> Look:
    """Judge the kept network of a trial on the test part, and record that it was looked at.

    A second look is no error; but whoever chooses by what the first one told has no test part left,
    so it is recorded as well.

    Args:
        study: The study, in a storage that can be written.
        trial: The number of the trial; the best one by default.

    Raises:
        ValueError: No trial is complete, or the objective is a user's function, which alone knows
            its data.
        KeyError: There is no such trial.
        FileNotFoundError: The trial's network is not kept.
        TrialError: The network or the data cannot be read, or the data are not those that the
            trial was trained on.
        ExecutorDiedError: The child ended, as for want of memory.
    """
    definition = definition_of(study)
    if definition.is_function:
        raise ValueError(
            f"Expected a study of {' or '.join(objectives.names())}. "
            f"Received: {definition.objective}, a function of yours, which knows its data itself."
        )
    with TemporaryDirectory(prefix="hpo-") as folder:
        file = Path(folder) / "network.keras"
        number = save_model(study, file, trial)
        judged = study.trials[number]
        # Of a setting that was queued, such as a momentum, the optimizer drawn may have no use.
        settings = definition.factors.resolve(definition.factors.at(judged.params))
        settings.pop(SEED, None)
        kind = ExecutorKind(definition.backend, definition.network.cpu_backend)
        executor = Executor(kind, should_abort=lambda: False)
        try:
            answer = executor.evaluate_holdout(
                EvaluateHoldout(
                    objective=definition.objective,
                    hyperparameters=settings,
                    dataset=DatasetSpec(str(definition.dataset), definition.data.model_dump()),
                    file=file,
                    sha256=judged.user_attrs.get(DATA_KEY),
                )
            )
        finally:
            executor.close()
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    data = judged.user_attrs[DATA_KEY]
    found = Look(number, at, answer.n, answer.metrics, data, study.study_name)
    study.set_user_attr(f"{HOLDOUT_KEY}{uuid4().hex[:8]}", asdict(found))
    return found
