"""Optuna's own conformance suite for storages, on what `create_storage` returns."""

import pytest
from optuna.testing.pytest_storages import StorageTestCase


# The suite leaves connections of the storages that it unpickles to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestCreatedStorage(StorageTestCase):
    """Every storage that a user can name passes; the fixture `storage` is in conftest.py."""
