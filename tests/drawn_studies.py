"""Studies of a function whose trials have ended as a test wants it, without a worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from storage import TrialStorage, claim, study_id, trial_id
from studies.create import create_study
from studies.definition.study import parse_definition
from studies.suggest import prepare_trials

HIGHEST = 99.0  # reported by trials that are pruned
RANGE = {"low": 0.0, "high": 1.0}
Value = Callable[[dict[str, Any], int], float | TrialState]


def hill(params: dict[str, Any], number: int) -> float:
    """Be highest at x = y = .5; no two trials have one value."""
    return 1 - (params["x"] - 0.5) ** 2 - (params["y"] - 0.5) ** 2 + 1e-9 * number


class Drawing:
    """Makes studies in one storage.

    Args:
        storage: The storage.
        folder: Where their artifacts are.
    """

    def __init__(self, storage: TrialStorage, folder: Path) -> None:
        self.storage = storage
        self._folder = folder

    def study(self, name: str, search: dict[str, Any], **lines: Any) -> optuna.Study:
        """Make a study, none of whose trials has begun."""
        plain = {"name": name, "objective": "user_objectives:quick", "metric": "score"}
        plain |= {"direction": "maximize", "space": {"x": RANGE, "y": RANGE}, "search": search}
        table = plain | lines
        return create_study(parse_definition(table), self.storage, artifacts=self._folder)

    def go_on(self, study: optuna.Study, n: int, value: Value = hill) -> None:
        """End `n` more trials of a study."""
        definition = parse_definition(study.user_attrs["definition"])
        claimed = claim(self.storage, study_id(study), n)
        assert len(claimed) == n
        with self.storage.batch(study_id(study)) as batch:
            for each in claimed:
                (prepared,) = prepare_trials(study, definition, [each])
                ended = value(prepared.params, each.number)
                if ended is TrialState.PRUNED:  # which Optuna gives its last report as a value
                    self.storage.set_trial_intermediate_value(trial_id(each), 1, HIGHEST)
                if isinstance(ended, TrialState):
                    study.tell(each.number, state=ended)
                else:
                    study.tell(each.number, ended)
        assert not batch.write()

    def drawn(
        self, name: str, search: dict[str, Any], n: int, value: Value = hill, **lines: Any
    ) -> optuna.Study:
        """Make a study of which `n` trials have ended."""
        study = self.study(name, search, **lines)
        self.go_on(study, n, value)
        return study
