"""What every request to an executor child has in common, and the data set that several name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_args

A = TypeVar("A")


class Request(Generic[A]):
    """What a worker asks of the child; `A` is the class of the answer."""

    @classmethod
    def answer_type(cls) -> type[A]:
        """Return the class of the answer, which the child must give unless it reports an error."""
        (base,) = cls.__dict__["__orig_bases__"]
        (answer,) = get_args(base)
        return answer  # type: ignore[no-any-return]


@dataclass(frozen=True)
class DatasetSpec:
    """A data set to load.

    Attributes:
        name: Its name or path, or the user's function that returns it.
        options: The options of `DataOptions`.
        encoding: The study's `Encoding`; None in a study of before these were stored.
        whole: Whether the validation part is for training too; of folds, all of them.
    """

    name: str
    options: dict[str, Any]
    encoding: dict[str, Any] | None = None
    whole: bool = False
