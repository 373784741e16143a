"""Ray Tune's ASHA with Keras, a core a trial, after its documentation."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import keras
from networks import SEARCHES
from ray import tune
from ray.tune.schedulers import ASHAScheduler

HERE = Path(__file__).parent
ARGUMENTS = [sys.argv[1], str(Path(sys.argv[2]).absolute())]
search = SEARCHES[sys.argv[1]]


def train(levels: dict[str, str]) -> None:
    """Train one network, in a process of Ray's."""
    sys.path.insert(0, str(HERE))
    sys.argv = ["ray_asha.py", *ARGUMENTS]
    from networks import fit, network, pictures

    class Report(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            tune.report({"val_accuracy": (logs or {})["val_accuracy"], "at": time.time()})

    fit(network(**levels), pictures(), Report())


if __name__ == "__main__":
    results = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space={name: tune.choice(levels) for name, levels in search.space.items()},
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            num_samples=len(search),
            scheduler=ASHAScheduler(max_t=search.epochs),
        ),
        run_config=tune.RunConfig(storage_path=str(Path.cwd()), verbose=0),
    ).fit()
    frames = [result.metrics_dataframe for result in results]
    for frame in frames:
        for row in frame.itertuples() if frame is not None else ():
            print(f"reached {row.at:.3f} {row.val_accuracy:.6f}")
    print(f"best val_accuracy {results.get_best_result().metrics['val_accuracy']:.4f}")
