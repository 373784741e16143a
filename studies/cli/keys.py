"""The text of `hpo keys`: every key of a definition, read off the models that check it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.table import Table
from rich.text import Text

from objectives import DataOptions
from objectives.errors import unknown_name
from studies.definition.sampler_options import PRUNERS, SAMPLERS, Method, Option
from studies.definition.search import SearchOptions
from studies.definition.study import StudyDefinition

MODELS: Mapping[str, type[BaseModel]] = {
    "top": StudyDefinition,
    "search": SearchOptions,
    "data": DataOptions,
}
METHODS: Mapping[str, Mapping[str, Method]] = {"sampler": SAMPLERS, "pruner": PRUNERS}
# One for each field; a test validates them.
EXAMPLES: Mapping[str, str] = {
    "name": '"my-first"',
    "objective": '"cnn"',
    "dataset": '"fashion_mnist"',
    "metric": '"val_accuracy"',
    "direction": '"maximize"',
    "backend": '"jax"',
    "keep": "3",
    "data": "{ train_size = 1000 }",
    "search": '{ sampler = "tpe", n_trials = 9 }',
    "fixed": "{ epochs = 20 }",
    "space": '{ activation = ["relu", "tanh"] }',
    "search.design": '"grid"',
    "search.sampler": '{ name = "tpe", multivariate = true }',
    "search.pruner": '"hyperband"',
    "search.n_trials": "100",
    "search.timeout": '"6h"',
    "search.trial_timeout": '"30m"',
    "search.seed": "1",
    "search.replicates": "3",
    "search.enqueue": "[{ dropout = 0.5 }]",
    "search.default": '{ activation = "relu" }',
    "search.repeats": '"reuse"',
    "data.train_size": "1000",
    "data.validation_fraction": "0.2",
    "data.seed": "1",
    "data.scale": "255.0",
    "data.size": "50",
    "data.n_images": "3600",
    "data.rotation": "0.0",
    "data.channels": "3",
    "data.test_fraction": "0.2",
    "data.arguments": "{ n = 1000 }",
}
# What a model does not say of a field: its validator takes more, or its default is found.
TYPES = {"timeout": '"90s", "30m", "6h" or seconds', "trial_timeout": "as timeout"}
DEFAULTS = {"direction": "the metric's own", "metric": "the objective's first"}
SPACE = (
    ('activation = ["relu", "tanh"]', "levels"),
    ("hidden_units = [[64], [64, 64]]", "levels that are lists"),
    ("learning_rate = { low = 1e-5, high = 0.1, log = true }", "a range"),
    ("dropout = { low = 0.0, high = 0.5, step = 0.1 }", "a range with a step"),
    ('momentum = { low = 0.0, high = 0.9, when = { optimizer = ["sgd"] } }', "a condition"),
    ('nesterov = { levels = [true, false], when = { optimizer = ["sgd"] } }', "both"),
    ('start = { a = { optimizer = "adam" }, b = { optimizer = "sgd" } }', "several at once"),
)
TABLES = (*MODELS, "fixed", "space", *METHODS)


def keys_view(table: str | None) -> list[Any]:
    """Return what to print about one table of a definition, or about all.

    Raises:
        UnknownNameError: There is no such table.
    """
    if table is not None and table not in TABLES:
        raise unknown_name("a table of a definition", table, TABLES)
    shown = [_view(name) for name in TABLES if table in (None, name)]
    return [part for view in shown for part in (*view, Text(""))][:-1]


def _view(name: str) -> list[Any]:
    if name in MODELS:
        return [_fields(name, MODELS[name])]
    if name in METHODS:
        return [_methods(name, METHODS[name])]
    if name == "fixed":
        words = "[fixed]  every hyperparameter that no trial changes: hpo objectives mlp"
        return [Text(words), Text("         epochs = 20", style="dim")]
    lines = [Text("[space]  every hyperparameter, or a name of your own, by one of these forms:")]
    for line, what in SPACE:
        lines += [Text(f"         # {what}", style="dim"), Text(f"         {line}")]
    return lines


def _fields(name: str, model: type[BaseModel]) -> Table:
    title = "at the top" if name == "top" else f"[{name}]"
    table = _table(title, "key", "type", "default", "example")
    for key, field in model.model_fields.items():
        example = EXAMPLES[key if name == "top" else f"{name}.{key}"]
        kind, default = TYPES.get(key, _type(field)), DEFAULTS.get(key, _default(field))
        table.add_row(key, kind, default, example)
    return table


def _methods(name: str, methods: Mapping[str, Method]) -> Table:
    table = _table(f'{name} = {{ name = "...", option = ... }}', name, "option", "type", "default")
    for method, about in methods.items():
        table.add_row(method, "", "", "")
        for key, option in about.options.items():
            default = "" if option.default is None else str(option.default)
            table.add_row("", key, _option_type(option), default)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=Text(title), title_justify="left", box=None, pad_edge=False, title_style="bold"
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    table.columns[0].no_wrap = True
    return table


def _type(field: FieldInfo) -> str:
    words = _annotation(field.annotation)
    marks = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{sign} {getattr(mark, name)}"
        for mark in field.metadata
        for name, sign in marks.items()
        if hasattr(mark, name)
    ]
    return " ".join([words, " and ".join(bounds)]).strip()


def _annotation(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, get_args(annotation)))
    parts = [part for part in get_args(annotation) if part is not type(None)]
    if get_origin(annotation) is list:
        return f"list of {_annotation(parts[0])}"
    if annotation is dict or get_origin(annotation) is dict or isinstance(annotation, type):
        is_table = not isinstance(annotation, type) or issubclass(annotation, BaseModel | dict)
        names = {str: "text", bool: "true | false"}
        return "table" if is_table else names.get(annotation, annotation.__name__)
    return " | ".join(map(_annotation, parts))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "" if value in (None, [], {}) or isinstance(value, BaseModel) else str(value)


def _option_type(option: Option) -> str:
    words = " | ".join(option.texts) if option.type is str else _annotation(option.type)
    if option.texts and option.type is not str:
        words = words.replace("text", " | ".join(option.texts))
    low = "" if option.low is None else f" >= {option.low:g}"
    high = "" if option.high is None else f" <= {option.high:g}"
    return f"{words}{low}{high}"
