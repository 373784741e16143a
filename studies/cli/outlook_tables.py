"""The text of `hpo outlook`: what further trials of a study may bring."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from studies.cli.format import number
from studies.cli.tables import plain_table

if TYPE_CHECKING:
    from studies.results.outlook import Outlook

TRUSTED = 5  # the band holds what it should up to so many times fewer trials than there are
NO_FORECAST = {
    "adaptive": "The {} learns from the trials so far, so that these are no sample of further "
    "ones: what follows is no forecast.",
    "listed": "The points of the {} come in the order of a plan, not in random order: what "
    "follows is no forecast.",
    "unknown": "Another program made this study, and how it chooses points is not known here: what "
    "follows is no forecast.",
}


def outlook_view(found: Outlook) -> list[RenderableType]:
    """Return what `hpo outlook` prints, but for how the noise of a seed is measured."""
    way = "max" if found.direction == "maximize" else "min"
    seeds = "one seed" if found.n_seeds == 1 else f"the mean of {found.n_seeds} seeds"
    best = f"{found.metric} {number(found.best)} ({way}), {seeds}, in trial {found.best_trial}"
    lines: list[RenderableType] = [Text(found.study, style="bold"), Text(f"best so far: {best}")]
    lines.append(Text(_trials(found)))
    if found.basis == "exhausted":
        words = "All points of its space have run: only another seed can bring another value."
        return [*lines, Text(words), *map(Text, _noise(found))]
    if found.basis != "random":
        lines.append(Text(NO_FORECAST[found.basis].format(found.searched_by)))
    if len(found.expected):
        lines += [Text(_chance(found))] if found.chance is not None else []
        lines += [Text(words) for words in _missing(found)]
        lines += [_table(found), Text(_labels(found), style="dim")]
    return [*lines, *map(Text, _gains(found)), *map(Text, _noise(found))]


def _trials(found: Outlook) -> str:
    ended = _n(found.n_trials, _noun(found))
    words = f"{ended} of the {found.searched_by} {_have(found.n_trials)} ended"
    if found.n_unsuccessful:
        words += f", {found.n_unsuccessful} without a value (failed, pruned or diverged)"
    words += f"; {_n(found.n_open, 'trial')} to come" if found.n_open else ""
    if found.n_begun:
        begun = f"{found.n_begun} of them" if found.n_seeds == 1 else _n(found.n_begun, "point")
        words += f", {begun} begun"
    if found.n_given:
        words += f"; {found.n_given} more, given and not drawn, left out"
    return f"{words}."


def _noun(found: Outlook) -> str:
    return "trial" if found.n_seeds == 1 else "point"


def _have(n: int) -> str:
    return "has" if n == 1 else "have"


def _n(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _chance(found: Outlook) -> str:
    assert found.chance is not None
    n, seen, begun = found.n, found.n_trials, found.n_begun
    is_bound = found.n_best > 1 or found.is_given
    words = (
        f"That one of another {_n(n, _noun(found))} beats the best"
        f"{f' of these and of the {begun} that have begun' if begun else ''} has a chance of "
        f"{'at most ' if is_bound else ''}{_percent(found.chance)}: {n} / ({seen} + "
        f"{f'{begun} + ' if begun else ''}{n}), as they come in random order."
    )
    if found.n_left is not None and found.n == found.n_left - begun:
        words += f" No more than {n} points are left."
    if found.is_given:
        words += " The best was not drawn, and is better than all that were."
    elif found.n_best > 1:
        words += f" {found.n_best} share the best value, and another equal one would not beat it."
    if found.n_unsuccessful:
        words += " Those without a value count as trials that did not beat it."
    if found.shares_structure:
        words += " Trials of one pack share their structure: it holds for whole packs."
    return words


def _percent(chance: float) -> str:
    return f"{100 * chance:.0f} %" if 0.01 <= chance <= 0.99 else f"{100 * chance:.2f} %"


def _missing(found: Outlook) -> Iterator[str]:
    """Yield what trials that have not ended leave open: they are those that take long."""
    if not found.n_begun:
        if found.n_sample < found.n_trials:
            yield (
                f"What follows is of the {found.n_sample} drawn before the first that waits: some "
                "that were drawn after it were trained before it."
            )
        return
    if found.chance is None:
        yield f"No {_noun(found)} is left but those that have begun."
    follows = (
        f"of the {found.n_sample} drawn before the first of them: long ones are not missing there."
        if found.is_fair
        else "of all that have ended, where long ones are missing: it may be too high or too low."
    )
    yield (
        "Trials that have begun and not ended are mostly long ones, and may be better or worse "
        f"than the others. What follows is {follows}"
    )


def _table(found: Outlook) -> Table:
    table = plain_table(None, f"{_noun(found)}s", "expected best", "95 % bootstrap band")
    rows = {int(row["n_trials"]): row for row in found.expected.to_dict("records")}
    for wanted in _shown(found.n_sample):
        n = min(rows, key=lambda each: abs(each - wanted))  # of very many trials not all are there
        band = f"{number(rows[n]['low'])} to {number(rows[n]['high'])}"
        table.add_row(str(n), number(rows[n]["expected_best"]), band)
    return table


def _shown(n: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, 50, ..., and `n`."""
    steps = [m * 10**e for e in range(len(str(n))) for m in (1, 2, 5)]
    return [*(each for each in steps if each < n), n]


def _labels(found: Outlook) -> str:
    return (
        "Expected best: the mean over all sets of so many of these, without replacement "
        "(Dodge et al. 2019, unbiased). Band: the middle 95 % over 1,000 resamples of them, too "
        f"narrow beyond {max(1, found.n_sample // TRUSTED)}: no resample has a better one."
    )


def _gains(found: Outlook) -> Iterator[str]:
    if found.last_gain is not None and found.basis == "random":
        first = found.n_sample - found.n_last
        yield f"From {first} to {found.n_sample} the expected best gains {number(found.last_gain)}."
    elif found.last_gain is not None:
        yield f"The last {found.n_last} have brought a gain of {number(found.last_gain)}."
    if found.basis != "random" or found.chance is None:
        return
    if found.tail is None:
        yield (
            f"No gain of further trials is foretold: that takes 50 with a value"
            f"{_before_others(found, ' among those')}, of which the best differ enough for a tail "
            "to be fitted."
        )
        return
    tail = found.tail
    yield (
        f"Another {tail.n} are expected to gain {number(tail.gain)} on the best: a rough figure, "
        f"by a generalized Pareto tail fitted to the best {tail.n_exceedances} values (shape "
        f"{tail.shape:.2f})."
    )
    if tail.n < found.n:
        known = _before_others(found, "were") or "have ended"
        yield f"Of more than {tail.n}, as many as {known}, no gain is foretold."


def _before_others(found: Outlook, verb: str) -> str:
    """Return which trials the figures are of, after a verb; empty where they are of all ended."""
    is_all = found.n_sample == found.n_trials
    return "" if is_all else f"{verb} drawn before the first that has not ended"


def _noise(found: Outlook) -> Iterator[str]:
    if found.noise is None:
        return
    gains = [found.last_gain, None if found.tail is None else found.tail.gain]
    known = [gain for gain in gains if gain is not None and found.basis != "exhausted"]
    small = [gain for gain in known if gain < found.noise]
    words = f"The noise of such a value is {number(found.noise)}, its standard deviation over seeds"
    if not small:
        yield f"{words}."
    elif len(known) == 1:
        yield f"{words}: the gain is smaller than that."
    else:
        which = "both gains are" if len(small) == 2 else f"the gain of {number(small[0])} is"
        yield f"{words}: {which} smaller than that."
