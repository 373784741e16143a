"""Claimed trials: their Optuna objects, their hyperparameters and their seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from storage import Batch, storage_of, study_id, trial_id
from studies.definition.study import StudyDefinition
from studies.samplers.build import DEFAULT_SAMPLER, build_pruner, build_sampler
from studies.samplers.tpe import Past
from studies.space.parse_space import SEED
from studies.space.space import DIGITS, Scalar

# Draws after the first, for a point that was not there yet: the sampler may come back to the same
# point again and again, so that half of the draws are uniform.
REDRAWS = 20
_Key = tuple[int, frozenset[tuple[str, Scalar]]]


@dataclass(frozen=True)
class Prepared:
    """A claimed trial that has its parameters.

    Attributes:
        trial: Optuna's trial.
        params: Its parameters.
        reused: The completed trial of the same point and seed whose value is this one's, in a
            study that reuses them: it is told that value, and is not trained.
    """

    trial: Trial
    params: dict[str, Scalar]
    reused: FrozenTrial | None = None


def prepare_trials(
    study: optuna.Study,
    definition: StudyDefinition,
    claimed: Sequence[FrozenTrial],
    *,
    alike: frozenset[str] = frozenset(),
    like: Mapping[str, Scalar] | None = None,
) -> list[Prepared]:
    """Let the sampler choose what the trials of a pack do not have yet, within a batch.

    What the sampler finds in the finished trials is found once for all of them, and each sees what
    those before it have got. A point is a function of the study's seed, the trial's number and
    what was there before: the same pack gets the same points.

    Args:
        study: The study, of whose storage this thread has entered a batch; one without the others'
            trials is enough for the points of a design. Its sampler becomes that of the last trial.
        definition: The study's definition.
        claimed: The trials, as they were claimed.
        alike: Factors, such as the structural ones, in which those that follow take the first
            one's choices, and whatever decides whether these factors are there.
        like: Parameters whose choices all take instead.

    Returns:
        One for each claimed trial that still runs, in their order. Parameters that a trial has
        already stay: the first one is the first that has any, if there is one.

    Raises:
        RuntimeError: This thread is not in a batch of the study.
    """
    batch = storage_of(study).entered
    if batch is None or batch.study_id != study_id(study):
        raise RuntimeError("Expected a batch of this study to be entered. Received: none.")
    search = definition.search
    study.pruner = build_pruner(search.pruner, definition.max_epochs)
    pack = _Pack(study, batch, definition, definition.factors.with_conditions(alike))
    running = [t for t in claimed if pack.is_running(t)]
    first_known = next((t for t in running if t.params), None)
    in_turn = sorted(running, key=lambda t: t is not first_known)  # the others keep their order
    prepared = {}
    for trial in in_turn:
        prepared[trial.number] = pack.prepare(trial, like or {})
        if like is None:
            like = prepared[trial.number].params
    return [prepared[trial.number] for trial in running]


def prepare_trial(
    study: optuna.Study, definition: StudyDefinition, claimed: FrozenTrial
) -> tuple[Trial, dict[str, Scalar]]:
    """Let the sampler choose what one trial does not have yet, and write it.

    Args:
        study: The study; its sampler becomes that of this trial.
        definition: The study's definition.
        claimed: The trial, as it was claimed.

    Returns:
        Optuna's trial, and its parameters.

    Raises:
        UpdateFinishedTrialError: The trial has ended elsewhere, or is gone with its study.
    """
    storage, others = storage_of(study), definition.search.design is None
    with storage.batch(study_id(study), others=others) as batch:
        prepared = prepare_trials(study, definition, [claimed])
    if batch.write() or not prepared:
        raise UpdateFinishedTrialError(f"Trial {claimed.number} is no longer running.")
    return prepared[0].trial, prepared[0].params


def seed_of(
    definition: StudyDefinition, trial: Trial | FrozenTrial, params: Mapping[str, Scalar]
) -> int:
    """Return the seed to train with: fixed, varied, replicated, or the study's."""
    default = trial.user_attrs.get(SEED, definition.search.seed)
    return int(definition.factors.resolve(params).get(SEED, default))


@dataclass
class _Pack:
    """The trials that get their parameters together."""

    study: optuna.Study
    batch: Batch
    definition: StudyDefinition
    alike: frozenset[str]
    past: Past = field(default_factory=Past)
    # Points that were there before, and those that run: of this pack too.
    finished: dict[_Key, FrozenTrial] | None = None
    running: set[_Key] = field(default_factory=set)
    is_exhausted: bool = False

    def is_running(self, claimed: FrozenTrial) -> bool:
        if trial_id(claimed) not in self.batch:
            return False
        return self.batch.get_trial(trial_id(claimed)).state is TrialState.RUNNING

    def prepare(self, claimed: FrozenTrial, like: Mapping[str, Scalar]) -> Prepared:
        fixed = {name: like[name] for name in self.alike if name in like}
        sampler = self._sampler(claimed.number, fixed)
        drawn = self._draw(claimed, sampler)
        repeats = self.definition.search.repeats
        if repeats != "train" and self._may_repeat(claimed, drawn.params, fixed):
            uniform = self._sampler(claimed.number, fixed, "random")
            redraws = [sampler] * (REDRAWS // 2) + [uniform] * (REDRAWS // 2)
            drawn = self._anew(claimed, drawn, [] if self.is_exhausted else redraws)
        if self.finished is not None and drawn.reused is None:
            self.running.add(self._key(drawn.trial, drawn.params))
        return drawn

    def _anew(
        self, claimed: FrozenTrial, drawn: Prepared, redraws: Sequence[BaseSampler]
    ) -> Prepared:
        """Draw until the point is a new one, or no sampler is left."""
        reuses = self.definition.search.repeats == "reuse"
        for sampler in [*redraws, None]:
            key = self._key(drawn.trial, drawn.params)
            former = self._former(key, claimed.number)
            if reuses and former is not None and former.state is TrialState.COMPLETE:
                return replace(drawn, reused=former)
            if (reuses or former is None) and key not in self.running:
                return drawn
            if sampler is not None:
                self.batch.take_back(trial_id(claimed))
                drawn = self._draw(claimed, sampler)
        self.is_exhausted = True  # the other lanes would look in vain as well
        return drawn

    def _sampler(self, number: int, fixed: dict[str, Scalar], spec: Any = None) -> BaseSampler:
        search, factors = self.definition.search, self.definition.factors
        always = {name: f.distribution for name, f in factors.factors.items() if not f.when}
        spec = spec or search.sampler or ("random" if search.design else DEFAULT_SAMPLER)
        return build_sampler(spec, search.seed, number, always, self.past, fixed)

    def _draw(self, claimed: FrozenTrial, sampler: BaseSampler) -> Prepared:
        self.study.sampler = sampler
        # Optuna's samplers read this cache, which only its own ask and tell would clear.
        self.study._thread_local.cached_all_trials = None
        trial = Trial(self.study, trial_id(claimed))
        return Prepared(trial, self.definition.factors.pick(lambda factor: factor.suggest(trial)))

    def _may_repeat(
        self, claimed: FrozenTrial, params: Mapping[str, Scalar], fixed: Mapping[str, Scalar]
    ) -> bool:
        """Tell whether something was chosen here, and from what has a number of values."""
        chosen = params.keys() - claimed.params.keys() - fixed.keys()
        distributions = [self.definition.factors.factors[name].distribution for name in chosen]
        return bool(params.keys() - claimed.params.keys()) and not any(
            isinstance(d, FloatDistribution) and d.step is None and not d.single()
            for d in distributions
        )

    def _former(self, key: _Key, number: int) -> FrozenTrial | None:
        """Return the trial that ended with this point and seed, one that is complete if any.

        When first called, it notes what runs beside the trial of this number as well.
        """
        if self.finished is None:
            self.finished = {}
            for trial in self.study.get_trials(deepcopy=False):
                if trial.state is TrialState.RUNNING and trial.number != number:
                    self.running.add(self._key(trial, trial.params))
                elif trial.state is TrialState.COMPLETE:
                    self.finished[self._key(trial, trial.params)] = trial
                elif trial.state is TrialState.PRUNED:
                    self.finished.setdefault(self._key(trial, trial.params), trial)
        return self.finished.get(key)

    def _key(self, trial: Trial | FrozenTrial, params: Mapping[str, Scalar]) -> _Key:
        known = self.definition.factors.factors
        levels = {k: round(v, DIGITS) if isinstance(v, float) else v for k, v in params.items()}
        seed = seed_of(self.definition, trial, {k: v for k, v in levels.items() if k in known})
        return seed, frozenset(levels.items())
