"""The progress of a study as one bar, in notebooks and terminals, and what comes before it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import optuna

from storage import best_point, get_budget, overview, storage_of, study_id


@contextmanager
def trials_bar(study: optuna.Study) -> Iterator[Callable[[], None]]:
    """Show how many trials have ended, and the best value; yield the function that redraws it.

    Nothing is shown where standard error is neither a notebook nor a terminal.
    """
    storage, own_id = storage_of(study), study_id(study)
    total = overview(storage, own_id).total(get_budget(storage, own_id).n_trials)
    with _bar(total=total, desc=study.study_name, unit="trial") as bar:

        def advance() -> None:
            ended = overview(storage, own_id).ended
            best = best_point(study) if ended > bar.n else None
            if best is not None:
                bar.set_postfix(best=best.value, refresh=False)
            bar.update(ended - bar.n)

        yield advance


@contextmanager
def told_here(words: str) -> Iterator[None]:
    """Show what the block does while it does it, where `trials_bar` shows something.

    Args:
        words: What it does, without the end of the sentence.
    """
    with _bar(desc=f"{words} ...", bar_format="{desc}", leave=False):
        yield


def _bar(**options: Any) -> Any:
    """Make a bar: of widgets in a notebook that has them, else of text."""
    if not _is_in_notebook():
        from tqdm.std import tqdm

        return tqdm(**options, disable=None)  # none where standard error is no terminal
    if find_spec("ipywidgets") is None:
        from tqdm.std import tqdm

        return tqdm(**options, ascii=True)
    from tqdm.notebook import tqdm as tqdm_of_widgets

    return tqdm_of_widgets(**options)


def _is_in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config
