"""A path of data is relative to the file of the definition, then to HPO_DATA."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studies import create_study, load_definition
from studies.definition.difference import difference
from studies.definition.study import StudyDefinition
from studies.errors import DefinitionError, TakenNameError

TEXT = """\
name = "s"
objective = "mlp"
dataset = "{}"
[search]
sampler = "random"
n_trials = 2
[space]
activation = ["relu", "tanh"]
"""


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mine/pictures", "kept/pictures", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("HPO_DATA", str(tmp_path / "kept"))
    monkeypatch.chdir(tmp_path / "elsewhere")


def pictures(file: Path) -> Path:
    """Write a small data set."""
    x, y = np.zeros((40, 4, 4), np.uint8), np.arange(40) % 2
    x[1::2] = 255
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    return file


def read(folder: Path, dataset: str, text: str = TEXT) -> StudyDefinition:
    """Read a definition that names a data set."""
    (folder / "mine" / "s.toml").write_text(text.format(dataset))
    return load_definition(folder / "mine" / "s.toml")


@pytest.mark.parametrize(
    "written", ["pictures/a.npz", "./pictures/a.npz", "../mine/pictures/a.npz"]
)
def test_a_path_is_relative_to_the_file(
    written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = pictures(tmp_path / "mine" / "pictures" / "a.npz")
    pictures(tmp_path / "kept" / "a.npz")
    assert read(tmp_path, written).dataset == str(file)
    monkeypatch.chdir(tmp_path / "mine")
    assert load_definition("s.toml").dataset == str(file)
    small = TEXT.replace("{}", "digits") + '[quick]\ndataset = "{}"\n'
    read(tmp_path, written, small)
    assert load_definition("s.toml", quick=True).dataset == str(file)


@pytest.mark.parametrize("kept", ["a.npz", "pictures/a.npz"])
def test_a_path_is_then_one_of_the_data_folder(kept: str, tmp_path: Path) -> None:
    pictures(tmp_path / "kept" / kept)
    definition = read(tmp_path, "pictures/a.npz")
    assert definition.dataset == "pictures/a.npz"  # so that it is the same on another machine
    assert definition.encoding is not None


def test_a_path_of_no_file_tells_where_it_was_looked_for(tmp_path: Path) -> None:
    pictures(tmp_path / "elsewhere" / "a.npz")  # the folder of the command does not matter
    with pytest.raises(DefinitionError) as caught:
        read(tmp_path, "a.npz")
    tried = f"no such file: {tmp_path}/mine/a.npz, nor {tmp_path}/kept/a.npz."
    assert tried in str(caught.value)
    assert f"{tmp_path}/mine/s.toml, line 3: dataset: " in str(caught.value)
    with pytest.raises(DefinitionError, match=r"Received: digit\. Did you mean digits\?") as caught:
        read(tmp_path, "digit")
    assert "no such file" not in str(caught.value)


def test_a_study_goes_on_that_has_stored_the_path_as_it_was_written(
    tmp_path: Path, sqlite_url: str
) -> None:
    pictures(tmp_path / "kept" / "a.npz")
    create_study(before := read(tmp_path, "a.npz"), sqlite_url, artifacts=tmp_path)
    pictures(tmp_path / "mine" / "a.npz")
    now = read(tmp_path, "a.npz")
    assert before.dataset != now.dataset
    assert difference(before, now) == difference(now, before) == []
    assert create_study(now, sqlite_url, artifacts=tmp_path).study_name == "s"
    pictures(tmp_path / "mine" / "pictures" / "a.npz")
    with pytest.raises(TakenNameError, match=r"dataset: a\.npz -> .*other\.npz"):
        create_study(read(tmp_path, str(pictures(tmp_path / "other.npz"))), sqlite_url)
