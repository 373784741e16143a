"""Where the files of a function's trial lie: one folder for all attempts of its lineage.

It has two parts, what a retry goes on from and what the function wants to keep. A trial of several
seeds has both for each seed, since each is a call that begins at its own beginning, and a file of
what those calls came to that have returned.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

RESUME, KEPT = "resume", "kept"
VALUES = "seeds.json"


def part_of(folder: Path, part: str, number: int | None) -> Path:
    """Return one part of a trial's folder.

    Args:
        folder: The folder.
        part: `RESUME` or `KEPT`.
        number: Which of the trial's seeds is meant, from 0; None where it has one.
    """
    return folder / part if number is None else folder / f"seed-{number}" / part


def values_so_far(folder: Path) -> list[float]:
    """Return what a trial came to with those of its seeds that have ended; none if unknown."""
    try:
        return [float(value) for value in json.loads((folder / VALUES).read_text())]
    except (OSError, ValueError, TypeError):
        return []


def note_values(folder: Path, values: Sequence[float]) -> None:
    """Write what a trial's seeds came to; a retry does not call the function for them again.

    Where it cannot be written, as on a full disk, a retry begins anew.
    """
    new = folder / f"{VALUES}.new"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        new.write_text(json.dumps(list(values)))
        os.replace(new, folder / VALUES)
        shutil.rmtree(part_of(folder, RESUME, len(values) - 1), ignore_errors=True)
