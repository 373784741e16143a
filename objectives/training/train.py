"""Train one trial: epochs in, metrics and the kept weights out. Knows nothing of studies."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from objectives.data.datasets import Dataset
from objectives.hyperparameters import Hyperparameters
from objectives.objective import Objective
from objectives.training.pack import Pack, Task, TrainingResult
from objectives.training.program import ProgramCache

Report = Callable[[int, dict[str, float]], bool]
"""Takes the epochs completed and all metrics; returns whether to go on."""


def train(
    objective: Objective,
    hyperparameters: Hyperparameters,
    data: Dataset,
    *,
    seed: int,
    metric: str,
    maximize: bool,
    report: Report,
    programs: ProgramCache,
    levels: Mapping[str, Sequence[Any]] = {},
) -> TrainingResult:
    """Train one trial in the program of its structure, compiled now if it is the first.

    The result depends on nothing but the arguments: not on the trials before it, nor on whether
    its program was there.

    Args:
        objective: What network to build.
        hyperparameters: The trial's setting.
        data: What to train and validate on.
        seed: Seed of the first weights, the dropout and the order of the pictures; from 0.
        metric: The metric that chooses the best epoch, stops early and is the result's value.
        maximize: Whether more of it is better.
        report: Called after each epoch.
        programs: The programs of this process.
        levels: What the study varies, for trials to share programs; see `Pack`.

    Raises:
        ValueError: The pictures are too small for the network.
    """
    pack = Pack(objective, data, programs, levels)
    (trial,) = pack.add([Task(hyperparameters, seed, metric, maximize)])
    while True:
        for _, metrics in pack.train_epoch():
            if not report(trial.course.epoch, metrics):
                trial.stop()
        for _, result in pack.take_ended():
            return result
