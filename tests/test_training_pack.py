"""A lane's result does not depend on its neighbours: alone, in a pack of 3 and of more than 17.

The lanes differ in their seed, in everything tunable, in their activation and in whether they have
a penalty or a dropout. One diverges, one is pruned, one joins late, one goes on from a checkpoint,
some stop early, and their last epochs differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from double_precision import compute_in_double
from nested import IS_NESTED, said_by, start_tests
from xla import FAST_XLA

import objectives
from objectives.data.datasets import load
from objectives.data.options import DataOptions
from objectives.objective import Objective
from objectives.training import checkpoint
from objectives.training.checkpoint import Checkpoint
from objectives.training.pack import Pack, PackedTrial, TrainingTask
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
JAX = keras.backend.backend() == "jax"
DIGITS = load("digits", DataOptions(train_size=100))
MLP, CNN = objectives.get("mlp"), objectives.get("cnn")
DOUBLE = keras.backend.floatx() == "float64"
DENSE: dict[str, Any] = {"hidden_units": [8]}
CONV: dict[str, Any] = {"hidden_units": [], "filters": [2]}
LEVELS: dict[str, list[Any]] = {
    "activation": ["relu", "tanh", "exponential"],
    "regularizer": ["none", "l1", "l2", "l1_l2"],
    "dropout": [0.0, 0.5],
    "input_dropout": [0.0, 0.5],
    "momentum": [0.0, 0.9],
    "weight_decay": [None, 0.1],
    "global_clipnorm": [None, 0.5],
}
PENALIZED = ("adam", "sgd", "rmsprop")
DIVERGES, IS_PRUNED, JOINS_LATE, IS_RESUMED = 0, 1, 2, 3
FEW, MANY = 5, 28  # 3 or 4 at once, and never less than 17
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "sgd": [{"momentum": 0.5, "weight_decay": 0.1}, {"momentum": 0.0}],
    "rmsprop": [
        {"momentum": 0.3, "rho": 0.8, "global_clipnorm": 0.5},
        {"momentum": 0.0, "epsilon": 1e-3},
    ],
    "adagrad": [{"initial_accumulator_value": 0.3}, {"epsilon": 1e-3}],
    "adadelta": [{"rho": 0.8}, {"epsilon": 1e-4}],
    "adam": [{"beta_1": 0.8, "epsilon": 1e-3}, {"beta_2": 0.9}],
    "adamax": [{"beta_1": 0.8}, {"beta_2": 0.9, "epsilon": 1e-3}],
    "nadam": [{"beta_1": 0.8}, {"beta_2": 0.9, "epsilon": 1e-3}],
}


@pytest.fixture(autouse=True)
def _keras_in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    if DOUBLE:
        compute_in_double(monkeypatch)


def levels_of(optimizer: str) -> dict[str, list[Any]]:
    """Return what trials of an optimizer differ in: penalties are a third of what is compiled."""
    absent = {"regularizer": ["none"], "weight_decay": [None], "global_clipnorm": [None]}
    return LEVELS if optimizer in PENALIZED else LEVELS | absent


def task(objective: Objective, optimizer: str, i: int, **more: Any) -> TrainingTask:
    """Return the trial of lane `i`, unlike every other in all that does not change the program."""
    regularizers = levels_of(optimizer)["regularizer"]
    setting = {
        "optimizer": optimizer,
        "learning_rate": 1e-3 * (1 + i / 4),
        "learning_rate_schedule": ("constant", "cosine", "linear", "exponential")[i % 4],
        "initializer": ("glorot_uniform", "random_normal", "random_uniform", "glorot_normal")[
            i % 4
        ],
        "initializer_spread": 0.05 + i / 200,
        "dropout": i % 5 and 0.1 + i / 50,
        "activation": LEVELS["activation"][i % 3],
        "regularizer": regularizers[i // 2 % len(regularizers)],
        "regularizer_strength": 1e-3 * (1 + i),
        "batch_normalization": True,
        "batch_size": 50,
        "epochs": 3 if i in (JOINS_LATE, IS_RESUMED) else 4,  # all end together
        "restore_best_weights": i % 5 > 0,
        **({"steps": 7} if i % 3 == 2 and i > FEW else {}),  # the last epoch is shorter
        **(
            {"early_stopping_patience": 1, "early_stopping_min_delta": 0.05}
            if i % 4 == 3 and i > FEW
            else {}
        ),
        **SETTINGS[optimizer][i % 2],
        **more,
    }
    if optimizer == "adam":  # each costs all sizes of a program some time to compile
        setting["batch_size"] = 32  # three steps and a smaller one
        setting["steps"] = 13 if "steps" in setting else None
        setting |= {"input_dropout": i % 2 and 0.1 + i / 60} if objective is MLP else {}
    setting |= more
    hyperparameters = objective.hyperparameters(**setting)
    return TrainingTask(hyperparameters, seed=i, metric="val_loss", maximize=False)


def act(pack: Pack, trial: PackedTrial) -> None:
    """Do to a trial after its epoch what happens to it wherever it trains."""
    lane = trial.task.seed
    if lane == IS_PRUNED and trial.epochs.completed == 2:
        trial.stop()
    if lane == DIVERGES and trial.epochs.completed == 1:
        i = pack._slots.index(trial)
        state = pack._lanes.get(i)
        pack._lanes.put([i], [[np.full_like(state[0], np.nan), *state[1:]]])


def alone(
    objective: Objective,
    tasks: list[TrainingTask],
    programs: ProgramCache,
    levels: Mapping[str, Sequence[Any]] = LEVELS,
) -> list[TrainingResult]:
    """Train each trial by itself."""
    results = []
    for one in tasks:
        pack = Pack(objective, DIGITS, programs, levels)
        (trial,) = pack.add([one])
        while pack.trials:
            pack.train_epoch()
            act(pack, trial)
            results += [result for _, result in pack.take_ended()]
    return results


def together(
    objective: Objective,
    tasks: list[TrainingTask],
    programs: ProgramCache,
    levels: Mapping[str, Sequence[Any]],
    folder: Path,
) -> list[TrainingResult]:
    """Train all in one pack: one joins after an epoch, one leaves and comes back.

    The pack has the same size all the time, since each size takes seconds to compile.
    """
    pack = Pack(objective, DIGITS, programs, levels)
    pack.add([one for one in tasks if one.seed != JOINS_LATE])
    results: dict[int, TrainingResult] = {}
    away: PackedTrial | None = None
    epoch = 0
    while pack.trials:
        epoch += 1
        trained = pack.train_epoch()
        assert (3 if len(tasks) == FEW else 17) <= len(trained) <= pack._lanes.size
        assert pack._lanes.size == 1 << (len(tasks) - 2).bit_length()
        for trial, _ in trained:
            act(pack, trial)
            if trial.task.seed == IS_RESUMED and epoch == 1:
                pack.checkpoint(trial).save(folder / "lane.npz")
                trial.stop()
                away = trial
        results |= {trial.task.seed: result for trial, result in pack.take_ended()}
        if epoch == 1:
            pack.add([one for one in tasks if one.seed == JOINS_LATE])
        if epoch == 2 and away is not None:
            pack.add([replace(away.task, checkpoint=checkpoint.load(folder / "lane.npz"))])
    return [results[one.seed] for one in tasks]


def assert_equal(one: TrainingResult, other: TrainingResult, tolerance: float) -> None:
    assert (one.stopped, one.best_epoch, one.last_epoch) == (
        other.stopped,
        other.best_epoch,
        other.last_epoch,
    )
    for name, curve in one.history.items():
        np.testing.assert_allclose(curve, other.history[name], rtol=tolerance, atol=tolerance)
    for mine, its in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(mine, its, rtol=tolerance, atol=tolerance)


@pytest.mark.skipif(not (JAX and DOUBLE), reason="on JAX in float64: see the last test")
@pytest.mark.parametrize("optimizer", SETTINGS)
@pytest.mark.parametrize(("objective", "more"), [(MLP, DENSE), (CNN, CONV)], ids=["mlp", "cnn"])
def test_a_lane_is_the_same_alone_and_in_packs_of_3_and_17(
    objective: Objective, more: dict[str, Any], optimizer: str, tmp_path: Path
) -> None:
    programs = ProgramCache()
    tasks = [task(objective, optimizer, i, **more) for i in range(MANY)]
    levels = levels_of(optimizer)
    expected = alone(objective, tasks, programs, levels)
    endings = {result.stopped for result in expected}
    assert endings == {"finished", "early_stopping", "by_report", "diverged"}
    assert len({tuple(result.history["loss"]) for result in expected}) == MANY
    for members in (tasks, tasks[:FEW]):
        results = together(objective, members, programs, levels, tmp_path)
        for one, result in zip(members, results, strict=True):
            assert_equal(result, expected[one.seed], 1e-8)
    assert programs.built == 1


@pytest.mark.skipif(not (JAX and DOUBLE), reason="on JAX in float64: see the last test")
@pytest.mark.parametrize(
    ("objective", "more", "optimizer"),
    [(MLP, DENSE, "adam"), (CNN, CONV, "adam"), (MLP, DENSE, "sgd"), (MLP, DENSE, "rmsprop")],
    ids=["mlp", "cnn", "mlp-sgd", "mlp-rmsprop"],
)
def test_a_trial_does_not_depend_on_what_its_study_varies(
    objective: Objective, more: dict[str, Any], optimizer: str
) -> None:
    tasks = [task(objective, optimizer, i, **more, batch_size=50, steps=None) for i in (5, 6)]
    shared, own = ProgramCache(), ProgramCache()
    expected = alone(objective, tasks, own, {})
    for one, other in zip(alone(objective, tasks, shared), expected, strict=True):
        assert_equal(one, other, 1e-8)
        names = [layer.__class__.__name__ for layer in other.model().layers]
        assert names == [layer.__class__.__name__ for layer in one.model().layers]
    assert (shared.built, own.built) == (1, 2)


@pytest.mark.skipif(not (JAX and DOUBLE), reason="on JAX in float64: see the last test")
def test_an_activation_that_overflows_leaves_the_other_lanes_of_an_mlp_alone() -> None:
    # Without normalization, two layers of such weights bring the exponential to infinity; so would
    # the numbers of the other lanes.
    wide = {"initializer": "random_normal", "initializer_spread": 10.0, "hidden_units": [8, 8]}
    plain = {"batch_normalization": False, "regularizer": "none", "dropout": 0.0, "steps": None}
    tasks = [task(MLP, "sgd", i, **wide | plain) for i in (8, 6)]
    assert [one.hyperparameters.activation for one in tasks] == ["exponential", "relu"]
    (expected,) = alone(MLP, tasks[1:], ProgramCache(), {})
    pack = Pack(MLP, DIGITS, ProgramCache(), LEVELS)
    (diverges, other) = pack.add(tasks)
    results = {}
    while pack.trials:
        pack.train_epoch()
        results |= dict(pack.take_ended())
    assert results[diverges].stopped == "diverged"
    assert np.isfinite(results[other].history["loss"]).all()
    assert_equal(results[other], expected, 1e-8)


@pytest.mark.skipif(DOUBLE or not JAX, reason="on JAX in float32: see the last test")
@pytest.mark.parametrize(("objective", "more"), [(MLP, DENSE), (CNN, CONV)], ids=["mlp", "cnn"])
def test_in_single_precision_the_first_epoch_is_the_same(
    objective: Objective, more: dict[str, Any], tmp_path: Path
) -> None:
    programs, levels = ProgramCache(), levels_of("nadam")
    tasks = [
        task(objective, "nadam", i, **more, epochs=1, steps=None, learning_rate=1e-3 / (1 + i))
        for i in range(17)
    ]
    expected = alone(objective, tasks, programs, levels)
    for size in (3, 17):
        pack = Pack(objective, DIGITS, programs, levels)
        pack.add(tasks[:size])
        pack.train_epoch()
        for trial, result in pack.take_ended():
            for name, curve in expected[trial.task.seed].history.items():
                # A picture with two classes as likely as each other may go to either.
                nearly = 1e-4 if "loss" in name else 1 / 100
                np.testing.assert_allclose(result.history[name], curve, rtol=1e-4, atol=nearly)


@pytest.mark.skipif(DOUBLE or not JAX, reason="on JAX in float32: see the last test")
def test_a_pack_has_a_power_of_two_of_lanes_and_moves_what_they_hold() -> None:
    pack = Pack(MLP, DIGITS, ProgramCache(), LEVELS)
    assert pack.add([]) == []
    epochs = [1, 2, 2, 3, 3]
    # The largest loss wins, so that the weights kept are those of the first epoch.
    made = [
        replace(task(MLP, "adam", i, epochs=n, steps=None), maximize=True)
        for i, n in zip((4, 6, 8, 9, 12), epochs, strict=True)
    ]
    pack.add(made[:1])
    pack.add(made[1:])
    sizes, first = [], {}
    while pack.trials:
        for trial, _ in pack.train_epoch():
            first.setdefault(trial, pack._lanes.kept(pack._slots.index(trial)))
        sizes.append(pack._lanes.size)
        ended = pack.take_ended()
        assert len(ended) == epochs.count(len(sizes))
        for trial, result in ended:
            assert result.best_epoch == 1
            for array, kept in zip(result.weights, first[trial], strict=True):
                np.testing.assert_array_equal(array, kept)
    assert sizes == [8, 4, 2]
    assert pack.train_epoch() == []


def test_a_trial_of_another_structure_is_refused() -> None:
    pack = Pack(MLP, DIGITS, ProgramCache())
    one = task(MLP, "adam", 4, hidden_units=[4])
    other = task(MLP, "adam", 4, hidden_units=[5])
    assert pack.takes(other)
    pack.add([one])
    assert not pack.takes(other)
    assert not pack.takes(replace(one, metric="val_auc"))  # which reads more of each picture
    with pytest.raises(ValueError, match=r"^Expected a trial of the structure that the pack has"):
        pack.add([other])
    assert [trial.task for trial in pack.trials] == [one]


def test_a_checkpoint_of_another_network_is_left_and_the_trial_begins_anew() -> None:
    programs = ProgramCache()

    def begin(where: Checkpoint | None) -> tuple[PackedTrial, Checkpoint]:
        pack = Pack(MLP, DIGITS, programs)
        (trial,) = pack.add([replace(task(MLP, "adam", 4), checkpoint=where)])
        pack.train_epoch()
        return trial, pack.checkpoint(trial)

    _, after = begin(None)
    resumed, _ = begin(after)
    assert resumed.epochs.completed == 2
    of_another = [np.zeros((2, *np.shape(array))) for array in after.state]
    anew, again = begin(replace(after, state=of_another))
    assert anew.epochs.completed == 1
    assert again.epochs == after.epochs


def test_a_checkpoint_of_the_other_backend_is_gone_on_from() -> None:
    """It has seeds of int64 where the other has uint32."""
    programs = ProgramCache()

    def train(where: Checkpoint | None) -> Checkpoint:
        pack = Pack(MLP, DIGITS, programs)
        (trial,) = pack.add([replace(task(MLP, "adam", 4, dropout=0.5), checkpoint=where)])
        for _ in range(2):
            pack.train_epoch()
        assert trial.epochs.completed == (4 if where else 2)
        return pack.checkpoint(trial)

    half = train(None)
    turned = [v.astype("i8" if v.dtype == "u4" else "u4") if v.dtype.kind in "iu" else v
              for v in half.state]  # fmt: skip
    assert [v.dtype for v in turned] != [v.dtype for v in half.state]
    for one, other in zip(train(half).state, train(replace(half, state=turned)).state, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(IS_NESTED, reason="this is what it starts")
def test_all_of_this_on_jax_in_double_and_single_precision() -> None:
    words = said_by(
        start_tests(__file__, select="mlp", floatx="float64"),
        # A convolution is too slow without any care.
        start_tests(__file__, select="cnn", floatx="float64", flags=FAST_XLA),
        start_tests(__file__, select="test and not single_precision"),
        # Compiled as users have it.
        start_tests(__file__, select="single_precision_the_first", flags=""),
    )
    assert [re.findall(r"\d+ passed", said) for said in words] == [
        ["11 passed"],
        ["8 passed"],
        ["4 passed"],
        ["2 passed"],
    ]
