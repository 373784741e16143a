"""The trials of a study as an analysis of effects takes them: levels, seeds, and how each ended."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from storage import latest_attempts
from storage.study_attributes import FAIL_REASON_KEY, FIXED_PARAMS_KEY, POINT_KEY
from storage.study_attributes import SEED_KEY as SEED
from studies.attributes import DEFINITION_KEY
from studies.errors import HpoError
from studies.lookup import definition_of
from studies.results.confirmed.values import NOT_FINITE
from studies.results.export import level_of

if TYPE_CHECKING:
    import optuna

COMPLETE, DIVERGED = "complete", "diverged"
BROKEN = ("failed", DIVERGED, "timed out", "pruned")  # has ended, and has no value
OPEN = "not yet run"
ENDINGS = (*BROKEN, OPEN)
UNREAD = (
    "Known settings outside of the design are not told apart, since its definition cannot be read "
    "here: {}"
)
Level = Any  # a choice or a number, as Optuna has it


@dataclass(frozen=True)
class Trial:
    """One trial: the last attempt of its lineage.

    Attributes:
        number: Its number.
        levels: Factor -> level, of those that it has.
        value: Its value where it is complete, else None.
        ending: "complete", or one of `ENDINGS`.
        seed: Its seed; None where that is not known.
    """

    number: int
    levels: Mapping[str, Level]
    value: float | None
    ending: str
    seed: int | None = None

    @property
    def point(self) -> Hashable:
        """What trials that differ in the seed alone have in common."""
        return frozenset(self.levels.items())


@dataclass(frozen=True)
class Trials:
    """The trials of a study.

    Attributes:
        design: Its design; None for a sampler, and for a study of another program.
        factors: Factor -> its levels in order, of those that the trials have.
        ranges: The factors among them that are numbers of a range.
        trials: Those of the design; all of a search.
        others: Known settings that are no points of the design, and trials that others have added.
        notes: What a reader must know of them.
    """

    design: str | None
    factors: Mapping[str, Sequence[Level]]
    ranges: frozenset[str]
    trials: Sequence[Trial]
    others: Sequence[Trial]
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> list[Trial]:
        """Those that have a value."""
        return [trial for trial in self.trials if trial.ending == COMPLETE]

    def within(self, trials: Sequence[Trial], names: Sequence[str]) -> Trials:
        """Return only some of these trials and of their factors, with the levels that they have."""
        factors = {
            name: [
                level for level in self.factors[name] if any(_has(t, name, level) for t in trials)
            ]
            for name in names
        }
        return replace(self, factors=factors, trials=trials)


def read_trials_of(study: optuna.Study) -> Trials:
    """Read the trials of a study, each lineage by its last attempt.

    Those that wait are among them if the storage was opened to read these.
    """
    stored = study.user_attrs.get(DEFINITION_KEY)
    design = None if stored is None else stored["search"].get("design")
    found = latest_attempts(study.get_trials(deepcopy=False))
    own, others, notes = _of_design(study, found) if design else (found, [], ())
    distributions = {n: d for trial in found for n, d in trial.distributions.items() if n != SEED}
    ranges = frozenset(
        name for name, d in distributions.items() if not isinstance(d, CategoricalDistribution)
    )
    trials = [_trial(each) for each in own]
    factors = {
        name: _levels(distribution, {t.levels[name] for t in trials if name in t.levels})
        for name, distribution in distributions.items()
    }
    factors = {name: levels for name, levels in factors.items() if levels}
    return Trials(design, factors, ranges, trials, [_trial(each) for each in others], notes)


def _of_design(
    study: optuna.Study, trials: Sequence[FrozenTrial]
) -> tuple[list[FrozenTrial], list[FrozenTrial], tuple[str, ...]]:
    """Return the trials of a design's points, all others, and what could not be told."""
    added = {t.number for t in trials if _is_added(t)}
    notes: tuple[str, ...] = ()
    if study.user_attrs[DEFINITION_KEY]["search"].get("enqueue"):
        try:
            points = _points_of_design(study)
        except (HpoError, ValueError, OSError) as error:  # as where its data are not here
            notes = (UNREAD.format(str(error).partition("\n")[0]),)
        else:
            added |= {t.number for t in trials if _key(t.params) not in points}
    own = [t for t in trials if t.number not in added]
    return own, [t for t in trials if t.number in added], notes


def _is_added(trial: FrozenTrial) -> bool:
    """Tell whether somebody has added a trial by Optuna's own `enqueue_trial`."""
    return FIXED_PARAMS_KEY in trial.system_attrs and POINT_KEY not in trial.system_attrs


def _points_of_design(study: optuna.Study) -> set[Hashable]:
    from studies.designs.points import design_points  # reads definitions and objectives

    return {_key(point) for point in design_points(definition_of(study))}


def _key(params: Mapping[str, Any]) -> Hashable:
    """Return a point to compare: a step of a range is another number, but for rounding."""
    rounded = {n: float(f"{v:.12g}") if isinstance(v, float) else v for n, v in params.items()}
    return frozenset(rounded.items())


def _trial(trial: FrozenTrial) -> Trial:
    levels = {name: level_of(trial, name) for name in trial.params if name != SEED}
    value = trial.value if trial.state is TrialState.COMPLETE else None
    seed = trial.params.get(SEED, trial.user_attrs.get(SEED))
    if value is not None and not isfinite(value):
        return Trial(trial.number, levels, None, DIVERGED, seed)
    return Trial(trial.number, levels, value, _ending(trial), seed)


def _ending(trial: FrozenTrial) -> str:
    if trial.state is TrialState.FAIL:
        reason = str(trial.user_attrs.get(FAIL_REASON_KEY) or "")
        if reason.startswith(NOT_FINITE):
            return DIVERGED
        return "timed out" if "trial_timeout" in reason else "failed"
    words = {TrialState.COMPLETE: COMPLETE, TrialState.PRUNED: "pruned"}
    return words.get(trial.state, OPEN)


def _levels(distribution: Any, found: set[Level]) -> list[Level]:
    if isinstance(distribution, CategoricalDistribution):
        return [choice for choice in distribution.choices if choice in found]
    return sorted(found)


def _has(trial: Trial, name: str, level: Level) -> bool:
    return name in trial.levels and bool(trial.levels[name] == level)
