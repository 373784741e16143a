"""The messages between a worker and its executor child: a frozen dataclass for each.

Every request names in its base class the answer that it gets, unless it gets an `ErrorReport`.
codec.py writes messages as lines. The numbers of answers are finite or None, as JSON wants them:
`report.finite` makes them so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studies.executor.inspection import (
    DataExamined,
    ExamineData,
    FindFunction,
    FunctionFound,
    InspectNetwork,
    NetworkInspected,
)
from studies.executor.report import ErrorReport
from studies.executor.request import DatasetSpec, Request

Metrics = dict[str, float | None]
History = dict[str, list[float | None]]  # metric -> its values, epoch by epoch


@dataclass(frozen=True)
class Done:
    """The answer to a request that asks for nothing but an action."""


@dataclass(frozen=True)
class Ready:
    """The child has started.

    Attributes:
        backend: The Keras backend; None for a user's own function.
        device: The device that it trains on, as the backend names it.
        pack_size: How many trials it trains fastest at once, as far as it knows.
    """

    backend: str | None
    device: str
    pack_size: int


@dataclass(frozen=True)
class ExecutorKind(Request[Ready]):
    """What a child is started for, and the first request; trials of one kind share a child.

    Attributes:
        backend: The Keras backend or `auto`; None for a user's own function.
        cpu_backend: What `auto` means on a CPU.
        pack_size: How many trials to train at once on JAX; None to find the fastest number.
        keras_backend: The Keras backend of a user's function that uses Keras; None to leave it to
            the environment.
        code: The hash of a user's code that builds networks or loads data, which a child imports
            once.
        code_folders: The folders that this code may import from.
        admitted: Packages whose registered objectives may be loaded.
    """

    backend: str | None
    cpu_backend: str = "jax"
    pack_size: int | None = None
    keras_backend: str | None = None
    code: str = ""
    code_folders: tuple[str, ...] = ()
    admitted: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataLoaded:
    """A data set is loaded; the SHA-256 of its content."""

    sha256: str


@dataclass(frozen=True)
class LoadData(Request[DataLoaded]):
    """Load a data set, downloading it where need be.

    Attributes:
        dataset: The data set.
        for_test: Whether its test part is wanted later: without one the request is refused.
    """

    dataset: DatasetSpec
    for_test: bool = False


@dataclass(frozen=True)
class TrialTask:
    """One trial to train.

    Attributes:
        id: The trial's id in the storage, by which later messages name it.
        hyperparameters: Its setting.
        seed: Seed of the first weights, the dropout and the order of the pictures.
        checkpoint: The file to go on from, where it exists; None to begin anew.
        n_seeds: How many seeds it is trained with, from that one on; its value is the mean.
    """

    id: int
    hyperparameters: dict[str, Any]
    seed: int
    checkpoint: Path | None
    n_seeds: int = 1


@dataclass(frozen=True)
class AddedTrial:
    """A trial that trains now; `history` has the epochs that it resumed after."""

    id: int
    history: History


@dataclass(frozen=True)
class RefusedTrial:
    """A trial that cannot begin, as where its network does not fit the pictures."""

    id: int
    error: ErrorReport


@dataclass(frozen=True)
class TrialsAdded:
    """Which trials train now, and which were refused; `pack_size` as in `Ready`."""

    added: list[AddedTrial]
    refused: list[RefusedTrial]
    pack_size: int


@dataclass(frozen=True)
class AddTrials(Request[TrialsAdded]):
    """Train trials of one structure beside those that train already.

    Attributes:
        objective: The objective's name, or the user's function that builds networks.
        dataset: The data to train on.
        levels: Hyperparameter name -> the values that trials of the study can have.
        metric: The metric that chooses the best epoch and is the trial's value.
        maximize: Whether more of it is better.
        tasks: The trials.
        one_by_one: Whether the seeds of a trial are trained one after the other.
    """

    objective: str
    dataset: DatasetSpec
    levels: dict[str, list[Any]]
    metric: str
    maximize: bool
    tasks: list[TrialTask]
    one_by_one: bool = False


@dataclass(frozen=True)
class TrialEpoch:
    """One epoch of one trial.

    Attributes:
        id: The trial.
        epoch: The number of epochs that it has completed.
        metrics: The metrics of this epoch.
        ended: Whether training has come to its end.
        seed_values: Where the seeds of a trial are trained one by one: what those came to that have
            ended.
        lanes: In how many lanes of one program it was trained, those of its neighbours among them.
    """

    id: int
    epoch: int
    metrics: Metrics
    ended: bool
    seed_values: list[float | None] | None = None
    lanes: int = 1


@dataclass(frozen=True)
class EpochTrained:
    """An epoch of every trial that trains; `pack_size` as in `Ready`."""

    trials: list[TrialEpoch]
    pack_size: int


@dataclass(frozen=True)
class TrainEpoch(Request[EpochTrained]):
    """Train every trial for one epoch."""


@dataclass(frozen=True)
class StopTrials(Request[Done]):
    """End trials after the epoch that they have completed."""

    ids: list[int]


@dataclass(frozen=True)
class TrialResult:
    """What a trial came to; the answer to `CallFunction` as well.

    Attributes:
        id: The trial.
        value: Its value; None where training diverged or a function returned no finite number.
        pruned: Whether it was ended before its end, by `StopTrials` or by the function.
        attributes: User attributes to record with it.
        seed_values: What it came to with each of its seeds, where it has several.
        warning: What its worker should tell about how it was evaluated.
    """

    id: int
    value: float | None
    pruned: bool
    attributes: dict[str, Any]
    seed_values: list[float | None] = field(default_factory=list)
    warning: str | None = None


@dataclass(frozen=True)
class EndedTrials:
    """The trials taken out.

    Attributes:
        results: What they came to.
        programs_built: How many programs the child has compiled in all.
        memory: The bytes of main memory that it takes.
    """

    results: list[TrialResult]
    programs_built: int
    memory: int


@dataclass(frozen=True)
class TakeEnded(Request[EndedTrials]):
    """Take out the trials that have ended; until the next time their networks can be saved."""


@dataclass(frozen=True)
class NetworkSaved:
    """The files of a network: one, or two where Keras cannot save it whole."""

    files: list[Path]


@dataclass(frozen=True)
class SaveNetwork(Request[NetworkSaved]):
    """Write the network of a trial that was taken out last to a `.keras` file.

    One that Keras cannot load again becomes a `.weights.h5` file, and a `.json` file of what builds
    it, of the same name.
    """

    id: int
    file: Path


@dataclass(frozen=True)
class FiguresDrawn:
    """Figures of a network; none where its objective draws none.

    Attributes:
        files: The pictures, in the folder of the request.
        plots: Name -> Plotly's JSON, for the study's page in the dashboard.
    """

    files: list[Path]
    plots: dict[str, str]


@dataclass(frozen=True)
class DrawFigures(Request[FiguresDrawn]):
    """Draw the predictions of the network saved last for the validation pictures."""

    objective: str
    dataset: DatasetSpec
    folder: Path


@dataclass(frozen=True)
class SaveCheckpoint(Request[Done]):
    """Write the state of a trial that trains to a file, from which a retry can go on."""

    id: int
    file: Path


@dataclass(frozen=True)
class HoldoutEvaluated:
    """The metrics of a network on the `n` pictures of the test part."""

    metrics: Metrics
    n: int


@dataclass(frozen=True)
class EvaluateHoldout(Request[HoldoutEvaluated]):
    """Evaluate a kept network on the test part of its data set.

    Attributes:
        objective: The objective's name.
        hyperparameters: The trial's setting.
        dataset: The data set.
        file: The network.
        sha256: Of the data that it was trained on; with other data the request is refused.
    """

    objective: str
    hyperparameters: dict[str, Any]
    dataset: DatasetSpec
    file: Path
    sha256: str | None


@dataclass(frozen=True)
class CallFunction(Request[TrialResult]):
    """Call a user's function for a claimed trial.

    Attributes:
        function: The function, as `module:name`.
        storage: The URL of the storage.
        study: The name of the study.
        created_at: When the study was made, which tells it from a later one of this name.
        trial_id: The trial's id in the storage.
        folder: That of the trial's files; what a retry of several seeds goes on from is there.
    """

    function: str
    storage: str
    study: str
    created_at: str
    trial_id: int
    folder: Path


NetworkRequest = (
    LoadData | AddTrials | TrainEpoch | StopTrials | TakeEnded | SaveNetwork | DrawFigures
    | SaveCheckpoint | EvaluateHoldout | InspectNetwork | ExamineData | FindFunction
)  # fmt: skip
AnyRequest = ExecutorKind | CallFunction | NetworkRequest
NetworkAnswer = (
    Done | DataLoaded | TrialsAdded | EpochTrained | EndedTrials | FiguresDrawn | HoldoutEvaluated
    | NetworkSaved | NetworkInspected | DataExamined | FunctionFound
)  # fmt: skip
AnyAnswer = Ready | TrialResult | NetworkAnswer | ErrorReport
