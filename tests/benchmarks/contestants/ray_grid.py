"""Ray Tune's grid search with Keras, a core a trial, after its documentation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from ray import tune

HERE = Path(__file__).parent
DATA = str(Path(sys.argv[1]).absolute())


def train(config: dict[str, Any]) -> None:
    """Train one network, in a process of Ray's."""
    sys.path.insert(0, str(HERE))
    sys.argv = ["plain_optuna.py", DATA]
    from plain_optuna import SPACE, network, x, y

    model = network(*(config[name] for name in SPACE))
    fit = model.fit(x, y, batch_size=128, epochs=5, validation_split=0.1, verbose=0)
    tune.report({"val_accuracy": max(fit.history["val_accuracy"])})


if __name__ == "__main__":
    space = {
        "activation": tune.grid_search(["relu", "sigmoid", "tanh"]),
        "regularizer": tune.grid_search(["none", "l1", "l2"]),
        "optimizer_setting": tune.grid_search(["rmsprop", "adam", "adam_fast"]),
    }
    results = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(metric="val_accuracy", mode="max"),
        run_config=tune.RunConfig(storage_path=str(Path.cwd()), verbose=0),
    ).fit()
    assert len(results) == 27
    assert results.num_errors == 0
    print(f"best val_accuracy {results.get_best_result().metrics['val_accuracy']:.4f}")
