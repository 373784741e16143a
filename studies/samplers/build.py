"""Make the sampler that a definition names, seeded for one trial.

The random state of a sampler is a function of the study's seed and the trial's number. Every worker
therefore makes a sampler for each claimed trial, and no worker, second or restarted, proposes the
points of another one again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from optuna import samplers
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, PartialFixedSampler

from studies.definition.sampler_options import IN_ROUNDS, NamedOptions, read_sampler
from studies.samplers.cmaes import ReplayedCmaEsSampler
from studies.samplers.optuna_internals import internals_problem
from studies.samplers.pack_cache import PackCache
from studies.samplers.qmc import NumberedQMCSampler
from studies.samplers.seeds import seed_for

CLASSES: dict[str, Callable[..., BaseSampler]] = {
    "random": samplers.RandomSampler,
    "tpe": samplers.TPESampler,
    "qmc": NumberedQMCSampler,
    "nsga2": samplers.NSGAIISampler,
    "nsga3": samplers.NSGAIIISampler,
    "gp": samplers.GPSampler,
    "cmaes": ReplayedCmaEsSampler,
    # Only for what a trial lacks that belongs to no round, such as an enqueued one.
    "rounds": samplers.RandomSampler,
    "coordinate": samplers.RandomSampler,
}


def build_sampler(
    spec: NamedOptions,
    seed: int,
    number: int,
    space: Mapping[str, BaseDistribution],
    *,
    cache: PackCache | None = None,
    fixed: Mapping[str, Any] | None = None,
    stock_tpe: bool = False,
) -> BaseSampler:
    """Make the sampler for one trial.

    Args:
        spec: A name, or a table with `name` and options.
        seed: The study's seed.
        number: The trial's number.
        space: The parameters that every trial has.
        cache: Shared by the TPE samplers of one pack; None for a trial on its own.
        fixed: Parameters that are not sampled, and their values.
        stock_tpe: Whether TPE is Optuna's own, which needs no private names, and not ours.

    Raises:
        ValueError: The name or an option is unknown, a value breaks a rule, or the sampler needs
            a package that is not installed.
        RuntimeError: The sampler relies on private names that the installed Optuna lacks.
    """
    name, options = read_sampler(spec)
    make = CLASSES[name]
    if name != "tpe" or not stock_tpe:
        _check_internals(name)
    if name == "tpe" and not stock_tpe:
        # Not at the top: it inherits from private classes, and stock TPE serves without them.
        from studies.samplers.tpe import PackTPESampler

        make = partial(PackTPESampler, space, cache or PackCache(), fixed or {})
    options = {} if name in IN_ROUNDS else options
    options |= _own_options(name, seed, number, space)
    with warnings.catch_warnings():
        # The study names it: its author knows that Optuna may still change its interface.
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = make(**options)
        return PartialFixedSampler(dict(fixed), sampler) if fixed else sampler


def _own_options(
    name: str, seed: int, number: int, space: Mapping[str, BaseDistribution]
) -> dict[str, Any]:
    """Return the options that a definition does not set."""
    own = seed_for(seed, number)
    if name == "qmc":
        # The sequence is the study's; only what is drawn outside of it is the trial's.
        apart = samplers.RandomSampler(seed=own)
        return {"number": number, "space": space, "independent_sampler": apart, "seed": seed}
    if name in ("cmaes", "gp"):
        # They leave conditional parameters to another sampler, which is no reason for a warning.
        return {"seed": own, "warn_independent_sampling": False}
    return {"seed": own}


def _check_internals(name: str) -> None:
    if (problem := internals_problem(name)) is not None:
        raise RuntimeError(
            f"Expected an Optuna that the sampler {name!r} can extend. Received: {problem}. "
            "Choose another sampler, or install the version that this project names."
        )
