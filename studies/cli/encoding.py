"""Tell how a study's data are encoded: what pixels are divided by, which label an output is."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from objectives.data import sources
from objectives.data.columns import Columns
from objectives.data.encoding import Encoding, from_json
from studies.attributes import DEFINITION_KEY, ENCODING_KEY
from studies.lookup import as_argument

if TYPE_CHECKING:
    import optuna

SHOWN = 20  # labels; the study's attribute has them all
PIXELS = "pixels"  # begins the name of a network's input, which says what they are


def data_line(study: optuna.Study) -> str | None:
    """Return a line that tells how a user's own data are encoded; None where it is known."""
    attributes = study.user_attrs
    definition = attributes[DEFINITION_KEY]
    encoding = from_json(attributes.get(ENCODING_KEY))
    scale = encoding.scale
    is_code = ":" in definition["objective"]  # which gets them as stored
    if is_code and encoding.labels:
        return f"Labels are text, and classes in the order of: {_listed(encoding.labels)}."
    if encoding.table is not None:
        return _table_line(encoding)
    if scale is None or is_code or definition["dataset"] in sources.names():
        return None
    if definition["data"]["scale"]:
        return f"Pixels are divided by {scale:g}, as [data] scale says."
    return f"Pixels are divided by {scale:g}, by their type and maximum; [data] scale sets it."


def _table_line(encoding: Encoding) -> str:
    columns = Columns.from_json(encoding.table or {})
    n_inputs = len(columns.numbers) + sum(len(each.values) for each in columns.categories)
    return (
        f"{len(columns.numbers)} columns of numbers are standardized, {len(columns.categories)} of "
        f"text are one-hot: {n_inputs} inputs."
    )


def network_lines(study: optuna.Study, file: Path) -> list[str]:
    """Return what a person must know to use a study's network in stock Keras.

    It is read from the network's file, since Keras takes seconds to load. A function's own networks
    are as its author has made them.
    """
    from studies.results.models import permutation_file

    if ":" in study.user_attrs[DEFINITION_KEY]["objective"]:
        return []
    with zipfile.ZipFile(file) as archive:
        saved = json.loads(archive.read("config.json"))
    if from_json(study.user_attrs.get(ENCODING_KEY)).table is not None:
        name = as_argument(study.study_name)
        return [
            f"It takes encoded rows; for those of a file: hpo predict {name} rows.csv -o out.csv"
        ]
    layers = saved["config"]["layers"]
    given = layers[0]["config"]
    shape = ", ".join(["n", *map(str, given["batch_shape"][1:])])
    # Those that earlier versions have kept have no telling names.
    name = given["name"] if given["name"].startswith(PIXELS) else f"{PIXELS}_as_in_the_file"
    divides = any(layer["class_name"] == "Rescaling" for layer in layers)
    line = f"Give it pictures ({shape}), {given['dtype']}, {name.replace('_', ' ')}"
    lines = [f"{line}: it divides them itself." if divides else f"{line}."]
    permuted = permutation_file(study, file)
    if permuted is not None:
        height, width, channels = given["batch_shape"][1:]
        lines.append(
            f"Permute their pixels first, as {permuted} says, p = np.load(...): "
            f"x.reshape(-1, {height * width}, {channels})[:, p].reshape(x.shape)"
        )
    if study.user_attrs[DEFINITION_KEY]["dataset"] == "digits":
        lines.append(
            "Those of scikit-learn's load_digits go from 0 to 16: multiply them by 255 / 16."
        )
    if (saved["compile_config"] or {}).get("loss") is None:
        loss = "Keras has no loss for its head: to fit it, compile it with one of your own."
        lines.insert(0, loss)
    return lines


def outputs_line(study: optuna.Study) -> str | None:
    """Return a line that tells the labels of a network's outputs; None where they count from 0."""
    labels = from_json(study.user_attrs.get(ENCODING_KEY)).labels or []
    if list(labels) == list(range(len(labels))):
        return None
    return f"Its {len(labels)} outputs stand for the labels {_listed(labels)}, in this order."


def _listed(labels: Sequence[object]) -> str:
    return ", ".join(map(str, labels[:SHOWN])) + (", ..." if len(labels) > SHOWN else "")
