"""A pack of claimed trials on its way through the executor child: trained side by side, recorded.

What happens to one trial costs its neighbours nothing. Where the child fails with several of them,
half of them try again, until the one that fails is alone: only that trial fails.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from optuna.trial import FrozenTrial

from storage import trial_id
from studies.executor.channel import describe_error
from studies.executor.client import (
    Executor,
    ExecutorDiedError,
    ExecutorStoppedError,
    Message,
    TrialError,
    is_out_of_memory,
)
from studies.suggest import Prepared, prepare_trials
from studies.worker.active_trial import Lane, open_lane
from studies.worker.checkpoints import remove_checkpoint
from studies.worker.database_retry import AWAY
from studies.worker.recorder import Ending, Evaluation, Outcome, ending_of, failure

REPORT_INTERVAL = 0.25  # seconds of epochs that one transaction writes
logger = logging.getLogger(__name__)
Ended = tuple[FrozenTrial, Outcome]
Claim = Callable[[int, Mapping[str, Any]], list[FrozenTrial]]


class PackRun:
    """Trains trials of one study until none is left.

    Args:
        evaluation: The study.
        executor: The child, with the study's data loaded.
        renew: Ends the child and starts another.
        claim: Takes up to so many trials more, which agree with the parameters given.
        beat: Told the numbers of the trials by their ids whenever there are others.
        save_every: Seconds of training that the loss of the worker may cost.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        executor: Executor,
        *,
        renew: Callable[[], Executor],
        claim: Claim,
        beat: Callable[[Mapping[int, int]], None],
        save_every: float,
    ) -> None:
        self._evaluation = evaluation
        self._executor = executor
        self._renew = renew
        self._claim = claim
        self._beat = beat
        self._save_every = save_every
        self._waiting: list[Lane] = []
        self._training: dict[int, Lane] = {}
        self._ended: list[Ended] = []
        self._open: dict[int, FrozenTrial] = {}  # all that have no end yet, wherever they are
        self._limit: int | None = None  # after a failure of several at once
        self._refills = True
        self._saved_at = time.monotonic()

    @property
    def lanes(self) -> list[Lane]:
        """All trials that have not ended."""
        return [*self._training.values(), *self._waiting]

    def begin(self, claimed: list[FrozenTrial]) -> list[Ended]:
        """Take claimed trials in; return those that have ended at once."""
        self._prepare(claimed, {})
        return self._take_ended()

    def step(self) -> list[Ended]:
        """Train for a moment; return the trials that have ended."""
        try:
            self._fill()
            self._train()
            if time.monotonic() - self._saved_at > self._save_every:
                self._save()
        except (TrialError, ExecutorDiedError) as error:
            self._recover(error)
        return self._take_ended()

    def abandon(self, *, save: bool, error: BaseException | None = None) -> list[Ended]:
        """Queue every trial again.

        Args:
            save: Whether there is the time for their checkpoints.
            error: What ends the worker, unless it was told to stop: any of the trials may have
                caused it, and would end the next worker too.
        """
        if save:
            with contextlib.suppress(ExecutorDiedError, ExecutorStoppedError):
                self._save()
        for claimed in list(self._open.values()):
            self._end(claimed, self._requeue(claimed, error))
        self._training, self._waiting = {}, []
        return self._take_ended()

    def _requeue(self, claimed: FrozenTrial, error: BaseException | None) -> Outcome:
        if error is None or isinstance(error, (*AWAY, KeyboardInterrupt, SystemExit)):
            return self._evaluation.requeue(claimed)
        reason = f"its worker ended by {type(error).__name__}: {error}"
        return self._evaluation.requeue(claimed, reason, lost=True)

    def _prepare(self, claimed: list[FrozenTrial], like: Mapping[str, Any]) -> None:
        """Let the sampler choose, and have the trials wait for their places."""
        self._open |= {trial_id(trial): trial for trial in claimed}
        if claimed:  # from now on they are alive, however long a sampler thinks
            self._beat({i: trial.number for i, trial in self._open.items()})
        try:
            ready = self._choose(claimed, like)
        except AWAY:
            raise
        except Exception as error:
            # As where a sampler has met numbers that it cannot compute with.
            if not claimed or not self._evaluation.is_there():
                raise
            if len(claimed) == 1:
                self._tell([failure(claimed[0], TrialError(**describe_error(error)))])
                return
            for trial in claimed:
                self._prepare([trial], like)
            return
        self._waiting += [one for one in ready if isinstance(one, Lane)]
        self._tell([one for one in ready if isinstance(one, Ending)])
        left = {one.claimed.number for one in ready}
        for trial in claimed:
            if trial.number not in left:
                self._end(trial, Outcome.LOST)

    def _choose(self, claimed: list[FrozenTrial], like: Mapping[str, Any]) -> list[Lane | Ending]:
        """Return what claimed trials are to train, or how they end; not those that others have."""
        evaluation, definition = self._evaluation, self._evaluation.definition
        # A design's points are chosen; only a sampler looks at what others have.
        with evaluation.batch(others=not definition.search.design) as lost:
            prepared = prepare_trials(
                evaluation.study,
                definition,
                claimed,
                alike=definition.structural_factors,
                like=like or None,
            )
            by_number = {trial.number: trial for trial in claimed}
            ready = [
                _lane_or_ending(evaluation, by_number[one.trial.number], one) for one in prepared
            ]
        return [one for one in ready if trial_id(one.claimed) not in lost]

    def _fill(self) -> None:
        """Give free places to trials that wait; claim more of those that train, if none does."""
        training = next(iter(self._training.values()), None)
        if training and not self._waiting and self._refills and self._room() > 0:
            self._prepare(self._claim(self._room(), training.params), training.params)
        first = training or next(iter(self._waiting), None)
        fitting = [lane for lane in self._waiting if first and lane.structure == first.structure]
        self._add(fitting[: self._room()])

    def _room(self) -> int:
        """Return how many more trials can train; there is always room for one."""
        size = self._evaluation.lanes(self._executor)
        if self._limit is not None:
            size = min(size, self._limit)
        return max(0, max(1, size) - len(self._training))

    def _add(self, lanes: list[Lane]) -> None:
        if not lanes:
            return
        self._waiting = [lane for lane in self._waiting if lane not in lanes]
        self._training |= {lane.id: lane for lane in lanes}
        self._beat({lane.id: lane.claimed.number for lane in self.lanes})
        answer = self._executor.add(self._evaluation.request([lane.task for lane in lanes]))
        for told in answer["added"]:
            self._training[told["id"]].begin(told["history"])
        self._tell(
            [
                failure(
                    self._training.pop(told["id"]).claimed,
                    TrialError(told["kind"], told["message"], told["traceback"]),
                )
                for told in answer["refused"]
            ]
        )

    def _train(self) -> None:
        """Train until a trial has ended, or for a moment; write what is reported meanwhile."""
        if not self._training:
            return
        definition = self._evaluation.definition
        prunes = definition.search.pruner != "none"
        has_ended = False
        until = time.monotonic() + REPORT_INTERVAL
        with self._evaluation.batch(others=prunes) as lost:
            while not has_ended and not self._evaluation.stopping():
                epoch = self._executor.train_epoch()
                stopped = [
                    told["id"]
                    for told in epoch
                    if not self._training[told["id"]].report(told, definition.metric, prunes=prunes)
                ]
                self._executor.stop(stopped)
                has_ended = bool(stopped) or any(told["ended"] for told in epoch)
                if time.monotonic() > until:
                    break
        self._executor.stop(lost)
        if has_ended or lost:
            self._record(self._executor.take_ended(), lost)

    def _record(self, results: list[Message], lost: Collection[int]) -> None:
        """Record the trials that have come to their end."""
        definition = self._evaluation.definition
        # An adaptive search turns to another structure only when a pack is over.
        self._refills = bool(definition.search.design) or not definition.structural_factors
        ended = [(self._training.pop(result["id"]), result) for result in results]
        endings = [
            ending_of(lane.claimed, result, lane.notes)
            for lane, result in ended
            if lane.id not in lost
        ]
        gone = {*lost, *self._evaluation.keep_best(endings, self._executor)}
        for lane, _ in ended:
            if lane.id in gone:
                self._end(lane.claimed, Outcome.LOST)
        self._tell([ending for ending in endings if trial_id(ending.claimed) not in gone])
        if self.lanes and not self._executor.is_alive:
            # It died as it saved a network: no fault of those that it was training.
            lanes, self._training = list(self._training.values()), {}
            self._put_back(lanes)
            self._executor = self._renew()

    def _save(self) -> None:
        """Write the checkpoint of each trial that trains."""
        self._saved_at = time.monotonic()
        try:
            for lane in self._training.values():
                lane.file.parent.mkdir(parents=True, exist_ok=True)
                self._executor.checkpoint(lane.id, lane.file)
        except (OSError, TrialError) as error:
            logger.warning("trials will begin anew if this worker is lost: %s", error)

    def _recover(self, error: TrialError | ExecutorDiedError) -> None:
        """Go on after a failure of the child, which may be any trial's fault."""
        lanes = list(self._training.values())
        self._training = {}
        stopping = isinstance(error, ExecutorDiedError) and self._evaluation.stopping()
        if len(lanes) == 1 and not stopping:
            (lane,) = lanes
            self._tell([failure(lane.claimed, error, lane.known())])
            self._limit = None
        else:
            self._put_back(lanes)
            self._limit = max(1, len(lanes) // 2)
            if is_out_of_memory(error):
                self._evaluation.max_lanes = self._limit
            logger.warning("%d trials at once failed, trying fewer: %s", len(lanes), error)
        if isinstance(error, ExecutorDiedError) and self._waiting and not stopping:
            self._executor = self._renew()

    def _put_back(self, lanes: list[Lane]) -> None:
        """Have trials wait that trained in a child which is no more."""
        for lane in lanes:
            lane.start_anew(self._evaluation.study)
        self._waiting = [*lanes, *self._waiting]

    def _tell(self, endings: list[Ending]) -> None:
        if endings:
            outcomes = self._evaluation.tell(endings, self._executor)
            for ending, outcome in zip(endings, outcomes, strict=True):
                self._end(ending.claimed, outcome)
                if outcome is not Outcome.LOST:  # another worker may go on from it
                    remove_checkpoint(self._evaluation.checkpoint(ending.claimed))

    def _end(self, claimed: FrozenTrial, outcome: Outcome) -> None:
        self._open.pop(trial_id(claimed), None)
        self._ended.append((claimed, outcome))

    def _take_ended(self) -> list[Ended]:
        ended, self._ended = self._ended, []
        if ended:
            self._beat({lane.id: lane.claimed.number for lane in self.lanes})
        return ended


def _lane_or_ending(
    evaluation: Evaluation, claimed: FrozenTrial, prepared: Prepared
) -> Lane | Ending:
    """Return what is to be trained, or the ending of a trial that needs no training."""
    if prepared.reused is not None:
        reused = {"reused_from": prepared.reused.number}
        return Ending(claimed, Outcome.COMPLETE, prepared.reused.value, reused)
    try:
        return open_lane(evaluation, claimed, prepared)
    except ValueError as error:  # as where a setting belongs to another optimizer
        return failure(claimed, error)
