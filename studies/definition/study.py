"""A study's definition: one TOML file, fully validated, and stored with the study as JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from itertools import islice
from math import prod
from typing import Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, model_validator

import objectives
from objectives import DataOptions, Objective
from objectives.data import sources
from objectives.data.data_source import DataSource
from objectives.data.encoding import Encoding
from objectives.errors import unknown_name
from studies.definition.enqueued import check_conditions, check_whole
from studies.definition.mistakes import readable
from studies.definition.search import SearchOptions, keyed
from studies.errors import DefinitionError
from studies.packages import PACKAGES, package_of
from studies.space.factor import Factor
from studies.space.parse_space import SEED, parse_space
from studies.space.space import Space

BUDGET_KEYS = ("n_trials", "timeout")  # of [search]; not part of a study's identity
MAX_POINTS = 100_000  # of a design
EXAMPLES = 500  # points at which combinations of hyperparameters are validated
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


class StudyDefinition(BaseModel):
    """What a study is. The constructor validates all of it.

    Attributes:
        name: The study's name in the storage.
        objective: A registered objective, or `package.module:function` of the user.
        dataset: A known data set, the path of an `.npz` or of a folder of clocks; None for a
            function, which loads its own.
        metric: The metric that is a trial's value: one of the objective's, any name for a function.
        direction: `maximize` or `minimize`.
        backend: The Keras backend; `auto` is JAX on an accelerator, and on a CPU the one that
            trains this objective faster.
        keep: The number of best trials whose trained networks are kept.
        data: Options of the data set.
        search: How points are chosen.
        fixed: Hyperparameters that no trial changes.
        space: The factors, as in TOML; `factors` has them parsed.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, ignored_types=(cached_property,)
    )

    name: str = Field(min_length=1, max_length=200)
    objective: str
    dataset: str | None = None
    metric: str = "val_accuracy"
    direction: Literal["maximize", "minimize"]
    backend: Literal["auto", "jax", "tensorflow"] = "auto"
    keep: int = Field(10, ge=0)
    data: DataOptions = DataOptions()
    search: SearchOptions
    fixed: dict[str, Any] = {}
    space: dict[str, Any] = {}
    _earlier: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(self, earlier: Mapping[str, Any] | None = None, /, **lines: Any) -> None:
        """Validate the lines of a definition.

        Args:
            earlier: See `parse_definition`.
            lines: The attributes. Metric and direction default to the objective's.

        Raises:
            DefinitionError: A line breaks a rule; the message begins with its key.
        """
        try:
            self.__pydantic_validator__.validate_python(
                _with_defaults(lines), self_instance=self, context=earlier
            )
        except pydantic.ValidationError as error:
            raise readable(error.errors()[0], StudyDefinition) from None

    @property
    def is_function(self) -> bool:
        """Whether the objective is a user's own function."""
        return ":" in self.objective

    @property
    def network(self) -> Objective:
        """The registered objective."""
        return objectives.get(self.objective)

    @cached_property
    def factors(self) -> Space:
        """The parsed search space."""
        kind = None if self.is_function else self.network.hyperparameters
        return parse_space(self.space, self.fixed, kind, self._earlier)

    @property
    def max_epochs(self) -> int | None:
        """The most epochs that a trial can have; None if that is unknown beforehand."""
        if self.is_function or self.factors.fixed.get("steps") or self.factors.values_of("steps"):
            return None
        return int(max(self.factors.possible_values("epochs")))

    @cached_property
    def levels(self) -> dict[str, list[Any]]:
        """The values that trials can have, for each hyperparameter that the study varies."""
        names = self.network.hyperparameters.model_fields
        return {n: self.factors.possible_values(n) for n in names if self.factors.values_of(n)}

    @cached_property
    def encoding(self) -> Encoding | None:
        """How the data are encoded, found by one pass over them; None for a function.

        Only the creation of a study asks: the worker and the holdout have what is stored with it.

        Raises:
            DefinitionError: Something is wrong with the data, or a network does not fit them.
        """
        if self.dataset is None:
            return None
        source = sources.source_of(self.dataset)
        examined = keyed("dataset", lambda: source.examine(self.data))
        if source.input_shape(self.data) is None:
            self._check_points(self.network, examined.shape)
        return examined.encoding

    @cached_property
    def structural_factors(self) -> frozenset[str]:
        """The factors whose levels need different compiled programs; none for a function."""
        if self.is_function:
            return frozenset()
        return frozenset(f.name for f in self.factors.factors.values() if self._is_structural(f))

    @cached_property
    def most_alike(self) -> int | None:
        """The most different points with one structure; None for a design, or without a limit.

        More trials than that would repeat points, and so a pack is never larger.
        """
        free = [f for f in self.factors.factors.values() if f.name not in self.structural_factors]
        try:
            return None if self.search.design else prod(f.n_levels() for f in free)
        except DefinitionError:  # one of them is a continuous range
            return None

    def _is_structural(self, factor: Factor) -> bool:
        needs_programs = self.network.hyperparameters.needs_programs
        unset = {**self.factors.defaults, **self.factors.fixed}
        choices = [factor.hyperparameters(choice) for choice in factor.choices()]
        names = {name for sets in choices for name in sets if name in self.levels}
        return any(
            needs_programs(name, [sets.get(name, unset.get(name)) for sets in choices], self.levels)
            for name in names
        )

    @property
    def identity(self) -> dict[str, Any]:
        """The parts that two definitions of one study share: all but name and budget, as JSON."""
        value = self.model_dump(mode="json", exclude={"name"})
        for key in BUDGET_KEYS:
            del value["search"][key]
        return value

    def with_budget(self, n_trials: int | None) -> StudyDefinition:
        """Return this definition with another number of trials."""
        search = self.search.model_copy(update={"n_trials": n_trials})
        return self.model_copy(update={"search": search})

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> StudyDefinition:
        self._earlier.update(info.context or {})
        if self.is_function:
            self._check_function()
        else:
            self._check_network()
        for number, setting in enumerate(self.search.enqueue):
            self._check_setting(f"search.enqueue[{number}]", setting)
            if not self.search.design:  # a design drops the inactive factors of a setting
                check_conditions(self.factors, f"search.enqueue[{number}]", setting)
        self._check_setting("search.default", self.search.default)
        if self.search.replicates > 1 and (SEED in self.fixed or self.factors.values_of(SEED)):
            raise DefinitionError(
                "search.replicates",
                "Expected 1 where [fixed] or [space] sets the seed. Received: more.",
            )
        if self.search.design and not self.space:
            raise DefinitionError("space", "Expected factors for a design. Received: none.")
        if self.search.design in ("grid", "one-factor-at-a-time"):
            self._check_design()
        return self

    def _check_design(self) -> None:
        space = self.factors
        if self.search.design == "one-factor-at-a-time":
            for factor in space.factors.values():
                if factor.more:
                    raise DefinitionError(
                        f"space.{factor.name}",
                        "Expected one range for this design: its default has one level. "
                        f"Received: {len(factor.cases)} ranges. Take the design grid or random, or "
                        "keep the range of the default and put what its `when` names in [fixed].",
                    )
        # A range without a step is an error here. Inactive factors count in the first number.
        if space.grid_size > MAX_POINTS:
            n_points = sum(factor.n_levels() for factor in space.factors.values())
            if self.search.design == "grid":
                n_points = sum(1 for _ in islice(space.walk(Factor.levels), MAX_POINTS + 1))
            if n_points > MAX_POINTS:
                raise DefinitionError(
                    "space",
                    f"Expected at most {MAX_POINTS:,} points for a design, which lists them all. "
                    "Received: more. Take larger steps, or the design random or a sampler.",
                )

    def _check_function(self) -> None:
        if not FUNCTION.fullmatch(self.objective):
            raise DefinitionError(
                "objective",
                f"Expected package.module:function. Received: {self.objective!r}.",
            )
        package = package_of(self.objective)
        if package == "__main__":
            raise DefinitionError(
                "objective",
                f"Expected a function of a module. Received: {self.objective!r}, which is one of a "
                "notebook or a script, and not in the processes that execute trials. Write it into "
                "a file beside it, such as my_objective.py, and name it my_objective:"
                f"{self.objective.partition(':')[2]}.",
            )
        if package in PACKAGES:
            raise DefinitionError(
                "objective",
                f"Expected a module of your own. Received: {self.objective!r}. "
                f"{', '.join(PACKAGES)} are this service's own packages: yours needs another name.",
            )
        given = {
            "dataset": self.dataset is not None,
            "data": self.data != DataOptions(),
            "fixed": bool(self.fixed),
        }
        for key, is_given in given.items():
            if is_given:
                raise DefinitionError(
                    key, "Expected none for a function, which has its own. Received: some."
                )
        _ = self.factors

    def _check_network(self) -> None:
        if self.objective not in objectives.names():
            remedy = "A function of your own is written module:function."
            known = objectives.names()
            unknown = unknown_name("an objective", self.objective, known, remedy=remedy)
            raise DefinitionError("objective", str(unknown))
        network = self.network
        source = self._check_dataset(network)
        self._check_metric(network)
        most = source.training_size(self.data)
        if most is not None and (self.data.train_size or 0) > most:
            raise DefinitionError(
                "data.train_size",
                f"Expected at most the {most} pictures that the validation part leaves. "
                f"Received: train_size={self.data.train_size}.",
            )
        self._check_points(network, source.input_shape(self.data))

    def _check_dataset(self, network: Objective) -> DataSource:
        dataset = self.dataset
        if dataset is None:
            raise DefinitionError(
                "dataset",
                f"Expected one of {', '.join(sources.names())}, or a path. Received: none.",
            )
        keyed("dataset", lambda: sources.check(dataset, self.data))
        source = sources.source_of(dataset)
        if source.labels != network.labels:
            raise DefinitionError(
                "dataset",
                f"Expected labels that are each a {network.labels}, for {self.objective}. "
                f"Received: {dataset!r}, whose labels are each a {source.labels}.",
            )
        return source

    def _check_metric(self, network: Objective) -> None:
        metrics = network.metrics
        if self.metric not in metrics:
            raise DefinitionError("metric", str(unknown_name("a metric", self.metric, metrics)))
        if self.direction != metrics[self.metric]:
            raise DefinitionError(
                "direction",
                f"Expected {metrics[self.metric]!r} for {self.metric}. "
                f"Received: direction={self.direction!r}.",
            )

    def _check_points(self, network: Objective, input_shape: tuple[int, ...] | None) -> None:
        """Check that a network can be built at each of many points of the space."""
        for point in self.factors.examples(EXAMPLES):
            settings = self.factors.resolve(point)
            settings.pop(SEED, None)
            try:
                built = network.hyperparameters(**settings)
                if input_shape is not None:
                    built.check_input(input_shape)
            except ValueError as error:
                at = ", ".join(f"{k}={v}" for k, v in point.items()) or "fixed"
                raise DefinitionError(f"space ({at})", _plain(error)) from None

    @property
    def suggests_all(self) -> bool:
        """Whether the objective is a function that suggests all of its parameters itself."""
        return self.is_function and not self.space

    def _check_setting(self, key: str, setting: Mapping[str, Any]) -> None:
        for name, value in setting.items():
            if self.suggests_all:  # its names and ranges are known when it is called
                if not isinstance(value, str | int | float):
                    raise DefinitionError(
                        f"{key}.{name}", f"Expected a number or text. Received: {value!r}."
                    )
                continue
            if name not in self.factors.factors:
                known = self.factors.factors
                raise DefinitionError(f"{key}.{name}", str(unknown_name("a factor", name, known)))
            self.factors.factors[name].choice_of(value, f"{key}.{name}")
        if self.search.design and setting:
            check_whole(self.factors, key, setting)


def parse_definition(
    table: Mapping[str, Any], *, earlier: Mapping[str, Any] | None = None
) -> StudyDefinition:
    """Validate a definition given as a table.

    Args:
        table: The definition, as TOML gives it or as it is stored.
        earlier: Defaults of hyperparameters that were others when its study was made.

    Raises:
        DefinitionError: A line breaks a rule; the message begins with its key.
    """
    return StudyDefinition(earlier, **table)


def _with_defaults(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition with the metric of its objective, and the direction of its metric."""
    given = dict(table)
    if ":" in str(given.get("objective")):
        given.setdefault("metric", "value")  # the name that a function's result gets
    else:
        known = given.get("objective") in objectives.names()
        metrics = objectives.get(given["objective"]).metrics if known else {}
        given.setdefault("metric", next(iter(metrics), "val_accuracy"))
        # An unknown metric is reported as such, not as a missing direction.
        given.setdefault("direction", metrics.get(str(given["metric"]), "maximize"))
    return given


def data_options(lines: Mapping[str, Any]) -> DataOptions:
    """Validate the lines of a table `[data]`.

    Raises:
        DefinitionError: A line breaks a rule.
    """
    try:
        return DataOptions(**lines)
    except pydantic.ValidationError as error:
        (first, *_) = error.errors()
        raise readable({**first, "loc": ("data", *first["loc"])}, DataOptions) from None


def _plain(error: ValueError) -> str:
    """Return the message of an error, without the prefix that pydantic adds."""
    if isinstance(error, pydantic.ValidationError):
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return str(error)
