"""Turn the errors of `storage` and `objectives` into those that `studies` exports.

The two packages know nothing of `studies`, and its own code catches their errors as they are. They
are translated where they leave a public function: `studies.__getattr__` wraps each of these.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from objectives import errors as of_objectives
from storage import errors as of_storage
from studies import errors

# The first line that an error is an instance of tells its translation, which is a built-in error
# of the same kind.
TRANSLATIONS: tuple[tuple[type[Exception], type[errors.HpoError]], ...] = (
    (of_storage.InvalidUrlError, errors.DatabaseUrlError),
    (of_storage.DatabaseNotFoundError, errors.DatabaseNotFoundError),
    (of_storage.DatabaseUnreachableError, errors.DatabaseConnectionError),
    (of_storage.SchemaError, errors.DatabaseSchemaError),
    (of_storage.StudyGoneError, errors.StudyNotFoundError),
    (of_storage.ArtifactNotKeptError, errors.NetworkNotKeptError),
    (of_storage.StorageError, errors.DatabaseError),
    (of_objectives.UnknownNameError, errors.SettingError),
    (of_objectives.SettingError, errors.SettingError),
    (of_objectives.CodeError, errors.CodeError),
    (of_objectives.DataError, errors.DataError),
    (of_objectives.CheckpointError, errors.DataError),
    (of_objectives.DataNotFoundError, errors.DataNotFoundError),
    (of_objectives.RenderingError, errors.RenderingError),
    (of_objectives.ObjectiveError, errors.HpoError),
)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise the matching error of `studies`, with the original as its cause; also a decorator."""
    try:
        yield
    except (of_storage.StorageError, of_objectives.ObjectiveError) as error:
        if isinstance(error, of_storage.StorageError):
            # A driver's error may hold the password of the database, even where it is not shown.
            error.__cause__ = error.__context__ = None
        raise translate(error)(str(error)) from error


def translate(error: Exception) -> type[errors.HpoError]:
    """Return the class of `studies` that an error of `storage` or `objectives` becomes."""
    return next(ours for theirs, ours in TRANSLATIONS if isinstance(error, theirs))
