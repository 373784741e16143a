"""Any compiled network, trained by Keras's own fit: as in plain Keras, and resumed to the bit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from nested import IS_NESTED, said_by, start_tests

from objectives.data.datasets import Dataset
from objectives.errors import SettingError, UnknownNameError
from objectives.training.checkpoint import Checkpoint
from objectives.training.epochs import Epochs
from objectives.training.fit_pack import FitPack, FitTask
from objectives.training.result import TrainingResult
from objectives.training.schedule import epoch_order
from objectives.training_hyperparameters import TrainingHyperparameters

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
N, BATCH = 30, 16
rng = np.random.default_rng(0)
X = rng.random((N, 6, 4)).astype("float32")
Y = (X.mean((1, 2)) > 0.5).astype("int32")
DATA = Dataset("toy", X, Y, X[:20], Y[:20], 2, "", 1.0)
IS_JAX = keras.backend.backend() == "jax"
EAGERLY = not IS_JAX
Build = Callable[[Mapping[str, Any]], keras.Model]


def compiled(model: keras.Model, optimizer: Any = "adam") -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # TensorFlow takes as long to trace a step as to take fifty.
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"], run_eagerly=EAGERLY)
    return model


def dense(setting: Mapping[str, Any]) -> keras.Model:
    parts = [layers.Flatten(), layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.3)]
    model = keras.Sequential([*parts, layers.Activation("relu"), layers.Dense(2)])
    return compiled(model, keras.optimizers.SGD(setting.get("rate", 0.1), momentum=0.9))


def recurrent(setting: Mapping[str, Any]) -> keras.Model:
    inputs = keras.Input((6, 4))
    one = layers.Bidirectional(layers.LSTM(3, dropout=0.2))(inputs)
    other = layers.GlobalAveragePooling1D()(
        layers.Conv1D(3, 2)(layers.SpatialDropout1D(0.2)(inputs))
    )
    return compiled(keras.Model(inputs, layers.Dense(2)(layers.concatenate([one, other]))))


def stateful(setting: Mapping[str, Any]) -> keras.Model:
    """Return a network whose states outlive a batch, and whose generators lie deep inside."""
    generator = keras.random.SeedGenerator()

    def noisy(x: Any) -> Any:
        return x + 0.1 * keras.random.normal(ops.shape(x), seed=generator)

    deep = keras.Sequential([keras.Sequential([layers.GaussianNoise(0.1), layers.Dense(4)])])
    inputs = keras.Input(batch_shape=(10, 6, 4))
    outputs = layers.GRU(3, stateful=True)(deep(layers.Lambda(noisy)(inputs)))
    return compiled(keras.Model(inputs, layers.Dense(2)(outputs)))


class Gan(keras.Model):  # type: ignore[misc]
    """A generator and a critic that have an optimizer each: its own `train_step`."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = keras.Sequential([keras.Input((3,)), layers.Dense(24)])
        parts = [keras.Input((24,)), layers.Dropout(0.2), layers.Dense(1)]
        self.critic = keras.Sequential(parts)
        self.of_generator = keras.optimizers.Adam(0.01)
        self.of_generator.build(self.generator.trainable_variables)
        self.seeds = keras.random.SeedGenerator()
        self.reached = keras.metrics.Mean(name="reached")

    def call(self, x: Any, training: bool = False) -> Any:
        """Return how real inputs look, (n, 1)."""
        return self.critic(ops.reshape(x, (-1, 24)), training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any
    ) -> Any:
        """Return the loss of the critic on real inputs."""
        return ops.mean(ops.square(y_pred - 1))

    def losses_of(self, x: Any) -> tuple[Any, Any]:
        """Return the losses of the critic and of the generator."""
        made = self.generator(keras.random.normal((ops.shape(x)[0], 3), seed=self.seeds))
        real, fake = self(x, training=True), self.critic(made, training=True)
        return ops.mean(ops.square(real - 1) + ops.square(fake)), ops.mean(ops.square(fake - 1))


class TensorflowGan(Gan):
    """Its step on TensorFlow."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """Update each half by its optimizer."""
        import tensorflow as tf

        x, _ = data
        with tf.GradientTape(persistent=True) as tape:
            losses = self.losses_of(x)
        halves = (self.critic, self.optimizer), (self.generator, self.of_generator)
        for loss, (half, optimizer) in zip(losses, halves, strict=True):
            weights = half.trainable_weights
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self._loss_tracker.update_state(losses[0])
        self.reached.update_state(losses[1])
        return {"loss": self._loss_tracker.result(), "reached": self.reached.result()}


class JaxGan(Gan):
    """Its step on JAX."""

    @property
    def non_trainable_variables(self) -> Any:
        """All that a step changes beside the weights and the first optimizer."""
        return [*super().non_trainable_variables, *self.of_generator.variables]

    def train_step(self, state: Any, data: Any) -> Any:
        """Update each half by its optimizer."""
        import jax

        trainable, others, of_critic, metrics = state
        n, rest = len(self.generator.trainable_variables), len(self.of_generator.variables)
        mine = self.trainable_variables

        def losses(trainable: Any) -> Any:
            known = [*zip(mine, trainable, strict=True),
                     *zip(self.non_trainable_variables, others, strict=True)]  # fmt: skip
            with keras.StatelessScope(known) as scope:
                found = self.losses_of(data[0])
            return found, [scope.get_current_value(v) for v in self.non_trainable_variables]

        of_each, others = losses(trainable)
        critic = jax.grad(lambda w: losses(w)[0][0])(trainable)[n:]
        generator = jax.grad(lambda w: losses(w)[0][1])(trainable)[:n]
        new_critic, of_critic = self.optimizer.stateless_apply(of_critic, critic, trainable[n:])
        made, of_generator = self.of_generator.stateless_apply(
            others[-rest:], generator, trainable[:n]
        )
        with keras.StatelessScope(zip(self.metrics_variables, metrics, strict=True)) as scope:
            self._loss_tracker.update_state(of_each[0])
            self.reached.update_state(of_each[1])
            logs = {"loss": self._loss_tracker.result(), "reached": self.reached.result()}
        metrics = [scope.get_current_value(v) for v in self.metrics_variables]
        return logs, ([*made, *new_critic], [*others[:-rest], *of_generator], of_critic, metrics)


def gan(setting: Mapping[str, Any]) -> keras.Model:
    model = JaxGan() if IS_JAX else TensorflowGan()
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    optimizer.build(model.critic.trainable_variables)
    model.compile(optimizer=optimizer, run_eagerly=EAGERLY)
    return model


def task(checkpoint: Checkpoint | None = None, **settings: Any) -> FitTask:
    settings = {"epochs": 4, "batch_size": BATCH, "restore_best_weights": False, **settings}
    hyperparameters = TrainingHyperparameters(**settings)
    return FitTask(hyperparameters, {}, 7, "val_loss", maximize=False, checkpoint=checkpoint)


def train(pack: FitPack) -> TrainingResult:
    while not (ended := pack.take_ended()):
        pack.train_epoch()
    ((_, result),) = ended
    return result


def trained(build: Build, **settings: Any) -> TrainingResult:
    pack = FitPack(build, DATA)
    pack.add([task(**settings)])
    return train(pack)


def equal(one: TrainingResult, other: TrainingResult) -> bool:
    assert one.history.keys() == other.history.keys()
    pairs = zip(one.weights, other.weights, strict=True)
    return one.history == other.history and all(np.array_equal(a, b) for a, b in pairs)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    assert [each.name for each in threading.enumerate() if each.name == "fit"] == []


PLATEAU = {"plateau_patience": 1, "plateau_factor": 0.5}


@pytest.mark.parametrize(
    ("build", "settings"), [(dense, PLATEAU), (recurrent, {}), (stateful, {}), (gan, {})]
)
def test_a_trial_goes_on_from_its_checkpoint_as_if_undisturbed(
    build: Build, settings: dict[str, Any]
) -> None:
    settings = {"batch_size": 10, **settings}
    whole = trained(build, **settings)
    pack = FitPack(build, DATA)
    (trial,) = pack.add([task(**settings)])
    pack.train_epoch()
    pack.train_epoch()
    checkpoint = pack.checkpoint(trial)
    trial.stop()
    pack.take_ended()
    second = FitPack(build, DATA)
    second.add([task(checkpoint, **settings)])
    resumed = train(second)
    assert equal(resumed, whole)
    assert len(whole.history["loss"]) == 4
    assert len(set(whole.history["loss"])) == 4


@pytest.mark.parametrize("weights", [None, {0: 1.0, 1: 4.0}])
def test_it_is_what_plain_keras_trains(weights: dict[int, float] | None) -> None:
    result = trained(dense, epochs=2, class_weight=weights)
    keras.utils.set_random_seed(7)
    plain = dense({})
    for epoch in (1, 2):
        order = epoch_order(N, 7, epoch)
        found = plain.fit(
            X[order], Y[order], batch_size=BATCH, shuffle=False, verbose=0, class_weight=weights,
            validation_data=(X[:20], Y[:20]),
        ).history  # fmt: skip
        for name, (value,) in found.items():
            assert result.history[name][epoch - 1] == pytest.approx(value, abs=1e-6)
    for own, kept in zip(plain.get_weights(), result.weights, strict=True):
        np.testing.assert_allclose(kept, own, atol=1e-6)


def test_the_tenth_network_is_built_as_the_first_and_is_kept_whole() -> None:
    results = [trained(dense, epochs=1) for _ in range(3)]
    assert equal(results[0], results[-1])
    model = results[-1].model()
    assert model.layers[1].name == "dense"
    shown = model.evaluate(X[:20], Y[:20], verbose=0, return_dict=True)
    assert shown["loss"] == pytest.approx(results[-1].value, abs=1e-6)


def test_schedule_steps_and_early_stopping_are_those_of_the_study() -> None:
    rates: list[float] = []

    class Watched(keras.optimizers.SGD):  # type: ignore[misc]
        def finalize_variable_values(self, _: Any) -> None:
            rates.append(float(self.learning_rate))

    def build(setting: Mapping[str, Any]) -> keras.Model:
        return compiled(keras.Sequential([layers.Flatten(), layers.Dense(2)]), Watched(0.2))

    schedule = {"learning_rate_schedule": "linear", "learning_rate_final": 0.5}
    trained(build, epochs=3, **schedule)
    assert rates[-1] == pytest.approx(0.1)
    n_steps = -(-N // BATCH)
    short = trained(dense, steps=n_steps + 1)
    assert short.last_epoch == 2
    full = trained(dense, epochs=2)
    assert short.history["loss"][0] == full.history["loss"][0]
    assert short.history["loss"][1] != full.history["loss"][1]
    stopped = trained(dense, epochs=9, early_stopping_patience=1, early_stopping_min_delta=100)
    assert (stopped.stopped, stopped.last_epoch) == ("early_stopping", 2)


def test_a_plateau_reduces_the_rate_as_keras_does() -> None:
    rates: list[float] = []
    scores = iter([1.0, 0.9, 0.91, 0.92, 0.9, 0.89995, 0.5, 0.6])
    hyperparameters = TrainingHyperparameters(plateau_patience=2, plateau_factor=0.25)
    epochs = Epochs(hyperparameters, "val_loss", maximize=False, n_epochs=9)
    plain = keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.25, patience=2)
    plain.set_model(dense({"rate": 0.5}))
    plain.on_train_begin()
    for epoch, score in enumerate(scores):
        epochs.record({"val_loss": score})
        plain.on_epoch_end(epoch, {"val_loss": score})
        rates.append(float(plain.model.optimizer.learning_rate))
        assert 0.5 * epochs.rate_factor() == pytest.approx(rates[-1])
        before, epochs = epochs, Epochs(hyperparameters, "val_loss", False, 9)
        epochs.resume(before.state())
    assert rates == pytest.approx([0.5] * 3 + [0.125] * 2 + [0.03125] * 3)


def test_a_schedule_of_the_optimizer_is_kept_and_one_beside_it_refused() -> None:
    def scheduled(setting: Mapping[str, Any]) -> keras.Model:
        rate = keras.optimizers.schedules.ExponentialDecay(0.2, 2, 0.5)
        model = keras.Sequential([layers.Flatten(), layers.Dense(2)])
        return compiled(model, keras.optimizers.SGD(rate))

    pack = FitPack(scheduled, DATA)
    (trial,) = pack.add([task(epochs=1)])
    pack.train_epoch()
    assert float(trial.fit.model.optimizer.learning_rate) == pytest.approx(0.1)  # 2 steps
    pack.take_ended()
    for setting in ({"learning_rate_schedule": "cosine"}, {"plateau_patience": 3}):
        (name,) = setting
        with pytest.raises(SettingError, match=rf"is a number, for {name}\. Received: {name}="):
            FitPack(scheduled, DATA).add([task(**setting)])


def test_a_trial_diverges_where_its_metric_is_not_finite() -> None:
    def build(setting: Mapping[str, Any]) -> keras.Model:
        def ratio(y_true: Any, y_pred: Any) -> Any:
            return ops.sum(y_pred) / 0.0

        model = keras.Sequential([layers.Flatten(), layers.Dense(1)])
        model.compile("sgd", "mse", metrics=[ratio], run_eagerly=EAGERLY)
        return model

    pack = FitPack(build, DATA)
    settings = TrainingHyperparameters(epochs=2)
    pack.add([FitTask(settings, {}, 0, "val_ratio", maximize=True)])
    result = train(pack)
    assert (result.stopped, result.value, result.last_epoch) == ("diverged", None, 1)
    assert "Expected a finite" in str(result.fail_reason())


def test_the_best_epoch_is_kept() -> None:
    result = trained(lambda _: dense({"rate": 5.0}), epochs=6, restore_best_weights=True)
    scores = result.history["val_loss"]
    assert result.value == min(scores) == scores[result.best_epoch - 1]
    assert result.best_epoch < 6
    shown = result.model().evaluate(X[:20], Y[:20], verbose=0, return_dict=True)
    assert shown["loss"] == pytest.approx(result.value, abs=1e-5)


def test_what_the_function_or_fit_raises_comes_out_and_nothing_stays_behind() -> None:
    def raises(setting: Mapping[str, Any]) -> keras.Model:
        raise KeyError("no such parameter")

    def misfit(setting: Mapping[str, Any]) -> keras.Model:
        return compiled(keras.Sequential([keras.Input((9,)), layers.Dense(2)]))

    with pytest.raises(KeyError, match="no such parameter"):
        FitPack(raises, DATA).add([task()])
    pack = FitPack(misfit, DATA)
    pack.add([task()])
    with pytest.raises(ValueError, match="shape"):
        pack.train_epoch()
    with pytest.raises(SettingError, match="one trial at a time"):
        FitPack(dense, DATA).add([task(), task()])


def test_a_metric_that_the_network_does_not_report_is_named() -> None:
    pack = FitPack(dense, DATA)
    settings = TrainingHyperparameters(epochs=1)
    pack.add([FitTask(settings, {}, 0, "val_acuracy", maximize=True)])
    with pytest.raises(UnknownNameError, match="Did you mean val_accuracy"):
        pack.train_epoch()
    assert pack.trials == []


def test_a_checkpoint_of_another_network_is_left_and_the_trial_begins_anew() -> None:
    pack = FitPack(recurrent, DATA)
    (trial,) = pack.add([task()])
    pack.train_epoch()
    checkpoint = pack.checkpoint(trial)
    trial.stop()
    pack.take_ended()
    other = FitPack(dense, DATA)
    other.add([task(checkpoint)])
    assert equal(train(other), trained(dense))


@pytest.mark.skipif(IS_NESTED, reason="this is the other backend")
def test_all_of_this_on_jax() -> None:
    (words,) = said_by(start_tests(__file__))
    assert " passed" in words
