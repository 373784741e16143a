"""A trial's state, to resume it from: two files and a hash, no pickle."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from objectives.errors import CheckpointError
from objectives.training.lanes import LaneState

# The key of `Checkpoint.epochs` in the JSON file. It is not called "epochs" because checkpoints
# that earlier versions have written must stay readable.
EPOCHS_KEY = "course"
MEAN_KEY = "mean"
"""The key of the state of the means in `Checkpoint.epochs`, of a trial that trains in parts."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A copy of a lane.

    Attributes:
        state: All variables of its program, and the weights kept of its best epoch.
        epochs: The state of its `Epochs`; of a trial in parts, of each part and of their means.
    """

    state: LaneState
    epochs: dict[str, Any]

    @property
    def completed(self) -> int:
        """The number of epochs that the trial had completed, all parts of it where it has parts."""
        completed: int = self.epochs.get(MEAN_KEY, self.epochs)["epoch"]
        return completed

    def save(self, file: Path) -> None:
        """Write the arrays to `file`, which ends in .npz, and the rest beside it as .json.

        If the process is killed meanwhile, the files are the previous ones, or ones that `load`
        refuses.

        Raises:
            OSError: The files cannot be written.
        """
        unfinished = file.with_suffix(".unfinished.npz")
        np.savez(unfinished, *self.state)
        digest = _digest(unfinished, self.epochs)
        os.replace(unfinished, file)
        unfinished = file.with_suffix(".unfinished.json")
        unfinished.write_text(json.dumps({EPOCHS_KEY: self.epochs, "sha256": digest}))
        os.replace(unfinished, file.with_suffix(".json"))


def load(file: Path) -> Checkpoint:
    """Read what `Checkpoint.save` has written.

    Raises:
        FileNotFoundError: There is no checkpoint.
        CheckpointError: The two files do not belong together, or are broken.
    """
    try:
        content = json.loads(file.with_suffix(".json").read_text())
        epochs, digest = content[EPOCHS_KEY], content["sha256"]
    except (ValueError, KeyError, TypeError):  # half of a file, or another program's
        epochs, digest = {}, None
    if _digest(file, epochs) != digest:
        raise CheckpointError(
            f"Expected a checkpoint as it was written. Received: {str(file)!r}, whose hash "
            "differs. Remove it; the trial then begins anew."
        )
    with np.load(file, allow_pickle=False) as arrays:
        state = [arrays[f"arr_{i}"] for i in range(len(arrays))]
    return Checkpoint(state, epochs)


def _digest(file: Path, epochs: dict[str, Any]) -> str:
    digest = hashlib.sha256(file.read_bytes())
    digest.update(json.dumps(epochs, sort_keys=True).encode())
    return digest.hexdigest()
