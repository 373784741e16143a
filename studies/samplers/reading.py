"""What samplers and pruners read of the trials that other workers execute."""

from __future__ import annotations

from optuna.trial import TrialState

from storage import STARTED, Parts
from studies.definition.sampler_options import read_pruner
from studies.definition.search import SearchOptions
from studies.space.parse_space import SEED

COMPARE_NOTHING = ("none", "threshold")  # pruners that look at no other trial
# A sampler ranks a pruned trial by its last report.
FOR_SAMPLERS = (TrialState.RUNNING, TrialState.PRUNED)


def parts_to_read(search: SearchOptions) -> Parts:
    """Return what a search needs of each trial: never its history, and seldom its reports.

    Args:
        search: How the points of the study are chosen, and which trials are pruned.
    """
    compares = read_pruner(search.pruner)[0] not in COMPARE_NOTHING
    return Parts(user_attrs=(SEED,), histories=False, reports=STARTED if compares else FOR_SAMPLERS)
