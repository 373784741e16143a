"""The text of `hpo keys`: every key of a definition, read off the models that check it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.table import Table
from rich.text import Text

from objectives import DataOptions
from objectives.errors import unknown_name
from objectives.training_hyperparameters import TrainingHyperparameters
from studies.definition.sampler_options import NUMBER, PRUNERS, SAMPLERS, Method, Option
from studies.definition.search import SearchOptions
from studies.definition.study import StudyDefinition

MODELS: Mapping[str, type[BaseModel]] = {
    "top": StudyDefinition,
    "search": SearchOptions,
    "data": DataOptions,
    "fixed": TrainingHyperparameters,
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
    "search.dummy_levels": '{ activation = "relu" }',
    "search.repeats": '"reuse"',
    "data.train_size": "1000",
    "data.validation_fraction": "0.2",
    "data.seed": "1",
    "data.scale": "255.0",
    "data.size": "50",
    "data.n_images": "3600",
    "data.rotation": "0.0",
    "data.folds": "5",
    "data.permute_pixels": "true",
    "data.channels": "3",
    "data.test_fraction": "0.2",
    "data.target": '"price"',
    "data.drop": '["id"]',
    "data.group": '"patient"',
    "data.time": '"date"',
    "data.split": '"part"',
    "data.weight": '"weight"',
    "data.arguments": "{ n = 1000 }",
    "fixed.batch_size": "32",
    "fixed.class_weight": '"balanced"',
    "fixed.epochs": "20",
    "fixed.steps": "2000",
    "fixed.learning_rate_schedule": '"cosine"',
    "fixed.learning_rate_final": "0.1",
    "fixed.plateau_metric": '"val_loss"',
    "fixed.plateau_patience": "5",
    "fixed.plateau_factor": "0.5",
    "fixed.early_stopping_metric": '"val_loss"',
    "fixed.early_stopping_patience": "10",
    "fixed.early_stopping_min_delta": "0.001",
    "fixed.restore_best_weights": "false",
}
# One for each option of a sampler or pruner, whichever has it; a test validates them.
OPTION_EXAMPLES: Mapping[str, str] = {
    "n_startup_trials": "20",
    "n_ei_candidates": "48",
    "multivariate": "false",
    "group": "true",
    "constant_liar": "false",
    "qmc_type": '"halton"',
    "scramble": "true",
    "population_size": "20",
    "mutation_prob": "0.1",
    "crossover_prob": "0.8",
    "swapping_prob": "0.4",
    "dividing_parameter": "4",
    "deterministic_objective": "true",
    "popsize": "8",
    "use_separable_cma": "true",
    "lr_adapt": "true",
    "n_settings": "8",
    "n_kept": "2",
    "perturbation": "0.1",
    "n_warmup_steps": "3",
    "interval_steps": "2",
    "n_min_trials": "5",
    "percentile": "50.0",
    "min_resource": "2",
    "reduction_factor": "3",
    "bootstrap_count": "5",
    "min_early_stopping_rate": "1",
    "max_resource": "60",
    "lower": "0.2",
    "upper": "10.0",
    "wrapped": '"percentile"',
    "patience": "5",
    "min_delta": "0.01",
    "p_threshold": "0.05",
    "n_startup_steps": "4",
}
# What a model does not say of a field: its validator takes more, or its default is found.
TYPES = {"timeout": '"90s", "30m", "6h" or seconds', "trial_timeout": "as timeout"}
DEFAULTS = {"direction": "the metric's own", "metric": "the objective's first"}
# Of options that Optuna, or this service, finds from the study.
OPTION_DEFAULTS = {
    "mutation_prob": "1 / parameters",
    "popsize": "4 + 3 ln(parameters)",
    "max_resource": "the epochs",
    "n_kept": "n_settings / 2",
    "multivariate": "true",
}
SEEDS = (
    "replicates: with a sampler a trial has so many seeds, from seed on, and n_trials counts "
    "points; with a design each seed is a trial, and n_trials counts trainings. A sampler's seeds "
    "train together, and its pruner sees their mean; wilcoxon compares them one by one, from 4 on. "
    "A function is called once a seed, trial.seed, and only wilcoxon can prune it then."
)
SETTINGS = (
    "The design settings trains the settings of [[search.enqueue]], each with its replicates, "
    "and nothing else: so does hpo confirm."
)
SPACE = (
    ('activation = ["relu", "tanh"]', "levels"),
    ("hidden_units = [[64], [64, 64]]", "levels that are lists"),
    ("learning_rate = { low = 1e-5, high = 0.1, log = true }", "a range"),
    ("dropout = { low = 0.0, high = 0.5, step = 0.1 }", "a range with a step"),
    ('momentum = { low = 0.0, high = 0.9, when = { optimizer = ["sgd"] } }', "a condition"),
    ('nesterov = { levels = [true, false], when = { optimizer = ["sgd"] } }', "both"),
    ('start = { a = { optimizer = "adam" }, b = { optimizer = "sgd" } }', "several at once"),
)
TABLES = (*MODELS, "space", *METHODS)


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
    if name in METHODS:
        return [_methods(name, METHODS[name])]
    if name == "search":
        notes = f"{SEEDS}\n{SETTINGS}\nBy dummy_levels = true the first level may stand twice."
        options = Text("The options of each: hpo keys sampler, hpo keys pruner", style="dim")
        return [_fields(name, MODELS[name]), Text(notes, style="dim"), options]
    if name == "fixed":
        others = (
            'And every hyperparameter of the network: hpo objectives mlp. Or from = "STUDY",\n'
            "the setting of that study's best trial, but for what this one fixes or searches."
        )
        return [_fields(name, MODELS[name]), Text(others, style="dim")]
    if name in MODELS:
        return [_fields(name, MODELS[name])]
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
    title = f'[search]  {name} = {{ name = "...", option = ... }}'
    table = _table(title, name, "type", "default", "example")
    for method, about in methods.items():
        table.add_row(Text(method, style="bold"), "", "", "")
        defaults = _defaults_of_optuna(name, method)
        for key, option in about.options.items():
            default = defaults.get(key) if option.default is None else option.default
            words = OPTION_DEFAULTS.get(key, _toml(default))
            table.add_row(f"  {key}", _option_type(option), words, OPTION_EXAMPLES[key])
    return table


def _defaults_of_optuna(kind: str, method: str) -> dict[str, Any]:
    """Return the defaults of Optuna's class, which serves by itself or under one of ours."""
    from optuna import pruners

    from studies.samplers.build import CLASSES
    from studies.samplers.pruners import CLASSES as PRUNER_CLASSES

    made: Any = CLASSES[method] if kind == "sampler" else PRUNER_CLASSES[method]
    classes = made.__mro__ if isinstance(made, type) else (pruners.HyperbandPruner,)
    found: dict[str, Any] = {}
    for maker in (vars(each).get("__init__") for each in reversed(classes)):
        parameters = inspect.signature(maker).parameters.values() if maker else ()
        found |= {p.name: p.default for p in parameters if p.default is not p.empty}
    return found


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
    return "" if value in ([], {}) or isinstance(value, BaseModel) else _toml(value)


def _toml(value: Any) -> str:
    """Return a default as it is written; nothing for none."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _option_type(option: Option) -> str:
    if option.type is str:
        return " | ".join(option.texts)
    words = "number" if option.type == NUMBER else _annotation(option.type)
    if option.texts:
        words = words.replace("text", " | ".join(option.texts))
    bounds = [
        f"{sign} {bound:g}"
        for sign, bound in ((">=", option.low), ("<=", option.high))
        if bound is not None
    ]
    return " ".join([words, " and ".join(bounds)]).strip()
