"""Where `hpo run` writes the trials of a study: never over a file of the user's own."""

from __future__ import annotations

import itertools
from pathlib import Path

from studies.lookup import file_name

HEADER = b"number,value,state,"  # what each table of trials begins with


def results_file(study_name: str) -> Path:
    """Return the file in the current folder for the trials of a study.

    It is named as the study is, unless a file of that name has no trials in it: a study may have
    the name of the table that it learns from.
    """
    endings = itertools.chain(
        [".csv", "-trials.csv"], (f"-trials-{i}.csv" for i in itertools.count(2))
    )
    files = (Path(file_name(study_name, ending)) for ending in endings)
    return next(file for file in files if not file.exists() or _has_trials(file))


def _has_trials(file: Path) -> bool:
    """Tell whether a file is what an earlier call has written."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(HEADER)) == HEADER
