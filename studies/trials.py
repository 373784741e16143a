"""One claimed trial: its Optuna object, its hyperparameters and its seed."""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial, Trial

from studies.definition import StudyDefinition
from studies.samplers import DEFAULT_SAMPLER, build_pruner, build_sampler
from studies.space import Scalar
from studies.space_parser import SEED


def prepare_trial(
    study: optuna.Study, definition: StudyDefinition, claimed: FrozenTrial
) -> tuple[Trial, dict[str, Scalar]]:
    """Let the sampler choose what the trial does not have yet.

    Args:
        study: The study; its sampler becomes that of this trial.
        definition: The study's definition.
        claimed: The trial, as it was claimed.

    Returns:
        Optuna's trial, and its parameters.

    Raises:
        UpdateFinishedTrialError: The trial has ended elsewhere.
        KeyError: The trial is gone, with its study.
    """
    search = definition.search
    always = {name: f.distribution for name, f in definition.factors.factors.items() if not f.when}
    spec = search.sampler or ("random" if search.design else DEFAULT_SAMPLER)
    study.sampler = build_sampler(spec, search.seed, claimed.number, always)
    study.pruner = build_pruner(search.pruner, definition.max_epochs)
    # Optuna's samplers read this cache, which only its own ask and tell would clear.
    study._thread_local.cached_all_trials = None
    trial = Trial(study, claimed._trial_id)
    return trial, definition.factors.pick(lambda factor: factor.suggest(trial))


def seed_of(definition: StudyDefinition, trial: Trial, params: dict[str, Scalar]) -> int:
    """Return the seed to train with: fixed, varied, replicated, or the study's."""
    default = trial.user_attrs.get(SEED, definition.search.seed)
    return int(definition.factors.resolve(params).get(SEED, default))
