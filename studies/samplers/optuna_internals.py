"""The one place in `studies` that knows private names of Optuna.

Our samplers extend Optuna's where it has no public way, and such names move: those of TPE did in
Optuna 4.8, 4.9 and 5.0. Importing this module needs none of them. `internals_problem` compares the
installed Optuna with `INTERNALS`, the list of all names and signatures that are relied on, and the
adapters below give them public names for the rest of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from inspect import signature
from operator import attrgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.pruners import HyperbandPruner
from optuna.samplers import CmaEsSampler, QMCSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from storage import first_attempt
from studies.samplers.lineages import LineageView

if TYPE_CHECKING:
    from optuna._transform import _SearchSpaceTransform
    from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
    from optuna.samplers._tpe.sampler import _split_trials

    ParzenEstimator = _ParzenEstimator
    SearchSpaceTransform = _SearchSpaceTransform
    split_trials = _split_trials

Space = dict[str, BaseDistribution]
_TPE = "optuna.samplers._tpe"
# Imported when first used: if one is missing, the samplers without it still work.
_HOME = {
    "ParzenEstimator": (f"{_TPE}.parzen_estimator", "_ParzenEstimator"),
    "SearchSpaceTransform": ("optuna._transform", "_SearchSpaceTransform"),
    "default_gamma": (f"{_TPE}.sampler", "default_gamma"),
    "split_trials": (f"{_TPE}.sampler", "_split_trials"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, private = _HOME[name]
    return getattr(import_module(module), private)


@dataclass(frozen=True)
class Callee:
    """A private class, function or method that is called or overridden here.

    Attributes:
        module: The module of Optuna.
        name: Its name there; a method has that of its class before a dot.
        parameters: The names of its parameters, in order.
    """

    module: str
    name: str
    parameters: tuple[str, ...]

    def problem(self) -> str | None:
        """Return how the installed Optuna differs, in words; None where it does not."""
        where = f"{self.module}.{self.name}"
        try:
            found = signature(attrgetter(self.name)(import_module(self.module)))
        except (ImportError, AttributeError):
            return f"{where} is missing"
        if tuple(found.parameters) != self.parameters:
            return f"{where} has the parameters {found}, not ({', '.join(self.parameters)})"
        return None


@dataclass(frozen=True)
class Attribute:
    """A private attribute of an object of Optuna that is read here.

    Attributes:
        what: The object in words.
        make: Makes such an object.
        name: The attribute; dots go on to attributes of its value.
    """

    what: str
    make: Callable[[], object]
    name: str

    def problem(self) -> str | None:
        """Return how the installed Optuna differs, in words; None where it does not."""
        try:
            attrgetter(self.name)(self.make())
        except Exception as error:  # whatever a changed constructor may raise
            return f"{self.name} of {self.what} is missing ({error})"
        return None


def _fitted() -> object:
    estimator: type[Any] = import_module(f"{_TPE}.parzen_estimator")._ParzenEstimator
    options = attrgetter("_parzen_estimator_parameters")(TPESampler())
    return estimator({"x": np.array([0.5])}, {"x": FloatDistribution(0.0, 1.0)}, options)


def _fitted_column() -> object:
    return attrgetter("_mixture_distribution.distributions")(_fitted())[0]


_OF_STUDY = ("self", "study")
INTERNALS: dict[str, tuple[Callee | Attribute, ...]] = {
    "tpe": (
        Callee(
            f"{_TPE}.parzen_estimator",
            "_ParzenEstimator",
            ("observations", "search_space", "parameters", "predetermined_weights"),
        ),
        Callee(f"{_TPE}.sampler", "_split_trials", ("study", "trials", "n_below")),
        Callee(f"{_TPE}.sampler", "default_gamma", ("x",)),
        Callee(
            "optuna.samplers", "TPESampler._sample_relative", (*_OF_STUDY, "trial", "search_space")
        ),
        Callee("optuna.samplers", "TPESampler._is_multivariate", _OF_STUDY),
        Callee("optuna.samplers", "TPESampler._get_params", ("self", "trial", "study")),
        Callee(
            "optuna.samplers",
            "TPESampler._compute_acquisition_func",
            ("self", "samples", "mpe_below", "mpe_above"),
        ),
        Callee("optuna.samplers", "TPESampler._compare", ("samples", "acquisition_func_vals")),
        Callee("optuna.study", "Study._get_trials", ("self", "deepcopy", "states", "use_cache")),
        *(
            Attribute("a TPESampler", TPESampler, name)
            for name in (
                "_constant_liar",
                "_group",
                "_n_ei_candidates",
                "_n_startup_trials",
                "_parzen_estimator_parameters.weights",
                "_random_sampler.sample_independent",
                "_rng.rng",
            )
        ),
        *(
            Attribute("a _ParzenEstimator", _fitted, f"_mixture_distribution.{name}")
            for name in ("distributions", "weights")
        ),
        *(
            Attribute("a numeric parameter of a _ParzenEstimator", _fitted_column, name)
            for name in ("mu", "sigma", "low", "high", "adapted_low", "adapted_high", "is_log")
        ),
        Attribute("a numeric parameter of a _ParzenEstimator", _fitted_column, "step"),
    ),
    "cmaes": (
        Callee(
            "optuna._transform",
            "_SearchSpaceTransform",
            ("search_space", "transform_log", "transform_step", "transform_0_1"),
        ),
        Callee("optuna._transform", "_SearchSpaceTransform.transform", ("self", "params")),
        Callee("optuna.samplers", "CmaEsSampler._split_optimizer_str", ("self", "optimizer_str")),
        Callee("optuna.samplers", "CmaEsSampler._restore_optimizer", ("self", "completed_trials")),
        Callee("optuna.samplers", "CmaEsSampler._init_optimizer", ("self", "trans", "direction")),
        Callee(
            "optuna.samplers",
            "CmaEsSampler._get_solution_trials",
            ("self", "trials", "generation"),
        ),
        Callee("optuna.samplers", "CmaEsSampler._raise_error_if_multi_objective", _OF_STUDY),
    ),
    "qmc": (Callee("optuna.samplers", "QMCSampler._find_sample_id", (*_OF_STUDY, "search_space")),),
    "hyperband": (
        Callee("optuna.pruners", "HyperbandPruner._get_bracket_id", (*_OF_STUDY, "trial")),
        Callee(
            "optuna.pruners", "HyperbandPruner._create_bracket_study", (*_OF_STUDY, "bracket_id")
        ),
    ),
    # Of all samplers that read through the study's cache, see `forget_cached_trials`.
    "study": (Attribute("a study", optuna.create_study, "_thread_local.cached_all_trials"),),
}


@cache
def internals_problem(sampler: str) -> str | None:
    """Compare the installed Optuna with what one of our samplers or pruners relies on.

    Args:
        sampler: Its name in a definition.

    Returns:
        The differences, in words; None if there are none, or the sampler is Optuna's own.
    """
    found = [problem for each in INTERNALS.get(sampler, ()) if (problem := each.problem())]
    return f"Optuna {optuna.__version__}: {'; '.join(found)}" if found else None


def forget_cached_trials(study: Study) -> None:
    """Let samplers see the trials as they are now; only Optuna's `ask` and `tell` do so.

    A version of Optuna without this cache has nothing to forget.
    """
    cached: Any = getattr(study, "_thread_local", None)
    if hasattr(cached, "cached_all_trials"):
        cached.cached_all_trials = None


def trials_of(study: Study, *states: TrialState) -> list[FrozenTrial]:
    """Return the trials of a study, not copied.

    Under Hyperband, samplers get a study whose public method returns the trials of one bracket.
    TPE uses those of all, and so this does too.
    """
    return study._get_trials(deepcopy=False, states=states)


def mixture_of(estimator: ParzenEstimator) -> tuple[np.ndarray, Sequence[Any]]:
    """Return the weights of an estimator's kernels, and the distributions of each parameter."""
    mixture = estimator._mixture_distribution
    return mixture.weights, mixture.distributions


class TpeAdapter(TPESampler):
    """Optuna's TPE with the private parts that ours uses under public names."""

    def sample_jointly(self, study: Study, trial: FrozenTrial, space: Space) -> dict[str, Any]:
        """Choose values for the parameters of `space` together; none in the startup trials."""
        raise NotImplementedError

    def _sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: Space
    ) -> dict[str, Any]:
        return self.sample_jointly(study, trial, search_space)

    @property
    def n_startup_trials(self) -> int:
        """The number of finished trials before which points are drawn at random."""
        return self._n_startup_trials

    @property
    def n_candidates(self) -> int:
        """The number of points that are drawn for each that is suggested."""
        return self._n_ei_candidates

    @property
    def groups(self) -> bool:
        """Whether parameters are sampled in the groups in which trials have them."""
        return self._group

    @property
    def counts_running(self) -> bool:
        """Whether running trials count as bad ones (the constant liar)."""
        return self._constant_liar

    @property
    def random_state(self) -> np.random.RandomState:
        """The source of random numbers."""
        return self._rng.rng

    @property
    def estimator_options(self) -> Any:
        """The options of Parzen estimators."""
        return self._parzen_estimator_parameters

    def is_multivariate(self, study: Study) -> bool:
        """Tell whether the parameters that all trials have are sampled together."""
        return self._is_multivariate(study)

    def draw_at_random(
        self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """Choose a value of one parameter at random."""
        return self._random_sampler.sample_independent(study, trial, name, distribution)

    def params_of(self, study: Study, trial: FrozenTrial) -> dict[str, Any]:
        """Return the parameters of a running trial, with those that it is about to set."""
        return self._get_params(trial, study)

    def best_candidate(
        self, candidates: dict[str, np.ndarray], good: ParzenEstimator, bad: ParzenEstimator
    ) -> dict[str, int | float]:
        """Return the candidate that is most likely good, in Optuna's internal representation."""
        gain = self._compute_acquisition_func(candidates, good, bad)
        return self._compare(candidates, gain)


class CmaEsAdapter(CmaEsSampler):
    """Optuna's CMA-ES without its pickles, and with its private parts under public names."""

    def state_after(self, completed: list[FrozenTrial]) -> Any:
        """Return the state of the algorithm after the generations that are complete."""
        raise NotImplementedError

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        return self.state_after(completed_trials)

    def _split_optimizer_str(self, optimizer_str: str) -> dict[str, str]:
        return {}  # so that nothing pickled is stored

    def first_state(self, transform: SearchSpaceTransform, direction: StudyDirection) -> Any:
        """Return the state before the first generation."""
        return self._init_optimizer(transform, direction)

    def trials_of_generation(self, trials: list[FrozenTrial], generation: int) -> list[FrozenTrial]:
        """Return the trials of one generation."""
        return self._get_solution_trials(trials, generation)

    def check_single_objective(self, study: Study) -> None:
        """Refuse a study with several objectives.

        Raises:
            ValueError: It has several.
        """
        self._raise_error_if_multi_objective(study)


class HyperbandAdapter(HyperbandPruner):
    """Optuna's Hyperband, in which a retry competes in the place of its first attempt."""

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        first: Any = SimpleNamespace(
            number=first_attempt(trial)
        )  # of a trial it reads nothing else
        return super()._get_bracket_id(study, first)

    def _create_bracket_study(self, study: Study, bracket_id: int) -> Any:
        return LineageView(super()._create_bracket_study(study, bracket_id))


class QmcAdapter(QMCSampler):
    """Optuna's quasi-random sequence with its private part under a public name."""

    def place_in_sequence(self) -> int:
        """Return which point of the sequence is next, from 0."""
        raise NotImplementedError

    def _find_sample_id(self, study: Study, search_space: Space) -> int:
        return self.place_in_sequence()
