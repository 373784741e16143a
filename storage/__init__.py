"""Where trials live: Optuna's own tables in SQL, made safe for many workers.

This package knows Optuna and SQLAlchemy, and neither Keras nor objectives.
"""

from storage.artifacts import (
    artifact_store,
    delete_artifacts,
    drop_artifacts,
    in_order,
    keep_artifacts,
    kept_artifacts,
    read_artifact,
)
from storage.batch import Batch
from storage.connect import TrialStorage, create_storage
from storage.deletion import remove_study
from storage.optuna_internals import storage_of, study_id, trial_id
from storage.overview import Overview, overview, study_attributes
from storage.retries import requeue, requeue_stale
from storage.rows import Point, first_attempt
from storage.trial_queue import (
    Budget,
    beat,
    claim,
    count_claimable,
    enqueue,
    get_budget,
    is_claimable,
    is_running,
    record_attributes,
)
from storage.workers import Worker, forget_worker, record_worker, workers_seen

__all__ = [
    "Batch",
    "Budget",
    "Overview",
    "Point",
    "TrialStorage",
    "Worker",
    "artifact_store",
    "beat",
    "claim",
    "count_claimable",
    "create_storage",
    "delete_artifacts",
    "drop_artifacts",
    "enqueue",
    "first_attempt",
    "forget_worker",
    "get_budget",
    "in_order",
    "is_claimable",
    "is_running",
    "keep_artifacts",
    "kept_artifacts",
    "overview",
    "read_artifact",
    "record_attributes",
    "record_worker",
    "remove_study",
    "requeue",
    "requeue_stale",
    "storage_of",
    "study_attributes",
    "study_id",
    "trial_id",
    "workers_seen",
]
