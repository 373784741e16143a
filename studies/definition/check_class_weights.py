"""Check what a study weighs classes by, once it is known what its data have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from objectives.data.encoding import Encoding
from objectives.errors import unknown_name
from objectives.training_hyperparameters import TrainingHyperparameters
from studies.definition.study import StudyDefinition
from studies.errors import DefinitionError

NAME = "class_weight"


def check_class_weights(definition: StudyDefinition) -> None:
    """Check that a built-in network has the classes that the study weighs.

    What a network of a user's has is looked at where it is built.

    Raises:
        DefinitionError: It has not, or the target is a number.
    """
    encoding = definition.encoding
    if encoding is None or definition.is_own_network or definition.is_function:
        return
    for key, value in _given(definition):
        wanted = TrainingHyperparameters(class_weight=value).weights_of_classes()
        if wanted is not None:
            _check(key, wanted, encoding)


def _given(definition: StudyDefinition) -> Iterator[tuple[str, Any]]:
    """Yield each line that weighs classes, and a value that it gives."""
    yield f"fixed.{NAME}", definition.setting_at({}).get(NAME)
    for name, factor in definition.factors.factors.items():
        for level in factor.examples():
            yield f"space.{name}", factor.hyperparameters(level).get(NAME)


def _check(key: str, wanted: str | dict[str, float], encoding: Encoding) -> None:
    if encoding.target is not None:
        raise DefinitionError(
            key,
            f"Expected classes as target, for {NAME}. Received: {NAME}={wanted!r}, and a target "
            "whose numbers are told. Leave it out; [data] weight names a column of weights.",
        )
    if encoding.labels is None or not isinstance(wanted, dict):
        return
    labels = [*map(str, encoding.labels)]
    for label in wanted:
        if label not in labels:
            unknown = unknown_name(f"a label of the data, for {NAME}", label, labels)
            raise DefinitionError(key, str(unknown))
