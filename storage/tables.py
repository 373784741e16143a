"""The tables: copies of Optuna's, with an index of ours, and our own table of workers.

They are copies because Optuna's definitions serve the whole process: what is added to them here
would show up in each storage that a user's program makes without this package.
"""

from __future__ import annotations

import re

import sqlalchemy
from sqlalchemy import func, select
from sqlalchemy.exc import NoSuchTableError

from storage import optuna_internals
from storage.errors import SchemaError
from storage.optuna_internals import REVISIONS

_METADATA = sqlalchemy.MetaData()
for _table in optuna_internals.TABLES.sorted_tables:
    _table.to_metadata(_METADATA)

STUDIES = _METADATA.tables["studies"]
STUDY_DIRECTIONS = _METADATA.tables["study_directions"]
STUDY_USER_ATTRS = _METADATA.tables["study_user_attributes"]
STUDY_SYSTEM_ATTRS = _METADATA.tables["study_system_attributes"]
TRIALS = _METADATA.tables["trials"]
PARAMS = _METADATA.tables["trial_params"]
USER_ATTRS = _METADATA.tables["trial_user_attributes"]
SYSTEM_ATTRS = _METADATA.tables["trial_system_attributes"]
VALUES = _METADATA.tables["trial_values"]
INTERMEDIATE_VALUES = _METADATA.tables["trial_intermediate_values"]
HEARTBEATS = _METADATA.tables["trial_heartbeats"]

# SQLite would otherwise give the ids of deleted rows to new ones, and a worker that still runs a
# trial of a deleted study would write to another study's. Only files created here have it.
for _table in (STUDIES, TRIALS):
    _table.dialect_options["sqlite"]["autoincrement"] = True

# The claim looks for the first waiting trial, the status counts by state, and a worker reads the
# trials that started since its last call: each is a range of this index, at any number of trials.
QUEUE_INDEX = sqlalchemy.Index(
    "hpo_trials_by_state", TRIALS.c.study_id, TRIALS.c.state, TRIALS.c.trial_id
)

WORKERS = sqlalchemy.Table(
    "hpo_workers",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("worker", sqlalchemy.String(512), primary_key=True),
    sqlalchemy.Column("host", sqlalchemy.String(255), nullable=False),
    sqlalchemy.Column("pid", sqlalchemy.Integer, nullable=False),
    sqlalchemy.Column("device", sqlalchemy.String(255), nullable=False),
    sqlalchemy.Column("study_name", sqlalchemy.String(512)),
    sqlalchemy.Column("trial_numbers", sqlalchemy.JSON, nullable=False),
    sqlalchemy.Column(
        "seen_at", sqlalchemy.DateTime, server_default=sqlalchemy.func.current_timestamp()
    ),
)

CREATION_LOCK = 0x68706F  # any number that no other program locks in a database of studies

REVISION_OF_OPTUNA = re.compile(r"v\d+\.\d+\.\d+\.\w+")


def check_tables(engine: sqlalchemy.Engine) -> None:
    """Check that the database is not another program's, before anything is written.

    Raises:
        SchemaError: Alembic's table of versions is there, and another program has written it.
    """
    if not sqlalchemy.inspect(engine).has_table(REVISIONS):
        return
    with engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT version_num FROM {REVISIONS}").scalars().all()
    for revision in found:
        if not REVISION_OF_OPTUNA.fullmatch(revision):
            raise SchemaError(
                f"Expected a database whose table {REVISIONS} is Optuna's. Received: "
                f"version_num={revision!r}, which another program has written. "
                "Give the studies a database of their own with --storage."
            )


def has_optuna_tables(engine: sqlalchemy.Engine) -> bool:
    """Tell whether Optuna, or this package, has made its tables in the database."""
    return sqlalchemy.inspect(engine).has_table(_METADATA.tables["version_info"].name)


def create_optuna_tables(engine: sqlalchemy.Engine) -> None:
    """Create those of Optuna's tables that the database lacks, each with our additions."""
    if not _METADATA.tables.keys() <= set(sqlalchemy.inspect(engine).get_table_names()):
        _METADATA.create_all(engine)


def create_additions(engine: sqlalchemy.Engine) -> None:
    """Add our index where Optuna made the tables, and create our table of workers."""
    QUEUE_INDEX.create(engine, checkfirst=True)
    _create_workers_table(engine)


def has_workers_table(bind: sqlalchemy.Engine | sqlalchemy.Connection) -> bool:
    """Tell whether there is a table of workers as this version has it."""
    try:
        columns = sqlalchemy.inspect(bind).get_columns(WORKERS.name)
    except NoSuchTableError:
        return False
    return {column["name"] for column in columns} == set(WORKERS.columns.keys())


def _create_workers_table(engine: sqlalchemy.Engine) -> None:
    if has_workers_table(engine):
        return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(CREATION_LOCK)))
        # Another worker that starts may have made it meanwhile, and stand in it.
        if not has_workers_table(connection):
            # That of another version is replaced: it tells of the present, so nothing is lost.
            WORKERS.drop(connection, checkfirst=True)
            WORKERS.create(connection)
