"""Python without some libraries, as on a machine that does not have them."""

from importlib.abc import MetaPathFinder


class Without(MetaPathFinder):
    """Makes the import of libraries fail.

    Args:
        names: The libraries.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Refuse a library; leave every other module to the next finders."""
        if fullname in self._names:
            raise ModuleNotFoundError(f"{fullname} is left out of this process")
