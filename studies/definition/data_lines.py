"""Validate the lines of a table `[data]` by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pydantic

from objectives import DataOptions
from studies.definition.mistakes import readable
from studies.errors import together


def data_options(lines: Mapping[str, Any]) -> DataOptions:
    """Validate the lines of a table `[data]`.

    Raises:
        DefinitionError: A line breaks a rule.
    """
    try:
        return DataOptions(**lines)
    except pydantic.ValidationError as error:
        raise together(
            readable({**each, "loc": ("data", *each["loc"])}, DataOptions)
            for each in error.errors()
        ) from None
