"""The names of the attributes that `storage` writes, and how attributes of studies are read.

Those of `studies` stand in studies/attributes.py. A name never changes: studies made by earlier
versions have it.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from sqlalchemy import Connection, select

from storage.database import DatabaseStorage
from storage.tables import STUDIES, STUDY_SYSTEM_ATTRS, STUDY_USER_ATTRS

AttributeKind = Literal["user_attrs", "system_attrs"]

# User attributes of a study.
BUDGET_KEY = "budget"  # the fields of `Budget`: what the study may spend
WORKED_KEY = "worked"  # the seconds in which workers executed its trials, and until when counted

# User attributes of a trial.
SEED_KEY = "seed"  # of the trial's point; a retry keeps it
SEED_VALUES_KEY = "seed_values"  # of a trial of several seeds: the value of each, in their order
FAIL_REASON_KEY = "fail_reason"  # why the trial ended as FAIL
TRACEBACK_KEY = "traceback"  # of the exception that ended it, where there is one
RETRIED_AS_KEY = "retried_as"  # the number of its retry, null where it gets none
RETRY_OF_KEY = "retry_of"  # the number of the attempt before this one

# System attributes of a trial, the first four by Optuna's names.
FIXED_PARAMS_KEY = "fixed_params"  # of parameters that are suggested later: `enqueue_trial` sets it
RETRY_KEY = "failed_trial"  # marks a retry: the number of the first attempt of its lineage
RETRY_HISTORY_KEY = "retry_history"  # the numbers of all attempts before this one
ARTIFACT_PREFIX = "artifacts:"  # one attribute for each file kept of the trial
POINT_KEY = "point"  # marks one with fixed parameters that is a point of the study, and not others'
# Each metric, epoch by epoch. As a user attribute, which it was in earlier versions, it made pages
# of optuna-dashboard six thousand pixels wide.
HISTORY_KEY = "history"
SLOT_KEY = "slot"  # of a trial of a round: the numbers of the round, and of its place there
LOST_KEY = "lost_attempts"  # how many attempts of the lineage ended together with their worker


def read_study_attribute(connection: Connection, study_id: int, key: str) -> Any:
    """Return a user attribute of a study, None where it has none of this name."""
    table = STUDY_USER_ATTRS
    value = connection.execute(
        select(table.c.value_json).where(table.c.study_id == study_id, table.c.key == key)
    ).scalar()
    return None if value is None else json.loads(value)


def write_study_attribute(connection: Connection, study_id: int, key: str, value: Any) -> None:
    """Write a user attribute of a study, which must be locked."""
    table = STUDY_USER_ATTRS
    replaced = (table.c.study_id == study_id) & (table.c.key == key)
    connection.execute(table.delete().where(replaced))
    row = {"study_id": study_id, "key": key, "value_json": json.dumps(value)}
    connection.execute(table.insert().values(row))


def read_study_attributes(
    storage: DatabaseStorage, study_id: int, kind: AttributeKind
) -> dict[str, Any]:
    """Return all attributes of one kind that a study has."""
    table = STUDY_USER_ATTRS if kind == "user_attrs" else STUDY_SYSTEM_ATTRS
    attrs = select(table.c.key, table.c.value_json)
    with storage.reading() as connection:
        rows = connection.execute(attrs.where(table.c.study_id == study_id))
        return {key: json.loads(text) for key, text in rows}


def study_names(storage: DatabaseStorage) -> list[str]:
    """Return the names of all studies, in the order in which they were made."""
    with storage.reading() as connection:
        names = select(STUDIES.c.study_name).order_by(STUDIES.c.study_id)
        return list(connection.execute(names).scalars())


def study_attributes(storage: DatabaseStorage, key: str, *, having: str) -> dict[str, Any]:
    """Return the user attribute `key` of each study that also has the attribute `having`.

    Args:
        storage: The storage.
        key: The attribute to read.
        having: The other attribute. Its value is not read, since it may be large.

    Returns:
        Name of the study -> value, in the order in which the studies were made.
    """
    others = select(STUDY_USER_ATTRS.c.study_id).where(STUDY_USER_ATTRS.c.key == having)
    statement = (
        select(STUDIES.c.study_name, STUDY_USER_ATTRS.c.value_json)
        .join(STUDY_USER_ATTRS, STUDY_USER_ATTRS.c.study_id == STUDIES.c.study_id)
        .where(STUDY_USER_ATTRS.c.key == key, STUDIES.c.study_id.in_(others))
        .order_by(STUDIES.c.study_id)
    )
    with storage.reading() as connection:
        return {name: json.loads(text) for name, text in connection.execute(statement)}
