"""Tell how a study's data are encoded: what pixels are divided by, which label an output is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objectives.data import sources
from objectives.data.encoding import from_json
from studies.attributes import DEFINITION_KEY, ENCODING_KEY

if TYPE_CHECKING:
    import optuna

SHOWN = 20  # labels; the study's attribute has them all


def scale_line(study: optuna.Study) -> str | None:
    """Return a line that tells the divisor of a user's own data; None where it is known."""
    attributes = study.user_attrs
    definition = attributes[DEFINITION_KEY]
    scale = from_json(attributes.get(ENCODING_KEY)).scale
    if scale is None or definition["dataset"] in sources.names():
        return None
    if definition["data"]["scale"]:
        return f"Pixels are divided by {scale:g}, as [data] scale says."
    return f"Pixels are divided by {scale:g}, by their type and maximum; [data] scale sets it."


def outputs_line(study: optuna.Study) -> str | None:
    """Return a line that tells the labels of a network's outputs; None where they count from 0."""
    labels = from_json(study.user_attrs.get(ENCODING_KEY)).labels or []
    if list(labels) == list(range(len(labels))):
        return None
    shown = ", ".join(map(str, labels[:SHOWN])) + (", ..." if len(labels) > SHOWN else "")
    return f"Its {len(labels)} outputs stand for the labels {shown}, in this order."
