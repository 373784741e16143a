"""Load a data set by name or path: what a search may see, or the test part."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from objectives.data.arrays import count, named, rows
from objectives.data.as_stored import check_weights
from objectives.data.data_source import Examples
from objectives.data.encoding import Encoding
from objectives.data.function import DataFunction
from objectives.data.options import DEFAULT, DataOptions
from objectives.data.permutation import permuted
from objectives.data.sources import source_of
from objectives.data.streams import Streams
from objectives.errors import DataError
from objectives.head import TargetScale
from objectives.types import Array, Arrays, Batch


@dataclass(frozen=True, eq=False)
class Dataset:
    """Inputs and labels, without the test part.

    Attributes:
        name: The name or path that it was loaded by.
        x_train: Pictures (n, h, w, c), uint8 or float32; for a network that a user builds, arrays
            as they are stored.
        y_train: (n,), int32 from 0: classes, or minutes; else as stored, too.
        x_validation: As `x_train`.
        y_validation: As `y_train`.
        n_classes: The number of classes, or of minutes.
        sha256: The digest of all that a search may see, before the split and `train_size`.
        scale: What brings the pictures to about 0 to 1: networks divide by it.
        labels: The label of each class, in order; none where a class is its own label.
        encoding: How the data are encoded; None in a test.
        train_weights: The weights of the examples to train on, (n,), or nested as `y_train`; None
            where all have the same.
        validation_weights: Likewise.
        streams: What `fit` reads batch by batch; then all others are of their first batches.
        permuted: Whether the pixels of the pictures are permuted.
    """

    name: str
    x_train: Arrays
    y_train: Arrays
    x_validation: Arrays
    y_validation: Arrays
    n_classes: int
    sha256: str
    scale: float
    labels: tuple[int | str, ...] = ()
    encoding: Encoding | None = None
    train_weights: Arrays | None = None
    validation_weights: Arrays | None = None
    streams: Streams | None = None
    permuted: bool = False

    @property
    def train(self) -> Batch:
        """All examples to train on."""
        return _batch(self.x_train, self.y_train, self.train_weights)

    @property
    def validation(self) -> Batch:
        """All examples to validate on."""
        return _batch(self.x_validation, self.y_validation, self.validation_weights)

    @property
    def target(self) -> TargetScale | None:
        """The scale of the numbers that built-in networks learn to tell; None for labels."""
        return None if self.encoding is None else self.encoding.target

    @property
    def n_train(self) -> int:
        """The number of examples to train on."""
        return count(self.x_train)


def load(name: str, options: DataOptions, encoding: Encoding | None = None) -> Dataset:
    """Load what a search may see of a data set, and split it.

    Args:
        name: The name or path of the data set.
        options: How to split it.
        encoding: That of the study; None to find it.

    Raises:
        DataError: The arrays are not pictures with labels, or cannot be split as asked.
        DataNotFoundError: A known data set has no file here and cannot be downloaded.
        RenderingError: Clocks cannot be rendered.
        UnknownNameError: The name is neither known nor that of a file or folder.
    """
    return _dataset(name, source_of(name).read(options, encoding), options)


def load_folds(name: str, options: DataOptions, encoding: Encoding | None = None) -> list[Dataset]:
    """Load a data set once for each of its folds; one where there are none; raises as `load`."""
    source = source_of(name)
    n = options.folds or 1
    return [_dataset(name, source.read(options, encoding, fold), options) for fold in range(n)]


def load_whole(name: str, options: DataOptions, encoding: Encoding | None = None) -> Dataset:
    """Load training and validation part to train on; one example stands for the validation part.

    Of folds these are all that a search may see; otherwise `train_size` holds.

    Raises:
        ObjectiveError: As `load`, or the data come batch by batch.
    """
    has_folds = options.folds is not None
    whole = options.model_copy(update={"folds": None, "train_size": None}) if has_folds else options
    examples = source_of(name).read(whole, encoding)
    if examples.streams is not None:
        raise DataError(
            "Expected data that are in memory, to train on the validation part too. Received: "
            f"{name}, which come batch by batch. Let the function return arrays."
        )
    both = np.sort(np.concatenate([examples.train, examples.validation]))
    rows_seen = examples.seen if has_folds else both
    split = replace(examples, train=rows_seen, validation=rows_seen[:1])
    return _dataset(name, split, options)


def load_checked(name: str, options: DataOptions, encoding: Encoding | None = None) -> Dataset:
    """Load a data set for a new study, and compare its test part with the training part.

    Raises:
        ObjectiveError: As `load`, or the test part, as it is stored, does not fit the training
            part, or a weight is below 0.
    """
    source = source_of(name)
    examples = source.read(options, encoding)
    check_weights(name, examples.weights)
    source.check_test(options, examples.stored)
    return _dataset(name, examples, options)


def check_has_test(name: str, options: DataOptions) -> None:
    """Check that there is a test part, of which nothing is read; a user's function is called.

    Raises:
        ObjectiveError: There is none, or as `load`.
    """
    source = source_of(name)
    if source.has_test(options):
        return
    remedy = "Make the study on data that have one, as an .npz with x_test and y_test."
    if isinstance(source, DataFunction):
        remedy = "Let the function return it, under the key test."
    elif "test_fraction" in source.own_options:
        remedy = "Make the study with [data] test_fraction = 0.2."
    raise DataError(f"Expected a test part of {name}. Received: none. {remedy}")


def sample(name: str, options: DataOptions, n: int) -> Dataset:
    """Load at most `n` pictures to train on, chosen at random, to look at; raises as `load`."""
    return _dataset(name, source_of(name).sample(options, n), options)


def _dataset(name: str, examples: Examples, options: DataOptions) -> Dataset:
    is_permuted = _is_permuted(options, examples.encoding)
    if is_permuted:  # before the digest: it tells such data from others
        examples = replace(examples, x=permuted(examples.x, options))
    x, y, found = examples.x, examples.y, examples.encoding
    train, validation = _rows(examples.train), _rows(examples.validation)
    weights = examples.weights
    return Dataset(
        name=name,
        x_train=rows(x, train),
        y_train=rows(y, train),
        x_validation=rows(x, validation),
        y_validation=rows(y, validation),
        n_classes=examples.n_classes,
        sha256=_digest_of(examples),
        scale=(255.0 if x.dtype == np.uint8 else 1.0) if found.scale is None else found.scale,
        labels=tuple(found.labels or ()),
        encoding=found,
        train_weights=rows(weights, train),
        validation_weights=rows(weights, validation),
        streams=examples.streams,
        permuted=is_permuted,
    )


def _rows(indices: Array) -> Array | slice:
    """Return a slice in place of indices that follow each other: it copies nothing."""
    first = int(indices[0]) if len(indices) else 0
    is_slice = np.array_equal(indices, first + np.arange(len(indices)))
    return slice(first, first + len(indices)) if is_slice else indices


def load_test(name: str, options: DataOptions = DEFAULT, encoding: Encoding | None = None) -> Batch:
    """Load the test part, for the one evaluation when a search is over; raises as `load`.

    Returns:
        Pictures (n, h, w, c), uint8 or float32, and classes or minutes (n,), int32; or arrays as
        they are stored.

    Raises:
        DataError: It has another type, shape or scale than the training part, or other labels.
    """
    x, *others = source_of(name).read_test(options, encoding)
    return (permuted(x, options) if _is_permuted(options, encoding) else x, *others)


def _is_permuted(options: DataOptions, encoding: Encoding | None) -> bool:
    """Tell whether pixels are permuted: data that a network gets as they are stored have none."""
    is_stored = encoding is not None and encoding.is_stored
    return options.permute_pixels and not is_stored


def _batch(x: Arrays, y: Arrays, weights: Arrays | None) -> Batch:
    parts = (x, y, weights)
    return parts[: 3 - [part is None for part in reversed(parts)].index(False)]


def _digest_of(examples: Examples) -> str:
    """Return the SHA-256 of all that a search may see."""
    if examples.streams is not None:
        return examples.streams.digest
    x, y, weights = examples.x, examples.y, examples.weights
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and weights is None:
        return _digest(x, y if examples.classes is None else examples.classes, examples.seen)
    digest = hashlib.sha256()
    for name, array in named((x, y, weights)).items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _digest(x: Array, y: Array, seen: Array) -> str:
    """Return the SHA-256 of the pictures that a search may see, then of their labels.

    Studies store it: it must stay the same for the same data.
    """
    digest = hashlib.sha256()
    together = _rows(seen)
    if isinstance(together, slice) and x.flags.c_contiguous:
        digest.update(x[together].data)
    else:
        for row in seen:  # one by one: all of them at once would be a copy
            digest.update(x[row].tobytes())
    digest.update(y[seen].tobytes())
    return digest.hexdigest()
