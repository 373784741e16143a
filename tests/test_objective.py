"""The registry of objectives, and what importing it costs."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

import objectives
from objectives.data.options import DataOptions
from objectives.data.sources import check


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
        ValueError, match=r"one of mlp, clock, cnn. Received: mpl. Did you mean mlp\?"
    ):
        objectives.get("mpl")


def imported(file: Path, modules: set[str]) -> Iterator[str]:
    """Yield this package's modules that a file imports anywhere, `TYPE_CHECKING` included."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{each.name}" for each in node.names]
            yield from (name if name in modules else node.module for name in names)
        elif isinstance(node, ast.Import):
            yield from (each.name for each in node.names)


def test_no_imports_go_round_in_a_circle() -> None:
    root = Path(objectives.__file__).parent
    files = {
        ".".join(file.relative_to(root.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): file
        for file in root.rglob("*.py")
    }
    graph = {name: set(imported(file, set(files))) & set(files) for name, file in files.items()}
    assert "objectives.clock.heads" in graph["objectives.clock.network"]  # which is lazy
    ordered = list(TopologicalSorter(graph).static_order())  # raises where there is a circle
    assert len(ordered) == len(files)


@pytest.mark.parametrize(
    ("error", "wrong"),
    [
        (objectives.UnknownNameError, lambda: objectives.get("mpl")),
        (objectives.UnknownNameError, lambda: check("mnits", DataOptions())),
        (objectives.UnknownNameError, lambda: objectives.Hyperparameters.check("droput", 1)),
        (objectives.SettingError, lambda: objectives.Hyperparameters.check("epochs", 0)),
        (objectives.SettingError, lambda: small("cnn", filters=[4] * 24)),
        (objectives.SettingError, lambda: small("clock")),
        (objectives.DataError, lambda: check("mnist", DataOptions(size=75))),
    ],
)
def test_every_error_is_one_of_this_package_and_a_value_error(
    error: type[Exception], wrong: Callable[[], Any]
) -> None:
    with pytest.raises(error, match=r"^Expected .*Received: ") as caught:
        wrong()
    assert isinstance(caught.value, objectives.ObjectiveError)
    assert isinstance(caught.value, ValueError)


def small(name: str, **setting: Any) -> None:
    """Check a network on pictures of 7x7 pixels."""
    objectives.get(name).hyperparameters(**setting).check_input((7, 7, 1))


def test_each_error_is_also_the_built_in_one_that_fits() -> None:
    assert issubclass(objectives.DataNotFoundError, FileNotFoundError)
    assert issubclass(objectives.RenderingError, RuntimeError)
    assert issubclass(objectives.CheckpointError, ValueError)
    for name in objectives.__all__:
        if name.endswith("Error"):
            assert issubclass(getattr(objectives, name), objectives.ObjectiveError)
