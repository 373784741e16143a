"""Train one trial from a script: a pack of one, with a function called after each epoch.

Workers use `Pack` directly. This is for tests and notebooks, which train trials one by one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from objectives.data.datasets import Dataset
from objectives.hyperparameters import Hyperparameters
from objectives.objective import Objective
from objectives.training.pack import Pack, TrainingTask
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult

Report = Callable[[int, dict[str, float]], bool]
"""Takes the number of completed epochs and all metrics; returns whether to continue."""


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
    """Train one trial in the program of its structure, which is compiled if it is the first.

    The result depends on nothing but the arguments: not on earlier trials, nor on whether the
    program was compiled before.

    Args:
        objective: What network to build.
        hyperparameters: The trial's setting.
        data: What to train and validate on.
        seed: The seed of the first weights, the dropout and the order of the pictures; from 0.
        metric: The metric that chooses the best epoch, stops early and is the result's value.
        maximize: Whether a higher metric is better.
        report: Called after each epoch.
        programs: The programs of this process.
        levels: What the study varies, so that trials share programs; see `Pack`.

    Raises:
        SettingError: The pictures are too small for the network.
    """
    pack = Pack(objective, data, programs, levels)
    (trial,) = pack.add([TrainingTask(hyperparameters, seed, metric, maximize)])
    while True:
        for _, metrics in pack.train_epoch():
            if not report(trial.epochs.completed, metrics):
                trial.stop()
        for _, result in pack.take_ended():
            return result
