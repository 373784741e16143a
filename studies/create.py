"""Create the Optuna study of a definition, once, with all that is needed to repeat it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import optuna
import sqlalchemy
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning

from objectives.data import sources
from objectives.data.encoding import from_json
from objectives.training_hyperparameters import defaults_of
from storage import (
    Budget,
    TrialStorage,
    count_claimable,
    create_storage,
    enqueue,
    get_budget,
    overview,
    study_attributes,
    study_id,
    study_names,
)
from studies.attributes import (
    ARRAY_KEY,
    ARTIFACTS_KEY,
    CODE_KEY,
    CREATED_KEY,
    DEFAULTS_KEY,
    DEFINITION_KEY,
    ENCODING_KEY,
    ORIGIN_KEY,
    RERUN_STUDY_KEY,
    VERSIONS_KEY,
)
from studies.copies import settle
from studies.definition.check_class_weights import check_class_weights
from studies.definition.code import CodeRecord
from studies.definition.difference import difference
from studies.definition.files import as_definition, lines_named, read_table, with_overrides
from studies.definition.fixed import FROM, predecessor
from studies.definition.fresh_seeds import check_searched_seeds
from studies.definition.sampler_options import lacks_max_resource
from studies.definition.search import SearchOptions, check_seeds, keyed
from studies.definition.study import BUDGET_KEYS, StudyDefinition, parse_definition
from studies.designs.added_seeds import added_seeds
from studies.designs.orthogonal import orthogonal
from studies.designs.points import initial_points
from studies.errors import DefinitionError, TakenNameError
from studies.lookup import as_argument, definition_of, earlier_defaults, open_study
from studies.origin import with_origin
from studies.versions import installed_versions

ARTIFACTS = "hpo-artifacts"  # the default folder's name


def create_study(
    definition: StudyDefinition | Mapping[str, Any] | str | Path,
    storage: str | TrialStorage,
    *,
    artifacts: str | Path | None = None,
    asked: Collection[str] = (),
    attributes: Mapping[str, Any] = MappingProxyType({}),
) -> optuna.Study:
    """Create the study of `definition`, or continue it.

    Creating the same study twice changes only its budget: another `n_trials` or `timeout` than it
    was defined with takes the place of the one that it has.

    The attribute `study.user_attrs["data_encoding"]` says how the networks take a new study's data:
    `scale`, what pixels are divided by, and `labels`, the label of each output.

    Args:
        definition: The study's definition, a dict of its lines, a name of the catalogue, or the
            path of a TOML file.
        storage: An open storage, or its URL.
        artifacts: The folder for trained networks. By default it is beside a SQLite file, or in the
            current folder for a server.
        asked: Keys of the budget that are to be taken even where they are as the study was defined.
        attributes: User attributes that a new study has before any worker takes it.

    Raises:
        TakenNameError: A study of this name has another definition.
        DefinitionError: There is a mistake in the definition or the data, the study that `[fixed]`
            names has no complete trial, no orthogonal array holds the factors, a new study's
            Hyperband has no `max_resource` where it cannot be known, or a number of trials is given
            for a study that has no such limit or that has more trials already.
        DataNotFoundError: A published data set is not here and cannot be downloaded.
        DatabaseError: The database cannot be opened.
    """
    definition = as_definition(definition)
    opened = create_storage(storage) if isinstance(storage, str) else storage
    definition = with_origin(definition, opened)
    if definition.name not in study_attributes(opened, CREATED_KEY, having=DEFINITION_KEY):
        check_new(definition)
    try:
        study = optuna.create_study(
            storage=opened, study_name=definition.name, direction=definition.direction
        )
    except DuplicatedStudyError:
        study = open_study(definition.name, opened)
        _check_same(study, definition)
    if DEFINITION_KEY in study.user_attrs:
        settle(study)
        if definition.code is not None:  # that of before, or one that was accepted
            study.set_user_attr(CODE_KEY, asdict(definition.code))
        _extend(opened, study, definition.search, asked)
    else:
        _record(study, definition, Path(artifacts or default_artifacts(opened.engine.url)))
        for key, value in attributes.items():
            study.set_user_attr(key, value)
        queue = initial_points(definition)
        enqueue(opened, study_id(study), queue, _budget(definition, len(queue)))
        # Last, since workers take every study that has a definition.
        study.set_user_attr(DEFINITION_KEY, definition.model_dump(mode="json"))
    return study


def as_stored(definition: StudyDefinition, storage: TrialStorage) -> StudyDefinition:
    """Return a definition with what its study has of its code and its data, if that is made.

    The space and the backend that its definition does not name were found when it was made.
    """
    if definition.dataset is None:
        return definition
    if definition.dataset in sources.names() and not definition.is_own_network:
        return definition
    made = study_attributes(storage, ENCODING_KEY, having=DEFINITION_KEY)
    if definition.name not in made:
        return definition
    definition = definition.with_encoding(from_json(made[definition.name]))
    codes = study_attributes(storage, CODE_KEY, having=DEFINITION_KEY)
    if not definition.is_own_network or definition.name not in codes:
        return definition
    stored = open_study(definition.name, storage).user_attrs[DEFINITION_KEY]
    space = definition.space or stored["space"]
    backend = stored["backend"] if definition.backend == "auto" else definition.backend
    return definition.with_code(space, backend, CodeRecord(**codes[definition.name]))


def check_new(definition: StudyDefinition) -> None:
    """Check what a new study must say, and one of an earlier version may lack.

    Raises:
        DefinitionError: It does not say it, or there is a mistake in its data.
    """
    if (name := predecessor(definition.fixed)) is not None:
        raise DefinitionError(
            "fixed.from",
            f"Expected a study in the storage. Received: {name}, where there is no storage yet. "
            f"Work on it first: hpo run {as_argument(name)}",
        )
    if definition.is_own_network and definition.code is None:
        raise DefinitionError(
            "objective",
            "Expected networks that were built before their study is made. Received: "
            f"{definition.objective}, not built yet. Make the study by studies.run(...), or by "
            "hpo run or hpo create.",
        )
    if not definition.space and definition.is_own_network:
        raise DefinitionError(
            "space",
            "Expected hyperparameters to search. Received: none, so that all trials would have the "
            "same. Ask for one where the network is built, such as "
            'trial.suggest_float("rate", 1e-4, 1e-1, log=True), and write [space] by hpo init.',
        )
    if not definition.space and not definition.is_function:
        raise DefinitionError(
            "space",
            "Expected hyperparameters to search. Received: none, so that all trials would have the "
            "same. Write one to a line of [space], such as learning_rate = { low = 1e-4, high = "
            "1e-1, log = true }. See them all: hpo objectives "
            f"{as_argument(definition.objective)}.",
        )
    if definition.max_epochs is None and lacks_max_resource(definition.search.pruner):
        # Optuna would take the steps of the first trial that ends, and until then compare none;
        # the rungs of those that began before are filled with values of later steps.
        raise DefinitionError(
            "search.pruner",
            "Expected max_resource, the most steps that a trial reports, for hyperband: the epochs "
            "of a function, or of training by steps, are not known. Received: none. "
            'Write pruner = { name = "hyperband", max_resource = 30 }, with your number.',
        )
    is_function = definition.is_function
    keyed("search.replicates", lambda: check_seeds(definition.search, is_function=is_function))
    check_searched_seeds(definition)
    if definition.search.design == "orthogonal":  # whose levels an array may not hold
        orthogonal(definition.factors, definition.search.dummy_levels)
    check_class_weights(definition)  # a mistake in the data must leave no study behind


def _check_same(study: optuna.Study, definition: StudyDefinition) -> None:
    if DEFINITION_KEY not in study.user_attrs:
        if ARTIFACTS_KEY not in study.user_attrs and study.get_trials(deepcopy=False):
            raise TakenNameError(
                f"Expected a free name. Received: {definition.name!r}, a study that was not made "
                "by this service. Choose another with --name."
            )
        return  # its creation was interrupted, and is now completed
    if RERUN_STUDY_KEY in study.user_attrs:
        searched = as_argument(study.user_attrs[RERUN_STUDY_KEY]["study"])
        raise TakenNameError(
            f"Expected a study to search. Received: {definition.name!r}, which keeps trials that "
            f"were made again. Make one again: hpo rerun {searched} TRIAL"
        )
    lines = difference(definition_of(study), definition)
    if lines:
        raise TakenNameError(
            f"Expected the definition that study {definition.name!r} has. "
            f"Received: one that differs in {'; '.join(lines)}. Choose another name with --name."
        )


def _record(study: optuna.Study, definition: StudyDefinition, artifacts: Path) -> None:
    study.set_user_attr(ARTIFACTS_KEY, str(artifacts.absolute()))
    study.set_user_attr(VERSIONS_KEY, installed_versions())
    if definition.encoding is not None:
        study.set_user_attr(ENCODING_KEY, definition.encoding.to_json())
    if not definition.is_function:
        study.set_user_attr(DEFAULTS_KEY, defaults_of(definition.hyperparameters))
    if definition.code is not None:
        study.set_user_attr(CODE_KEY, asdict(definition.code))
    if FROM in definition.fixed:
        study.set_user_attr(ORIGIN_KEY, definition.fixed[FROM])
    if definition.search.design == "orthogonal":
        design = orthogonal(definition.factors, definition.search.dummy_levels)
        study.set_user_attr(ARRAY_KEY, design.to_json())
    study.set_user_attr(CREATED_KEY, datetime.now(UTC).isoformat())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([definition.metric])


def _budget(definition: StudyDefinition, n_queued: int) -> Budget:
    """Return the budget of a definition; that of a design is its number of points."""
    search = definition.search
    if search.design is not None:
        return Budget(n_queued, search.timeout, adaptive=False)
    return Budget(search.n_trials, search.timeout, adaptive=True, in_rounds=search.in_rounds)


def _extend(
    storage: TrialStorage, study: optuna.Study, search: SearchOptions, asked: Collection[str]
) -> None:
    """Take another budget, and queue the further trials of a larger one."""
    # The stored definition: its known settings come in the order in which they were queued.
    definition = definition_of(study)
    old = get_budget(storage, study_id(study))
    differing = {k for k in BUDGET_KEYS if getattr(search, k) != getattr(definition.search, k)}
    asked = {*asked, *differing}
    n_trials = old.n_trials
    if "n_trials" in asked:
        _check_n_trials(storage, study, search.n_trials, old)
        n_trials = search.n_trials
    if n_trials is None and definition.search.design:
        n_trials = sys.maxsize  # all of its points
    added = added_seeds(study.user_attrs)
    queue = initial_points(definition.with_budget(n_trials), added)
    new = _budget(definition.with_budget(n_trials), len(queue))
    timeout = search.timeout if "timeout" in asked else old.timeout
    new = replace(new, timeout=timeout, stopped_by=old.stopped_by, over=old.over)
    if new != old:  # a study that has ended before its budget goes on with another one
        new = new.lifted()
    enqueue(storage, study_id(study), queue, new)


def _check_n_trials(
    storage: TrialStorage, study: optuna.Study, n_trials: int | None, old: Budget
) -> None:
    """Refuse a number of trials that the study cannot have."""
    if n_trials is None:
        return
    name = study.study_name
    if old.n_trials is None:
        raise DefinitionError(
            "search.n_trials",
            "Expected a study that ends after a number of trials. Received: n_trials="
            f"{n_trials} for {name!r}, which has none. Make another with --name.",
        )
    least = min(old.n_trials, overview(storage, study_id(study)).lineages)
    if n_trials < least:
        remedy = "Make a smaller study with --name."
        if count_claimable(storage, study_id(study)):
            remedy = (
                f"To execute {n_trials} of those that wait: hpo worker --max-trials {n_trials} "
                f"{as_argument(name)}. Or make a smaller study with --name."
            )
        raise DefinitionError(
            "search.n_trials",
            f"Expected at least {least}, the trials that study {name!r} has already. "
            f"Received: n_trials={n_trials}. {remedy}",
        )


def default_artifacts(url: sqlalchemy.URL) -> Path:
    """Return the folder of artifacts of a study that is given none."""
    beside = Path(str(url.database)).absolute().parent if url.drivername == "sqlite" else Path.cwd()
    return beside / ARTIFACTS


def find_or_create_study(
    source: str,
    storage: TrialStorage,
    *,
    overrides: Mapping[str, Any],
    artifacts: str | Path | None = None,
    quick: bool = False,
    prepare: Callable[[StudyDefinition], StudyDefinition] | None = None,
) -> optuna.Study:
    """Return the study that `source` means; create it if it does not exist.

    Args:
        source: A name in the storage, else a name in the catalogue, else the path of a TOML file.
        storage: The storage.
        overrides: Keys of the definition to replace, as for `load_definition`.
        artifacts: The folder for trained networks.
        quick: Whether to take the small form of a study of the catalogue or of a file.
        prepare: Called with the definition before anything is written; it may raise an error, and
            returns the definition of the study.

    Raises:
        DefinitionNotFoundError: There is no such study and no such file.
        DefinitionError: A line of the definition breaks a rule.
        TakenNameError: Another study has this name.
    """
    stored, earlier = None, None
    names = [] if quick else study_names(storage)
    if source in names:
        found = open_study(source, storage)
        stored = found.user_attrs.get(DEFINITION_KEY)
        earlier = earlier_defaults(found) if stored else None
    # Its own name may be another: studies are renamed in the dashboard, and copied by Optuna.
    if stored is None:
        table = read_table(source, quick=quick, stored=names)
    else:
        table = {**stored, "name": source}
    with lines_named(source, overrides, quick=quick):
        definition = parse_definition(with_overrides(table, overrides), earlier=earlier)
    definition = as_stored(with_origin(definition, storage), storage)
    if prepare is not None:
        definition = prepare(definition)
    asked = [key for key in BUDGET_KEYS if f"search.{key}" in overrides]
    return create_study(definition, storage, artifacts=artifacts, asked=asked)
