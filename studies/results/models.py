"""The trained networks that were kept of a study's best trials."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.trial import FrozenTrial

from objectives.data.permutation import permutation
from storage import (
    ArtifactNotKeptError,
    artifact_store,
    best_point,
    has_artifacts,
    read_artifact,
    storage_of,
)
from storage.seeds import best_seed
from storage.study_attributes import SEED_KEY
from studies.attributes import ARTIFACTS_KEY, DEFINITION_KEY
from studies.errors import (
    FileFormatError,
    NetworkNotKeptError,
    NoCompleteTrialError,
)
from studies.lookup import definition_of, find_trial
from studies.results.child import code_of
from studies.results.output_folder import check_folder
from studies.results.whole import train_on_all
from studies.worker.open_studies import check_allowed

if TYPE_CHECKING:
    import keras


WHOLE = ".keras"
WEIGHTS = ".weights.h5"


def save_model(
    study: optuna.Study,
    file: str | Path,
    trial: int | None = None,
    *,
    allow_modules: Sequence[str] = (),
) -> int:
    """Write the trained network of a trial to a `.keras` file, which stock Keras loads.

    Of a network that a user builds and that Keras cannot save whole, the weights are kept: a file
    that ends in `.weights.h5` gets them, and a `.json` file beside it says what builds the network.
    Where the data have folds, no network of a trial is kept: it is trained now, on all of the data.
    Where the pixels are permuted, a file `.permutation.npy` beside it says how.

    Args:
        study: The study.
        file: The file to write.
        trial: The number of the trial; None for the best one.
        allow_modules: Packages and files whose functions may be executed, to train it now.

    Returns:
        The number of the trial.

    Raises:
        FileFormatError: The file's ending is neither .keras nor .weights.h5.
        FolderError: The file's folder is not there.
        NoCompleteTrialError: No trial is complete.
        TrialNotFoundError: There is no such trial.
        FileNotFoundError: The trial's network is not kept, or not in this form.
    """
    path = Path(file)
    if path.suffix != WHOLE and not path.name.endswith(WEIGHTS):
        raise FileFormatError(
            f"Expected a file name that ends in {WHOLE}, or in {WEIGHTS} for weights alone. "
            f"Received: {str(file)!r}."
        )
    check_folder(path)
    found = find_trial(study, _best_number(study) if trial is None else trial)
    if _has_folds(study):
        with TemporaryDirectory(prefix="hpo-") as folder:
            for made in _trained(study, found, Path(folder), allow_modules):
                _copy(made, path)
        _write_permutation(study, path)
        return found.number
    content = _kept(study, found, path.suffix)
    if content is None:
        _explain(study, found, path)
        content = _read(study, found, path.suffix)  # raises that none is kept
    path.write_bytes(content)
    _write_permutation(study, path)
    about = _kept(study, found, ".json") if path.suffix != WHOLE else None
    if about is not None:
        path.with_name(f"{path.name.removesuffix(WEIGHTS)}.json").write_bytes(about)
    return found.number


def save_any(
    study: optuna.Study,
    folder: Path,
    trial: int | None = None,
    *,
    allow_modules: Sequence[str] = (),
) -> tuple[Path, FrozenTrial]:
    """Write the trained network of a trial in the form in which it is kept; raises as `save_model`.

    Returns:
        The file, and the trial.
    """
    found = find_trial(study, _best_number(study) if trial is None else trial)
    if _has_folds(study):
        return _trained(study, found, folder, allow_modules)[0], found
    has_weights = _kept(study, found, ".h5") is not None
    file = folder / f"network{WEIGHTS if has_weights else WHOLE}"
    save_model(study, file, found.number)
    return file, found


def load_model(
    study: optuna.Study, trial: int | None = None, *, allow_modules: Sequence[str] = ()
) -> keras.Model:
    """Load the trained network of a trial, by default of the best one. Imports Keras.

    It takes pictures as they are in the data set, but for their order where pixels are permuted:
    `objectives.data.permutation.permuted` permutes them. Its outputs stand, in order, for the
    labels in `study.user_attrs["data_encoding"]["labels"]`.

    Args:
        study: The study.
        trial: The number of the trial; None for the best one.
        allow_modules: Packages and files whose functions may be executed: where Keras could not
            save the network of a user's function whole, the function builds it again.

    Raises:
        TrialNotFoundError: There is no such trial.
        NoCompleteTrialError: No trial is complete yet.
        FileNotFoundError: The trial's network is not kept.
        WorkerError: Its function is needed, and is of none of these packages and files.
        CodeError: The function's code is not that which the trial was trained with.
    """
    import keras

    with TemporaryDirectory(prefix="hpo-") as folder:
        file, found = save_any(study, Path(folder), trial, allow_modules=allow_modules)
        if file.suffix == WHOLE:
            return keras.models.load_model(file)
        return _rebuilt(study, found, file, allow_modules)


def seed_of_network(study: optuna.Study, number: int) -> int | None:
    """Return the seed of a trial's network, None where its study gives no point several."""
    search = study.user_attrs[DEFINITION_KEY]["search"]
    trial = find_trial(study, number)
    if search.get("replicates", 1) < 2 or SEED_KEY not in trial.user_attrs:
        return None
    return best_seed(trial, study.direction)


def _has_folds(study: optuna.Study) -> bool:
    return bool(study.user_attrs[DEFINITION_KEY].get("data", {}).get("folds"))


def _trained(
    study: optuna.Study, trial: FrozenTrial, folder: Path, allow_modules: Sequence[str]
) -> list[Path]:
    return train_on_all(
        study, definition_of(study), trial, folder / f"network{WHOLE}", allow_modules
    )


def _copy(made: Path, file: Path) -> None:
    """Copy one of the files of a network to where it is wanted.

    Raises:
        FileFormatError: It is a network that Keras cannot save whole, and such a file is wanted.
    """
    if made.suffix == ".json":
        file.with_name(f"{file.name.removesuffix(WEIGHTS)}.json").write_bytes(made.read_bytes())
    elif made.suffix == file.suffix:
        file.write_bytes(made.read_bytes())
    else:
        ending = WHOLE if made.suffix == WHOLE else WEIGHTS
        raise FileFormatError(
            f"Expected a file name that ends in {ending}, as Keras saves this network. "
            f"Received: {file.name}."
        )


def permutation_file(study: optuna.Study, network: Path) -> Path | None:
    """Return the file beside a network that says how pixels are permuted; None if they are not."""
    is_permuted = study.user_attrs[DEFINITION_KEY].get("data", {}).get("permute_pixels")
    return network.with_name(f"{network.stem}.permutation.npy") if is_permuted else None


def _write_permutation(study: optuna.Study, network: Path) -> None:
    file = permutation_file(study, network)
    if file is None:
        return
    with zipfile.ZipFile(network) as archive:
        saved = json.loads(archive.read("config.json"))
    height, width, _ = saved["config"]["layers"][0]["config"]["batch_shape"][1:]
    np.save(file, permutation(definition_of(study).data.seed, height * width))


def _rebuilt(
    study: optuna.Study, trial: FrozenTrial, weights: Path, allow_modules: Sequence[str]
) -> keras.Model:
    """Let the user's function build the network of a trial, and read its weights."""
    from objectives.code.find_function import find_object
    from objectives.data import datasets
    from objectives.data.arrays import rows
    from objectives.data.encoding import AS_STORED
    from objectives.own.builder import Builder
    from objectives.own.built import make_variables
    from objectives.own.hyper_model import builder_of

    definition = definition_of(study)
    check_allowed(definition, allow_modules)
    code = code_of(study, trial)
    setting = definition.setting_at(definition.factors.at(trial.params))
    network = Builder(builder_of(find_object(code.name), code.function))(setting)
    assert definition.dataset is not None
    data = datasets.load(definition.dataset, definition.data, AS_STORED)
    make_variables(network, rows(data.train, slice(1))[0])
    network.load_weights(weights)
    return network


def _read(study: optuna.Study, trial: FrozenTrial, suffix: str) -> bytes:
    store = artifact_store(study.user_attrs[ARTIFACTS_KEY])
    return read_artifact(storage_of(study), store, trial, suffix)


def _kept(study: optuna.Study, trial: FrozenTrial, suffix: str) -> bytes | None:
    try:
        return _read(study, trial, suffix)
    except ArtifactNotKeptError:
        return None


def _explain(study: optuna.Study, trial: FrozenTrial, path: Path) -> None:
    """Say in which form the network of a trial is kept, or why none is, where that is known.

    Raises:
        NetworkNotKeptError: It is known.
    """
    other = ".h5" if path.suffix == WHOLE else WHOLE
    if _kept(study, trial, other) is not None:
        ending = WEIGHTS if other == ".h5" else WHOLE
        why = "Keras cannot save it whole; " if ending == WEIGHTS else ""
        raise NetworkNotKeptError(
            f"Expected a file name that ends in {ending}, as the network of trial {trial.number} "
            f"is kept. Received: {path.name}. {why}studies.load_model(study, {trial.number}) "
            "loads it."
        )
    is_function = ":" in _objective(study) and not study.user_attrs[DEFINITION_KEY].get("dataset")
    if is_function:
        raise NetworkNotKeptError(
            f"Expected a trial whose function has kept a {path.suffix} file. Received: trial="
            f"{trial.number} of {_objective(study)}, of which none is kept. A function keeps files "
            "of its best trials by studies.keep_file(trial, file)."
        )


def _objective(study: optuna.Study) -> str:
    return str(study.user_attrs.get(DEFINITION_KEY, {}).get("objective"))


def _best_number(study: optuna.Study) -> int:
    """Return the trial of the best point: of its seeds the best one whose network is kept."""
    best = best_point(study)
    if best is None:
        raise NoCompleteTrialError(
            "Expected a study with a complete trial. Received: none is complete."
        )
    storage = storage_of(study)
    seeds = (storage.get_trial(i) for i in best.ids)
    return next((seed.number for seed in seeds if has_artifacts(seed)), best.trial.number)
