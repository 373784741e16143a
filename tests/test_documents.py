"""What the documents promise: the README's study is one, and each shipped study tells its cost."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from studies.catalog.shipped import catalog
from studies.definition.files import load_definition
from studies.definition.study import parse_definition
from studies.designs.points import initial_points

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_study_in_the_readme_is_valid() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", README, flags=re.DOTALL)
    (block,) = (each for each in blocks if 'name = "my-first"' in each)
    definition = parse_definition(tomllib.loads(block))
    assert definition.search.timeout == 6 * 3600
    assert set(definition.factors.factors) == {"optimizer", "learning_rate", "momentum", "filters"}


def test_the_readme_counts_the_catalogue() -> None:
    assert f"has {len(catalog())} studies" in README
    assert f"A catalogue of {len(catalog())} studies" in (ROOT / "CHANGELOG.md").read_text()


def test_ci_runs_the_second_command_of_the_readme() -> None:
    first, second = re.findall(r"```sh\n(python3 -m venv.*?)\n```", README)
    assert first.endswith("hpo run digits-mlp")
    script = (ROOT / ".ci" / "run").read_text()
    assert second.replace("install -e", "install --quiet -e") in script


@pytest.mark.parametrize("name", catalog())
def test_a_shipped_study_is_valid_and_its_head_tells_command_cost_and_result(name: str) -> None:
    definition = load_definition(name)
    assert definition.name == name
    head = catalog()[name].read_text().split("\n\n")[0].splitlines()
    assert all(line.startswith("#") for line in head)
    words = "\n".join(head)
    assert f"hpo run {name}" in words
    assert "on 2 cores" in words
    assert "Measured" in words
    assert definition.search.design is None or initial_points(definition)


def test_the_picture_of_the_readme_names_every_folder_and_no_other() -> None:
    (picture,) = re.findall(r"## Where things are\n.*?```\n(.*?)```", README, flags=re.DOTALL)
    assert max(map(len, picture.splitlines())) <= 80
    rooms = [ROOT / room for room in ("objectives", "storage", "studies")]
    packages = [f.parent for room in rooms for f in room.rglob("__init__.py")]
    folders = {folder.name for folder in (*packages, ROOT / "tests")}
    assert set(re.findall(r"(\w+)/", picture)) == folders
    files = {file.name for room in rooms for file in room.rglob("*.py")}
    assert set(re.findall(r"\w+\.py", picture)) <= files


@pytest.mark.parametrize(
    "word", ["point", "trial", "lineage", "pack", "lane", "program", "outcome", "holdout"]
)
def test_the_readme_tells_what_a_word_means(word: str) -> None:
    assert re.search(rf"^\| {word} \| .{{10,}} \|$", README, flags=re.MULTILINE)
