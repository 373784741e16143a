"""Optuna's own conformance suite for storages, on what `create_storage` returns."""

from optuna.testing.pytest_storages import StorageTestCase


class TestCreatedStorage(StorageTestCase):
    """Every storage that a user can name passes; the fixture `storage` is in conftest.py."""
