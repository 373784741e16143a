"""CMA-ES without pickles in the database."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from studies.samplers.optuna_internals import CmaEsAdapter


class ReplayedCmaEsSampler(CmaEsAdapter):
    """CMA-ES whose state is computed again from the finished trials of each generation.

    Optuna stores the state as a pickle in the database. Anyone who can write there could thereby
    run code in every worker. Replaying the generations costs milliseconds.
    """

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Sample from the state after the generations that are complete."""
        self.check_single_objective(study)
        self._replayed_space = search_space
        self._replayed_direction = study.direction
        return super().sample_relative(study, trial, search_space)

    def state_after(self, completed: list[FrozenTrial]) -> Any:
        """Return the state after the generations that are complete."""
        # Not at the top: a private name, which only studies with this sampler may depend on.
        from studies.samplers.optuna_internals import SearchSpaceTransform

        transform = SearchSpaceTransform(
            self._replayed_space, transform_step=True, transform_0_1=True
        )
        sign = -1 if self._replayed_direction == StudyDirection.MAXIMIZE else 1
        state = self.first_state(transform, self._replayed_direction)
        while True:
            trials = self.trials_of_generation(completed, state.generation)
            if state.dim != len(transform.bounds) or len(trials) < state.population_size:
                return state
            state.tell(
                [
                    (transform.transform(trial.params), sign * trial.value)
                    for trial in trials[: state.population_size]
                    if trial.value is not None
                ]
            )
