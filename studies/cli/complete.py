"""What a shell completes: names of studies, quickly and without a word where that is not possible.

Each press of the key is a process of its own. So a SQLite file is read by Python's own module, and
Optuna is loaded for a server alone.
"""

from __future__ import annotations

import os
from contextlib import closing, redirect_stderr, suppress
from pathlib import Path

import typer

SQLITE = "sqlite:///"
WAIT = 2  # seconds, for a server or for the lock of a file


def stored_studies(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of the studies in the storage that begin like this."""
    return _beginning(incomplete, _stored(ctx))


def makeable_studies(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return what `hpo run` takes: names in the storage, those of the catalogue, and files."""
    from studies.catalog.shipped import catalog

    folder = incomplete[: incomplete.rfind("/") + 1]  # as it is written: ./ or ../ too
    files: list[str] = []
    with suppress(OSError):
        files = [f"{folder}{file.name}" for file in Path(folder or ".").glob("*.toml")]
    return _beginning(incomplete, [*_stored(ctx), *catalog(), *files])


def _beginning(incomplete: str, names: list[str]) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def _stored(ctx: typer.Context) -> list[str]:
    url = str(ctx.params.get("storage") or "")
    # Whatever is wrong, the person is in the middle of a line, and the errors may hold a password.
    with suppress(Exception), Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        return _in_file(url) if url.startswith(SQLITE) else _on_server(url)
    return []


def _in_file(url: str) -> list[str]:
    import sqlite3
    from urllib.parse import quote

    path = Path(url.removeprefix(SQLITE).partition("?")[0]).absolute()
    source = f"file:{quote(str(path))}?mode=ro"
    with closing(sqlite3.connect(source, uri=True, timeout=WAIT)) as connection:
        rows = connection.execute("SELECT study_name FROM studies").fetchall()
    return [str(name) for (name,) in rows]


def _on_server(url: str) -> list[str]:
    import sqlalchemy

    from storage import create_storage, study_names

    # A wait in the URL takes the place of the one of workers.
    quick = sqlalchemy.make_url(url).update_query_dict({"connect_timeout": str(WAIT)})
    storage = create_storage(quick.render_as_string(hide_password=False), writes=False)
    try:
        return study_names(storage)
    finally:
        storage.engine.dispose()
