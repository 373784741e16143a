"""The top-level packages of this service and of users' functions, whose names must differ."""

PACKAGES = ("objectives", "storage", "studies")


def package_of(function: str) -> str:
    """Return the package of a user's function, `package.module:name`: what --allow-module takes."""
    return function.partition(":")[0].partition(".")[0]
