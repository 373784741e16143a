"""Samplers and pruners by name: each worker builds its own, seeded for the trial at hand.

A sampler's random state is a function of the study's seed and the trial's number, for each claim
anew: a second worker, or a restarted one, never proposes the points of the first one again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import UnionType
from typing import Any

import numpy as np
import optuna
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler, CmaEsSampler, PartialFixedSampler, QMCSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from objectives.errors import unknown_name
from studies.samplers.tpe import PackTPESampler, Past

DEFAULT_SAMPLER = "tpe"
NamedOptions = str | Mapping[str, Any]


class NumberedQMCSampler(QMCSampler):
    """A quasi-random sequence in which the trial's number is the place in the sequence.

    Optuna counts places in an attribute of the study, read and written in two steps, so that two
    workers may draw one point. It also takes the first point at random, for want of a space.

    Args:
        number: The number of the trial.
        space: The parameters of the study that every trial has.
        options: Those of `optuna.samplers.QMCSampler`.
    """

    def __init__(self, number: int, space: Mapping[str, BaseDistribution], **options: Any) -> None:
        super().__init__(**options, warn_independent_sampling=False)
        self._number = number
        self._space = dict(space)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the unconditional parameters of the study."""
        return self._space

    def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:
        return self._number


class ReplayedCmaEsSampler(CmaEsSampler):
    """CMA-ES whose state is computed anew from the finished trials of each generation.

    Optuna keeps the state as a pickle in the database, and whoever can write there could run
    code in every worker. Telling the past generations again costs milliseconds.
    """

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample from the state after the generations that are complete."""
        self._raise_error_if_multi_objective(study)
        self._replayed_space = search_space
        self._replayed_direction = study.direction
        return super().sample_relative(study, trial, search_space)

    def _split_optimizer_str(self, optimizer_str: str) -> dict[str, str]:
        return {}  # nothing pickled is stored

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        transform = _SearchSpaceTransform(
            self._replayed_space, transform_step=True, transform_0_1=True
        )
        sign = -1 if self._replayed_direction == StudyDirection.MAXIMIZE else 1
        optimizer = self._init_optimizer(transform, self._replayed_direction)
        while True:
            trials = self._get_solution_trials(completed_trials, optimizer.generation)
            if optimizer.dim != len(transform.bounds) or len(trials) < optimizer.population_size:
                return optimizer
            optimizer.tell(
                [
                    (transform.transform(trial.params), sign * trial.value)
                    for trial in trials[: optimizer.population_size]
                    if trial.value is not None
                ]
            )


_Options = dict[str, type | UnionType]


@dataclass(frozen=True)
class _Kind:
    """A sampler or a pruner: how to make it, and the options that a study may set."""

    make: Callable[..., Any]
    options: _Options


_NUMBER = int | float
_GENETIC: _Options = {
    "population_size": int,
    "mutation_prob": _NUMBER,
    "crossover_prob": _NUMBER,
    "swapping_prob": _NUMBER,
}
_SAMPLERS: dict[str, _Kind] = {
    "random": _Kind(optuna.samplers.RandomSampler, {}),
    "tpe": _Kind(
        PackTPESampler,
        {
            "n_startup_trials": int,
            "n_ei_candidates": int,
            "multivariate": bool,
            "group": bool,
            "constant_liar": bool,
        },
    ),
    "qmc": _Kind(NumberedQMCSampler, {"qmc_type": str, "scramble": bool}),
    "nsga2": _Kind(optuna.samplers.NSGAIISampler, _GENETIC),
    "nsga3": _Kind(optuna.samplers.NSGAIIISampler, _GENETIC | {"dividing_parameter": int}),
    "gp": _Kind(
        optuna.samplers.GPSampler, {"n_startup_trials": int, "deterministic_objective": bool}
    ),
    "cmaes": _Kind(
        ReplayedCmaEsSampler,
        {"n_startup_trials": int, "popsize": int, "use_separable_cma": bool, "lr_adapt": bool},
    ),
}
_STEPS: _Options = {
    "n_startup_trials": int,
    "n_warmup_steps": int,
    "interval_steps": int,
    "n_min_trials": int,
}
_HALVING: _Options = {"min_resource": int, "reduction_factor": int, "bootstrap_count": int}
_PRUNERS: dict[str, _Kind] = {
    "none": _Kind(optuna.pruners.NopPruner, {}),
    "median": _Kind(optuna.pruners.MedianPruner, _STEPS),
    "percentile": _Kind(optuna.pruners.PercentilePruner, {"percentile": _NUMBER, **_STEPS}),
    "successive_halving": _Kind(
        optuna.pruners.SuccessiveHalvingPruner,
        _HALVING | {"min_resource": int | str, "min_early_stopping_rate": int},
    ),
    "hyperband": _Kind(optuna.pruners.HyperbandPruner, _HALVING | {"max_resource": int | str}),
    "threshold": _Kind(
        optuna.pruners.ThresholdPruner,
        {"lower": _NUMBER, "upper": _NUMBER, "n_warmup_steps": int, "interval_steps": int},
    ),
    "patient": _Kind(
        optuna.pruners.PatientPruner,
        {"wrapped": str | dict, "patience": int, "min_delta": _NUMBER},
    ),
    "wilcoxon": _Kind(
        optuna.pruners.WilcoxonPruner, {"p_threshold": _NUMBER, "n_startup_steps": int}
    ),
}
# Settings without which Optuna makes no such pruner, for those who give the name alone.
_PRUNER_DEFAULTS: dict[str, dict[str, Any]] = {
    "percentile": {"percentile": 25.0},
    "patient": {"patience": 3, "wrapped": "median"},
}
_EXTRAS = {"gp": "torch", "cmaes": "cmaes"}  # sampler -> the package that it needs


def seed_for(seed: int, number: int) -> int:
    """Return a seed of 32 bits that is a function of a study's seed and a trial's number."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def build_sampler(
    spec: NamedOptions,
    seed: int,
    number: int,
    space: Mapping[str, BaseDistribution],
    past: Past | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> BaseSampler:
    """Make the sampler for one trial.

    Args:
        spec: A name, or a table with `name` and options.
        seed: The study's seed.
        number: The trial's number.
        space: The parameters that every trial has.
        past: For the samplers of one pack, what they share of the trials before it.
        fixed: Parameters that are not sampled, and their values.

    Raises:
        ValueError: The name or an option is unknown, Optuna refuses a value, or the sampler needs
            a package that is not installed.
    """
    name, options = _read("a sampler", spec, _SAMPLERS)
    if name in _EXTRAS and find_spec(_EXTRAS[name]) is None:
        raise ValueError(
            f"Expected the package {_EXTRAS[name]} for the sampler {name!r}. "
            f"Received: it is not installed. Install this project with its extra [{name}]."
        )
    own = seed_for(seed, number)
    if name == "qmc":
        # One scrambled sequence for the whole study; only what is outside of it differs.
        independent = optuna.samplers.RandomSampler(seed=own)
        options |= {"number": number, "space": space, "independent_sampler": independent}
    elif name == "tpe":
        _check_least("n_ei_candidates", options, 1)
        options |= {"space": space, "past": Past() if past is None else past}
        options["fixed"] = fixed or {}
    elif name in ("cmaes", "gp"):
        options |= {"warn_independent_sampling": False}  # conditional parameters are sampled apart
    options["seed"] = seed if name == "qmc" else own
    sampler: BaseSampler = _make(name, _SAMPLERS[name], options)
    if not fixed:
        return sampler
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return PartialFixedSampler(dict(fixed), sampler)


def build_pruner(spec: NamedOptions, max_resource: int | None) -> BasePruner:
    """Make a pruner.

    Args:
        spec: A name, or a table with `name` and options.
        max_resource: The most epochs of a trial, for Hyperband; None where that is not known.

    Raises:
        ValueError: The name or an option is unknown, or Optuna refuses a value.
    """
    name, options = _read("a pruner", spec, _PRUNERS)
    options = _PRUNER_DEFAULTS.get(name, {}) | options
    if name == "hyperband":
        if max_resource is not None:
            options.setdefault("max_resource", max_resource)
        # Optuna makes its brackets when a trial reports, and only then finds these wrong.
        _check_least("min_resource", options, 1)
        _check_least("reduction_factor", options, 2)
    if name == "patient":
        wrapped = options.pop("wrapped")
        # To Optuna patience with no pruner ends trials by itself, and with "none" never.
        alone = wrapped == "none"
        options["wrapped_pruner"] = None if alone else build_pruner(wrapped, max_resource)
    pruner: BasePruner = _make(name, _PRUNERS[name], options)
    return pruner


def _check_least(option: str, options: Mapping[str, Any], least: int) -> None:
    if options.get(option, least) < least:
        raise ValueError(f"Expected {option} >= {least}. Received: {option}={options[option]}.")


def check_sampler(spec: NamedOptions) -> None:
    """Check that a sampler can be made.

    Raises:
        ValueError: It cannot.
    """
    build_sampler(spec, seed=0, number=0, space={})


def check_pruner(spec: NamedOptions) -> None:
    """Check that a pruner can be made.

    Raises:
        ValueError: It cannot.
    """
    build_pruner(spec, max_resource=1)  # a study knows its epochs


def _read(what: str, spec: NamedOptions, kinds: Mapping[str, _Kind]) -> tuple[str, dict[str, Any]]:
    options = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = str(options.pop("name", ""))
    if not name:
        raise ValueError(f"Expected {what} with a name. Received: {options}.")
    if name not in kinds:
        raise unknown_name(what, name, kinds)
    for option, value in options.items():
        if option not in kinds[name].options:
            raise unknown_name(f"an option of {name}", option, kinds[name].options)
        kind = kinds[name].options[option]
        # Most of Optuna's classes take anything, and fail in the first trial.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            words = getattr(kind, "__name__", str(kind))
            raise ValueError(f"Expected {words} for {option} of {name}. Received: {value!r}.")
        if kind is int and isinstance(value, int) and value < 0:
            raise ValueError(f"Expected {option} >= 0 for {name}. Received: {option}={value}.")
    return name, options


def _make(name: str, kind: _Kind, options: Mapping[str, Any]) -> Any:
    try:
        with warnings.catch_warnings():
            # Named by the study: that Optuna may still change their interface is known.
            warnings.simplefilter("ignore", ExperimentalWarning)
            return kind.make(**options)
    except (TypeError, ValueError) as error:
        known = ", ".join(kind.options) or "no options"
        raise ValueError(f"Expected {name} with right options ({known}). {error}") from None
