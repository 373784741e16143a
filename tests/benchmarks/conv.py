"""Convolutional networks: 6 settings, 3 epochs, 5,000 Fashion-MNIST pictures.

    python tests/benchmarks/conv.py --rounds 3

Needs the extra `benchmarks`, and Fashion-MNIST in the folder that HPO_DATA names.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from race import Race, main

N_PICTURES, N_TRIALS, EPOCHS = 5_000, 6, 3
CONVOLUTIONS = [(28, 1, 32), (28, 32, 32), (14, 32, 64), (14, 64, 64)]  # side, channels in and out
DENSE = 7 * 7 * 64 * 128 + 128 * 10
BATCH = 128


def convolution_rate() -> float:
    """Return the operations a second of the network's convolutions forward and back, float32."""
    return BATCH * 2 * passes(dense=0) / sum(seconds_of(*layer) for layer in CONVOLUTIONS)


def passes(dense: int = DENSE) -> int:
    """Return the multiply-adds of a picture in training; pixels need no gradient."""
    first, *others = (multiply_adds(*layer) for layer in CONVOLUTIONS)
    return 2 * first + 3 * sum(others) + 3 * dense


def multiply_adds(side: int, n_in: int, n_out: int) -> int:
    """Return those of a convolution's forward pass."""
    return 9 * n_in * n_out * side**2


def seconds_of(side: int, n_in: int, n_out: int) -> float:
    """Return the seconds that a convolution and both its gradients take for a batch."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = tf.constant(rng.random((BATCH, side, side, n_in), np.float32))
    kernel = tf.constant(rng.random((3, 3, n_in, n_out), np.float32))
    gradient = tf.constant(rng.random((BATCH, side, side, n_out), np.float32))
    wanted = [kernel] if n_in == 1 else [x, kernel]

    @tf.function
    def both_ways() -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch(wanted)
            y = tf.nn.conv2d(x, kernel, 1, "SAME")
        return y, *tape.gradient(y, wanted, gradient)

    both_ways()
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        both_ways()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    validation = sum(multiply_adds(*layer) for layer in CONVOLUTIONS) + DENSE
    main(
        Race(
            name="conv",
            study=[str(Path(__file__).parent / "conv.toml"), "-j2"],
            n_pictures=N_PICTURES,
            n_trials=N_TRIALS,
            operations=N_TRIALS * EPOCHS * N_PICTURES * 2 * (0.9 * passes() + 0.1 * validation),
            rate=convolution_rate,
        )
    )
