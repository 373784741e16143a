"""What the user's cache holds, and its removal: programs and pictures that can be made again."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from objectives.cache import cache_folder
from objectives.clock.dataset import UNFINISHED
from objectives.clock.render_options import RENDERER_VERSION

REMOVED = ".removed"  # the ending of a folder while it is removed


@dataclass(frozen=True)
class CacheEntry:
    """A folder of the cache.

    Attributes:
        folder: Where it is.
        what: What it holds, in words.
        size: Bytes of its files.
    """

    folder: Path
    what: str
    size: int

    def remove(self) -> bool:
        """Remove the folder; return False where it is being made just now.

        It is renamed first, so that nobody finds half of it. A worker that reads it goes on: its
        files stay until it has closed them. What is missing is compiled or rendered again.
        """
        # The name under which whoever renders it has locked it.
        name = self.folder.name.removesuffix(UNFINISHED).removesuffix(REMOVED)
        lock = FileLock(self.folder.with_name(f"{name}.lock"), timeout=0)
        try:
            with lock:
                away = self.folder.with_name(f"{name}{REMOVED}")
                shutil.rmtree(away, ignore_errors=True)  # of a removal that was interrupted
                if self.folder != away:
                    self.folder.rename(away)
                    shutil.rmtree(away, ignore_errors=True)
        except (Timeout, FileNotFoundError):
            return not self.folder.exists()
        return True


def cache_entries() -> list[CacheEntry]:
    """Return what the cache holds."""
    found = [(cache_folder("jax"), "programs that JAX has compiled")]
    found += [(folder, _about(folder)) for folder in sorted(cache_folder("clocks").glob("*"))]
    return [CacheEntry(f, what, _size(f)) for f, what in found if f.is_dir()]


def _about(folder: Path) -> str:
    is_newest = folder.name.startswith(f"v{RENDERER_VERSION}-")
    if folder.name.endswith(UNFINISHED):
        return "clocks whose rendering has not ended"
    if folder.name.endswith(REMOVED):
        return "what a removal has left"
    return "rendered clocks" if is_newest else "rendered clocks of an earlier version"


def _size(folder: Path) -> int:
    sizes = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):  # whoever works with it may remove it now
            sizes += file.stat().st_size if file.is_file() else 0
    return sizes
