"""Tell what a study's points come from: an array, another study's best setting, several seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage import get_budget, storage_of, study_id
from studies.attributes import ARRAY_KEY, DEFINITION_KEY, ORIGIN_KEY

if TYPE_CHECKING:
    import optuna


def design_line(study: optuna.Study) -> str | None:
    """Return a line about the orthogonal array of a study; None for another design."""
    about = study.user_attrs.get(ARRAY_KEY)
    search = study.user_attrs[DEFINITION_KEY]["search"]
    n_trials = get_budget(storage_of(study), study_id(study)).n_trials
    if about is None:
        return None
    grid = f"{about['grid']:,} points"
    if about["array"] is None:
        return f"No orthogonal array is smaller than the grid, whose {grid} are trained."
    line = f"Orthogonal array {about['array']}: {about['runs']} runs of the {grid} of the grid."
    if about["different"] < about["runs"]:
        line += f" {about['runs'] - about['different']} of them come again, with another seed."
    if about["repeated"]:
        levels = ", ".join(f"{level} of {name}" for name, level in about["repeated"].items())
        line += f" More often than others: {levels}; their pairs are in proportion."
    n_trainings = about["runs"] * search["replicates"]
    if n_trials is not None and n_trials < n_trainings:
        line += (
            f" The budget cuts it to {n_trials} of {n_trainings} trainings: only all of them have "
            "each pair of levels equally often."
        )
    return line


def seeds_line(study: optuna.Study) -> str | None:
    """Return a line about the calls of a function whose trials have several seeds, else None."""
    definition = study.user_attrs[DEFINITION_KEY]
    search, is_function = definition["search"], definition["dataset"] is None
    if not is_function or search["design"] or search["replicates"] < 2:
        return None
    first, n = search["seed"], search["replicates"]
    return (
        f"A trial calls the function with trial.seed {first} to {first + n - 1}; its value is the "
        "mean. What each comes to is reported, and not what the function itself reports."
    )


def origin_line(study: optuna.Study) -> str | None:
    """Return a line about the setting that a study has of another one; None if it has none."""
    origin = study.user_attrs.get(ORIGIN_KEY)
    if origin is None:
        return None
    setting = ", ".join(f"{name}={value}" for name, value in origin["setting"].items())
    return f"Fixed by trial {origin['trial']} of {origin['study']}, its best then: {setting}."
