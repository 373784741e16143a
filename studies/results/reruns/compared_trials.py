"""How far a trial and its repetition agree: in each epoch, in their values, in how they failed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import optuna
from optuna.artifacts import get_all_artifact_meta
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import FrozenTrial, TrialState

from storage import artifact_store, history_of, storage_of
from storage.study_attributes import FAIL_REASON_KEY, HISTORY_KEY, SEED_VALUES_KEY
from studies.attributes import ARTIFACTS_KEY, LANES_KEY
from studies.results.reruns.again import Again, last_epoch
from studies.results.reruns.kept_weights import flat, is_of_network, kept_weights
from studies.statistics.agreement import Agreement, Verdict, agreement, agreements, worst

if TYPE_CHECKING:
    from studies.definition.study import StudyDefinition

Failure = Literal[
    "fails again, for the same reason",
    "fails again, for another reason",
    "does not fail again",
    "fails only now",
]
REPORT = "report"  # what a function has reported, where networks have metrics


@dataclass(frozen=True)
class Compared:
    """How far two trials agree.

    Attributes:
        metrics: How far each metric, the values and the kept weights agree.
        verdict: The verdict on all of them, and on how the trials ended.
        failure: How both failed, where one did.
        series: Metric -> its numbers, of both.
        steps: The epochs of these numbers, or the steps that a function has reported.
        notes: What else is to be known, each a sentence.
    """

    metrics: list[Agreement]
    verdict: Verdict
    failure: Failure | None
    series: tuple[Mapping[str, Sequence[Any]], Mapping[str, Sequence[Any]]]
    steps: list[int]
    notes: list[str]


def compared(
    definition: StudyDefinition,
    first: FrozenTrial,
    again: Again,
    kept: Sequence[bytes],
) -> Compared:
    """Compare a trial with its repetition.

    Args:
        definition: The study's definition.
        first: The trial.
        again: Its repetition.
        kept: The content of the first one's kept network; empty where none is kept.
    """
    steps, series = _series(definition, first, again)
    found = agreements(*series)
    found += _values(first, again)
    notes = _notes(definition, first)
    if kept and again.files:
        file = next(each for each in again.files if is_of_network(each))
        one, other = kept_weights(kept[0]), kept_weights(file.read_bytes())
        found.append(agreement("kept weights", flat(one), flat(other)))
    elif not definition.is_function and first.state is TrialState.COMPLETE:
        notes.append("The weights of the first one are not kept, so they are not compared.")
    failure = _failure(first, again)
    notes += _reasons(first, again)
    verdict = worst(found)
    if failure not in (None, "fails again, for the same reason"):
        verdict = "different"
    return Compared(found, verdict, failure, series, steps, notes)


def _series(
    definition: StudyDefinition, first: FrozenTrial, again: Again
) -> tuple[list[int], tuple[dict[str, list[Any]], dict[str, list[Any]]]]:
    """Return the steps that are compared, and what both have at them, by name."""
    # What the second one did after the first one's untimely end, nothing can be compared with.
    is_whole = first.state is TrialState.COMPLETE
    if again.reports is not None:
        one, other = first.intermediate_values, again.reports
        end = max([*one, *other] if is_whole else one, default=0)
        steps = [step for step in sorted({*one, *other}) if step <= end]
        both = ({REPORT: [each.get(step) for step in steps]} for each in (one, other))
        return steps, (next(both), next(both)) if steps else ({}, {})
    before, now = history_of(first), dict(again.ended.attributes.get(HISTORY_KEY, {}))
    if not is_whole:
        n = max(map(len, before.values()), default=0)
        now = {name: values[:n] for name, values in now.items() if n > 0}
    n = max((len(each) for each in (*before.values(), *now.values())), default=0)
    return list(range(1, n + 1)), (before, now)


def _values(first: FrozenTrial, again: Again) -> list[Agreement]:
    """Compare the values of a complete trial; Optuna gives a pruned one that of its last report."""
    if first.state is not TrialState.COMPLETE:
        return []
    attributes = again.ended.attributes
    before = {"value": [first.value]}
    now: dict[str, Any] = {"value": [] if again.ended.value is None else [again.ended.value]}
    for key in (SEED_VALUES_KEY, "fold_values"):
        if key in first.user_attrs:
            before[key], now[key] = first.user_attrs[key], attributes.get(key, [])
    return agreements(before, now)


def _failure(first: FrozenTrial, again: Again) -> Failure | None:
    """Compare how both failed; a trial that its limit of time ended has not failed by itself."""
    now = again.ended.attributes.get(FAIL_REASON_KEY)
    is_over_time = last_epoch(first) is not None and first.state is TrialState.FAIL
    if first.state is not TrialState.FAIL or (is_over_time and again.reports is None):
        return None if now is None else "fails only now"
    if now is None:
        return "does not fail again"
    is_same = _plain(first.user_attrs.get(FAIL_REASON_KEY)) == _plain(now)
    return "fails again, for the same reason" if is_same else "fails again, for another reason"


def _reasons(first: FrozenTrial, again: Again) -> list[str]:
    """Return why each of the two failed, a sentence for each that did."""
    pairs = (("first", first.user_attrs), ("second", again.ended.attributes))
    found = [(which, each.get(FAIL_REASON_KEY)) for which, each in pairs]
    lines = [(which, str(reason).partition("\n")[0]) for which, reason in found if reason]
    if len({line for _, line in lines}) == 1 and len(lines) == 2:
        return [f"Both failed: {lines[0][1].rstrip('.')}."]
    return [f"The {which} one failed: {line.rstrip('.')}." for which, line in lines]


def _plain(reason: Any) -> str:
    """Return a reason without addresses in memory, which differ each time."""
    return re.sub(r"0x[0-9a-fA-F]+", "0x", str(reason))


def _notes(definition: StudyDefinition, first: FrozenTrial) -> list[str]:
    attributes, notes = first.user_attrs, []
    if not definition.is_function and not attributes.get(LANES_KEY):
        notes.append(
            "In how many lanes the first one trained is not recorded: the second one trained alone."
        )
    if attributes.get("resumed_after"):
        notes.append(
            f"The first one went on from a checkpoint after epoch {attributes['resumed_after']}; "
            "the second one trained without a break."
        )
    if first.state is TrialState.PRUNED:
        last = last_epoch(first) or max(first.intermediate_values, default=0)
        ended = "is compared up to there" if definition.is_function else "was ended there too"
        notes.append(f"The first one was pruned after {last}; the second one {ended}.")
    elif last_epoch(first) is not None and not definition.is_function:
        notes.append(
            f"The study's trial_timeout ended the first one after epoch {last_epoch(first)}; the "
            "second one was ended there too."
        )
    return notes


def kept_networks(study: optuna.Study, trial: FrozenTrial) -> list[bytes]:
    """Return the content of the kept network of a trial, if it is kept on this machine."""
    storage, store = storage_of(study), artifact_store(study.user_attrs[ARTIFACTS_KEY])
    found = []
    for meta in get_all_artifact_meta(trial, storage=storage):
        if is_of_network(meta.filename):
            try:
                with store.open_reader(meta.artifact_id) as reader:
                    found.append(reader.read())
            except ArtifactNotFound:
                continue
    return found
