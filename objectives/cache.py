"""Where this project keeps files that it can make again."""

from pathlib import Path

from platformdirs import user_cache_path


def cache_folder(name: str) -> Path:
    """Return a folder of the user's cache, which may not exist yet.

    On Linux it is `$XDG_CACHE_HOME/hpo/NAME`, by default `~/.cache/hpo/NAME`.
    """
    return user_cache_path("hpo", appauthor=False) / name
