"""A folder of pictures: augmentation in the network, convolutions in a loop."""

import keras


def build(trial):
    model = keras.Sequential(
        [
            keras.layers.Rescaling(1 / 255),
            keras.layers.RandomFlip("horizontal", seed=0),
        ]
    )
    for i in range(trial.suggest_int("blocks", 1, 2)):
        model.add(keras.layers.Conv2D(trial.suggest_categorical(f"filters_{i}", [4, 8]), 3))
        model.add(keras.layers.ReLU())
        model.add(keras.layers.MaxPooling2D())
    model.add(keras.layers.GlobalAveragePooling2D())
    model.add(keras.layers.Dense(2, activation="softmax"))
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model
