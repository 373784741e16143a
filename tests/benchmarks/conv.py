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
# Multiply-adds of one picture: kernel, channels in and out, pixels; then the dense layers.
MULTIPLY_ADDS = (
    9 * 1 * 32 * 28 * 28
    + 9 * 32 * 32 * 28 * 28
    + 9 * 32 * 64 * 14 * 14
    + 9 * 64 * 64 * 14 * 14
    + 7 * 7 * 64 * 128
    + 128 * 10
)


def convolution_rate() -> float:
    """Return the operations a second of the second convolution forward and back, float32."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = tf.constant(rng.random((128, 28, 28, 32), np.float32))
    kernel = tf.constant(rng.random((3, 3, 32, 32), np.float32))

    @tf.function
    def both_ways() -> tuple[tf.Tensor, ...]:
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            loss = tf.reduce_sum(tf.nn.conv2d(x, kernel, 1, "SAME"))
        return tuple(tape.gradient(loss, [x, kernel]))

    both_ways()
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        [gradient.numpy() for gradient in both_ways()]
        seconds.append(time.perf_counter() - started)
    return 3 * 2 * 128 * 9 * 32 * 32 * 28 * 28 / min(seconds)


if __name__ == "__main__":
    main(
        Race(
            name="conv",
            study=[str(Path(__file__).parent / "conv.toml"), "-j2"],
            n_pictures=N_PICTURES,
            n_trials=N_TRIALS,
            operations=N_TRIALS * EPOCHS * 2 * MULTIPLY_ADDS * N_PICTURES * (3 * 0.9 + 0.1),
            rate=convolution_rate,
        )
    )
