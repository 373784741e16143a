"""How the command line prints errors: one line with the message, for a bug the way to its place."""

from __future__ import annotations

import pytest
import sqlalchemy
from typer.testing import CliRunner

from storage import TrialStorage
from studies.cli.commands import app
from studies.cli.output import print_error
from studies.errors import FileFormatError, HpoError, StudyNotFoundError


@pytest.mark.parametrize(
    ("error", "printed"),
    [
        (HpoError("Expected a. Received: b."), "error: Expected a. Received: b.\n"),
        (StudyNotFoundError("no quotes"), "error: no quotes\n"),
        (HpoError("one\ntwo"), "error: one two\n"),
        (OSError(28, "No space left"), "error: [Errno 28] No space left\n"),
        (KeyError("a"), "error: a\nKeyError: see where with hpo --debug ...\n"),
        (TypeError(), "error: TypeError\nTypeError: see where with hpo --debug ...\n"),
    ],
)
def test_an_error_is_its_message_and_a_bug_names_its_class(
    error: Exception, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_error(error)
    assert capsys.readouterr().err == printed


def test_an_error_of_the_database_is_told_without_its_statement(
    sqlite_storage: TrialStorage, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(sqlalchemy.exc.OperationalError) as caught:
        with sqlite_storage.reading() as connection:
            connection.exec_driver_sql("SELECT * FROM missing")
    print_error(caught.value)
    first, *_ = capsys.readouterr().err.splitlines()
    assert first == "error: no such table: missing"


@pytest.mark.parametrize(
    ("arguments", "ending"),
    [
        (["init", "net.py:build", "--dataset", "digits", "-o", "mine.txt"], ".toml"),
        (["data", "digits", "-o", "sheet.jpg"], ".png"),
    ],
)
def test_another_ending_of_a_file_is_no_bug(arguments: list[str], ending: str) -> None:
    error = CliRunner().invoke(app, arguments).exception
    assert isinstance(error, FileFormatError)  # of which the message alone is printed
    assert f"ends in {ending}. Received: '{arguments[-1]}'" in str(error)
