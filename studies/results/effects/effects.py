"""`studies.effects`: what the levels of a study's factors do to its value, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from optuna.study import StudyDirection

from studies.attributes import ARRAY_KEY, DEFINITION_KEY
from studies.errors import AnswerError, NoCompleteTrialError
from studies.lookup import as_argument
from studies.results.effects.default import default_of
from studies.results.effects.design import PartEffects, analyse, told_rows
from studies.results.effects.findings import findings
from studies.results.effects.levels import level_table
from studies.results.effects.notes import notes_of_design, notes_of_prediction, notes_of_search
from studies.results.effects.parts import parts_of
from studies.results.effects.predicted import Predicted, predicted
from studies.results.effects.search import importance, search_means
from studies.results.effects.trials import OPEN, Trials, read_trials_of

if TYPE_CHECKING:
    import optuna

    from studies.statistics.factorial import Row

INDEPENDENT = ("random", "qmc")  # samplers that draw each point whatever the others came to
BLOCKS = "seeds (blocks)"
JUDGED_BY = {
    "seeds": "seeds (pure error)",
    "blocks": "points x seeds (error)",
    "residual": "residual",
}
LACK, WITH_CONDITIONAL = "other interactions", "conditional, interactions"
ANOVA = ("term", "within", "df", "sum_of_squares", "f", "p")
ALIASES = ("factor", "within", "interaction", "share")
CONTRASTS = ("factor", "within", "contrast", "estimate", "margin", "simultaneous")


@dataclass(frozen=True)
class Effects:
    """What each level of a study's factors does to its value.

    Attributes:
        study: The study's name.
        metric: What its value is.
        direction: "maximize" or "minimize".
        design: Its design; None for a search by a sampler.
        n_complete: How many trials have a value.
        n_trials: How many trials there are, each lineage by its last attempt.
        n_open: How many of them have not ended.
        levels: A row for each level: its mean over the `n` of its `n_trials` trials that have a
            value, the mean adjusted for the levels of the other factors that these have met, and
            the ends of its 95 % interval, Student's t. By one factor at a time: the difference to
            the default, whose interval it is.
        anova: Degrees of freedom, sum of squares of type II, F and p of each term. Its last row is
            what the others are judged by; where seeds are blocks, theirs is the one before, and
            has no F. None for a search.
        contrasts: Where nothing is left to judge by: independent contrasts, and the margins by
            Lenth's pseudo standard error. None elsewhere.
        aliases: Main effects that cannot be told from two-factor interactions: the share of the
            effect that may be the interaction.
        importance: Of a search: PED-ANOVA's importance of each factor, and its stability. None for
            a design.
        findings: What stands out, a sentence each.
        predicted: The combination of the best levels; None for a search.
        notes: How all this was found, and what it does not say.
    """

    study: str
    metric: str
    direction: str
    design: str | None
    n_complete: int
    n_trials: int
    n_open: int
    levels: pd.DataFrame
    anova: pd.DataFrame | None
    contrasts: pd.DataFrame | None
    aliases: pd.DataFrame
    importance: pd.DataFrame | None
    findings: tuple[str, ...]
    predicted: Predicted | None
    notes: tuple[str, ...]


def effects(study: optuna.Study) -> Effects:
    """Return what each level of a study's factors does to its value.

    A grid and an orthogonal array get an analysis of variance, with two-factor interactions where
    the trials determine them; elsewhere their aliases are named. A design by one factor at a time
    gets each level against the default. A search by a sampler, and a random design, get PED-ANOVA's
    importance.

    Raises:
        NoCompleteTrialError: No trial is complete.
        AnswerError: Only one is, or no factor has two levels.
    """
    trials = read_trials_of(study)
    _check(study, trials)
    is_search = trials.design in (None, "random")
    return _of_search(study, trials) if is_search else _of_design(study, trials)


def _check(study: optuna.Study, trials: Trials) -> None:
    name = as_argument(study.study_name)
    n = len(trials.complete)
    if not n:
        raise NoCompleteTrialError(
            f"Expected complete trials. Received: none of {study.study_name}. See its progress: "
            f"hpo status {name}"
        )
    if trials.design == "settings":
        raise AnswerError(
            "Expected a design that varies factors, or a search. Received: design=settings, whose "
            f"points are single settings. See them: hpo best {name}"
        )
    if n == 1:
        raise AnswerError(
            f"Expected two complete trials or more. Received: 1 of {study.study_name}. See its "
            f"progress: hpo status {name}"
        )
    if not any(len(levels) > 1 for levels in trials.factors.values()):
        raise AnswerError(
            "Expected a factor with two levels or more. Received: none in the trials of "
            f"{study.study_name}, whose points differ in the seed alone. See its spread: "
            f"hpo best {name}"
        )


def _of_design(study: optuna.Study, trials: Trials) -> Effects:
    stored = study.user_attrs[DEFINITION_KEY]["search"]
    has_array = study.user_attrs.get(ARRAY_KEY, {}).get("array") is not None
    is_grid = trials.design == "grid" or (trials.design == "orthogonal" and not has_array)
    default = default_of(study, trials) if stored.get("default") else None
    parts = [analyse(p, interactions=is_grid, default=default) for p in parts_of(trials)]
    rows = [row for part in parts for row in part.means]
    best = predicted(study, trials, parts, maximize=_maximizes(study))
    return _effects(
        study,
        trials,
        rows,
        anova=_frame([row for part in parts for row in _anova_rows(part)], ANOVA),
        contrasts=_contrasts(parts),
        aliases=_frame([row for part in parts for row in _alias_rows(part)], ALIASES),
        findings=tuple(findings(trials.trials, rows, parts)),
        predicted=best,
        notes=(*notes_of_design(study, trials, parts), *notes_of_prediction(study, best)),
    )


def _of_search(study: optuna.Study, trials: Trials) -> Effects:
    stored = study.user_attrs.get(DEFINITION_KEY, {}).get("search", {})
    sampler = stored.get("sampler")
    name = sampler["name"] if isinstance(sampler, dict) else sampler
    independent = trials.design == "random" or name in INDEPENDENT
    rows = search_means(trials, independent=independent)
    found = importance(study, is_design=trials.design is not None)
    return _effects(
        study,
        trials,
        rows,
        importance=found,
        findings=tuple(findings(trials.trials, rows, [])),
        notes=tuple(notes_of_search(study, trials, found, independent=independent)),
    )


def _effects(
    study: optuna.Study, trials: Trials, rows: Sequence[Mapping[str, Any]], **more: Any
) -> Effects:
    plain: dict[str, Any] = {"anova": None, "contrasts": None, "importance": None}
    plain |= {"aliases": _frame([], ALIASES), "predicted": None}
    return Effects(
        study=study.study_name,
        metric=study.metric_names[0] if study.metric_names else "value",
        direction="maximize" if _maximizes(study) else "minimize",
        design=trials.design,
        n_complete=len(trials.complete),
        n_trials=len(trials.trials),
        n_open=sum(trial.ending == OPEN for trial in trials.trials),
        levels=level_table(rows),
        **(plain | more),
    )


def _maximizes(study: optuna.Study) -> bool:
    return study.direction is StudyDirection.MAXIMIZE


def _anova_rows(part: PartEffects) -> list[dict[str, Any]]:
    """Return the lines of a part: its terms, what they leave over, and what they are judged by."""
    if part.anova is None:
        return []

    def line(term: str, row: Row | None, df: int, ss: float) -> dict[str, Any]:
        f, p = (None, None) if row is None else (row.f, row.p)
        within = part.part.within
        return {"term": term, "within": within, "df": df, "sum_of_squares": ss, "f": f, "p": p}

    error, lack = part.anova.error, part.anova.lack
    rows = [line(" x ".join(row.term), row, row.df, row.ss) for row in told_rows(part)]
    words = WITH_CONDITIONAL if part.part.has_conditional else LACK
    rows += [line(words, lack, lack.df, lack.ss)] if lack is not None else []
    blocks = part.anova.blocks
    rows += [line(BLOCKS, None, blocks.df, blocks.ss)] if blocks is not None else []
    if error.kind != "none":
        rows.append(line(JUDGED_BY[error.kind], None, error.df, error.ss))
    return rows


def _contrasts(parts: Sequence[PartEffects]) -> pd.DataFrame | None:
    rows = [
        {
            **row,
            "within": part.part.within,
            "margin": part.lenth.margin,
            "simultaneous": part.lenth.simultaneous,
        }
        for part in parts
        if part.lenth is not None
        for row in part.contrasts
    ]
    return _frame(rows, CONTRASTS) if rows else None


def _alias_rows(part: PartEffects) -> list[dict[str, Any]]:
    return [
        {
            "factor": each.factor,
            "within": part.part.within,
            "interaction": " x ".join(each.interaction),
            "share": each.share,
        }
        for each in part.aliases
    ]


def _frame(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    kinds = {"df": "int64", **dict.fromkeys(("factor", "term", "within", "interaction"), "str")}
    kinds |= {"contrast": "str"}
    return pd.DataFrame(
        {n: pd.Series([r[n] for r in rows], dtype=kinds.get(n, "float64")) for n in columns}
    )
