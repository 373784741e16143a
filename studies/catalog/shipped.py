"""Which studies ship with hpo, without reading them."""

from pathlib import Path


def catalog() -> dict[str, Path]:
    """Return the studies that ship with the service: name -> TOML file."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.toml"))}
