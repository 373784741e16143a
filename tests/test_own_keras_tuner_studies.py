"""What the README shows to KerasTuner's users, by its commands: found, searched, kept, tested."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

from commands import hpo, hpo_here

from studies.definition.search import SearchOptions

ROOT = Path(__file__).parents[1]


def test_the_hypermodel_of_the_readme_is_searched_by_its_commands(
    sqlite_url: str, tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(# kt_net.py.*?)```", readme, flags=re.DOTALL)
    init, run = re.findall(r"^hpo (init kt_net.*|run kt.*)$", readme, flags=re.MULTILINE)
    (tmp_path / "kt_net.py").write_text(code)
    here = {"url": sqlite_url, "folder": tmp_path}
    made = hpo_here(*init.replace("fashion_mnist", "digits").split(), **here)
    assert made.returncode == 0, made.stderr
    told = "MyHyperModel is a HyperModel of KerasTuner with a fit of its own, which trains it."
    assert told in made.stdout
    study = tomllib.loads((tmp_path / "kt.toml").read_text())
    assert study["fixed"] == {"epochs": 10}  # and the batch size is in the space
    assert study["space"]["units"]["when"] == {"depth": ["two"]}
    assert study["space"]["batch_size"] == [64, 128]
    ran = hpo(*run.replace("20", "2").split(), "--set=epochs=2", **here)
    assert ran.returncode == 0, ran.stderr
    with (tmp_path / "kt.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["user_attrs_trained_by"] for row in rows] == ["fit"] * 2
    assert [row["user_attrs_epochs"] for row in rows] == ["2"] * 2
    assert [row["user_attrs_backend"] for row in rows] == ["jax"] * 2
    assert hpo_here("model", "kt", "-o", "best.keras", **here).returncode == 0
    tested = hpo_here("test", "kt.toml", **here)
    assert "on the 360 examples of the test part" in tested.stdout, tested.stderr


def test_the_search_of_the_page_for_keras_tuners_users_is_one() -> None:
    page = (ROOT / "docs" / "keras_tuner.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    options = SearchOptions.model_validate(tomllib.loads(block)["search"])
    assert (options.n_trials, options.seed) == (50, 1)
