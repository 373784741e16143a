"""Where the files of data sets are looked up."""

import os
from pathlib import Path


def data_folder() -> Path | None:
    """Return the folder that the environment variable HPO_DATA names, if it is set."""
    return Path(os.environ["HPO_DATA"]) if os.environ.get("HPO_DATA") else None


def places(path: str) -> list[Path]:
    """Return where a path may be: as given, and in the folder HPO_DATA."""
    return [Path(path), *in_data_folder(path)]


def in_data_folder(path: str) -> list[Path]:
    """Return where a path may be in the folder HPO_DATA: a relative one as given, or its last part.

    The last part lets a study that names a path of another machine run on this one.
    """
    folder, given = data_folder(), Path(path)
    if folder is None:
        return []
    is_inside = not given.is_absolute() and ".." not in given.parts
    return list(
        dict.fromkeys(folder / part for part in ([given] if is_inside else []) + [given.name])
    )
