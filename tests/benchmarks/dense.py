"""Dense networks: the first 27 settings of the grid of 81, 5 epochs, 20,000 Fashion-MNIST pictures.

    python tests/benchmarks/dense.py --rounds 3

Needs the extra `benchmarks`, and Fashion-MNIST in the folder that HPO_DATA names.
"""

from __future__ import annotations

import time

import numpy as np
from race import Race, main

N_PICTURES, N_TRIALS, EPOCHS = 20_000, 27, 5
# Multiply-adds of 784-128-10, twice as many operations; training takes three passes.
OPERATIONS = 2 * (784 * 128 + 128 * 10)


def matrix_product_rate() -> float:
    """Return the operations a second that this machine reaches in a large product, float32."""
    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(seconds)


if __name__ == "__main__":
    main(
        Race(
            name="dense",
            study=["fashion-mlp-grid", "-j2", f"-n{N_TRIALS}", f"--set=epochs={EPOCHS}"],
            n_pictures=N_PICTURES,
            n_trials=N_TRIALS,
            operations=N_TRIALS * EPOCHS * OPERATIONS * N_PICTURES * (3 * 0.9 + 0.1),
            rate=matrix_product_rate,
        )
    )
