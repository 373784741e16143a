"""What a person should know of a study that has stopped, and how to go on with it."""

from __future__ import annotations

from contextlib import suppress
from shlex import quote

import optuna
from optuna.trial import TrialState

from objectives.code.names import module_to_allow
from storage import (
    Overview,
    Point,
    awaited_slots,
    failures,
    get_budget,
    is_time_over,
    lacking_points,
    missing_numbers,
    storage_of,
    study_id,
)
from studies.attributes import CODE_KEY, CODE_SHA256_KEY, DEFINITION_KEY
from studies.cli.format import parameter
from studies.lookup import as_argument, definition_of

SHOWN = 3  # of the points or trials that are missing


def work_arguments(study: optuna.Study) -> str:
    """Return the arguments with which `hpo run` or `hpo worker` works on a study."""
    function = _function_of(study)
    name = as_argument(study.study_name)
    return name if function is None else f"--allow-module {quote(module_to_allow(function))} {name}"


def unchecked_note(study: optuna.Study) -> str | None:
    """Return, of a study of an own function, that this function was not looked for."""
    function = _function_of(study)
    if function is None:
        return None
    return (
        f"A worker looks for its function {function} before the first trial; "
        f"hpo create {work_arguments(study)} looks for it here."
    )


def time_note(study: optuna.Study, progress: Overview) -> str | None:
    """Return that the timeout is over and how to go on, where that has left something open."""
    storage, own_id = storage_of(study), study_id(study)
    budget = get_budget(storage, own_id)
    if budget.timeout is None or not is_time_over(storage, own_id):
        return None
    waiting = progress.counts[TrialState.WAITING]
    begun = progress.ended + progress.counts[TrialState.RUNNING]
    if not waiting and not (budget.adaptive and begun < (budget.n_trials or begun + 1)):
        return None
    larger = _as_timeout(2 * budget.timeout)
    left = f", and {_trials(waiting)} still waiting" if waiting else ""
    return (
        f"The timeout of {_as_timeout(budget.timeout)} is over{left}. Go on with a larger one: "
        f"hpo run --set search.timeout={larger} {work_arguments(study)}"
    )


def stopped_by(study: optuna.Study) -> int | None:
    """Return the number of the trial whose function has ended the study, if one has."""
    return get_budget(storage_of(study), study_id(study)).stopped_by


def stop_note(study: optuna.Study) -> str | None:
    """Return which trial's function has ended the study, and how to go on."""
    by = stopped_by(study)
    if by is None:
        return None
    return (
        f"{study.study_name} was stopped by the function of trial {by} (study.stop); "
        "another budget goes on: -n, or --set search.timeout; so does hpo retry"
    )


def rule_note(study: optuna.Study) -> str | None:
    """Return that a study in rounds has ended by its own rule, and why."""
    over = get_budget(storage_of(study), study_id(study)).over
    return None if over is None else f"{study.study_name} has ended by its own rule: {over}"


def round_note(study: optuna.Study) -> str | None:
    """Return for how many trials of which round a study waits, in which nothing can be claimed."""
    awaited = awaited_slots(storage_of(study), study_id(study))
    return None if awaited is None else "waits for {} of round {}".format(*awaited)


def missing_note(study: optuna.Study, progress: Overview) -> str | None:
    """Return which trials, or points of a design, are missing: rows were deleted by hand."""
    storage, own_id = storage_of(study), study_id(study)
    budget = get_budget(storage, own_id)
    there = progress.lineages
    if budget.adaptive:
        return _missing_trials(missing_numbers(storage, own_id))
    if budget.n_trials is None or there >= budget.n_trials:
        return None
    from studies.designs.added_seeds import added_seeds
    from studies.designs.points import initial_points  # reads definitions and objectives

    lacking: list[Point] = []
    with suppress(ValueError):  # as where its data are not on this machine
        definition = definition_of(study).with_budget(budget.n_trials)
        points = initial_points(definition, added_seeds(study.user_attrs))
        lacking = lacking_points(storage, own_id, points)
    words = ["; ".join(_point(point) for point in lacking[:SHOWN])] if lacking else []
    words += [f"and {len(lacking) - SHOWN} more"] if len(lacking) > SHOWN else []
    return (
        f"{budget.n_trials - there} of {budget.n_trials} points of the design are missing, their "
        f"rows were deleted{': ' if words else ''}{' '.join(words)}. "
        f"Queue them again: hpo create {as_argument(study.study_name)}"
    )


def _missing_trials(numbers: list[int]) -> str | None:
    if not numbers:
        return None
    shown = ", ".join(map(str, numbers[:SHOWN]))
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    if len(numbers) == 1:
        return f"Trial {shown} is missing, its row was deleted. Another takes its place in n_trials"
    return (
        f"Trials {shown}{more} are missing, their rows were deleted. "
        "Others take their places in n_trials"
    )


def failure_note(study: optuna.Study, progress: Overview) -> str | None:
    """Return how many trials failed, why the first did, and how to queue them again."""
    storage, own_id = storage_of(study), study_id(study)
    failed = failures(storage, own_id)
    if not failed.numbers:
        return None
    name = as_argument(study.study_name)
    reason = failed.reason.partition("\n")[0] or "no reason is known"
    lines = [
        f"{len(failed.numbers)} of {_trials(progress.lineages)} failed. "
        f"The first, trial {failed.numbers[0]}: {reason}"
    ]
    if failed.has_traceback:
        lines.append(f"Its traceback: hpo status --trial {failed.numbers[0]} {name}")
    return "\n".join([*lines, f"Queue them again: hpo retry {name}"])


def code_note(study: optuna.Study) -> str | None:
    """Return that trials of an own network were built by several versions of its code."""
    if CODE_KEY not in study.user_attrs:
        return None
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    hashes = {str(trial.user_attrs.get(CODE_SHA256_KEY)): trial.number for trial in complete}
    if len(hashes) < 2:
        return None
    shown = ", ".join(f"{sha[:8]} (as trial {number})" for sha, number in hashes.items())
    return (
        f"These trials were built by {len(hashes)} versions of the code: {shown}. Their values "
        "may not be comparable; code_sha256 in hpo export tells which is whose."
    )


def way_note(study: optuna.Study) -> str | None:
    """Return in which way an own network is trained, and why in no faster one."""
    code = study.user_attrs.get(CODE_KEY)
    return None if code is None else f"trained by {code['trained_by']}: {code['reason']}"


def _function_of(study: optuna.Study) -> str | None:
    """Return the function that is a study's objective; None where it is a registered one."""
    objective = str(study.user_attrs.get(DEFINITION_KEY, {}).get("objective"))
    return objective if ":" in objective else None


def _point(point: Point) -> str:
    return ", ".join(f"{name} {parameter(value)}" for name, value in point.params.items())


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"


def _as_timeout(seconds: float) -> str:
    """Return a duration as a definition may have it: `6h`."""
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{round(seconds / size)}{unit}"
    return f"{seconds:g}s"
