"""Serve optuna-dashboard on a storage of this service."""

from __future__ import annotations

from optuna_dashboard import run_server

from storage import create_storage
from studies.dashboard.artifact_folders import StudiesStore


def serve(storage_url: str, host: str, port: int) -> None:
    """Serve the dashboard until interrupted.

    Given an open storage, the dashboard reads only what changed; given a URL, it reads every trial
    at each poll, which at 20,000 trials takes 8 seconds instead of 0.6.

    Args:
        storage_url: The URL of the storage.
        host: The address to listen on.
        port: The port to listen on.

    Raises:
        OSError: The port is taken, or the address is not this machine's.
        FileNotFoundError: There is no such SQLite file.
    """
    storage = create_storage(storage_url, writes=False)
    run_server(storage, host=host, port=port, artifact_store=StudiesStore(storage))
