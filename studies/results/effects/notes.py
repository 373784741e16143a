"""How the effects of a study were found, and what they do not say: the notes below the tables."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING

import pandas as pd

from objectives.code.names import module_to_allow
from storage.study_attributes import SEED_KEY as SEED
from studies.attributes import DEFINITION_KEY
from studies.lookup import as_argument
from studies.results.effects.design import PartEffects, told_rows
from studies.results.effects.findings import LEVEL
from studies.results.effects.search import ADVISED, FEWEST, RESAMPLED
from studies.results.effects.trials import Trials
from studies.results.metric_bounds import metric_bounds

if TYPE_CHECKING:
    import optuna

    from studies.results.effects.predicted import Predicted

REPLICATES = 3  # that are advised where a study has one
ONE_AT_A_TIME = (
    "One factor at a time: each level against the default, all others at the default. No "
    "interactions can be estimated: what a level does beside other levels than the default is not "
    "known."
)
ADAPTIVE = (
    "The sampler chose each point by the values before it, so that good levels met good company: "
    "the means of levels describe its trials, they are no effects, and have no intervals."
)


def notes_of_design(study: optuna.Study, trials: Trials, parts: Sequence[PartEffects]) -> list[str]:
    """Return the notes of a design."""
    found = list(trials.notes)
    if trials.others:
        found.append(
            f"{_trials(len(trials.others))} of other settings than the design's, and left out."
        )
    if trials.design == "one-factor-at-a-time":
        found.append(ONE_AT_A_TIME)
    found += _single(trials)
    for part in parts:
        found += _of_part(study, part)
    if any(part.anova is not None and part.anova.error.ms for part in parts):
        found.append("p values and 95 % intervals (Student's t) are each by itself.")
    depends = (row for part in parts for row in told_rows(part) if len(row.term) > 1)
    if any(row.p is not None and row.p < LEVEL for row in depends):
        found.append(
            "Effects do not add up here, by the interactions above: the predicted value leaves "
            "these out."
        )
    return list(dict.fromkeys(found))


def notes_of_prediction(study: optuna.Study, best: Predicted | None) -> list[str]:
    """Return that a predicted value cannot be, where the bounds of its metric are known."""
    low, high = metric_bounds(study)
    if best is None or best.value is None or low <= best.value <= high:
        return []
    metric = study.user_attrs[DEFINITION_KEY]["metric"]
    return [
        f"No {metric} is {'below' if best.value < low else 'above'} "
        f"{low if best.value < low else high:g}: effects cannot all add up to the predicted value, "
        "and trials of the combination tell more."
    ]


def notes_of_search(
    study: optuna.Study, trials: Trials, importance: pd.DataFrame, *, independent: bool
) -> list[str]:
    """Return the notes of a search."""
    complete = trials.complete
    n = len({trial.point for trial in complete} if trials.design else complete)
    found = [*trials.notes, *_single(trials)]
    seeds = study.user_attrs.get(DEFINITION_KEY, {}).get("search", {}).get("replicates", 1)
    if seeds > 1 and trials.design is None:
        found.append(f"The value of a trial is the mean over its {seeds} seeds.")
    elif seeds > 1:
        found.append(
            f"Each point has {seeds} trials, which differ in the seed: intervals and importance "
            "are over the means of points."
        )
    what = "points" if trials.design else "trials"
    if importance.empty:
        why = f"only {n} of them" if n < FEWEST else "all values are equal"
        found.append(f"No importance: it needs {FEWEST} complete {what} or more; here {why}.")
    else:
        found.append(
            "Importance: PED-ANOVA of Optuna, how far the best tenth of the "
            f"{what} is from all in each factor, in parts of 1. Stability: 5 % to 95 % of "
            f"{RESAMPLED} bootstrap resamplings of the {what}, no confidence interval."
        )
        if len(complete) < len(trials.trials):
            found.append("It is of complete trials alone: what was pruned or failed is not in it.")
        if n < ADVISED:
            found.append(f"The best tenth of {n} {what} are few: {ADVISED} or more are advised.")
    if independent:
        found.append(
            f"95 % intervals: Student's t over the {what}, each by itself. "
            "Points were drawn independently, and a mean is over all that the other factors had."
        )
    else:
        found.append(ADAPTIVE)
    if trials.ranges:
        found.append("Ranges are shown in up to four bins with about equally many trials.")
    return found


def replicate_command(study: optuna.Study) -> str:
    """Return the command that trains all points of a study with several seeds."""
    stored = study.user_attrs[DEFINITION_KEY]
    objective = str(stored["objective"])
    allow = f"--allow-module {quote(module_to_allow(objective))} " if ":" in objective else ""
    name = quote(f"{study.study_name}-replicated")
    return (
        f"hpo run --name {name} --set search.replicates={REPLICATES} "
        f"{allow}{as_argument(study.study_name)}"
    )


def _single(trials: Trials) -> list[str]:
    names = [name for name, levels in trials.factors.items() if len(levels) == 1]
    return [f"One level in all trials, no effect to tell: {', '.join(names)}."] if names else []


def _of_part(study: optuna.Study, effects: PartEffects) -> list[str]:
    part, found = effects.part, []
    where = f"Within {part.within}: " if part.within else ""
    gone = [n for n in part.told if n not in part.levels and len(part.trials.factors[n]) > 1]
    if gone:
        found.append(f"{where}One level with complete trials is left of {', '.join(gone)}.")
    if effects.anova is None:
        what = "too many levels for a model" if part.levels else "no factor has two levels left"
        return [*found, f"{where}No analysis of variance: {what}. The means are of what is there."]
    if effects.unclear:
        names = [name for name in effects.unclear if name in part.told]
        found.append(
            f"{where}The trials do not determine the main effect of {', '.join(names)}: its levels "
            "have met the others' too unevenly, by missing trials or too few points."
        )
    if effects.left_out:
        names = [" x ".join(term) for term in effects.left_out]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        found.append(f"{where}Interactions not estimated: {', '.join(names[:3])}{more}.")
    found += [where + words for words in _judged_by(study, effects)]
    if not part.is_balanced:
        found.append(
            f"{where}Unbalanced, since points lack values or seeds: sums of squares are of type "
            "II, each beside all terms that do not contain it; `adjusted` means are for equal "
            "company of the other factors."
        )
        if effects.aliases:
            found.append(
                "What is confounded is told of the array as it was queued: missing trials confound "
                "more."
            )
    return found


def _judged_by(study: optuna.Study, effects: PartEffects) -> list[str]:
    """Return what effects are judged by, and the advice where that is little or nothing."""
    assert effects.anova is not None
    error = effects.anova.error
    stored = study.user_attrs[DEFINITION_KEY]
    can_repeat = SEED not in {*stored["fixed"], *stored["space"]}
    advice = f" Add replicates: {replicate_command(study)}" if can_repeat else ""
    if error.kind == "none":
        lines = [f"No degrees of freedom are left: no p and no intervals.{advice}"]
        return lines + ([_lenth_words(effects)] if effects.lenth is not None else [])
    if not error.ms:
        if len(set(effects.part.values)) == 1:
            return ["All values are equal: nothing tells the levels apart."]
        return ["Nothing is left to judge by: the values are an exact sum, so no p, no intervals."]
    if error.kind == "seeds":
        return [f"Judged by the seeds' pure error, {_freedom(error.df)}."]
    if error.kind == "blocks":
        return [_blocks_words(effects, error.df)]
    what = "interactions that are in no line"
    what = f"conditional factors and {what}" if effects.part.has_conditional else what
    return [
        f"Judged by the residual, {_freedom(error.df)}: one seed a point, so that it holds {what} "
        f"beside the noise.{advice}"
    ]


def _blocks_words(effects: PartEffects, df: int) -> str:
    """Return what seeds as blocks come to, and what the intervals are about."""
    assert effects.anova is not None
    found = effects.anova.blocks
    assert found is not None
    share = found.share or 0.0
    missing = "" if effects.part.is_balanced else " (some lack values or seeds)"
    return (
        f"Seeds are blocks: all points share them{missing}. Of what trials of one point differ by, "
        f"{100 * share:.3g} % is common to all trials of a seed, and no noise here. Judged by the "
        f"rest, {_freedom(df)}. Intervals are of means over these {found.n} seeds, to compare "
        "levels by: other seeds move all levels alike."
    )


def _lenth_words(effects: PartEffects) -> str:
    two = all(size == 2 for size in effects.part.sizes.values())
    what = (
        "differences of the two levels' means"
        if two
        else "orthonormal contrasts (Helmert's: a level against the mean of those before it), "
        "scaled as differences of two halves of the trials"
    )
    return (
        f"Contrasts are {what}. Margin: t times the pseudo standard error of Lenth (1989), which "
        "takes most effects for none; one in twenty passes it by chance, of all together one in "
        "twenty times any passes the simultaneous margin."
    )


def _freedom(n: int) -> str:
    return "1 degree of freedom" if n == 1 else f"{n} degrees of freedom"


def _trials(n: int) -> str:
    return "1 trial is" if n == 1 else f"{n} trials are"
