"""Check the folder of a file before it is written: some files cost minutes of work."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

from studies.errors import FolderError


def check_folder(file: str | Path) -> None:
    """Check that the folder that a file shall be written to is there and can be written to.

    Raises:
        FolderError: It is not, or cannot be.
    """
    folder = Path(file).absolute().parent
    if not folder.exists():
        raise FolderError(
            f"Expected a folder that is there. Received: {file}, for which there is no folder "
            f"{folder}. Make it: mkdir -p {quote(str(folder))}"
        )
    if not folder.is_dir():
        raise FolderError(
            f"Expected a folder. Received: {file}, where {folder} is a file. Name another folder."
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FolderError(
            f"Expected a folder that you may write to. Received: {file}, in {folder}. Name "
            "another, or change who may write to it."
        )
