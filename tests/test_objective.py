"""The registry of objectives, and what importing it costs."""

import subprocess
import sys

import pytest

import objectives


def test_public_names_are_sorted_and_there() -> None:
    assert objectives.__all__ == sorted(objectives.__all__)
    assert all(hasattr(objectives, name) for name in objectives.__all__)


def test_importing_and_getting_loads_no_framework() -> None:
    program = (
        "import sys, objectives\n"
        "from objectives.data import sources\n"
        "for name in objectives.names():\n"
        "    settings = objectives.get(name).hyperparameters()\n"
        "    settings.describe(), settings.structure(), settings.check_input((28, 28, 1))\n"
        "sources.check('mnist', objectives.DataOptions())\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'sklearn', 'optuna', 'sqlalchemy', 'PIL'}\n"
        "             & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_known_objectives() -> None:
    assert objectives.names() == ("clock", "cnn", "mlp")
    assert [objectives.get(name).name for name in objectives.names()] == ["clock", "cnn", "mlp"]
    assert objectives.get("cnn").cpu_backend == "tensorflow"
    assert objectives.get("mlp").cpu_backend == "jax"


def test_unknown_objective_suggests_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"one of clock, cnn, mlp. Received: mpl. Did you mean mlp\?"
    ):
        objectives.get("mpl")
