"""Networks that read clocks: what they learn, and that each setting can be built, kept and loaded.

The last test runs those that are about the programs on the other backend too.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest
from clock_heads import HEADS, NAMES, head_of
from nested import said_by, start_tests
from scipy import ndimage

import objectives
from objectives.clock.hyperparameters import ClockHyperparameters, Head
from objectives.clock.network import build
from objectives.clock.render import render
from objectives.data.datasets import Dataset
from objectives.training import evaluate
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult
from objectives.training.train import train

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
SMALL: dict[str, Any] = {
    "first_filters": 8, "patterns": 1, "convs_per_pattern": 1, "hidden_units": [256],
    "batch_normalization": False,
}  # fmt: skip


def run(data: Dataset, programs: ProgramCache | None = None, **setting: Any) -> TrainingResult:
    return train(
        objectives.get("clock"), ClockHyperparameters(**setting), data, seed=0,
        metric="val_common_sense_error", maximize=False, report=lambda epoch, metrics: True,
        programs=programs or ProgramCache(),
    )  # fmt: skip


def noise(n: int = 64) -> Dataset:
    """Return pictures of noise, of which each must be learned by heart."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (n, 12, 12, 1)).astype(np.uint8)
    y = rng.permutation(720)[:n].astype(np.int32)
    return Dataset("noise", x, y, x, y, 720, "", 255.0)


@pytest.mark.parametrize(("setting", "most"), HEADS, ids=NAMES)
def test_a_head_learns_64_pictures_by_heart(setting: dict[str, Any], most: int) -> None:
    learns = {"batch_size": 16, "epochs": 12, "learning_rate": 0.004}
    data = noise()
    # Sixteen times in an epoch: an epoch costs more than its steps.
    x, y = np.tile(data.x_train, (16, 1, 1, 1)), np.tile(data.y_train, 16)
    data = replace(data, x_train=x, y_train=y)
    result = run(data, **SMALL, **learns, **setting, learning_rate_schedule="cosine")
    assert result.value is not None
    assert result.value < 2 + most
    # A likelihood falls slowly, as the network becomes surer of the minute.
    margin = 4.0 if setting["head"] == "von_mises" else 0.1
    assert result.history["val_loss"][-1] < margin


def upright(n: int, size: int = 20) -> tuple[Any, Any]:
    """Draw dark hands on bright dials, all of them upright; return pictures and times."""
    y = np.random.default_rng(0).permutation(np.arange(n) % 720).astype(np.int32)
    hand = np.linspace(0, 1, 4 * size)
    x = np.full((n, size, size, 1), 255, np.uint8)
    for picture, minute in zip(x, y, strict=True):
        for length, turn in ((0.25, minute / 720), (0.45, minute / 60)):
            angle = 2 * np.pi * turn
            row = size * (0.5 - length * hand * np.cos(angle))
            column = size * (0.5 + length * hand * np.sin(angle))
            picture[row.astype(int), column.astype(int)] = 0
    return x, y


@pytest.mark.parametrize("head", ["classification", "soft_circular"])  # the hardest to begin
def test_with_its_defaults_a_head_reads_upright_clocks(head: str) -> None:
    x, y = upright(1_820)
    data = Dataset("clocks", x[:1_600], y[:1_600], x[1_600:], y[1_600:], 720, "", 255.0)
    quick = {"first_filters": 8, "patterns": 2, "convs_per_pattern": 1, "epochs": 3}
    result = run(data, **quick, batch_size=32, learning_rate=0.003, head=head)
    assert result.value is not None
    assert result.value < 60  # by chance 180


def test_with_shuffled_labels_a_network_does_no_better_than_chance() -> None:
    """By chance two times are 180 minutes apart in the mean; true labels come well below."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 720, 1_000).astype(np.int32)
    x = np.stack([render(int(t), 20, (i,), 0.0) for i, t in enumerate(y)])[..., None]
    x_train, x_validation, y_train, y_validation = x[:800], x[800:], y[:800], y[800:]
    setting = {**SMALL, "epochs": 6, "batch_size": 32, "learning_rate": 0.002, "patterns": 2}
    setting["hidden_units"] = [128]
    errors, programs = [], ProgramCache()
    for labels in (y_train, rng.permutation(y_train)):
        data = Dataset("clocks", x_train, labels, x_validation, y_validation, 720, "", 255.0)
        errors.append(min(run(data, programs, **setting).history["val_common_sense_error"]))
    assert errors[0] < 120
    assert 160 < errors[1] < 200


def layers_of(kind: type, **setting: Any) -> list[Any]:
    network = build(ClockHyperparameters(**SMALL | setting), (32, 32, 1), 720)
    return [layer for layer in network.layers if isinstance(layer, kind)]


def test_a_layer_is_normalized_once() -> None:
    normalization = keras.layers.BatchNormalization
    everywhere: dict[str, Any] = {"batch_normalization": True, "hidden_units": [8, 8]}
    assert len(layers_of(normalization, **everywhere)) == 3  # with the convolution
    assert len(layers_of(normalization, **everywhere, dense_normalization=True)) == 3
    assert len(layers_of(normalization, dense_normalization=True, hidden_units=[8, 8])) == 1


@pytest.mark.parametrize("head", get_args(Head))
def test_only_a_head_of_classes_begins_with_normalization(head: str) -> None:
    of_classes = head in ("classification", "two_heads", "soft_circular")
    n = 2 if of_classes else 0  # of a convolution and a dense layer
    by_head = SMALL | {"batch_normalization": None}
    assert len(layers_of(keras.layers.BatchNormalization, **by_head, head=head)) == n
    assert len(layers_of(keras.layers.BatchNormalization, **SMALL, head=head)) == 0


def test_a_normalization_keeps_as_much_of_its_past_as_it_is_told() -> None:
    normalization = keras.layers.BatchNormalization
    for where in ("batch_normalization", "dense_normalization"):
        setting = {where: True, "normalization_momentum": 0.9}
        assert {layer.momentum for layer in layers_of(normalization, **setting)} == {0.9}


def test_a_vectors_outputs_can_have_layers_of_their_own_and_those_of_classes_belong_together() -> (
    None
):
    setting: dict[str, Any] = {"separate_outputs": True, "hidden_units": [], "head_units": [4]}
    for head, widths in (
        ({"head": "both_hands"}, [4, 1] * 4),
        ({"head": "von_mises"}, [4, 1] * 4),
        ({"head": "classification", "n_classes": 2}, [4, 2]),
        ({"head": "two_heads", "minute_classes": 2}, [4, 12, 4, 2]),
    ):
        dense = layers_of(keras.layers.Dense, **setting, **head)
        assert sorted(layer.units for layer in dense) == sorted(widths)


def test_each_stride_has_a_convolution() -> None:
    one: dict[str, Any] = {"patterns": 1, "convs_per_pattern": 1}
    with pytest.raises(ValueError, match=r"Expected a convolution for each of 2 strides"):
        ClockHyperparameters(strides="2x1 1x2", **one)
    ClockHyperparameters(strides="2x2", **one)
    steps = [layer.strides for layer in layers_of(keras.layers.Conv2D, strides="2x2")]
    assert steps == [(2, 2)]


def test_augmented_pictures_are_moved_or_turned_each_in_its_own_way_and_never_mirrored() -> None:
    keras.utils.set_random_seed(0)
    picture = np.zeros((41, 41, 1), np.float32)
    picture[6:35, 16:22] = picture[6:14, 16:34] = 1  # an L, upside down
    picture = ndimage.gaussian_filter(picture, (2, 2, 0)) * np.float32(0.8)  # a step changes little
    many = np.repeat(picture[None], 64, axis=0)
    turns = np.arange(0, 360, 10)
    each_turn = [
        [ndimage.rotate(shape, turn, reshape=False, order=1).ravel() for turn in turns]
        for shape in (picture[..., 0], picture[:, ::-1, 0])
    ]

    def turned(augmentation: str, *, training: bool) -> tuple[Any, Any]:
        """Return how far each is turned, in degrees, NaN where it is mirrored; and the pictures."""
        setting = ClockHyperparameters(**SMALL, augmentation=augmentation)
        network = build(setting, picture.shape, 720, "float32", 1.0)
        first = next(layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D))
        seen = keras.Model(network.input, first.input)(many, training=training)
        rows = keras.ops.convert_to_numpy(seen).reshape(len(many), -1)
        plain, mirrored = (np.corrcoef(rows, each)[: len(rows), len(rows) :] for each in each_turn)
        found = turns[plain.argmax(axis=1)]
        return np.where(plain.max(axis=1) > mirrored.max(axis=1), found, np.nan), rows

    assert (turned("none", training=True)[0] == 0).all()
    assert (turned("rotation", training=False)[0] == 0).all()
    found, rows = turned("light", training=True)
    spreads = rows.std(axis=1) / picture.std()
    assert spreads.max() > 1.1  # contrast is raised
    assert np.isin(found, (350, 0, 10)).all()
    assert len(np.unique(rows, axis=0)) == len(rows)
    found, _ = turned("rotation", training=True)
    assert not np.isnan(found).any()
    assert len(set(found // 45)) > 6


# On both backends.


@pytest.mark.parametrize(
    "setting",
    [
        {"head": "soft_circular", "label_width": 3.0, "minute_weight": 0.3, "n_classes": 72},
        {"head": "two_heads", "minute_weight": 0.2, "minute_output": "regression"},
        {"head": "hour_class_minute_circle", "label_width": 0.5, "hand_activation": "unit_norm"},
    ],
)
def test_the_metrics_are_those_of_the_network_that_is_kept(setting: dict[str, Any]) -> None:
    """The numbers that the head reads are the trial's own, though trials share a program."""
    data, programs = noise(), ProgramCache()
    own = {"minute_weight": 0.7, "label_width": 1.3}
    for numbers in (own, setting):
        result = run(data, programs, **SMALL, **setting | numbers, epochs=2)
        head = head_of(**setting | numbers)
        scores = evaluate.losses_and_predictions(
            result.model(), head, data.x_validation, data.y_validation
        )
        for name, value in evaluate.metrics(head, scores, data.y_validation).items():
            kept = result.history[f"val_{name}"][result.best_epoch - 1]
            assert value == pytest.approx(kept, rel=1e-3)
    assert programs.built == 1


@pytest.mark.parametrize(
    "setting",
    [
        {
            "gamma": 3.0, "coordinates": True, "strides": "2x1 1x2", "average_pooling": True,
            "convs_per_pattern": 2, "batch_size": 24,
        },
        {"augmentation": "light", "kernel_size": 6, "strides": "2x2", "activation": "leaky_relu"},
        {"augmentation": "rotation"},
        {
            "conv_dropout": 0.1, "flat_dropout": 0.2, "dropout": 0.3, "batch_normalization": True,
            "head_units": [8], "separate_outputs": True, "hand_activation": "unit_norm",
        },
        {"dense_normalization": True, "output_penalty": True, "regularizer": "l2", "patterns": 3},
    ],
    ids=["input", "augmentation", "rotation", "dropout", "normalization"],
)  # fmt: skip
def test_each_setting_can_be_trained_kept_and_loaded_by_stock_keras(
    setting: dict[str, Any], tmp_path: Path
) -> None:
    data = noise()
    # Batches that leave no smaller one, but for one setting: it would be a second step to compile.
    result = run(data, **SMALL | {"batch_size": 32} | setting, epochs=2)
    assert result.stopped == "finished"
    network = result.model()
    # Called as a function, layers that augment would do so.
    twice = [keras.ops.convert_to_numpy(network(data.x_train)) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    network.save(tmp_path / "network.keras")
    with zipfile.ZipFile(tmp_path / "network.keras") as archive:
        config = archive.read("config.json").decode()
    assert "objectives" not in config
    loaded = keras.models.load_model(tmp_path / "network.keras")
    outputs = [
        keras.ops.convert_to_numpy(each(data.x_train, training=False)) for each in (network, loaded)
    ]
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)
    head = head_of(**setting)
    scores = evaluate.losses_and_predictions(network, head, data.x_train, data.y_train)
    kept = result.history["val_common_sense_error"][result.best_epoch - 1]
    assert evaluate.metrics(head, scores, data.y_train)["common_sense_error"] == pytest.approx(
        kept,
        abs=12,  # a reading may turn by rounding
    )


def test_all_that_is_about_programs_on_the_other_backend() -> None:
    other = "tensorflow" if keras.backend.backend() == "jax" else "jax"
    chosen = "metrics_are_those or each_setting"
    (words,) = said_by(start_tests(__file__, backend=other, select=chosen))
    assert "8 passed" in words
