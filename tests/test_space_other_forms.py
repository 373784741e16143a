"""A line of `[space]` in the form of another tool is told as it is written here."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from small_studies import RANDOM, spaced

from studies.definition.study import parse_definition
from studies.errors import DefinitionError

LOG = "{ low = 0.0001, high = 0.1, log = true }"
FORMS = {  # the line of another tool -> ours
    # Ray Tune, and Optuna's and Hyperopt's words
    'x = { choice = ["relu", "tanh"] }': 'x = ["relu", "tanh"]',
    "x = { grid_search = [1, 2] }": "x = [1, 2]",
    "x = { suggest_categorical = [1, 2] }": "x = [1, 2]",
    "x = { loguniform = [1e-4, 1e-1] }": f"x = {LOG}",
    "x = { FloatDistribution = [0.1, 0.2] }": "x = { low = 0.1, high = 0.2 }",
    "x = { quniform = [0.1, 0.5, 0.1] }": "x = { low = 0.1, high = 0.5, step = 0.1 }",
    "x = { qloguniform = [1e-4, 1e-1, 1e-4] }": f"x = {LOG}",
    "x = { randint = [1, 9] }": "x = { low = 1, high = 8 }",
    "x = { randint = 5 }": "x = { low = 0, high = 4 }",
    "x = { qrandint = [16, 64, 16] }": "x = { low = 16, high = 64, step = 16 }",
    "x = { loguniform = [-9, -1] }": "x = { low = 0.000123, high = 0.368, log = true }",
    "x = { uniform = { low = 1, high = 2 } }": "x = { low = 1, high = 2 }",
    # W&B
    "x = { values = [1, 2] }": "x = [1, 2]",
    "x = { min = 1, max = 2 }": "x = { low = 1, high = 2 }",
    'x = { distribution = "log_uniform_values", min = 1e-4, max = 1e-1 }': f"x = {LOG}",
    'x = { distribution = "q_uniform", min = 1, max = 5, q = 2 }': (
        "x = { low = 1, high = 5, step = 2 }"
    ),
    'x = { distribution = "categorical", values = [1, 2], probabilities = [0.5, 0.5] }': (
        "x = [1, 2]"
    ),
    # KerasTuner
    "x = { min_value = 1, max_value = 9, step = 2 }": "x = { low = 1, high = 9, step = 2 }",
    'x = { min_value = 1e-4, max_value = 1e-1, sampling = "log" }': f"x = {LOG}",
    "x = { Boolean = {} }": "x = [false, true]",
    'x = { values = [1], parent_name = "depth", parent_values = 3 }': (
        "x = { levels = [1], when = { depth = [3] } }"
    ),
    # Optuna's distributions as JSON, NNI
    'x = { type = "float", low = 1e-4, high = 1e-1, log = true }': f"x = {LOG}",
    'x = { type = "int", low = 1, high = 9, log = false }': "x = { low = 1, high = 9 }",
    'x = { _type = "choice", _value = [1, 2] }': "x = [1, 2]",
    'x = { _type = "uniform", _value = [1, 2] }': "x = { low = 1, high = 2 }",
    # words beside ours
    "x = { low = 1, max = 2 }": "x = { low = 1, high = 2 }",
    "x = { choice = [1, 2], when = { y = [3] } }": "x = { levels = [1, 2], when = { y = [3] } }",
}


def function(line: str) -> dict[str, Any]:
    """Return the definition of a function, whose parameters may have any levels."""
    study = {"name": "s", "objective": "a.py:f", "metric": "m", "direction": "minimize"}
    return {**study, "search": RANDOM, "space": tomllib.loads(line)}


@pytest.mark.parametrize("line", list(FORMS))
def test_the_form_of_another_tool_is_told_as_a_line_of_ours(line: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_definition(function(line))
    assert caught.value.key == "space.x"
    assert caught.value.message.startswith("Expected a range or levels. Received: ")
    assert caught.value.message.endswith(f"Write {FORMS[line]}.")
    known = {"y": [3, 4], "depth": [3, 4]} | tomllib.loads(FORMS[line])
    assert "x" in parse_definition(function("") | {"space": known}).factors.factors  # it is right


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('x = { distribution = "normal", mu = 0.0, sigma = 1.0 }', "Write a range, as in x = {"),
        ("x = { min = 1 }", "Write a range, as in x = {"),
        ("x = { step = 1 }", "Write a range, as in x = {"),
        ("x = { value = 0.1 }", "All trials have it: write x = 0.1 in [fixed]."),
        ("x = 0.1", "Write levels as x = [0.1]"),
        ("x = { low = 1, high = 9, default = 3 }", "What is tried first stands in search.enqueue."),
    ],
)
def test_what_has_no_such_line_is_told_what_there_is(line: str, says: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_definition(function(line))
    assert says in caught.value.message


def test_labels_of_levels_may_be_such_words() -> None:
    lines = [
        'x = { uniform = { init = "he_uniform" }, normal = { init = "he_normal" } }',
        'x = { uniform = { init = "he_uniform" } }',  # what --set x=uniform leaves
        "x = { low = [1, 2], high = [3, 4] }",
        'x = { choice = "one", range = "two" }',
        "x = { int = 1, float = 2 }",
    ]
    for line in lines:
        levels = tomllib.loads(line)["x"]
        found = parse_definition(function(line)).factors.factors["x"].levels()
        assert list(found) == list(levels)


def test_a_name_that_the_network_lacks_is_told_first() -> None:
    for name, says in (("units", "is here: hidden_units"), ("dropuot", "Did you mean dropout?")):
        with pytest.raises(DefinitionError, match="Expected a hyperparameter") as caught:
            parse_definition(spaced(**{name: {"choice": [1, 2]}}))
        assert says in caught.value.message
    with pytest.raises(DefinitionError, match=r"Write hidden_units = \[\[64\], \[64, 64\]\]\."):
        parse_definition(spaced(hidden_units={"values": [64, [64, 64]]}))
    with pytest.raises(DefinitionError, match=r"Write seed = \[1, 2\]\."):
        parse_definition(spaced(seed={"values": [1, 2]}))
