"""The table of samplers and pruners: what it refuses, and that Optuna agrees with it."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from studies.definition.sampler_options import (
    PRUNERS,
    SAMPLERS,
    Method,
    Option,
    read_pruner,
    read_sampler,
)
from studies.samplers.build import CLASSES as SAMPLER_CLASSES
from studies.samplers.build import build_sampler
from studies.samplers.pruners import CLASSES as PRUNER_CLASSES
from studies.samplers.pruners import build_pruner

# Optuna makes no such pruner without these options.
NEEDED: dict[str, dict[str, Any]] = {"threshold": {"upper": 1.0}}
# Values just outside of these bounds are refused here only: Optuna fails in the first trial.
LATE_IN_OPTUNA = {
    ("tpe", "n_startup_trials"),
    ("tpe", "n_ei_candidates"),
    ("nsga3", "dividing_parameter"),
    ("gp", "n_startup_trials"),
    ("cmaes", "n_startup_trials"),
    ("cmaes", "popsize"),
    ("hyperband", "min_resource"),
    ("hyperband", "reduction_factor"),
    ("hyperband", "bootstrap_count"),
}
METHODS = {**SAMPLERS, **PRUNERS}
EACH = [(name, option) for name, method in METHODS.items() for option in method.options]


def make(name: str, **options: Any) -> object:
    """Make the real object through the table, as a worker does."""
    spec = {"name": name, **NEEDED.get(name, {}), **options}
    return build_pruner(spec, 9) if name in PRUNERS else build_sampler(spec, 0, 0, {})


def make_unchecked(name: str, **options: Any) -> object:
    """Make Optuna's object without asking the table."""
    classes = PRUNER_CLASSES if name in PRUNERS else SAMPLER_CLASSES
    own: dict[str, Any] = {"qmc": {"number": 0, "space": {}}}.get(name, {})
    own |= {"percentile": {"percentile": 25.0}}.get(name, {})
    own |= {"patient": {"wrapped_pruner": None, "patience": 1}}.get(name, {})
    return classes[name](**{**own, **NEEDED.get(name, {}), **options})  # type: ignore[operator]


def allowed(option: Option) -> list[Any]:
    """Return the values at the bounds of an option, or all of them."""
    if option.type is bool:
        return [True, False]
    numbers = [bound for bound in (option.low, option.high) if bound is not None]
    return [*numbers, *option.texts] or [{int | float: 0.5}.get(option.type, 7)]  # type: ignore[dict-item]


def refused(option: Option) -> list[Any]:
    """Return values just outside of the bounds of an option."""
    below = [] if option.low is None else [option.low - 1]
    above = [] if option.high is None else [option.high + 1]
    return below + above + (["no such text"] if option.texts else [])


def is_installed(method: Method) -> bool:
    return method.package is None or importlib.util.find_spec(method.package) is not None


def test_the_table_has_the_names_that_can_be_made() -> None:
    assert SAMPLERS.keys() == SAMPLER_CLASSES.keys()
    assert PRUNERS.keys() == PRUNER_CLASSES.keys()
    assert not SAMPLERS.keys() & PRUNERS.keys()


@pytest.mark.parametrize(("name", "option"), EACH)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optuna_takes_what_the_table_allows_and_refuses_what_it_refuses(
    name: str, option: str
) -> None:
    method = METHODS[name]
    if not is_installed(method):
        with pytest.raises(ValueError, match=f"Expected the package {method.package}"):
            make(name)
        return
    known = method.options[option]
    values = ["median", {"name": "threshold", "lower": 0.0}] if option == "wrapped" else None
    beside: dict[str, Any] = {}
    if (name, option) == ("successive_halving", "bootstrap_count"):
        beside = {"min_resource": 1}
    for value in values or allowed(known):
        if option == "group" and value:
            beside = {"multivariate": True}
        assert make(name, **beside, **{option: value}) is not None
    for value in refused(known):
        with pytest.raises(ValueError, match=f"(?s)Expected.*{option}.*Received"):
            make(name, **{option: value})
        if (name, option) not in LATE_IN_OPTUNA:
            with pytest.raises((ValueError, TypeError)):
                make_unchecked(name, **{option: value})
    with pytest.raises(ValueError, match=f"for {option} of {name}. Received: "):
        make(name, **{option: None})


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("tpe", {"group": True, "multivariate": False}, "multivariate = true with group"),
        ("cmaes", {"lr_adapt": True, "use_separable_cma": True}, "lr_adapt or use_separable_cma"),
        ("successive_halving", {"bootstrap_count": 1}, "a number for min_resource"),
        ("hyperband", {"bootstrap_count": 1, "max_resource": "auto"}, "a number for max_resource"),
        ("threshold", {"lower": 2.0, "upper": 1.0}, "lower <= upper"),
        ("threshold", {"n_warmup_steps": 1}, "at least one of lower, upper"),
    ],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_optuna_refuses_the_combinations_that_the_table_refuses(
    name: str, options: dict[str, Any], says: str
) -> None:
    read = read_pruner if name in PRUNERS else read_sampler
    with pytest.raises(ValueError, match=f"Expected {says}.*Received: "):
        read({"name": name, **options})
    classes = PRUNER_CLASSES if name in PRUNERS else SAMPLER_CLASSES
    with pytest.raises((ValueError, TypeError)):
        classes[name](**options)  # type: ignore[operator]


def test_options_that_a_definition_leaves_out_have_the_tables_defaults() -> None:
    assert read_pruner("patient") == ("patient", {"wrapped": "median", "patience": 3})
    assert read_pruner({"name": "patient", "patience": 0})[1]["patience"] == 0
    assert read_pruner("percentile") == ("percentile", {"percentile": 25.0})
    assert read_sampler("tpe") == ("tpe", {})


def test_gp_without_torch_is_an_error_that_names_the_extra() -> None:
    if importlib.util.find_spec("torch") is not None:
        assert read_sampler("gp") == ("gp", {})
        return
    with pytest.raises(ValueError, match=r"Expected the package torch .* with its extra \[gp\]"):
        read_sampler("gp")


def test_names_options_and_values_of_options_are_checked() -> None:
    with pytest.raises(ValueError, match=r"Received: ranom\. Did you mean random\?"):
        read_sampler("ranom")
    with pytest.raises(ValueError, match=r"option of random, of which there is none\. Received: n"):
        read_sampler({"name": "random", "n": 1})
    with pytest.raises(ValueError, match=r"Expected int for popsize of cmaes\. Received: True"):
        read_sampler({"name": "cmaes", "popsize": True})
    with pytest.raises(ValueError, match="Expected population_size >= 2 for nsga2"):
        read_sampler({"name": "nsga2", "population_size": 1})
    with pytest.raises(ValueError, match=r"value for qmc_type of qmc.*Did you mean sobol\?"):
        read_sampler({"name": "qmc", "qmc_type": "sobel"})
    with pytest.raises(ValueError, match=r"Received: mdian\. Did you mean median\?"):
        read_pruner({"name": "patient", "wrapped": "mdian"})
