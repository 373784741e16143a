"""The arguments and options that several commands share, and how `--set` is read."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

Study = Annotated[
    str, typer.Argument(help="A name in the storage, else of the catalogue, else a .toml file.")
]
Storage = Annotated[
    str,
    typer.Option(
        "--storage",
        envvar="OPTUNA_STORAGE",
        help="Database URL: sqlite:///FILE or postgresql+psycopg://...",
    ),
]
STORAGE = "sqlite:///hpo.db"
Name = Annotated[str | None, typer.Option("--name", help="Another name for the study.")]
Trials = Annotated[
    int | None, typer.Option("-n", "--n-trials", min=1, help="Budget: trials in all.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE: fix a hyperparameter, or a key such as search.seed."),
]
SetData = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE: a line of the table [data], such as size=150."),
]
Quick = Annotated[bool, typer.Option("--quick", help="The study's small form, for a first look.")]
Artifacts = Annotated[
    Path | None,
    typer.Option(
        "--artifacts",
        envvar="HPO_ARTIFACTS",
        help="Folder for trained networks; by default beside the database.",
    ),
]
Heartbeat = Annotated[
    float, typer.Option("--heartbeat", min=0.1, help="Seconds between two signs of life.")
]
Grace = Annotated[
    float,
    typer.Option("--grace", min=0.2, help="Seconds of silence after which a trial is requeued."),
]
AllowModule = Annotated[
    list[str] | None,
    typer.Option("--allow-module", help="Package whose functions may be objectives."),
]
Lanes = Annotated[
    int | None,
    typer.Option(
        "--lanes", min=1, help="Trials at once in one program on JAX; by default as is fastest."
    ),
]
Top = Annotated[int, typer.Option("--top", min=1, help="How many trials.")]


def overrides(pairs: list[str] | None, name: str | None, n_trials: int | None) -> dict[str, Any]:
    """Return the keys of a definition that a command line replaces, with their values.

    Args:
        pairs: What `--set` was given: KEY=VALUE, with the value as TOML writes it, or plain text.
        name: What `--name` was given.
        n_trials: What `-n` was given.

    Raises:
        typer.BadParameter: A pair is not of that form.
    """
    found: dict[str, Any] = {}
    for pair in pairs or []:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise typer.BadParameter(f"Expected KEY=VALUE. Received: {pair!r}.")
        found[key.strip()] = _toml_value(value.strip())
    if name is not None:
        found["name"] = name
    if n_trials is not None:
        found["search.n_trials"] = n_trials
    return found


def _toml_value(text: str) -> Any:
    """Return `3`, `[64, 64]` or `true` as TOML reads them; anything else is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
