"""Wide and deep: two inputs, two outputs with weights of their losses."""

import keras
import numpy as np


def load(n=300):
    rng = np.random.default_rng(0)
    numbers, kind = rng.normal(size=(n, 5)).astype("float32"), rng.integers(0, 4, (n, 1))
    score = numbers[:, 0] * 2 + (kind[:, 0] == 2) + rng.normal(0, 0.1, n)
    y = {"bought": (score > 0).astype("int32"), "score": score.astype("float32")}
    return {"train": ({"numbers": numbers, "kind": kind}, y)}


def build(trial):
    layers = keras.layers
    numbers, kind = keras.Input((5,), name="numbers"), keras.Input((1,), name="kind", dtype="int32")
    deep = layers.Flatten()(layers.Embedding(4, trial.suggest_int("embedding", 1, 4))(kind))
    deep = layers.concatenate([deep, numbers])
    for i in range(trial.suggest_int("layers", 1, 2)):
        deep = layers.Dense(trial.suggest_categorical(f"units_{i}", [8, 16]), activation="relu")(
            deep
        )
    both = layers.concatenate([deep, numbers])
    outputs = {
        "bought": layers.Dense(1, activation="sigmoid")(both),
        "score": layers.Dense(1)(both),
    }
    model = keras.Model({"numbers": numbers, "kind": kind}, outputs)
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(
        keras.optimizers.Adam(rate),
        {"bought": "binary_crossentropy", "score": "mse"},
        loss_weights={"bought": 1.0, "score": 0.2},
        metrics={"bought": ["accuracy"]},
    )
    return model
