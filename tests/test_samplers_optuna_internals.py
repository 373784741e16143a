"""The private names of Optuna that our samplers rely on, one test for each.

A failure names what the installed Optuna has changed. For TPE its own serves then, slower and
without the condition on a pack's structure; for CMA-ES and QMC a study ends with an error. Adapt
studies/samplers/optuna_internals.py, or keep that version of Optuna out in pyproject.toml.
"""

from __future__ import annotations

import importlib
from dataclasses import replace

import optuna
import pytest

from studies.samplers import optuna_internals
from studies.samplers.optuna_internals import INTERNALS, Attribute, Callee, internals_problem

EACH = [
    pytest.param(each, id=f"{name}: {each.name}") for name in INTERNALS for each in INTERNALS[name]
]


@pytest.mark.parametrize("relied_on", EACH)
def test_optuna_has_the_private_name_that_is_relied_on(relied_on: Callee | Attribute) -> None:
    problem = relied_on.problem()
    assert problem is None, f"Optuna {optuna.__version__}: {problem}"


@pytest.mark.parametrize("name", list(optuna_internals._HOME))
def test_what_is_imported_when_used_is_on_the_list(name: str) -> None:
    module, private = optuna_internals._HOME[name]
    assert getattr(optuna_internals, name) is getattr(importlib.import_module(module), private)
    listed = {each.name for group in INTERNALS.values() for each in group}
    assert private in listed


def test_a_name_that_nobody_imports_lazily_is_an_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Parzen'"):
        _ = optuna_internals.Parzen


def test_the_checks_see_a_name_that_is_gone_and_a_signature_that_has_changed() -> None:
    callee = next(each for each in INTERNALS["tpe"] if isinstance(each, Callee))
    assert replace(callee, name="_Parzen").problem() == f"{callee.module}._Parzen is missing"
    assert (
        replace(callee, module="optuna._gone").problem() == f"optuna._gone.{callee.name} is missing"
    )
    changed = replace(callee, parameters=("observations",)).problem()
    assert changed is not None
    assert changed.endswith("not (observations)")
    attribute = next(each for each in INTERNALS["tpe"] if isinstance(each, Attribute))
    gone = replace(attribute, name="_liar").problem()
    assert gone is not None
    assert gone.startswith("_liar of a TPESampler is missing")


def test_a_sampler_without_private_names_has_no_problem() -> None:
    assert internals_problem("nsga2") is None
    assert internals_problem("tpe") is None
