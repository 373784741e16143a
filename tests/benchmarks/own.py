"""A network that a user builds: hpo by lanes and by `fit` against its author's Optuna loop.

    python tests/benchmarks/own.py --rounds 3

27 settings of `contestants/own_network.py`, 5 epochs, 20,000 Fashion-MNIST pictures. Needs
Fashion-MNIST in the folder that HPO_DATA names.
"""

from __future__ import annotations

import sys

from dense import EPOCHS, N_PICTURES, N_TRIALS, OPERATIONS, matrix_product_rate
from race import HERE, Race, main

NETWORK = HERE / "contestants" / "own_network.py"


class OwnRace(Race):
    """The same networks, built by one file."""

    @property
    def contestants(self) -> dict[str, tuple[list[str], dict[str, str]]]:
        """Name -> its command and its environment."""
        hpo = [sys.executable, "-P", "-m", "studies", "run", str(HERE / "own.toml"), *self.study]
        hpo += ["--set=dataset={data}", "--set=search.seed={seed}"]
        loop = [sys.executable, str(NETWORK.with_name("own_loop.py"))]

        def author(function: str) -> list[str]:
            return [*loop, function, "{data}", str(EPOCHS)]

        by_fit = [*hpo, f"--set=objective={NETWORK}:build_for_fit"]
        return {
            "hpo": (hpo, {}),
            "hpo-first": (hpo, {"XDG_CACHE_HOME": "{folder}/cache"}),
            "hpo-fit": ([*by_fit, "--set=backend=tensorflow"], {}),
            "hpo-fit-jax": ([*by_fit, "--set=backend=jax"], {}),
            "author-tensorflow": (author("build"), {"KERAS_BACKEND": "tensorflow"}),
            "author-jax": (author("build"), {"KERAS_BACKEND": "jax"}),
            "author-fit-tensorflow": (author("build_for_fit"), {"KERAS_BACKEND": "tensorflow"}),
            "author-fit-jax": (author("build_for_fit"), {"KERAS_BACKEND": "jax"}),
        }


if __name__ == "__main__":
    main(
        OwnRace(
            name="own",
            study=["-j2", f"--set=epochs={EPOCHS}"],
            n_pictures=N_PICTURES,
            n_trials=N_TRIALS,
            operations=N_TRIALS * EPOCHS * OPERATIONS * N_PICTURES * (3 * 0.9 + 0.1),
            rate=matrix_product_rate,
        )
    )
