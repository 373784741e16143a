"""Optuna's SQL storage, which reads what is asked of studies by plain statements."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from sqlalchemy import select

from storage.errors import StudyGoneError
from storage.tables import STUDIES, STUDY_DIRECTIONS, STUDY_SYSTEM_ATTRS, STUDY_USER_ATTRS


class StudyReader(RDBStorage):
    """Optuna's SQL storage without its ORM where a study is found and described.

    Whatever it asks, the first query of the ORM costs each process a seventh of a second, and what
    commands read of trials needs none.
    """

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the id of a study."""
        found = self._read(select(STUDIES.c.study_id).where(STUDIES.c.study_name == study_name))
        if not found:
            raise StudyGoneError(f"There is no study {study_name!r}.")
        return int(found[0].study_id)

    def get_study_name_from_id(self, study_id: int) -> str:
        """Return the name of a study."""
        return str(self._of_study(study_id, STUDIES.c.study_name)[0].study_name)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """Return the direction of each value of a study."""
        table = STUDY_DIRECTIONS
        rows = self._of_study(study_id, table.c.direction, table.c.objective)
        return [row.direction for row in sorted(rows, key=lambda row: row.objective)]

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the user attributes of a study."""
        return self._attributes(study_id, STUDY_USER_ATTRS)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the system attributes of a study."""
        return self._attributes(study_id, STUDY_SYSTEM_ATTRS)

    def _attributes(self, study_id: int, table: sqlalchemy.Table) -> dict[str, Any]:
        rows = self._of_study(study_id, table.c.key, table.c.value_json)
        return {row.key: json.loads(row.value_json) for row in rows if row.key is not None}

    def _of_study(
        self, study_id: int, *columns: sqlalchemy.Column[Any]
    ) -> list[sqlalchemy.Row[Any]]:
        """Return the rows of a table that belong to a study; one without values if it has none."""
        table = columns[0].table
        source = (
            STUDIES
            if table is STUDIES
            else STUDIES.outerjoin(table, table.c.study_id == STUDIES.c.study_id)
        )
        of_study = select(*columns).select_from(source).where(STUDIES.c.study_id == study_id)
        found = self._read(of_study)
        if not found:
            raise StudyGoneError(f"There is no study with id {study_id}: it was deleted.")
        return found

    def _read(self, statement: sqlalchemy.Select[Any]) -> list[sqlalchemy.Row[Any]]:
        with self.engine.begin() as connection:
            return list(connection.execute(statement))
