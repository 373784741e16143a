"""Where a trial is in its training, to go on from there: two files and a hash, no pickle."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from objectives.training.lanes import LaneState


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A copy of a lane.

    Attributes:
        state: All variables of its program, and the weights kept of its best epoch.
        course: Its epochs so far, as JSON says it.
    """

    state: LaneState
    course: dict[str, Any]

    def save(self, file: Path) -> None:
        """Write the arrays to `file`, which ends in .npz, and the rest beside it as .json.

        A process that is killed meanwhile leaves the files that were there, or files that `load`
        refuses.

        Raises:
            OSError: The files cannot be written.
        """
        unfinished = file.with_suffix(".unfinished.npz")
        np.savez(unfinished, *self.state)
        digest = _digest(unfinished, self.course)
        os.replace(unfinished, file)
        words = file.with_suffix(".unfinished.json")
        words.write_text(json.dumps({"course": self.course, "sha256": digest}))
        os.replace(words, file.with_suffix(".json"))


def load(file: Path) -> Checkpoint:
    """Read what `Checkpoint.save` has written.

    Raises:
        FileNotFoundError: There is none.
        ValueError: The two files do not belong together, or are broken.
    """
    told = json.loads(file.with_suffix(".json").read_text())
    if _digest(file, told["course"]) != told["sha256"]:
        raise ValueError(
            f"Expected a checkpoint as it was written. Received: {str(file)!r}, whose hash "
            "differs. Remove it; the trial then begins anew."
        )
    with np.load(file, allow_pickle=False) as arrays:
        return Checkpoint([arrays[f"arr_{i}"] for i in range(len(arrays))], told["course"])


def _digest(file: Path, course: dict[str, Any]) -> str:
    digest = hashlib.sha256(file.read_bytes())
    digest.update(json.dumps(course, sort_keys=True).encode())
    return digest.hexdigest()
