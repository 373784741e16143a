"""Split pictures into what trains, validates and tests: classes, and clocks minute by minute."""

from math import ceil
from typing import Literal

import numpy as np

from objectives.data.options import DataOptions
from objectives.errors import DataError
from objectives.types import Array

Part = Literal["train", "validation", "test"]


def validation_size(n: int, options: DataOptions) -> int:
    """Return how many of `n` pictures are for validation."""
    return ceil(n * options.validation_fraction)


def stratified(y: Array, options: DataOptions, fold: int = 0) -> tuple[Array, Array]:
    """Split pictures by their labels; return the indices for training and for validation.

    Args:
        y: The labels, (n,).
        options: How to split.
        fold: Which of `folds` validates, where there are such.

    Raises:
        DataError: A part cannot have a picture of each class, or there are fewer pictures than
            `train_size`.
    """
    from sklearn.model_selection import train_test_split

    if options.folds is not None:
        train, validation = fold_parts(y, options.folds, options.seed, fold)
        return draw(train, y, options), validation
    check_split(y, options, has_validation=False)
    train, validation = train_test_split(
        np.arange(len(y)),
        test_size=validation_size(len(y), options),
        stratify=y,
        random_state=options.seed,
    )
    return draw(train, y, options), validation


def fold_parts(
    y: Array, folds: int, seed: int, fold: int, *, is_class: bool = True
) -> tuple[Array, Array]:
    """Return the indices for training and for validation of one fold, both sorted.

    Args:
        y: The labels, (n,).
        folds: The number of folds, each of which validates once.
        seed: The seed of the split.
        fold: Which one validates.
        is_class: Whether each fold has its share of each class.

    Raises:
        DataError: There are fewer examples, of all or of a class, than folds.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    names, counts = np.unique(y, return_counts=True) if is_class else ([""], np.array([len(y)]))
    if counts.min() < folds:
        of = f" of class {names[counts.argmin()]}" if is_class else ""
        raise DataError(
            f"Expected at least as many examples{' of each class' if is_class else ''} as folds. "
            f"Received: folds={folds}, and {counts.min()}{of}."
        )
    kind = StratifiedKFold if is_class else KFold
    splits = list(kind(folds, shuffle=True, random_state=seed).split(np.zeros(len(y)), y))
    train, validation = splits[fold]
    return np.sort(train), np.sort(validation)


def stratified_parts(
    y: Array, n_held_out: int, seed: int, option: str, fraction: float
) -> tuple[Array, Array]:
    """Hold examples out, class by class; return the indices of the others and of these, sorted.

    Args:
        y: The labels, (n,), of any type.
        n_held_out: How many to hold out.
        seed: The seed of the choice.
        option: The option that asks for it, for errors.
        fraction: Its value.

    Raises:
        DataError: A part cannot have an example of each class.
    """
    from sklearn.model_selection import train_test_split

    _check_classes(y, len(y) - n_held_out, n_held_out, option, fraction)
    kept, held = train_test_split(
        np.arange(len(y)), test_size=n_held_out, stratify=y, random_state=seed
    )
    return np.sort(kept), np.sort(held)


def draw(train: Array, y: Array, options: DataOptions) -> Array:
    """Return `train_size` of the indices for training, drawn by class, or all of them."""
    from sklearn.model_selection import train_test_split

    seed, size = options.seed, options.train_size
    if size is None:
        return train
    if len(train) - size < len(np.unique(y)):
        # scikit-learn wants a picture of each class on either side, and so few are left out.
        return train[np.sort(np.random.default_rng(seed).permutation(len(train))[:size])]
    drawn: Array
    drawn, _ = train_test_split(train, train_size=size, stratify=y[train], random_state=seed)
    return drawn


def check_split(y: Array, options: DataOptions, *, has_validation: bool) -> None:
    """Check that pictures can be split as asked; raises as `stratified`.

    Args:
        y: The labels, (n,).
        options: How to split.
        has_validation: Whether there are others to validate on, so that all of these can train.
    """
    n_classes, n_train = len(np.unique(y)), len(y)
    if not has_validation:
        n_validation = validation_size(len(y), options)
        n_train -= n_validation
        _check_classes(y, n_train, n_validation, "validation_fraction", options.validation_fraction)
    size = options.train_size
    if size is None:
        return
    check_train_size(size, n_train)
    if size < n_classes:
        raise DataError(
            f"Expected train_size to be at least the {n_classes} classes. "
            f"Received: train_size={size}."
        )


def split_clocks(minutes: Array, seed: int) -> dict[Part, Array]:
    """Split pictures of clocks 80/10/10, stratified by minute.

    A whole set has 25 pictures of each minute: 20 for training, and 2 and 3, or 3 and 2, for
    validation and test.

    Args:
        minutes: The minutes of all pictures, (n,).
        seed: The seed of the split.

    Returns:
        The indices of each part's pictures, sorted.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(minutes))
    ordered = shuffled[np.argsort(minutes[shuffled], kind="stable")]
    # One of five neighbours in the order of minutes is held out, and of two of those one for the
    # test. Both are chosen at random, so that in a small set every kind of minute is in every part.
    fives, place = np.divmod(np.arange(len(ordered)), 5)
    chosen = np.append(rng.integers(0, 5, len(minutes) // 5), -1)  # the last, fewer than 5, train
    is_held_out = place == chosen[fives]
    turned = rng.integers(0, 2, len(minutes) // 10 + 1)
    is_test = (fives + turned[fives // 2]) % 2 == 1
    return {
        "train": np.sort(ordered[~is_held_out]),
        "validation": np.sort(ordered[is_held_out & ~is_test]),
        "test": np.sort(ordered[is_held_out & is_test]),
    }


def clock_training_size(n: int) -> int:
    """Return how many of `n` pictures of clocks are for training."""
    return n - n // 5


def check_train_size(train_size: int, most: int) -> None:
    """Check that there are enough pictures.

    Raises:
        DataError: There are not.
    """
    if train_size > most:
        raise DataError(
            f"Expected train_size to be at most the {most} examples that the validation "
            f"part leaves. Received: train_size={train_size}."
        )


def _check_classes(y: Array, n_train: int, n_held_out: int, option: str, fraction: float) -> None:
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < 2:
        raise DataError(
            "Expected at least two examples of each class, to train and to validate. "
            f"Received: one of class {classes[counts.argmin()]}."
        )
    if min(n_train, n_held_out) < len(classes):
        judge = "validate" if option == "validation_fraction" else "test"
        raise DataError(
            f"Expected an example of each of {len(classes)} classes to train and to {judge}. "
            f"Received: {option}={fraction:g}, which makes {n_train} and {n_held_out} examples of "
            f"{len(y)}."
        )
