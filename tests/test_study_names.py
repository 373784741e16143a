"""Names of studies that a shell, a command line or a file system would take for something else."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import hpo
from small_studies import table

from studies import create_study, load_study
from studies.definition.study import parse_definition
from studies.lookup import as_argument, file_name

LONGEST = "月" * 200  # 600 bytes; names of files have 255


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("s", "s"),
        ("-lr-sweep", "-- -lr-sweep"),
        ("--wait", "-- --wait"),
        ("my study", "'my study'"),
    ],
)
def test_a_name_is_written_as_a_shell_takes_it(name: str, argument: str) -> None:
    assert as_argument(name) == argument


def test_files_about_a_study_have_names_that_a_file_system_takes() -> None:
    assert file_name("a/b", ".csv") == "a-b.csv"
    names = {file_name(f"{LONGEST[:-1]}{end}", "-123-0.log") for end in "日月"}
    assert len(names) == 2
    assert all(len(name.encode()) <= 255 and name.endswith("-123-0.log") for name in names)
    assert names & {f"{LONGEST}-123-0.log"} == set()


@pytest.mark.parametrize("name", ["--wait", LONGEST])
def test_a_study_of_any_name_is_run(sqlite_url: str, tmp_path: Path, name: str) -> None:
    one = table(
        name=name,
        search={"design": "grid"},
        fixed={"epochs": 1, "hidden_units": [8]},
        space={"activation": ["relu"]},
    )
    create_study(parse_definition(one), sqlite_url, artifacts=tmp_path / "artifacts")
    ran = hpo("run", "--", name, url=sqlite_url, folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / file_name(name, ".csv")).exists()
    assert [t.state.name for t in load_study(name, sqlite_url)[0].trials] == ["COMPLETE"]
