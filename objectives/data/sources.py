"""The data sets by name: the one place that maps a name or a path to its source."""

from objectives.data.archives import Digits, NpzFile, PublishedSet
from objectives.data.clocks import RenderedClocks, find_folder
from objectives.data.data_source import DataSource
from objectives.data.function import DataFunction, is_function
from objectives.data.options import COMMON, DataOptions
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


def names() -> tuple[str, ...]:
    """Return the data sets known by name, sorted."""
    return tuple(sorted(_KNOWN))


def source_of(name: str) -> DataSource:
    """Return the source of a known data set, a function, a folder of clocks, or an .npz file.

    Any other name stands for a file that is not there: `DataSource.check` raises for it.
    """
    if is_function(name):
        return DataFunction(name)
    return _KNOWN.get(name) or find_folder(name) or NpzFile(name, known=names())


def check(name: str, options: DataOptions) -> None:
    """Check that a data set exists and can be used with these options.

    As much is read as that needs: of an .npz nothing, of a folder of clocks a part.

    Raises:
        ObjectiveError: It does not, or cannot.
    """
    source = source_of(name)
    for option in DataOptions.model_fields:
        value = getattr(options, option)
        if option not in COMMON | source.own_options and value is not None:
            having = [known for known in names() if option in _KNOWN[known].own_options]
            raise DataError(
                f"Expected {option} only for data sets that have such an option: "
                f"{', '.join(having)}. Received: {option}={value} for {name!r}."
            )
    source.check(options)
