"""Print the lowest versions that pyproject.toml admits of libraries whose private names are used.

These are the dependencies with an upper bound: a bound is there because such names move.
"""

import re
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"

dependencies = tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"]
bounded = [re.fullmatch(r"([\w-]+)>=([\d.]+),<[\d.]+", line) for line in dependencies]
lowest = {found[1]: found[2] for found in bounded if found}
lowest["jaxlib"] = lowest["jax"]  # the compiled half of JAX, which has the version of the other
print(*(f"{name}=={version}" for name, version in lowest.items()))
