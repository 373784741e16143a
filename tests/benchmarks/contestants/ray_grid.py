"""Ray Tune's grid search with Keras, a core a trial, after its documentation."""

from __future__ import annotations

import sys
from pathlib import Path

from networks import SEARCHES
from ray import tune

HERE = Path(__file__).parent
ARGUMENTS = [sys.argv[1], str(Path(sys.argv[2]).absolute())]
search = SEARCHES[sys.argv[1]]


def train(levels: dict[str, str]) -> None:
    """Train one network, in a process of Ray's."""
    sys.path.insert(0, str(HERE))
    sys.argv = ["ray_grid.py", *ARGUMENTS]
    from networks import fit, network, pictures

    tune.report({"val_accuracy": fit(network(**levels), pictures())})


if __name__ == "__main__":
    results = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={name: tune.grid_search(levels) for name, levels in search.space.items()},
        tune_config=tune.TuneConfig(metric="val_accuracy", mode="max"),
        run_config=tune.RunConfig(storage_path=str(Path.cwd()), verbose=0),
    ).fit()
    assert len(results) == len(search)
    assert results.num_errors == 0
    print(f"best val_accuracy {results.get_best_result().metrics['val_accuracy']:.4f}")
