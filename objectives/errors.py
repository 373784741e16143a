"""The errors that this package raises on purpose.

Each is also the built-in error that fits, so that `except ValueError` and pydantic's validators
treat it as one.
"""

import difflib
from collections.abc import Iterable


class ObjectiveError(Exception):
    """The base of all errors of this package."""


class UnknownNameError(ObjectiveError, ValueError):
    """A name that is not among the known ones: of an objective, a hyperparameter, a data set."""


class SettingError(ObjectiveError, ValueError):
    """A setting that cannot be trained: a value, a combination, or trials that fit no one pack."""


class CodeError(ObjectiveError, ValueError):
    """A user's file or module that is not there, cannot be read, lacks the function, or raises."""


class DataError(ObjectiveError, ValueError):
    """A data set that is not what it should be, or that cannot be split as asked."""


class DataNotFoundError(ObjectiveError, FileNotFoundError):
    """A known data set that has no file here and cannot be downloaded."""


class CheckpointError(ObjectiveError, ValueError):
    """The files of a checkpoint are broken, or do not belong together."""


class RenderingError(ObjectiveError, RuntimeError):
    """Clocks could not be rendered, for instance because the disk is full."""


def unknown_name(
    what: str, name: str, known: Iterable[str], *, remedy: str = ""
) -> UnknownNameError:
    """Make the error for an unknown name: it lists the known ones, those that are near it first.

    Args:
        what: What the name stands for, with its article, as in "an objective".
        name: The name that was received.
        known: All names that would have been right.
        remedy: A further sentence for the end of the message.

    Returns:
        The error, not raised: a type checker should see the `raise` where the function ends.
    """
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=max(1, len(names)))
    names = nearest + [each for each in names if each not in nearest]
    known_names = f"one of {', '.join(names)}" if names else "of which there is none"
    sentences = [f"Expected {what}, {known_names}. Received: {name}."]
    if nearest:
        sentences.append(f"Did you mean {nearest[0]}?")
    if remedy:
        sentences.append(remedy)
    return UnknownNameError(" ".join(sentences))
