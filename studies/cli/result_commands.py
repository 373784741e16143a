"""The commands that read a study's results."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from studies.cli.options import STORAGE, AllowModule, Overwrite, Storage, Study, Top, TrialNumber
from studies.cli.output import confirm, fail, find, say, show, warn

results = typer.Typer()


@results.command()
def best(study: Study, top: Top = 10, storage: Storage = STORAGE) -> None:
    """Show the best trials; the best points where each has several seeds.

    Example: hpo best fashion-mlp-grid --top 3
    """
    from storage import ranking
    from studies.cli.notes import code_note
    from studies.cli.points import noise_note, ranking_tables
    from studies.cli.winners_curse import confirmed_lines
    from studies.lookup import as_argument

    found = find(study, storage)
    ranked = ranking(found, top)
    if not ranked.best:
        name = as_argument(found.study_name)
        fail(f"No trial is complete yet. See its progress: hpo status {name}")
    show(*ranking_tables(found, ranked))
    say(noise_note(found, ranked))
    for line in confirmed_lines(found):
        say(line)
    mixed = code_note(found)
    if mixed is not None:
        warn(mixed)


@results.command()
def export(
    study: Study,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Only of so many points, the best first.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .csv, .parquet, .json or .md file.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Only these: number,value,learning_rate.")
    ] = None,
    storage: Storage = STORAGE,
) -> None:
    """Write the trials as CSV to the screen, or to a file.

    A .md file is for reading: short numbers, and no histories, versions, hashes and dates unless
    --columns names them.

    Example: hpo export fashion-mlp-grid --top 20 -o best.csv
    """
    from studies.results import export as exporting

    chosen = None if columns is None else [each.strip() for each in columns.split(",")]
    if output is not None:
        exporting.check_output(output)
    found = find(study, storage)
    if output is None:
        exporting.print_trials(found, sys.stdout, top=top, columns=chosen)
    else:
        n = exporting.write_trials(found, output, top=top, columns=chosen)
        say(f"{n} trials written to {output}")


@results.command()
def model(
    study: Study,
    output: Annotated[Path, typer.Option("-o", "--output", help="A .keras file.")],
    trial: TrialNumber = None,
    yes: Overwrite = False,
    allow_module: AllowModule = None,
    storage: Storage = STORAGE,
) -> None:
    """Write the trained network of the best trial, or of one trial, to a file.

    Example: hpo model fashion-mlp-grid -o best.keras
    """
    from studies.cli.encoding import network_lines, outputs_line
    from studies.cli.points import network_of
    from studies.cli.trust import trusted
    from studies.results.models import save_model

    found = find(study, storage)
    if output.exists() and not yes:
        confirm(f"Overwrite {output}?")
    allowed = trusted([study], allow_module, {})
    number = save_model(found, output, trial, allow_modules=allowed)
    say(f"The network of {network_of(found, number)} is written to {output}")
    line = outputs_line(found)
    if line is not None:
        say(line)
    for line in network_lines(found, output):
        say(line)


@results.command()
def predict(
    study: Study,
    rows: Annotated[Path, typer.Argument(help="A .csv or .parquet file with its columns.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .csv or .parquet file.")],
    trial: TrialNumber = None,
    yes: Overwrite = False,
    allow_module: AllowModule = None,
    storage: Storage = STORAGE,
) -> None:
    """Predict the target of new rows of a table by the network of the best trial.

    Example: hpo predict prices new.csv -o predicted.csv
    """
    from studies.cli.trust import trusted
    from studies.results import predict as predicting
    from studies.results.output_folder import check_folder

    predicting.check_format(output)
    check_folder(output)
    found = find(study, storage)
    if output.exists() and not yes:
        confirm(f"Overwrite {output}?")
    allowed = trusted([study], allow_module, {})
    table = predicting.predict(found, rows, trial, allow_modules=allowed)
    predicting.write(table, output)
    say(f"{len(table)} rows with what is predicted are written to {output}")


@results.command("test")
def holdout(
    study: Study,
    trial: TrialNumber = None,
    allow_module: AllowModule = None,
    storage: Storage = STORAGE,
) -> None:
    """Evaluate the best trial's network on the test part, which no search has seen. Once.

    Each evaluation is recorded: choosing by its result uses the test part up.

    Example: hpo test fashion-mlp-grid
    """
    from studies.cli.points import network_of
    from studies.cli.tables import holdout_table
    from studies.cli.trust import trusted
    from studies.results.holdout import earlier_evaluations, evaluate_on_holdout

    found = find(study, storage, writes=True)
    now = evaluate_on_holdout(found, trial, allow_modules=trusted([study], allow_module, {}))
    network = network_of(found, now.trial).capitalize()
    say(f"{network} of {found.study_name} on the {now.n} examples of the test part:")
    show(holdout_table(found, now))
    earlier = earlier_evaluations(now, found)
    if earlier:
        first = earlier[0]
        say(f"This is recorded as evaluation {len(earlier) + 1} on this test part.")
        what = f"trial {first.trial}" if first.networks == 1 else f"{first.networks} networks"
        say(f"The first was at {first.at}, of {what} of {first.study}.")
        say("Choosing by these results uses the test part up.")
