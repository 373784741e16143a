"""Where the files of data sets are looked up."""

import os
from pathlib import Path


def data_folder() -> Path | None:
    """Return the folder that the environment variable HPO_DATA names, if it is set."""
    return Path(os.environ["HPO_DATA"]) if os.environ.get("HPO_DATA") else None


def places(path: str) -> list[Path]:
    """Return where a path may be: as given, and by its last part in the folder HPO_DATA.

    The second place lets a study that names a path of another machine run on this one.
    """
    folder = data_folder()
    return [Path(path)] + ([] if folder is None else [folder / Path(path).name])
