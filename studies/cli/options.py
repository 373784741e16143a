"""The arguments and options that several commands share, and the parser of `--set`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from studies.cli.complete import makeable_studies, stored_studies


@dataclass
class Settings:
    """The options that stand before the command."""

    debug: bool = False


_STUDY = "A name in the storage, else of the catalogue, else a .toml file."
Study = Annotated[str, typer.Argument(help=_STUDY, autocompletion=stored_studies)]
NewStudy = Annotated[str, typer.Argument(help=_STUDY, autocompletion=makeable_studies)]
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
TrialNumber = Annotated[
    int | None, typer.Option("--trial", min=0, help="Its number; the best by default.")
]
Overwrite = Annotated[bool, typer.Option("--yes", help="Overwrite a file without asking.")]
SetData = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE: a line of the table [data], such as size=150."),
]
Quick = Annotated[bool, typer.Option("--quick", help="The study's small form, to try it out.")]
Artifacts = Annotated[
    Path | None,
    typer.Option(
        "--artifacts",
        envvar="HPO_ARTIFACTS",
        help="Folder for trained networks; by default beside the database.",
    ),
]
Heartbeat = Annotated[
    float, typer.Option("--heartbeat", min=0.1, help="Seconds between two heartbeats of a worker.")
]
Grace = Annotated[
    float,
    typer.Option(
        "--grace", min=0.2, help="Seconds of silence after which its trials are requeued."
    ),
]
AllowModule = Annotated[
    list[str] | None,
    typer.Option("--allow-module", help="A package whose code may be executed."),
]
PackSize = Annotated[
    int | None,
    typer.Option(
        "--pack-size",
        min=1,
        help="Trials trained side by side in one program on JAX; by default as many as is fastest.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write it as JSON, for a program to read.")]
Workers = Annotated[
    int | None, typer.Option("-j", "--workers", min=1, help="Worker processes; one a GPU.")
]
Top = Annotated[int, typer.Option("--top", min=1, help="How many trials.")]


def overrides(pairs: list[str] | None, name: str | None, n_trials: int | None) -> dict[str, Any]:
    """Return the keys of a definition that the command line replaces, with their new values.

    Args:
        pairs: The values of `--set`: KEY=VALUE, the value in TOML's syntax or plain text.
        name: The value of `--name`.
        n_trials: The value of `-n`.

    Raises:
        typer.BadParameter: A pair is not KEY=VALUE.
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


@contextmanager
def options_named(pairs: list[str] | None) -> Iterator[None]:
    """Let an error of a definition say which `--set` its line comes from.

    Args:
        pairs: The values of `--set`.
    """
    from studies.definition.files import overridden
    from studies.errors import DefinitionError

    try:
        yield
    except DefinitionError as error:
        keys = [pair.partition("=")[0].strip() for pair in pairs or []]

        def placed(mistake: DefinitionError) -> DefinitionError:
            key = overridden(mistake.key, keys)
            if key is None or mistake.place:
                return mistake
            return DefinitionError(mistake.key, mistake.message, f"--set {key}")

        raise error.changed(placed) from None


def _toml_value(text: str) -> Any:
    """Read `3`, `[64, 64]` or `true` as TOML does; anything else is text."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
