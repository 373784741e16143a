"""The error for a name that nobody knows: it lists the known ones and suggests the nearest."""

import difflib
from collections.abc import Iterable


def unknown_name(what: str, name: str, known: Iterable[str], *, remedy: str = "") -> ValueError:
    """Make the error for an unknown name, for the caller to raise.

    Args:
        what: What the name stands for, with its article, as in "an objective".
        name: The name that was received.
        known: All names that would have been right.
        remedy: A further sentence for the end of the message.

    Returns:
        The error, unraised, so that a type checker sees the `raise` at the call.
    """
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1)
    known_names = f"one of {', '.join(names)}" if names else "of which there is none"
    sentences = [f"Expected {what}, {known_names}. Received: {name}."]
    if nearest:
        sentences.append(f"Did you mean {nearest[0]}?")
    if remedy:
        sentences.append(remedy)
    return ValueError(" ".join(sentences))
