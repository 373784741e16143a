"""Where trials live: Optuna's own tables in SQL, made safe for many workers.

This package knows Optuna and SQLAlchemy, and neither Keras nor objectives.
"""

from storage.artifacts import (
    artifact_store,
    best_artifact,
    delete_artifacts,
    keep_best,
)
from storage.connect import TrialStorage, create_storage, masked_url
from storage.registry import Worker, forget_worker, record_worker, workers_seen
from storage.trial_queue import (
    Budget,
    beat,
    cancel_waiting,
    claim,
    count_by_state,
    enqueue,
    get_budget,
    is_open,
    record_attributes,
    requeue,
    requeue_stale,
    set_budget,
)
from storage.trial_rows import Point

__all__ = [
    "Budget",
    "Point",
    "TrialStorage",
    "Worker",
    "artifact_store",
    "beat",
    "best_artifact",
    "cancel_waiting",
    "claim",
    "count_by_state",
    "create_storage",
    "delete_artifacts",
    "enqueue",
    "forget_worker",
    "get_budget",
    "is_open",
    "keep_best",
    "masked_url",
    "record_attributes",
    "record_worker",
    "requeue",
    "requeue_stale",
    "set_budget",
    "workers_seen",
]
