"""The line of a confirmation in `hpo best`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from commands import hpo_here
from confirmations import confirmed, searched


def test_best_tells_fresh_seeds_and_goes_on_where_the_data_are_gone(
    sqlite_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.npz"
    x, y = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    lines = {"objective": "mlp", "dataset": str(file), "metric": "val_accuracy"}
    space = {"learning_rate": [0.01, 0.02, 0.03]}
    searched(sqlite_url, lambda x, seed: 0.5 + x, space=space, **lines)
    confirmed(sqlite_url, lambda x, seed: 0.4 + x + seed % 2 / 100)
    shown = hpo_here("best", "s", url=sqlite_url, folder=tmp_path)
    assert "Trial 2: searched 0.5300, eight fresh seeds 0.4350" in shown.stdout
    file.unlink()
    without = hpo_here("best", "s", url=sqlite_url, folder=tmp_path)
    assert without.returncode == 0, without.stderr
    assert "0.5300" in without.stdout
