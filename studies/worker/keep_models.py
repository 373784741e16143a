"""Keep the networks of a study's best trials, and the figures of what they predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial

from storage import artifact_store, trial_id
from studies.errors import ExecutorDiedError, TrialError
from studies.executor.client import Executor
from studies.executor.protocol import DrawFigures
from studies.worker.checkpoints import mark_of
from studies.worker.database_retry import RetryingDatabase
from studies.worker.log import WorkerLog
from studies.worker.open_studies import OpenStudy
from studies.worker.outcome import EndedTrial


class ModelKeeper:
    """Keeps the networks of the best trials of a study, as many as its definition asks for.

    Args:
        database: The storage.
        study: The study.
        log: The worker's log.
    """

    def __init__(self, database: RetryingDatabase, study: OpenStudy, log: WorkerLog) -> None:
        self._database = database
        self._study = study
        self._log = log
        self._has_kept = False  # a network, since surplus ones were last dropped

    def keep_best(self, ended: Sequence[EndedTrial], executor: Executor) -> set[int]:
        """Keep the networks of those trials that are about to end among the best.

        Args:
            ended: Trials that the child has just taken out.
            executor: The child.

        Returns:
            The ids of trials that have ended elsewhere meanwhile.
        """
        # A trial of folds has a network for each; `hpo model` trains one on all of the data.
        keep = 0 if self._study.definition.data.folds else self._study.definition.keep
        valued = {trial_id(each.claimed): each for each in ended if each.value is not None}
        if not valued or not keep:
            return set()
        new = {i: each.value for i, each in valued.items() if each.value is not None}
        gone: set[int] = set()
        for rank, i in enumerate(self._database.worth_keeping(self._study.id, keep, new)):
            if i in valued:
                try:
                    self._keep(valued[i].claimed, executor, is_best=rank == 0)
                except UpdateFinishedTrialError:
                    gone.add(i)
        return gone

    def keep_files(self, ended: EndedTrial, files: Sequence[Path]) -> None:
        """Keep files of a function's trial that is about to end among the best."""
        keep = self._study.definition.keep
        if ended.value is None or not files or not keep:
            return
        i = trial_id(ended.claimed)
        if i not in self._database.worth_keeping(self._study.id, keep, {i: ended.value}):
            return
        number = ended.claimed.number
        try:
            store = artifact_store(self._study.artifacts)
            named = {self._artifact_id(): each for each in files}
            self._database.keep_artifacts(store, ended.claimed, named)
            self._has_kept = True
        except UpdateFinishedTrialError:
            return  # ended elsewhere, which is found again when it is recorded
        except OSError as error:  # a full disk must not cost the result
            self._log.warning("the files of trial %d are not kept: %s", number, error, trial=number)

    def drop_surplus(self) -> None:
        """Remove the networks that better ones have pushed out; call it once these have ended."""
        if not self._has_kept:
            return
        self._has_kept = False
        try:
            store = artifact_store(self._study.artifacts)
            self._database.drop_artifacts(store, self._study.id, self._study.definition.keep)
        except OSError as error:
            self._log.warning("networks that are not among the best are still kept: %s", error)

    def _keep(self, claimed: FrozenTrial, executor: Executor, *, is_best: bool) -> None:
        """Keep the network of a trial, and its figures."""
        try:
            with TemporaryDirectory(prefix="hpo-") as name:
                folder = Path(name)
                file = folder / f"trial-{claimed.number}.keras"
                saved = executor.save(trial_id(claimed), file)
                store = artifact_store(self._study.artifacts)
                figures = self._draw(claimed, executor, folder, is_best=is_best)
                files = {self._artifact_id(): each for each in (*saved, *figures)}
                self._database.keep_artifacts(store, claimed, files)
                self._has_kept = True
        except (OSError, TrialError, ExecutorDiedError) as error:
            # A full disk, here or in the child, or a folder that this machine does not have, must
            # not cost the result.
            self._log.warning(
                "the network of trial %d is not kept: %s",
                claimed.number,
                error,
                trial=claimed.number,
            )

    def _artifact_id(self) -> str:
        """Return a new id, by which the file shows its study once this is deleted."""
        return f"{mark_of(self._study.created_at)}-{uuid4()}"

    def _draw(
        self, claimed: FrozenTrial, executor: Executor, folder: Path, *, is_best: bool
    ) -> list[Path]:
        """Draw figures of a trial, and show those of the best one on the study's page."""
        dataset = self._study.dataset
        if dataset is None:
            return []
        try:
            drawn = executor.draw(DrawFigures(self._study.objective, dataset, folder))
        except TrialError as error:
            self._log.warning(
                "no figures of trial %d: %s", claimed.number, error, trial=claimed.number
            )
            return []
        if drawn.plots and is_best:
            show_plots(self._database, self._study.study, drawn.plots)
        return drawn.files


def show_plots(database: RetryingDatabase, study: optuna.Study, plots: Mapping[str, str]) -> None:
    """Show plots on a study's page in the dashboard: name -> Plotly's JSON."""
    import plotly.io
    from optuna_dashboard import save_plotly_graph_object

    def save() -> None:
        for name, text in plots.items():
            figure = plotly.io.from_json(text)
            save_plotly_graph_object(study, figure, graph_object_id=name)

    # The dashboard keeps a plot in many attributes, and fails to read half of them.
    database.update_study(study, save)
