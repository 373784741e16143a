"""The errors that this package raises on purpose.

Each is also the built-in error that fits, so that `except ValueError` and pydantic's validators
treat it as one.
"""

import difflib
from collections.abc import Iterable, Sequence

SHORT_LIST = 60  # characters; a longer list of known names would hide what follows it
LISTED = " It must be one of "  # begins the last sentence of a message, a long list


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
    nearest = near_names(name, names)
    names = nearest + [each for each in names if each not in nearest]
    hints = [*([f"Did you mean {nearest[0]}?"] if nearest else []), *([remedy] if remedy else [])]
    return UnknownNameError(not_among(what, name, names, " ".join(hints)))


def near_names(name: str, known: Sequence[str]) -> list[str]:
    """Return the known names that are spelled like another, the nearest first.

    Case makes no difference: other tools write names as `ReLU` or `Adam`.
    """
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=max(1, len(by_lower)))
    return [by_lower[each] for each in close]


def not_among(what: str, received: str, known: Sequence[str], hint: str = "") -> str:
    """Return the message for what is none of the known names; a long list of them stands last.

    Args:
        what: What was expected, with its article, as in "an objective".
        received: What was received.
        known: All names that would have been right.
        hint: The remedy.
    """
    listed = ", ".join(known)
    if len(listed) > SHORT_LIST:
        return f"Expected {what}. Received: {received}. {hint}".strip() + f"{LISTED}{listed}."
    names = f"one of {listed}" if known else "of which there is none"
    return f"Expected {what}, {names}. Received: {received}. {hint}".strip()
