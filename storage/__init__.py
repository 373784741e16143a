"""Studies and trials in SQL: Optuna's own tables, made safe for many workers.

This package knows Optuna and SQLAlchemy, and neither Keras nor objectives.
"""

from storage.artifacts import (
    artifact_store,
    delete_artifacts,
    drop_artifacts,
    has_artifacts,
    is_shared,
    keep_artifacts,
    read_artifact,
    worth_keeping,
)
from storage.backup import backup
from storage.batch import Batch
from storage.budget import Budget, get_budget, is_time_over, stop_study
from storage.connect import check_exists, create_storage, masked_url
from storage.copies import separate
from storage.deletion import remove_study
from storage.errors import (
    ArtifactNotKeptError,
    DatabaseNotFoundError,
    DatabaseUnreachableError,
    InvalidUrlError,
    SchemaError,
    StorageError,
    StudyGoneError,
)
from storage.failures import Failures, failures, requeue_failed
from storage.lacking import lacking_points, missing_numbers
from storage.lost_trials import (
    StaleTrial,
    begin_once,
    correct_beats,
    requeue,
    requeue_stale,
    unfinished_lineages,
)
from storage.optuna_internals import study_id, trial_id
from storage.outages import AWAY, cause_of, is_outage, wait_for_database
from storage.overview import Overview, latest_failures, overview
from storage.queue_states import QueueState, queue_states
from storage.ranking import BestPoint, Ranking, best_point, best_points, best_trial, ranking
from storage.read_trials import Parts, history_of, read_times
from storage.rounds import Plan, Round, RoundsOver, Slot, awaited_slots, queue_round
from storage.rows import FINISHED, STARTED, UNFINISHED, Point, first_attempt, latest_attempts
from storage.study_attributes import read_study_attributes, study_attributes, study_names
from storage.trial_queue import (
    beat,
    claim,
    count_claimable,
    enqueue,
    is_claimable,
    is_running,
)
from storage.trial_storage import TrialStorage, storage_of
from storage.trial_table import Column, TrialTable, started_trials, trial_table, waiting_trials
from storage.worked_time import count_time
from storage.workers import Worker, forget_worker, record_worker, workers_seen

__all__ = [
    "AWAY",
    "FINISHED",
    "STARTED",
    "UNFINISHED",
    "ArtifactNotKeptError",
    "Batch",
    "BestPoint",
    "Budget",
    "Column",
    "DatabaseNotFoundError",
    "DatabaseUnreachableError",
    "Failures",
    "InvalidUrlError",
    "Overview",
    "Parts",
    "Plan",
    "Point",
    "QueueState",
    "Ranking",
    "Round",
    "RoundsOver",
    "SchemaError",
    "Slot",
    "StaleTrial",
    "StorageError",
    "StudyGoneError",
    "TrialStorage",
    "TrialTable",
    "Worker",
    "artifact_store",
    "awaited_slots",
    "backup",
    "beat",
    "begin_once",
    "best_point",
    "best_points",
    "best_trial",
    "cause_of",
    "check_exists",
    "claim",
    "correct_beats",
    "count_claimable",
    "count_time",
    "create_storage",
    "delete_artifacts",
    "drop_artifacts",
    "enqueue",
    "failures",
    "first_attempt",
    "forget_worker",
    "get_budget",
    "has_artifacts",
    "history_of",
    "is_claimable",
    "is_outage",
    "is_running",
    "is_shared",
    "is_time_over",
    "keep_artifacts",
    "lacking_points",
    "latest_attempts",
    "latest_failures",
    "masked_url",
    "missing_numbers",
    "overview",
    "queue_round",
    "queue_states",
    "ranking",
    "read_artifact",
    "read_study_attributes",
    "read_times",
    "record_worker",
    "remove_study",
    "requeue",
    "requeue_failed",
    "requeue_stale",
    "separate",
    "started_trials",
    "stop_study",
    "storage_of",
    "study_attributes",
    "study_id",
    "study_names",
    "trial_id",
    "trial_table",
    "unfinished_lineages",
    "wait_for_database",
    "waiting_trials",
    "workers_seen",
    "worth_keeping",
]
