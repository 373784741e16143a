"""The data sets by name: the one place that maps a name or a path to its source."""

from objectives.code.names import is_function
from objectives.data.archives import Digits, NpzFile, PublishedSet
from objectives.data.clocks import RenderedClocks, find_folder
from objectives.data.data_source import DataSource
from objectives.data.function import DataFunction
from objectives.data.options import COMMON, DEFAULT, DataOptions
from objectives.data.picture_folder import PictureFolder, find_picture_folder
from objectives.data.table import Table, find_table
from objectives.errors import DataError

_KNOWN: dict[str, DataSource] = {
    source.name: source
    for source in (
        PublishedSet("cifar10", shape=(32, 32, 3), sizes=(50_000, 10_000)),
        RenderedClocks(),
        Digits("digits"),
        PublishedSet("fashion_mnist"),
        PublishedSet("mnist"),
    )
}

_OWN_OPTIONS = {
    "rendered clocks": RenderedClocks.own_options,
    "a folder of pictures": PictureFolder.own_options,
    "a table": Table.own_options,
    "a function that returns the data": DataFunction.own_options,
}


def names() -> tuple[str, ...]:
    """Return the data sets known by name, sorted."""
    return tuple(sorted(_KNOWN))


def source_of(name: str) -> DataSource:
    """Return the source of a known data set, a function, a folder, a table or an .npz file.

    Any other name stands for a file that is not there: `DataSource.check` raises for it.
    """
    if is_function(name):
        return DataFunction(name)
    known = _KNOWN.get(name) or find_folder(name) or find_picture_folder(name) or find_table(name)
    return known or NpzFile(name, known=names())


def check(name: str, options: DataOptions) -> None:
    """Check that a data set exists and can be used with these options.

    As much is read as that needs: of an .npz nothing, of a folder of clocks a part.

    Raises:
        ObjectiveError: It does not, or cannot.
    """
    source = source_of(name)
    if isinstance(source, NpzFile):  # what stands for a file that is not there has no options
        source.check(options)
    if options.folds is not None and options.validation_fraction != DEFAULT.validation_fraction:
        raise DataError(
            "Expected no validation_fraction beside folds, each of which validates once. "
            f"Received: validation_fraction={options.validation_fraction:g}."
        )
    for option in DataOptions.model_fields:
        value = getattr(options, option)
        if option not in COMMON | source.own_options and value not in (None, {}):
            having = [kind for kind, options in _OWN_OPTIONS.items() if option in options]
            raise DataError(
                f"Expected {option} only for {' and '.join(having)}. "
                f"Received: {option}={value} for {name!r}."
            )
    source.check(options)
