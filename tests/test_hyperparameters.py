"""The typed fields: their rules, their description, and which of them share a program."""

from dataclasses import astuple
from typing import Any

import pytest

from objectives.clock.hyperparameters import ClockHyperparameters
from objectives.hyperparameters import OPTIMIZER_SETTINGS, Hyperparameters
from objectives.networks.cnn import CnnHyperparameters
from objectives.networks.mlp import MlpHyperparameters


def info(name: str) -> tuple[Any, ...]:
    (found,) = (each for each in CnnHyperparameters.describe() if each.name == name)
    return astuple(found)[1:-2]


def test_description_of_each_type() -> None:
    assert info("learning_rate") == ("float", 0, 100, None, None, "tunable")
    assert info("batch_size") == ("int", 1, 8192, 128, None, "structural")
    assert info("nesterov") == ("bool", None, None, False, None, "structural")
    assert info("pooling") == (
        "choice", None, None, "max", ("max", "average", "none"), "structural",
    )  # fmt: skip
    assert info("filters") == ("list of int", 1, 8192, (32, 64), None, "structural")
    assert info("steps") == ("int", 1, 100_000_000, None, None, "schedule")


ALL = [MlpHyperparameters, CnnHyperparameters, ClockHyperparameters]


@pytest.mark.parametrize("hyperparameters", ALL)
def test_what_a_hyperparameter_needs_are_values_that_others_can_have(
    hyperparameters: type[Hyperparameters],
) -> None:
    for field in hyperparameters.describe():
        for other, wanted in (item for need in field.needs for item in need.items()):
            for value in wanted or (hyperparameters.model_fields[other].default,):
                assert hyperparameters.check(other, value) == value


@pytest.mark.parametrize("hyperparameters", ALL)
def test_every_field_has_help_a_kind_and_a_valid_default(
    hyperparameters: type[Hyperparameters],
) -> None:
    for each in hyperparameters.describe():
        assert each.help.endswith(".")
        assert each.kind in ("structural", "tunable", "schedule")
        assert hyperparameters.check(each.name, each.default) == each.default


@pytest.mark.parametrize(
    ("name", "value", "checked"),
    [
        ("learning_rate", 1, 1.0),
        ("learning_rate", None, None),
        ("hidden_units", [300, 100], (300, 100)),
        ("hidden_units", (300,), (300,)),
        ("dropout", 0, 0.0),
        ("dropout", [0.5, 0], (0.5, 0.0)),
        ("nesterov", True, True),
        ("optimizer", "sgd", "sgd"),
    ],
)
def test_check_returns_the_value_as_the_field_holds_it(
    name: str, value: object, checked: object
) -> None:
    assert MlpHyperparameters.check(name, value) == checked
    assert type(MlpHyperparameters.check(name, value)) is type(checked)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("learning_rate", "0.1", r"a float > 0.* and <= 100.* or None. Received: .*='0.1'\."),
        ("learning_rate", 0.0, r"a float > 0.* Received: learning_rate=0.0\."),
        ("learning_rate", float("nan"), r"Received: learning_rate=nan\."),
        ("learning_rate", True, r"Received: learning_rate=True\."),
        ("batch_size", True, r"an int >= 1 and <= 8192. Received: batch_size=True\."),
        ("batch_size", 64.0, r"Received: batch_size=64.0\."),
        ("batch_size", None, r"Received: batch_size=None\."),
        ("nesterov", 1, r"a bool. Received: nesterov=1\."),
        ("input_dropout", 1.0, r"a float >= 0.* and < 1.* Received: input_dropout=1.0\."),
        ("dropout", 1.0, r"a float >= 0 and < 1, or a list of them.* Received: dropout=1.0\."),
        ("dropout", [0.1, 1.0], r"one for each layer. Received: dropout=\[0.1, 1.0\]\."),
        ("dropout", [], r"Received: dropout=\[\]\."),
        ("activation", "rleu", r"Received: .*'rleu'. Did you mean 'relu'\? .*one of 'tanh', "),
        ("hidden_units", [], r"a list of 1 to 10 ints >= 1 and <= 8192. Received: .*=\[\]\."),
        ("hidden_units", [0], r"Received: hidden_units=\[0\]\."),
        ("hidden_units", [64.0], r"Received: hidden_units=\[64.0\]\."),
        ("hidden_units", 64, r"Received: hidden_units=64\."),
    ],
)
def test_check_names_the_rule_and_the_value(name: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^Expected .*{message}"):
        MlpHyperparameters.check(name, value)
    with pytest.raises(ValueError, match=message):
        MlpHyperparameters(**{name: value})


def test_unknown_name_suggests_the_nearest() -> None:
    for make in (lambda: MlpHyperparameters.check("droput", 0.1), lambda: MlpHyperparameters(
        droput=0.1
    )):  # fmt: skip
        with pytest.raises(ValueError, match=r"Received: droput. Did you mean dropout\?") as caught:
            make()
        # The near ones first, then all others in order.
        assert "one of dropout, input_dropout, activation, " in str(caught.value)


@pytest.mark.parametrize(
    "setting",
    [
        {"optimizer": "adam", "momentum": 0.9},
        {"optimizer": "adam", "momentum": 0.0},
        {"optimizer": "sgd", "epsilon": 1e-4},
        {"optimizer": "adadelta", "nesterov": True},
        {"optimizer": "adamax", "amsgrad": True},
        {"optimizer": "adamw", "momentum": 0.9},
        {"optimizer": "lion", "epsilon": 1e-4},
    ],
)
def test_setting_of_another_optimizer_is_refused(setting: dict[str, Any]) -> None:
    name = list(setting)[1]
    with pytest.raises(ValueError, match=f"that {setting['optimizer']} has.*Received: {name}="):
        MlpHyperparameters(**setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            {"dropout": [0.1, 0.2]},
            r"a list of 1: one for each of the hidden dense layers. Received: "
            r"dropout=\[0.1, 0.2\]",
        ),
        ({"conv_dropout": [0.1, 0.2]}, r"a list of 1: one for each of the blocks"),
        ({"dropout": [0.1]}, r"Expected conv_dropout, .* where dropout is a list"),
    ],
)
def test_a_list_of_rates_has_one_for_each_layer(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CnnHyperparameters(**setting)
    assert CnnHyperparameters(dropout=[0.1], conv_dropout=[0.2]).dropout == (0.1,)


def test_lion_takes_no_first_beta_of_zero() -> None:
    with pytest.raises(ValueError, match=r"Expected beta_1 > 0 for lion. Received: beta_1=0.0\."):
        MlpHyperparameters(optimizer="lion", beta_1=0)


@pytest.mark.parametrize("optimizer", OPTIMIZER_SETTINGS)
def test_only_what_is_set_reaches_the_optimizer(optimizer: str) -> None:
    values: dict[str, Any] = {"optimizer": optimizer}
    flags = OPTIMIZER_SETTINGS[optimizer] & {"nesterov", "centered", "amsgrad"}
    assert MlpHyperparameters(**values).optimizer_arguments() == dict.fromkeys(flags, False)
    settings = {name: 0.5 for name in OPTIMIZER_SETTINGS[optimizer] - flags}
    settings |= dict.fromkeys(flags, True)
    arguments = MlpHyperparameters(**values, **settings, learning_rate=1).optimizer_arguments()
    assert arguments == settings | {"learning_rate": 1.0}


def test_a_setting_is_frozen_and_hashable() -> None:
    hyperparameters = MlpHyperparameters(hidden_units=[300, 100])
    with pytest.raises(ValueError, match="frozen"):
        hyperparameters.dropout = 0.5
    assert hash(hyperparameters) == hash(MlpHyperparameters(hidden_units=(300, 100)))


FOUR: dict[str, Any] = {"filters": [8, 8, 8, 8]}  # in two blocks
SAME_PROGRAM: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"learning_rate": 0.1}, {}),
    ({"initializer": "ones"}, {"initializer_spread": 0.5}),
    ({"epochs": 3}, {"steps": 7, "early_stopping_patience": 2}),
    ({"dropout": 0.1}, {"dropout": 0.2}),
    ({"regularizer": "l1"}, {"regularizer": "l2", "regularizer_strength": 0.5}),
    ({"optimizer": "sgd", "momentum": 0.1}, {"optimizer": "sgd", "momentum": 0.9}),
    ({"beta_1": 0.8}, {"epsilon": 1e-3}),
    ({"weight_decay": 0.1, "global_clipnorm": 1}, {"weight_decay": 0.2, "global_clipnorm": 2}),
    ({"learning_rate_schedule": "cosine"}, {"learning_rate_final": 0.5}),
    (FOUR | {"conv_dropout": [0.1, 0.3]}, FOUR | {"conv_dropout": 0.2}),
    (FOUR | {"conv_dropout": [0.0, 0.3]}, FOUR | {"conv_dropout": [0.0, 0.1]}),
]
OTHER_PROGRAM: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"optimizer": "sgd"}, {}),
    ({"dropout": 0.1}, {}),
    ({"conv_dropout": 0.0, "dropout": 0.1}, {"dropout": 0.1}),
    ({"regularizer": "l1"}, {}),
    ({"optimizer": "sgd", "momentum": 0.9}, {"optimizer": "sgd"}),
    ({"activation": "tanh"}, {}),
    ({"batch_size": 64}, {}),
    ({"filters": [32]}, {}),
    ({"hidden_units": []}, {}),
    ({"amsgrad": True}, {}),
    ({"weight_decay": 0.1}, {}),
    ({"global_clipnorm": 0.1}, {}),
    ({"global_pooling": "max"}, {}),
    (FOUR | {"conv_dropout": [0.0, 0.3]}, FOUR | {"conv_dropout": 0.3}),
    (FOUR | {"conv_dropout": [0.0, 0.3]}, FOUR | {"conv_dropout": [0.3, 0.0]}),
]


VARIED: list[tuple[dict[str, list[Any]], dict[str, Any], dict[str, Any]]] = [
    ({"activation": ["tanh", "relu", "relu"]}, {"activation": "tanh"}, {}),
    ({"regularizer": ["none", "l1"]}, {"regularizer": "l1"}, {}),
    ({"dropout": [0.0, 0.5]}, {"dropout": 0.1}, {}),
    ({"dropout": [0, 0.5]}, {"dropout": 0.1}, {}),
    ({"conv_dropout": [0.0, 0.5]}, {"conv_dropout": 0.0}, {"conv_dropout": 0.3}),
    ({"weight_decay": [None, 0.1]}, {"weight_decay": 0.1}, {}),
    ({"global_clipnorm": [None, 1.0]}, {"global_clipnorm": 1.0}, {}),
    ({"conv_dropout": [0.0, [0.0, 0.3]]}, FOUR | {"conv_dropout": [0.0, 0.3]},
     FOUR | {"conv_dropout": 0.0}),
    ({"conv_dropout": [[0.3, 0.0], [0.0, 0.3]]}, FOUR | {"conv_dropout": [0.0, 0.3]},
     FOUR | {"conv_dropout": [0.3, 0.0]}),
    ({"conv_dropout": [None, 0.0]}, {"conv_dropout": 0.0, "dropout": 0.1}, {"dropout": 0.1}),
    (
        {"momentum": [0.0, 0.9]},
        {"optimizer": "sgd", "momentum": 0.5},
        {"optimizer": "sgd", "momentum": 0.0},
    ),
]  # fmt: skip
VARIED_IN_VAIN: list[tuple[dict[str, list[Any]], dict[str, Any], dict[str, Any]]] = [
    ({"activation": ["tanh", "elu"]}, {"activation": "tanh"}, {}),
    ({"dropout": [0.1, 0.5]}, {"dropout": 0.1}, {}),
    ({"conv_dropout": [0.0, 0.5]}, {"conv_dropout": 0.3}, {}),
    ({"momentum": [0.3, 0.9]}, {"optimizer": "sgd", "momentum": 0.9},
     {"optimizer": "sgd", "momentum": 0.0}),
    ({"filters": [[32], [64]]}, {"filters": [32]}, {"filters": [64]}),
]  # fmt: skip


@pytest.mark.parametrize(("levels", "one", "other"), VARIED)
def test_where_a_study_varies_a_shared_field_its_trials_share_a_structure(
    levels: dict[str, list[Any]], one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = CnnHyperparameters(**one), CnnHyperparameters(**other)
    assert first.structure() != second.structure()
    assert first.structure(levels) == second.structure(levels)
    full = [each.with_all_parts(levels) for each in (first, second)]
    assert (
        full[0].structure()
        == full[1].model_copy(update={"activation": first.activation}).structure()
    )
    assert first.activations(levels) == second.activations(levels)


@pytest.mark.parametrize(("levels", "one", "other"), VARIED_IN_VAIN)
def test_a_value_that_is_no_level_has_a_program_of_its_own(
    levels: dict[str, list[Any]], one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = CnnHyperparameters(**one), CnnHyperparameters(**other)
    assert first.structure(levels) != second.structure(levels)
    assert second.with_all_parts(levels) == second
    assert second.activations(levels) == ["relu"]


@pytest.mark.parametrize(("one", "other"), SAME_PROGRAM)
def test_tunables_and_schedules_share_a_structure(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert CnnHyperparameters(**one).structure() == CnnHyperparameters(**other).structure()


@pytest.mark.parametrize(("one", "other"), OTHER_PROGRAM)
def test_structural_fields_do_not(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert CnnHyperparameters(**one).structure() != CnnHyperparameters(**other).structure()
