"""Optuna's own conformance suite for storages, on what `create_storage` returns."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from optuna.testing.pytest_storages import StorageTestCase

from storage import TrialStorage, create_storage

# The suite leaves connections of the storages that it unpickles to the garbage collector.
ignore_open_connections = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)


@ignore_open_connections
class TestCreatedStorage(StorageTestCase):
    """Every storage that a user can name passes; the fixture `storage` is in conftest.py."""


@ignore_open_connections
class TestWorkersStorage(StorageTestCase):
    """The storage as workers open it passes every case too.

    It does not read trials that others queued until they start. The suite knows one storage only,
    whose own trials are cached when it creates them; test_storage_trial_storage.py has the rest.
    """

    @pytest.fixture
    def storage(self, storage_url: str) -> Iterator[TrialStorage]:
        """Open a fresh database of each kind as a worker does."""
        opened = create_storage(storage_url, waiting=False)
        yield opened
        opened.engine.dispose()
