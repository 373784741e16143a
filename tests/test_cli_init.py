"""The text of `hpo init`: it is TOML, and its paths are relative to its own folder."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from studies.cli.init import function_beside, metric_of, toml_text


def test_the_text_is_toml_and_comes_back_the_same() -> None:
    lines = {"name": 'a "b" \\ ü\x7f', "rate": 1e-4, "on": True}
    space = {
        "a b": [1, 2.5, "x", False],
        "units": {"low": 1, "high": 3, "when": {"wide": [True]}},
    }
    text = toml_text(lines, {"space": space, "fixed": {}}, ["A comment."])
    assert text.startswith("# A comment.\n")
    assert tomllib.loads(text) == {**lines, "space": space, "fixed": {}}
    assert tomllib.loads(toml_text({"choice": ["relu", None]}, {}, [])) == {
        "choice": ["relu", "none"]
    }


def test_a_file_of_code_is_named_from_the_folder_of_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert function_beside("net.py:build", Path("mine.toml")) == "net.py:build"
    assert function_beside("net.py:build", Path("sub/mine.toml")) == "../net.py:build"
    assert function_beside(f"{tmp_path}/a/net.py:f", Path("mine.toml")) == "a/net.py:f"
    assert function_beside("package.module:build", Path("sub/mine.toml")) == "package.module:build"


@pytest.mark.parametrize(
    ("metrics", "chosen"),
    [
        (["loss", "accuracy", "val_loss", "val_accuracy"], "val_accuracy"),
        (["loss", "mae", "val_loss", "val_mae"], "val_loss"),
        (["loss", "auc", "val_loss", "val_auc"], "val_auc"),
    ],
)
def test_a_metric_that_is_better_higher_is_chosen_before_the_loss(
    metrics: list[str], chosen: str
) -> None:
    assert metric_of(metrics) == chosen
