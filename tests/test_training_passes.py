"""A trial on data that come batch by batch goes on with the batches to come, or begins anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from subprocess import Popen
from typing import Any

import keras
import numpy as np
import optuna
import pytest
from commands import hpo, hpo_here, states
from nested import FULL, IS_NESTED, said_by, start_tests
from small_workers import hold, kill_and_replace
from written_data import forgotten, load_written

from objectives.data import datasets
from objectives.data.streams import NOT_COMPARABLE, batches, length
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.training.fit_pack import FitTask
from objectives.training.network_pack import NetworkPack
from objectives.training.passes import Passes
from objectives.training.program_cache import ProgramCache
from objectives.training.sequence_pack import SequencePack
from storage import history_of

# Keras 3.15 reads its variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
CODE = """
import keras
import numpy as np
import tensorflow as tf
x, y = np.arange(40.0).reshape(20, 2) / 40, np.arange(20) % 2
class Own(keras.utils.PyDataset):
    def __len__(self):
        return 4
    def __getitem__(self, i):
        return x[i * 5 : i * 5 + 5], y[i * 5 : i * 5 + 5]
class Shuffled(Own):
    order, ended = [0, 1, 2, 3], 0
    def __getitem__(self, i):
        return super().__getitem__(self.order[i])
    def on_epoch_end(self):
        self.ended += 1
        self.order = self.order[1:] + self.order[:1]
class Endless(Own):
    num_batches = None
    def __getitem__(self, i):
        return super().__getitem__(i % 4)
def forever():
    i = 0
    while True:
        yield x[i % 20 : i % 20 + 3], y[i % 20 : i % 20 + 3]
        i += 3
def noisy(rng=np.random.default_rng(0)):
    while True:
        yield x[:3] + rng.normal(size=(3, 2)), y[:3]
def batched(n=20, size=5):
    return tf.data.Dataset.from_tensor_slices((x[:n], y[:n])).batch(size)
def load():
    return {"train": TRAIN, "validation": batched(10)}
def build(trial):
    model = keras.Sequential([keras.layers.Dense(1)])
    rate = trial.suggest_float("rate", 0.01, 0.1)
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model
"""
GO_ON = [  # tests/test_data_streams.py has those without an end
    ("batched()", {"steps_per_epoch": 2}),
    ("Own()", {}),
    ("Own(workers=2)", {"steps_per_epoch": 2}),
    ("Endless(workers=2)", {"steps_per_epoch": 3}),
]
DIFFER = ["batched().shuffle(9)", "batched(size=10).shuffle(9, seed=1)", "noisy"]


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    with forgotten(tmp_path / "own_passes.py") as file:
        yield file


def load(module: Path, train: str) -> datasets.Dataset:
    return load_written(module, CODE.replace("TRAIN", train))


def linear(setting: Any) -> keras.Model:
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    return model


def a_task(checkpoint: Any = None, **given: Any) -> FitTask:
    return FitTask(OwnHyperparameters(epochs=4, **given), {}, 3, "val_loss", False, checkpoint)


def trained(pack: Any, task: FitTask, keep: int = 0) -> tuple[int, Any, Any]:
    """Train a trial; return the epoch that it began after, its result, and a checkpoint of it."""
    (trial,) = pack.add([task])
    began, checkpoint = trial.epochs.completed, None
    while trial.epochs.stopped is None:
        pack.train_epoch()
        if trial.epochs.completed == keep:
            checkpoint = pack.checkpoint(trial)
    ((_, result),) = pack.take_ended()
    return began, result, checkpoint


@pytest.mark.parametrize(("train", "given"), GO_ON)
def test_a_trial_that_goes_on_sees_the_batches_that_it_would_have_seen(
    module: Path, train: str, given: dict[str, int]
) -> None:
    pack = NetworkPack(linear, load(module, train), ProgramCache())
    _, whole, checkpoint = trained(pack, a_task(**given), keep=3)
    again = NetworkPack(linear, load(module, train), ProgramCache())
    began, resumed, _ = trained(again, a_task(checkpoint, **given))
    assert began == 3
    for name, values in whole.history.items():
        np.testing.assert_allclose(resumed.history[name], values, rtol=1e-6)


@pytest.mark.parametrize("train", DIFFER)
def test_passes_that_differ_are_known_before_training(module: Path, train: str) -> None:
    data = load(module, train)
    assert data.streams is not None
    assert data.sha256 == NOT_COMPARABLE
    assert data.streams.why_anew == "the batches differ from pass to pass"


def test_what_counts_its_epochs_begins_anew(module: Path) -> None:
    """Who only looks at the data ends no epoch of theirs, and finds the digest of plain ones."""
    data = load(module, "Shuffled()")
    assert data.streams is not None
    assert data.streams.why_anew == "Shuffled does something between two epochs"
    assert (data.streams.train.ended, data.streams.train.order) == (0, [0, 1, 2, 3])
    assert data.sha256 == load(module, "Own()").sha256


@pytest.mark.parametrize("train", ["Shuffled()", "Endless()", "batched(size=1)", "batched(2, 1)"])
def test_the_digest_is_that_of_earlier_versions(module: Path, train: str) -> None:
    """Studies have stored it; they looked at the first four batches, whatever there are."""
    data = load(module, train)
    assert data.streams is not None
    whole = hashlib.sha256()
    for stream in (data.streams.train, data.streams.validation):
        one = hashlib.sha256(f"{getattr(stream, 'element_spec', '')} {length(stream)}".encode())
        for x, y in islice(batches(stream), 4):
            for name, array in (("[0]", x), ("[1]", y)):
                one.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
        whole.update(one.digest())
    assert data.sha256 == whole.hexdigest()


def test_a_trial_begins_anew_where_nobody_can_tell_what_comes_next(module: Path) -> None:
    def pack() -> SequencePack:
        return SequencePack(NetworkPack(linear, load(module, "noisy"), ProgramCache()), 2)

    # After six epochs the second seed has two of its four.
    _, _, checkpoint = trained(pack(), a_task(steps_per_epoch=3), keep=6)
    again = pack()
    (trial,) = again.add([a_task(checkpoint, steps_per_epoch=3)])
    assert trial.epochs.completed == 4  # of the first seed, which has ended
    while trial.epochs.stopped is None:
        again.train_epoch()
    assert {len(values) for values in trial.epochs.history.values()} == {8}
    again.take_ended()


def test_each_pass_has_an_order_of_its_own(module: Path) -> None:
    streams = load(module, "Own(workers=2)").streams
    assert streams is not None
    passes = Passes(streams.train, seed=3, first=0)
    assert passes.workers == 2
    orders = [[int(passes[i + 4 * k][0][0, 0] * 4) for i in range(4)] for k in range(6)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert np.array_equal(Passes(streams.train, seed=3, first=6)[1][0], passes[7][0])


STUDY = """
name = "s"
objective = "own_passes.py:build"
dataset = "own_passes.py:load"
backend = "tensorflow"
metric = "val_loss"
search = {{ design = "grid" }}
fixed = {{ epochs = 16{steps} }}
space = {{ rate = [0.05] }}
"""


@pytest.mark.skipif(IS_NESTED, reason="a worker's child has a backend of its own")
@pytest.mark.parametrize(
    ("train", "steps", "goes_on"),
    [("Own()", ", steps_per_epoch = 2", True), ("batched().shuffle(9)", "", False)],
)
def test_a_kill_costs_a_trial_no_batch(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    train: str,
    steps: str,
    goes_on: bool,
) -> None:
    (tmp_path / "own_passes.py").write_text(CODE.replace("TRAIN", train))
    (tmp_path / "s.toml").write_text(STUDY.format(steps=steps))
    here = {"url": sqlite_url, "folder": tmp_path}
    made = hpo_here("create", "s.toml", **here)
    assert ("A trial whose worker is lost begins anew" in made.stdout) != goes_on, made.stderr
    hold(tmp_path, monkeypatch, saved=True)
    kill_and_replace(launched, tmp_path / "own_passes.py", "s", **here)
    assert launched[1].wait(timeout=300) == 0
    study = optuna.load_study(study_name="s", storage=sqlite_url)
    assert states(study) == {"FAIL": 1, "COMPLETE": 1}
    trial, log = study.best_trial, (tmp_path / "worker.log").read_text()
    assert len(history_of(trial)["loss"]) == 16
    assert ("training begins anew: it cannot go on" in log) != goes_on
    assert (trial.user_attrs.get("resumed_after", 0) > 0) == goes_on
    if goes_on:
        plain = hpo("run", "s.toml", "--name", "undisturbed", **here)
        assert plain.returncode == 0, plain.stderr
        (undisturbed,) = optuna.load_study(study_name="undisturbed", storage=sqlite_url).trials
        for name, values in history_of(undisturbed).items():
            assert history_of(trial)[name] == pytest.approx(values, abs=1e-6)


@pytest.mark.skipif(IS_NESTED or keras.backend.backend() == "jax", reason="this is JAX")
def test_the_same_on_jax() -> None:
    (words,) = said_by(start_tests(__file__, select="workers", kind=FULL))
    assert " passed" in words
