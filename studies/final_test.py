"""The look at the test part, when a search is over: of one kept network, and recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import objectives
from studies.create import definition_of
from studies.executor import Executor, ExecutorKind
from studies.export import save_model
from studies.space_parser import SEED

if TYPE_CHECKING:
    import optuna

LOOKS_KEY = "test_looks"  # user attribute of the study


@dataclass(frozen=True)
class Look:
    """One look at the test part.

    Attributes:
        trial: The number of the trial whose network was judged.
        at: When, in UTC.
        n: The number of pictures.
        metrics: What it came to: "loss" and the objective's metrics.
    """

    trial: int
    at: str
    n: int
    metrics: Mapping[str, float | None]


def looks_at(study: optuna.Study) -> list[Look]:
    """Return the looks at the test part so far, the first one first."""
    return [Look(**look) for look in study.user_attrs.get(LOOKS_KEY, [])]


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
        TrialError: The network or the test part cannot be read.
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
        settings = definition.factors.resolve(study.trials[number].params)
        settings.pop(SEED, None)
        kind = ExecutorKind(definition.backend, definition.network.cpu_backend)
        executor = Executor(kind, should_abort=lambda: False)
        try:
            told = executor.judge(
                {
                    "objective": definition.objective,
                    "hyperparameters": settings,
                    "dataset": definition.dataset,
                    "data": definition.data.model_dump(),
                    "file": str(file),
                }
            )
        finally:
            executor.close()
    at = datetime.now(UTC).isoformat(timespec="seconds")
    found = Look(number, at, told["n"], told["metrics"])
    looks = [asdict(each) for each in [*looks_at(study), found]]
    study.set_user_attr(LOOKS_KEY, looks)
    return found
