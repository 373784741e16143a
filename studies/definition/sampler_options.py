"""The samplers and pruners that a definition may name, with the options that it may set.

The table stands here and not under `studies/samplers`, although that package reads it too: a
definition checks its options by this table alone. Making Optuna's objects for a check would tie
every command that reads a definition to the internals of Optuna's samplers, which change between
its releases. A test makes each sampler and pruner with the values at its bounds, so that this table
and Optuna cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from types import UnionType
from typing import Any

from objectives.errors import unknown_name

NamedOptions = str | dict[str, Any]
DEFAULT_SAMPLER = "tpe"
# Samplers whose trials are queued together, a round at once, and that end by a rule of their own.
IN_ROUNDS = ("rounds", "coordinate")
NUMBER = int | float


@dataclass(frozen=True)
class Option:
    """The values that one option may have.

    Attributes:
        type: Their type. True and False are no numbers.
        low: The least number, itself allowed.
        high: The greatest number, itself allowed.
        texts: The allowed texts.
        default: The value where a definition gives none; None leaves it to Optuna.
    """

    type: type | UnionType
    low: float | None = None
    high: float | None = None
    texts: tuple[str, ...] = ()
    default: Any = None


@dataclass(frozen=True)
class Method:
    """A sampler or a pruner.

    Attributes:
        options: Its options by name.
        rule: Returns the error message for a combination of options; None if it is allowed.
        package: The package that it needs beside Optuna; this project's extra that installs the
            package has the name of the method.
    """

    options: Mapping[str, Option] = field(default_factory=dict)
    rule: Callable[[Mapping[str, Any]], str | None] | None = None
    package: str | None = None


def _tpe_rule(options: Mapping[str, Any]) -> str | None:
    if options.get("group") and options.get("multivariate") is False:
        return "Expected multivariate = true with group. Received: multivariate=False, group=True."
    return None


def _cmaes_rule(options: Mapping[str, Any]) -> str | None:
    if options.get("lr_adapt") and options.get("use_separable_cma"):
        return (
            "Expected lr_adapt or use_separable_cma, not both. "
            "Received: lr_adapt=True, use_separable_cma=True."
        )
    return None


def _rounds_rule(options: Mapping[str, Any]) -> str | None:
    n_settings, n_kept = options["n_settings"], options.get("n_kept", 1)
    if n_kept > n_settings:
        return (
            "Expected n_kept <= n_settings, so that each of those kept is perturbed. "
            f"Received: n_kept={n_kept}, n_settings={n_settings}."
        )
    return None


def _halving_rule(options: Mapping[str, Any]) -> str | None:
    # Optuna finds the least resource by itself from the first trial, and needs all trials for that.
    if options.get("bootstrap_count") and options.get("min_resource", "auto") == "auto":
        return (
            "Expected a number for min_resource with bootstrap_count. "
            f"Received: min_resource='auto', bootstrap_count={options['bootstrap_count']}."
        )
    return None


def _hyperband_rule(options: Mapping[str, Any]) -> str | None:
    # Where max_resource is missing, the epochs of the study take its place.
    if options.get("bootstrap_count") and options.get("max_resource") == "auto":
        return (
            "Expected a number for max_resource with bootstrap_count. "
            f"Received: max_resource='auto', bootstrap_count={options['bootstrap_count']}."
        )
    return None


def _threshold_rule(options: Mapping[str, Any]) -> str | None:
    lower, upper = options.get("lower"), options.get("upper")
    if lower is None and upper is None:
        return "Expected at least one of lower, upper for threshold. Received: neither."
    if lower is not None and upper is not None and lower > upper:
        return f"Expected lower <= upper. Received: lower={lower}, upper={upper}."
    return None


def _patient_rule(options: Mapping[str, Any]) -> str | None:
    try:
        read_pruner(options["wrapped"])
    except ValueError as error:
        return str(error)
    return None


_COUNT = Option(int, low=0)
_POSITIVE = Option(int, low=1)
_SHARE = Option(NUMBER, low=0, high=1)
_FLAG = Option(bool)
_GENETIC = {
    "population_size": Option(int, low=2),
    "mutation_prob": _SHARE,
    "crossover_prob": _SHARE,
    "swapping_prob": _SHARE,
}
SAMPLERS: dict[str, Method] = {
    "random": Method(),
    "tpe": Method(
        {
            "n_startup_trials": _COUNT,
            "n_ei_candidates": _POSITIVE,
            "multivariate": _FLAG,
            "group": _FLAG,
            "constant_liar": _FLAG,
        },
        rule=_tpe_rule,
    ),
    "qmc": Method({"qmc_type": Option(str, texts=("sobol", "halton")), "scramble": _FLAG}),
    "nsga2": Method(_GENETIC),
    "nsga3": Method(_GENETIC | {"dividing_parameter": _COUNT}),
    "gp": Method(
        {"n_startup_trials": _COUNT, "deterministic_objective": _FLAG},
        package="torch",
    ),
    "cmaes": Method(
        {
            "n_startup_trials": _COUNT,
            "popsize": _COUNT,
            "use_separable_cma": _FLAG,
            "lr_adapt": _FLAG,
        },
        rule=_cmaes_rule,
        package="cmaes",
    ),
    "rounds": Method(
        {
            "n_settings": Option(int, low=1, default=6),  # of a round
            # The best so far, which are perturbed; half as many as n_settings by default.
            "n_kept": Option(int, low=1),
            # The largest move of a number, as a share of its range; 0: only other levels change.
            "perturbation": Option(NUMBER, low=0, high=1, default=0.2),
        },
        rule=_rounds_rule,
    ),
    "coordinate": Method(),
}
_STEPS = {
    "n_startup_trials": _COUNT,
    "n_warmup_steps": _COUNT,
    "interval_steps": _POSITIVE,
    "n_min_trials": _POSITIVE,
}
_HALVING = {
    "min_resource": _POSITIVE,
    "reduction_factor": Option(int, low=2),
    "bootstrap_count": _COUNT,
}
PRUNERS: dict[str, Method] = {
    "none": Method(),
    "median": Method(_STEPS),
    "percentile": Method({"percentile": Option(NUMBER, low=0, high=100, default=25.0), **_STEPS}),
    "successive_halving": Method(
        _HALVING
        | {
            "min_resource": Option(int | str, low=1, texts=("auto",)),
            "min_early_stopping_rate": _COUNT,
        },
        rule=_halving_rule,
    ),
    "hyperband": Method(
        _HALVING | {"max_resource": Option(int | str, texts=("auto",))}, rule=_hyperband_rule
    ),
    "threshold": Method(
        {
            "lower": Option(NUMBER),
            "upper": Option(NUMBER),
            "n_warmup_steps": _COUNT,
            "interval_steps": _POSITIVE,
        },
        rule=_threshold_rule,
    ),
    "patient": Method(
        {
            # A pruner, by name or as a table, whose decision waits for `patience` epochs.
            "wrapped": Option(str | dict, default="median"),
            "patience": Option(int, low=0, default=3),
            "min_delta": Option(NUMBER, low=0),
        },
        rule=_patient_rule,
    ),
    "wilcoxon": Method({"p_threshold": _SHARE, "n_startup_steps": _COUNT}),
}


def read_sampler(spec: NamedOptions) -> tuple[str, dict[str, Any]]:
    """Check a sampler as a definition names it, and return its name and options.

    Args:
        spec: A name, or a table with `name` and options.

    Raises:
        ValueError: The name or an option is unknown, a value breaks a rule, or the sampler needs
            a package that is not installed.
    """
    return _read("a sampler", spec, SAMPLERS)


def read_pruner(spec: NamedOptions) -> tuple[str, dict[str, Any]]:
    """Check a pruner as a definition names it, and return its name and options.

    Args:
        spec: A name, or a table with `name` and options.

    Raises:
        ValueError: The name or an option is unknown, or a value breaks a rule.
    """
    return _read("a pruner", spec, PRUNERS)


def lacks_max_resource(spec: NamedOptions) -> bool:
    """Tell whether a pruner is Hyperband, or waits for it, without a number for max_resource."""
    name, options = read_pruner(spec)
    if name == "patient":
        return lacks_max_resource(options["wrapped"])
    return name == "hyperband" and not isinstance(options.get("max_resource"), int)


def is_wilcoxon(spec: NamedOptions) -> bool:
    """Tell whether a pruner compares the seeds of trials, or waits for one that does."""
    name, options = read_pruner(spec)
    return name == "wilcoxon" or (name == "patient" and is_wilcoxon(options["wrapped"]))


def _read(
    what: str, spec: NamedOptions, methods: Mapping[str, Method]
) -> tuple[str, dict[str, Any]]:
    given = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = str(given.pop("name", ""))
    if not name:
        raise ValueError(f"Expected {what} with a name. Received: {given}.")
    if name not in methods:
        raise unknown_name(what, name, methods)
    method = methods[name]
    for option, value in given.items():
        if option not in method.options:
            raise unknown_name(f"an option of {name}", option, method.options)
        _check_value(name, option, value, method.options[option])
    defaults = {option: known.default for option, known in method.options.items()}
    options = {option: value for option, value in defaults.items() if value is not None} | given
    problem = method.rule(options) if method.rule is not None else None
    if problem is not None:
        raise ValueError(problem)
    if method.package is not None and find_spec(method.package) is None:
        raise ValueError(
            f"Expected the package {method.package} for the sampler {name!r}. Received: it is not "
            f"installed. Install this project with its extra [{name}]."
        )
    return name, options


def _check_value(name: str, option: str, value: Any, known: Option) -> None:
    # Most of Optuna's classes accept any value, and fail in the first trial.
    if not isinstance(value, known.type) or (isinstance(value, bool) and known.type is not bool):
        words = getattr(known.type, "__name__", str(known.type))
        raise ValueError(f"Expected {words} for {option} of {name}. Received: {value!r}.")
    if isinstance(value, str) and known.texts and value not in known.texts:
        raise unknown_name(f"a value for {option} of {name}", value, known.texts)
    # Negated, since no comparison with NaN holds.
    if isinstance(value, int | float) and known.low is not None and not value >= known.low:
        raise ValueError(
            f"Expected {option} >= {known.low} for {name}. Received: {option}={value}."
        )
    if isinstance(value, int | float) and known.high is not None and not value <= known.high:
        raise ValueError(
            f"Expected {option} <= {known.high} for {name}. Received: {option}={value}."
        )
