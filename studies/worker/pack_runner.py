"""Train a pack of claimed trials in the executor child, side by side, and record each one's end.

What happens to one trial costs its neighbours nothing. Where the child fails with several trials,
it is tried with half of them, and again, until the one that fails trains alone: only that one ends.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping
from typing import Any

from optuna.trial import FrozenTrial

from storage import AWAY, trial_id
from storage.study_attributes import SEED_VALUES_KEY
from studies.attributes import SEED_STD_KEY
from studies.errors import (
    ExecutorDiedError,
    ExecutorStoppedError,
    ExecutorTimeoutError,
    TrialError,
)
from studies.executor.client import Executor, as_trial_error, is_out_of_memory
from studies.executor.protocol import AddTrials, TrialResult
from studies.executor.report import report_error
from studies.suggest import Prepared, prepare_trials, reads_others
from studies.worker.active_trial import ActiveTrial, open_trial
from studies.worker.checkpoints import note_given_up, remove_checkpoint
from studies.worker.keep_models import ModelKeeper
from studies.worker.open_studies import OpenStudy
from studies.worker.outcome import EndedTrial, Outcome, from_error, from_result, timed_out
from studies.worker.recorder import Recorder
from studies.worker.session import Session

OF_SEEDS = (SEED_VALUES_KEY, SEED_STD_KEY)  # what a reused trial of several seeds has of them
REPORT_INTERVAL = 0.25  # seconds of epochs that one transaction writes
# Seconds that an epoch may go on after a trial's time is over. Then the child is ended, which costs
# the other trials all that came after their last checkpoints.
LAST_EPOCH = 5.0


class PackRunner:
    """Trains trials of one study until none is left.

    Args:
        session: The worker.
        study: The study.
        executor: The child, with the study's data loaded.
    """

    def __init__(self, session: Session, study: OpenStudy, executor: Executor) -> None:
        self._session = session
        self._study = study
        self._executor = executor
        self._recorder = Recorder(session.database, study, session.name)
        self._models = ModelKeeper(session.database, study, session.log)
        self._waiting: list[ActiveTrial] = []
        self._training: dict[int, ActiveTrial] = {}
        self._ended: list[EndedTrial] = []
        self._open: dict[int, FrozenTrial] = {}  # all that have no end yet, wherever they are
        self._limit: int | None = None  # after a failure of several at once
        self._refills = True
        self._saved_at = time.monotonic()

    @property
    def active(self) -> list[ActiveTrial]:
        """All trials that have not ended."""
        return [*self._training.values(), *self._waiting]

    def begin(self, claimed: list[FrozenTrial]) -> list[EndedTrial]:
        """Take claimed trials in; return those that have ended at once."""
        self._prepare(claimed, {})
        return self._take_ended()

    def step(self) -> list[EndedTrial]:
        """Train for a moment; return the trials that have ended."""
        try:
            self._fill()
            self._train()
            if time.monotonic() - self._saved_at > self._session.save_every:
                self._save()
        except ExecutorTimeoutError:
            self._drop_overdue()
        except (TrialError, ExecutorDiedError) as error:
            self._recover(error)
        return self._take_ended()

    def abandon(self, *, save: bool, error: BaseException | None = None) -> list[EndedTrial]:
        """Queue every trial again.

        Args:
            save: Whether there is the time for their checkpoints.
            error: What ends the worker, unless it was told to stop: any of the trials may have
                caused it, and would end the next worker too.
        """
        if save:
            with contextlib.suppress(ExecutorDiedError, ExecutorStoppedError):
                self._save()
        try:
            for claimed in list(self._open.values()):
                self._end(self._requeue(claimed, error))
        except AWAY:
            if _is_no_fault(error):
                for claimed in self._open.values():
                    note_given_up(self._study.checkpoint(claimed), claimed)
            raise
        self._training, self._waiting = {}, []
        return self._take_ended()

    def _requeue(self, claimed: FrozenTrial, error: BaseException | None) -> EndedTrial:
        if _is_no_fault(error):
            return self._recorder.requeue(claimed)
        reason = f"its worker ended by {type(error).__name__}: {error}"
        return self._recorder.requeue(claimed, reason, lost=True)

    def _prepare(self, claimed: list[FrozenTrial], like: Mapping[str, Any]) -> None:
        """Let the sampler choose, and have the trials wait for their places."""
        self._open |= {trial_id(trial): trial for trial in claimed}
        if claimed:  # from now on they are alive, however long a sampler thinks
            self._session.begin(self._study, {i: each.number for i, each in self._open.items()})
        try:
            ready = self._choose(claimed, like)
        except AWAY:
            raise
        except Exception as error:
            # As where a sampler has met numbers that it cannot compute with.
            if not claimed or not self._session.database.has_study(self._study.id):
                raise
            if len(claimed) == 1:
                self._record([from_error(claimed[0], as_trial_error(report_error(error)))])
                return
            for trial in claimed:
                self._prepare([trial], like)
            return
        self._waiting += [one for one in ready if isinstance(one, ActiveTrial)]
        self._record([one for one in ready if isinstance(one, EndedTrial)])
        left = {one.claimed.number for one in ready}
        for trial in claimed:
            if trial.number not in left:
                self._end(EndedTrial(trial, Outcome.LOST))

    def _choose(
        self, claimed: list[FrozenTrial], like: Mapping[str, Any]
    ) -> list[ActiveTrial | EndedTrial]:
        """Return the claimed trials, ready to train or ended, without those that others have."""
        study, definition = self._study, self._study.definition
        others = reads_others(definition, claimed)
        ready: list[ActiveTrial | EndedTrial] = []
        while claimed:
            with self._session.database.batch(study.id, others=others) as batch:
                prepared = prepare_trials(
                    study.study,
                    definition,
                    claimed,
                    alike=definition.structural_factors,
                    like=like or None,
                )
                by_number = {trial.number: trial for trial in claimed}
                new = [_open_or_end(study, by_number[one.trial.number], one) for one in prepared]
            unwritten = batch.lost | batch.taken
            ready += [one for one in new if trial_id(one.claimed) not in unwritten]
            # Another worker has chosen the same points, from an equal copy of the study.
            claimed = [trial for trial in claimed if trial_id(trial) in batch.taken]
            like = next((one.trial.params for one in ready if isinstance(one, ActiveTrial)), like)
        return ready

    def _fill(self) -> None:
        """Give free places to trials that wait; where none does, claim more of the same kind."""
        training = next(iter(self._training.values()), None)
        if training and not self._waiting and self._refills and self._room() > 0:
            claimed = self._session.claims.take(self._study, self._room(), training.params)
            self._prepare(claimed, training.params)
        first = training or next(iter(self._waiting), None)
        fitting = [each for each in self._waiting if first and each.structure == first.structure]
        self._add(fitting[: self._room()])

    def _room(self) -> int:
        """Return how many more trials can train; there is always room for one."""
        size = self._study.pack_size(self._executor)
        if self._limit is not None:
            size = min(size, self._limit)
        return max(0, max(1, size) - len(self._training))

    def _add(self, trials: list[ActiveTrial]) -> None:
        """Have trials of one structure train."""
        if not trials or self._study.dataset is None:
            return
        self._waiting = [each for each in self._waiting if each not in trials]
        self._training |= {each.id: each for each in trials}
        self._beat()
        for each in trials:
            each.start()
        definition = self._study.definition
        files = {each.id: each.task.checkpoint for each in trials}
        saved = {i for i, file in files.items() if file is not None and file.exists()}
        answer = self._executor.add(
            AddTrials(
                objective=self._study.objective,
                dataset=self._study.dataset,
                levels=definition.levels,
                metric=definition.metric,
                maximize=definition.direction == "maximize",
                tasks=[each.task for each in trials],
                one_by_one=definition.search.one_by_one,
            ),
            self._seconds_left(),
        )
        for added in answer.added:
            resumed_after = self._training[added.id].begin(added.history)
            anew = "begins anew: it cannot go on from its checkpoint"
            starts = anew if added.id in saved else "starts"
            self._session.log.info(
                "training %s",
                f"goes on after epoch {resumed_after}" if resumed_after else starts,
                trial=self._training[added.id].claimed.number,
            )
        refused = [
            from_error(self._training.pop(each.id).claimed, as_trial_error(each.error))
            for each in answer.refused
        ]
        self._record(refused)

    def _train(self) -> None:
        """Train until a trial has ended, or for a moment; write the reports of that time."""
        if not self._training:
            return
        definition = self._study.definition
        prunes = definition.search.pruner != "none"
        has_ended = False
        until = time.monotonic() + REPORT_INTERVAL
        with self._session.database.batch(self._study.id, others=prunes) as batch:
            while not has_ended and not self._session.stop.stopping():
                epochs = self._executor.train_epoch(self._seconds_left())
                stopped = [
                    each.id
                    for each in epochs
                    if not self._training[each.id].report(each, definition.metric, prunes=prunes)
                ]
                stopped += self._overdue({each.id for each in epochs if not each.ended})
                self._executor.stop(stopped)
                has_ended = bool(stopped) or any(each.ended for each in epochs)
                if time.monotonic() > until:
                    break
        self._executor.stop(batch.lost)
        if has_ended or batch.lost:
            self._record_results(self._executor.take_ended(), batch.lost)

    def _record_results(self, results: list[TrialResult], lost: Collection[int]) -> None:
        """Record the trials that have come to their end."""
        definition = self._study.definition
        # An adaptive search turns to another structure only when a pack is over.
        self._refills = definition.search.lists_points or not definition.structural_factors
        trials = [(self._training.pop(result.id), result) for result in results]
        ended = [self._end_of(*each) for each in trials if each[0].id not in lost]
        gone = {*lost, *self._models.keep_best(ended, self._executor)}
        for trial, _ in trials:
            if trial.id in gone:
                self._end(EndedTrial(trial.claimed, Outcome.LOST))
        self._record([each for each in ended if trial_id(each.claimed) not in gone])
        if self.active and not self._executor.is_alive:
            # It died as it saved a network: no fault of those that it was training.
            training, self._training = list(self._training.values()), {}
            self._put_back(training)
            self._executor = self._session.slot.renew(self._study)

    def _end_of(self, trial: ActiveTrial, result: TrialResult) -> EndedTrial:
        limit = self._study.definition.search.trial_timeout
        if trial.is_overdue and limit is not None:
            return timed_out(trial.claimed, limit, {**trial.notes, **result.attributes})
        return from_result(trial.claimed, result, trial.notes)

    def _seconds_left(self) -> float | None:
        """Return how long the child may take now; None for no limit."""
        limit = self._study.definition.search.trial_timeout
        if limit is None:
            return None
        longest = max((each.seconds for each in self._training.values()), default=0.0)
        return max(0.0, limit - longest) + LAST_EPOCH

    def _overdue(self, ids: Collection[int]) -> list[int]:
        """Return which of these trials have trained for too long, and mark them."""
        limit = self._study.definition.search.trial_timeout
        found = [i for i in ids if limit is not None and self._training[i].seconds > limit]
        for i in found:
            self._training[i].is_overdue = True
        return found

    def _drop_overdue(self) -> None:
        """Fail the trials that train for too long; the child has ended, and the others go on."""
        limit = self._study.definition.search.trial_timeout or 0.0
        training, self._training = self._training, {}
        overdue = [each for each in training.values() if each.seconds > limit]
        self._record([timed_out(each.claimed, limit, each.known()) for each in overdue])
        self._put_back([each for each in training.values() if each not in overdue])
        if self._waiting:
            self._executor = self._session.slot.renew(self._study)

    def _save(self) -> None:
        """Write the checkpoint of each trial that trains."""
        self._saved_at = time.monotonic()
        try:
            for each in self._training.values():
                if each.task.checkpoint is not None:
                    each.task.checkpoint.parent.mkdir(parents=True, exist_ok=True)
                    self._executor.checkpoint(each.id, each.task.checkpoint)
        except (OSError, TrialError) as error:
            self._session.log.warning("trials will begin anew if this worker is lost: %s", error)

    def _recover(self, error: TrialError | ExecutorDiedError) -> None:
        """Go on after a failure of the child, which may be any trial's fault."""
        training = list(self._training.values())
        self._training = {}
        stopping = isinstance(error, ExecutorDiedError) and self._session.stop.stopping()
        if len(training) == 1 and not stopping:
            (trial,) = training
            self._record([from_error(trial.claimed, error, trial.known())])
            self._limit = None
        else:
            self._put_back(training)
            self._limit = max(1, len(training) // 2)
            if is_out_of_memory(error):
                self._study.max_pack_size = self._limit
            self._session.log.warning(
                "%d trials at once failed, trying fewer: %s", len(training), error
            )
        if isinstance(error, ExecutorDiedError) and self._waiting and not stopping:
            self._executor = self._session.slot.renew(self._study)

    def _put_back(self, trials: list[ActiveTrial]) -> None:
        """Have trials wait that trained in a child that has failed."""
        for each in trials:
            each.restart(*self._session.database.reopen_trial(self._study.study, each.id))
        self._waiting = [*trials, *self._waiting]

    def _record(self, ended: list[EndedTrial]) -> None:
        if not ended:
            return
        for each in self._recorder.record(ended, self._executor):
            self._end(each)
            if each.outcome is not Outcome.LOST:  # another worker may go on from it
                remove_checkpoint(self._study.checkpoint(each.claimed))
        self._models.drop_surplus()

    def _end(self, ended: EndedTrial) -> None:
        self._open.pop(trial_id(ended.claimed), None)
        self._ended.append(ended)

    def _take_ended(self) -> list[EndedTrial]:
        ended, self._ended = self._ended, []
        if ended:
            self._beat()
        return ended

    def _beat(self) -> None:
        self._session.begin(self._study, {each.id: each.claimed.number for each in self.active})


def _is_no_fault(error: BaseException | None) -> bool:
    """Tell whether a worker ends for a reason that none of its trials can have caused."""
    return error is None or isinstance(error, (*AWAY, KeyboardInterrupt, SystemExit))


def _open_or_end(
    study: OpenStudy, claimed: FrozenTrial, prepared: Prepared
) -> ActiveTrial | EndedTrial:
    """Return a trial ready to train, or the end of one that needs no training."""
    if prepared.reused is not None:
        seeds = {k: v for k, v in prepared.reused.user_attrs.items() if k in OF_SEEDS}
        reused = {"reused_from": prepared.reused.number, **seeds}
        return EndedTrial(claimed, Outcome.COMPLETE, prepared.reused.value, reused)
    try:
        return open_trial(study, claimed, prepared)
    except ValueError as error:  # as where a setting belongs to another optimizer
        return from_error(claimed, error)
