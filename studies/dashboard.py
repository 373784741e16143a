"""Optuna's dashboard on a storage of ours."""

from __future__ import annotations

from pathlib import Path

from optuna_dashboard import run_server

from storage import artifact_store, create_storage
from studies.create import ARTIFACTS_KEY


def serve(storage_url: str, host: str, port: int) -> None:
    """Serve the dashboard until interrupted.

    Given an open storage it reads what changed; given a URL it reads every trial each time, which
    at 20,000 trials takes eight seconds instead of 0.6.

    Args:
        storage_url: Where the studies are.
        host: The address to listen on.
        port: The port to listen on.

    Raises:
        OSError: The port is taken, or the address is not this machine's.
        FileNotFoundError: There is no such SQLite file.
    """
    storage = create_storage(storage_url, writes=False)
    # The dashboard takes one store; studies of one database usually share the folder.
    folders = [
        study.user_attrs[ARTIFACTS_KEY]
        for study in storage.get_all_studies()
        if ARTIFACTS_KEY in study.user_attrs and Path(study.user_attrs[ARTIFACTS_KEY]).is_dir()
    ]
    store = artifact_store(folders[-1]) if folders else None
    run_server(storage, host=host, port=port, artifact_store=store)
