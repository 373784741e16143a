"""Give claimed trials their parameters: those that a design has set, or a sampler now chooses."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, Trial, TrialState

from storage import Batch, storage_of, study_id, trial_id
from storage.study_attributes import SLOT_KEY
from studies.attributes import SAMPLER_KEY
from studies.definition.sampler_options import (
    DEFAULT_SAMPLER,
    IN_ROUNDS,
    NamedOptions,
    read_sampler,
)
from studies.definition.study import StudyDefinition
from studies.samplers.build import build_sampler
from studies.samplers.optuna_internals import forget_cached_trials
from studies.samplers.pack_cache import PackCache
from studies.samplers.pruners import build_pruner
from studies.samplers.seeds import seed_for
from studies.samplers.tpe_variant import STOCK, tpe_variant
from studies.space.factor import Scalar
from studies.space.parse_space import SEED

# Draws that may follow the first one until a point is new. Half of them are uniform, since a
# sampler may propose the same point again and again.
REDRAWS = 20
MAX_LISTED = 10_000  # points of a space that is searched for those left when the draws were in vain
# Samplers that look at no other trial; in rounds, for what trials lack that belong to none.
LEARN_NOTHING = ("qmc", "random", *IN_ROUNDS)
_PointKey = tuple[int, frozenset[tuple[str, Scalar]]]


@dataclass(frozen=True)
class Prepared:
    """A claimed trial with its parameters.

    Attributes:
        trial: Optuna's trial.
        params: Its parameters.
        reused: A complete trial with the same point and seed. The new trial takes its value and is
            not trained. Only in a study whose definition says so.
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
    """Let the sampler choose the missing parameters of a pack's trials, within a batch.

    The finished trials are processed once for all of them, and each choice takes the choices before
    it into account. A point is a function of the study's seed, the trial's number and the trials so
    far: the same pack gets the same points.

    Args:
        study: The study. This thread must have entered a batch of its storage; a batch without the
            others' trials is enough for a design. Its sampler becomes that of the last trial.
        definition: The study's definition.
        claimed: The trials, as they were claimed.
        alike: Factors in which all trials take the choices of the first, such as the structural
            ones. The factors in their conditions are added.
        like: Parameters to take these choices from instead.

    Returns:
        One for each claimed trial that still runs, in their order. Parameters that a trial already
        has stay. The first trial that has any counts as the first one. A point that no trial had,
        in a space without continuous ranges, is given to one worker only: `Batch.taken` has then
        those of the others, which need another.

    Raises:
        RuntimeError: This thread is not in a batch of the study.
    """
    batch = storage_of(study).entered
    if batch is None or batch.study_id != study_id(study):
        raise RuntimeError("Expected a batch of this study to be entered. Received: none.")
    search = definition.search
    study.pruner = build_pruner(search.pruner, definition.max_epochs)
    pack = _Pack(study, batch, definition, definition.factors.with_conditions(alike))
    return pack.prepare_all(claimed, like)


def reads_others(definition: StudyDefinition, claimed: Sequence[FrozenTrial]) -> bool:
    """Tell whether the choice of claimed trials' parameters depends on other trials.

    It does not for the points of a design or of a round. Another sampler learns from other trials,
    and where no parameter is drawn from a continuous range, a point may be one that another trial
    has.
    """
    search = definition.search
    if search.design:
        return False
    if search.in_rounds and all(SLOT_KEY in trial.system_attrs for trial in claimed):
        return False
    if search.sampler_name not in LEARN_NOTHING:
        return True
    if search.repeats == "train" or not definition.factors.factors:
        return False
    structural = definition.structural_factors  # a pack takes these from its first trial
    free = (f for f in definition.factors.factors.values() if not f.when)
    is_new = any(_is_continuous(f.distribution) for f in free if f.name not in structural)
    # What is queued with some of its parameters may have the continuous ones.
    return not is_new or any(trial.params for trial in claimed)


def prepare_trial(
    study: optuna.Study, definition: StudyDefinition, claimed: FrozenTrial
) -> tuple[Trial, dict[str, Scalar]]:
    """Let the sampler choose the missing parameters of one trial, and write them.

    Args:
        study: The study; its sampler becomes that of this trial.
        definition: The study's definition.
        claimed: The trial, as it was claimed.

    Returns:
        Optuna's trial, and its parameters.

    Raises:
        UpdateFinishedTrialError: The trial has ended elsewhere, or was deleted with its study.
    """
    storage, others = storage_of(study), reads_others(definition, [claimed])
    while True:
        with storage.batch(study_id(study), others=others) as batch:
            prepared = prepare_trials(study, definition, [claimed])
        if batch.write() or not prepared:
            raise UpdateFinishedTrialError(f"Trial {claimed.number} is no longer running.")
        if not batch.taken:  # else another worker has chosen the same point at this moment
            return prepared[0].trial, prepared[0].params


def seed_of(
    definition: StudyDefinition, trial: Trial | FrozenTrial, params: Mapping[str, Scalar]
) -> int:
    """Return the seed to train with: a hyperparameter, the replicate's, or else the study's."""
    default = trial.user_attrs.get(SEED, definition.search.seed)
    return int(definition.factors.resolve(params).get(SEED, default))


@dataclass
class _Pack:
    """The trials that get their parameters together."""

    study: optuna.Study
    batch: Batch
    definition: StudyDefinition
    alike: frozenset[str]
    cache: PackCache = field(default_factory=PackCache)
    # The points of other trials, read at the first need; then those of this pack are added.
    ended: dict[_PointKey, FrozenTrial] | None = None
    running: set[_PointKey] = field(default_factory=set)
    is_exhausted: bool = False

    def prepare_all(
        self, claimed: Sequence[FrozenTrial], like: Mapping[str, Scalar] | None
    ) -> list[Prepared]:
        running = [trial for trial in claimed if self._is_running(trial)]
        first_known = next((trial for trial in running if trial.params), None)
        prepared = {}
        # A stable sort: the others keep their order.
        for trial in sorted(running, key=lambda trial: trial is not first_known):
            prepared[trial.number] = self._prepare(trial, like or {})
            if like is None:
                like = prepared[trial.number].params
        return [prepared[trial.number] for trial in running]

    def _is_running(self, claimed: FrozenTrial) -> bool:
        if trial_id(claimed) not in self.batch:
            return False
        return self.batch.get_trial(trial_id(claimed)).state is TrialState.RUNNING

    def _prepare(self, claimed: FrozenTrial, like: Mapping[str, Scalar]) -> Prepared:
        fixed = {name: like[name] for name in self.alike if name in like}
        sampler = self._sampler(self._spec, claimed.number, fixed)
        drawn = self._draw(claimed, sampler)
        repeats = self.definition.search.repeats
        if repeats != "train" and self._can_repeat(claimed, drawn.params, fixed):
            uniform = self._sampler("random", claimed.number, fixed)
            redraws = [sampler] * (REDRAWS // 2) + [uniform] * (REDRAWS // 2)
            redraws = [] if self.is_exhausted else redraws
            drawn = self._redraw_until_new(claimed, drawn, redraws, fixed)
            if self._is_new(drawn):
                self.batch.require_new(trial_id(claimed))
        if self.ended is not None and drawn.reused is None:
            self.running.add(self._key(drawn.trial, drawn.params))
        if self._variant is not None:
            drawn.trial.set_user_attr(SAMPLER_KEY, self._variant)
        return drawn

    def _redraw_until_new(
        self,
        claimed: FrozenTrial,
        drawn: Prepared,
        redraws: Sequence[BaseSampler],
        fixed: Mapping[str, Scalar],
    ) -> Prepared:
        """Draw until no other trial has the point; take one of those left if no draw finds one."""
        reuses = self.definition.search.repeats == "reuse"
        for sampler in [*redraws, None]:
            key = self._key(drawn.trial, drawn.params)
            same = self._ended_at(key, claimed.number)
            if reuses and same is not None and same.state is TrialState.COMPLETE:
                return replace(drawn, reused=same)
            if (reuses or same is None) and key not in self.running:
                return drawn
            if sampler is not None:
                self.batch.take_back(trial_id(claimed))
                drawn = self._draw(claimed, sampler)
        self.is_exhausted = True  # further trials of this pack would draw in vain as well
        left = self._left(claimed, fixed)
        if left is None:
            return drawn
        self.batch.take_back(trial_id(claimed))
        return self._draw(claimed, self._sampler("random", claimed.number, left))

    def _is_new(self, drawn: Prepared) -> bool:
        key = self._key(drawn.trial, drawn.params)
        return key not in self.running and key not in (self.ended or ())

    def _left(self, claimed: FrozenTrial, fixed: Mapping[str, Scalar]) -> dict[str, Scalar] | None:
        """Return a point that no trial has, with the parameters in `fixed` if there is any such."""
        given = self._levels(claimed.params).items()
        taken = {*(self.ended or ()), *self.running}
        left = [
            point
            for point in self._listed
            if given <= point.items() and self._key(claimed, point) not in taken
        ]
        alike = [point for point in left if fixed.items() <= point.items()]
        rng = random.Random(seed_for(self.definition.search.seed, claimed.number))
        return rng.choice(alike or left) if left else None

    @cached_property
    def _listed(self) -> list[dict[str, Scalar]]:
        """All points of the space; none where there are too many to list them."""
        return self.definition.factors.listed(MAX_LISTED)

    @cached_property
    def _spec(self) -> NamedOptions:
        # A trial of a design has its parameters; a random sampler costs nothing.
        search = self.definition.search
        return search.sampler or ("random" if search.design else DEFAULT_SAMPLER)

    @cached_property
    def _variant(self) -> str | None:
        """The variant of TPE that chooses the points; None for another sampler."""
        return tpe_variant(self.study) if read_sampler(self._spec)[0] == "tpe" else None

    def _sampler(self, spec: NamedOptions, number: int, fixed: Mapping[str, Scalar]) -> BaseSampler:
        factors = self.definition.factors.factors
        always = {name: f.distribution for name, f in factors.items() if not f.conditions}
        return build_sampler(
            spec,
            self.definition.search.seed,
            number,
            always,
            cache=self.cache,
            fixed=fixed,
            stock_tpe=self._variant == STOCK,
        )

    def _draw(self, claimed: FrozenTrial, sampler: BaseSampler) -> Prepared:
        self.study.sampler = sampler
        forget_cached_trials(self.study)
        trial = Trial(self.study, trial_id(claimed))
        return Prepared(trial, self.definition.factors.pick(lambda factor: factor.suggest(trial)))

    def _can_repeat(
        self, claimed: FrozenTrial, params: Mapping[str, Scalar], fixed: Mapping[str, Scalar]
    ) -> bool:
        """Tell whether the sampler chose parameters, none of them from a continuous range."""
        chosen = params.keys() - claimed.params.keys() - fixed.keys()
        distributions = [self.definition.factors.factors[name].distribution for name in chosen]
        return bool(params.keys() - claimed.params.keys()) and not any(
            map(_is_continuous, distributions)
        )

    def _ended_at(self, key: _PointKey, number: int) -> FrozenTrial | None:
        """Return a trial that ended with this point and seed, a complete one if there is any.

        The first call reads the points of all trials but that with this number, which is the one
        to get its parameters. Those that run are noted as well.
        """
        if self.ended is None:
            self.ended = {}
            for trial in self.study.get_trials(deepcopy=False):
                if trial.state is TrialState.RUNNING and trial.number != number:
                    self.running.add(self._key(trial, trial.params))
                elif trial.state is TrialState.COMPLETE:
                    self.ended[self._key(trial, trial.params)] = trial
                elif trial.state is TrialState.PRUNED:
                    self.ended.setdefault(self._key(trial, trial.params), trial)
        return self.ended.get(key)

    def _levels(self, params: Mapping[str, Scalar]) -> dict[str, Scalar]:
        known = self.definition.factors.factors
        return {n: known[n].level_of(v) if n in known else v for n, v in params.items()}

    def _key(self, trial: Trial | FrozenTrial, params: Mapping[str, Scalar]) -> _PointKey:
        known = self.definition.factors.factors
        levels = self._levels(params)
        seed = seed_of(self.definition, trial, {k: v for k, v in levels.items() if k in known})
        return seed, frozenset(levels.items())


def _is_continuous(distribution: BaseDistribution) -> bool:
    return (
        isinstance(distribution, FloatDistribution)
        and distribution.step is None
        and not distribution.single()
    )
