"""A study's definition: one TOML file, fully validated, and stored with the study as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import prod
from typing import Any, Literal, Self

import pydantic
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, model_validator

import objectives
from objectives import DataOptions, Objective
from objectives.code.names import is_function
from objectives.data import sources
from objectives.data.encoding import AS_STORED, Encoding
from objectives.errors import unknown_name
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.training_hyperparameters import TrainingHyperparameters
from studies.definition.check_design import check_design
from studies.definition.check_network import (
    check_as_stored,
    check_dataset,
    check_encoding,
    check_function,
    check_labels,
    check_metric,
    check_name,
)
from studies.definition.code import CodeRecord, check_code
from studies.definition.defaults import with_defaults
from studies.definition.enqueued import check_conditions, check_every, check_whole
from studies.definition.fixed import check_from, fixed_values, predecessor
from studies.definition.mistakes import at_point, mistakes_beside, readable
from studies.definition.search import SearchOptions, keyed
from studies.definition.structural import structural_factors
from studies.definition.watched import check_watched
from studies.errors import DefinitionError, Mistakes, together
from studies.space.parse_space import SEED, parse_space
from studies.space.space import Space

BUDGET_KEYS = ("n_trials", "timeout")  # of [search]; not part of a study's identity
EXAMPLES = 500  # points at which combinations of hyperparameters are validated


class StudyDefinition(BaseModel):
    """What a study is. The constructor validates all of it.

    Attributes:
        name: The study's name in the storage.
        objective: A registered objective, or a function of the user: `package.module:function` or
            `path/of/file.py:function`. With a `dataset` it returns a compiled Keras network, which
            the service trains; without one it returns a number.
        dataset: A known data set, the path of a file or folder, or a user's function that returns
            the data; None for an objective that loads its own.
        metric: The metric that is a trial's value: one of the objective's, any name for a function.
        direction: `maximize` or `minimize`.
        backend: The Keras backend; `auto` is JAX on an accelerator, and on a CPU the one that
            trains this objective faster.
        keep: The number of best trials whose trained networks are kept.
        data: Options of the data set.
        search: How points are chosen.
        fixed: Hyperparameters that no trial changes, as in TOML; see studies/definition/fixed.py.
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
    _code: CodeRecord | None = PrivateAttr(default=None)
    _encoding: Encoding | None = PrivateAttr(default=None)

    def __init__(
        self,
        earlier: Mapping[str, Any] | None = None,
        code: CodeRecord | None = None,
        encoding: Encoding | None = None,
        /,
        **lines: Any,
    ) -> None:
        """Validate the lines of a definition.

        Args:
            earlier: See `parse_definition`.
            code: See `with_code`.
            encoding: See `with_encoding`.
            lines: The attributes. Metric and direction default to the objective's.

        Raises:
            DefinitionError: A line breaks a rule; the message begins with its key.
        """
        try:
            self.__pydantic_validator__.validate_python(
                with_defaults(lines), self_instance=self, context=earlier
            )
        except pydantic.ValidationError as error:
            found = [readable(each, StudyDefinition) for each in error.errors()]
            raise together([*found, *mistakes_beside(lines)]) from None
        self._code = code
        self._encoding = encoding

    @property
    def is_code(self) -> bool:
        """Whether the objective is a user's own code."""
        return ":" in self.objective

    @property
    def is_function(self) -> bool:
        """Whether the objective is a user's function that returns a number."""
        return self.is_code and self.dataset is None

    @property
    def is_own_network(self) -> bool:
        """Whether the objective is a user's function that returns a network to train."""
        return self.is_code and self.dataset is not None

    @property
    def is_loaded_by_code(self) -> bool:
        """Whether the data are what a user's function returns."""
        return self.dataset is not None and is_function(self.dataset)

    @property
    def functions(self) -> list[str]:
        """The user's functions that the study names: of its objective, and of its data."""
        names = [self.objective] if self.is_code else []
        return [*names, str(self.dataset)] if self.is_loaded_by_code else names

    @property
    def is_examined(self) -> bool:
        """Whether the encoding of the data is known from their study, or from a child."""
        return self._encoding is not None

    @property
    def code(self) -> CodeRecord | None:
        """What is known of the code of an own network, once it was inspected."""
        return self._code

    def with_code(self, space: Mapping[str, Any], backend: str, code: CodeRecord) -> Self:
        """Return this definition of an own network as its code completes it.

        Args:
            space: The lines of `[space]`.
            backend: The Keras backend.
            code: What is stored of the code.

        Raises:
            DefinitionError: The lines do not fit the others.
        """
        lines = self.model_dump(exclude_unset=True)
        completed = {**lines, "space": dict(space), "backend": backend}
        return type(self)(self._earlier, code, self._encoding, **completed)

    def with_encoding(self, encoding: Encoding, shape: tuple[int, ...] | None = None) -> Self:
        """Return this definition with what a child has found of its data.

        Args:
            encoding: How they are encoded.
            shape: Height, width and channels, to check that a built-in network fits them.

        Raises:
            DefinitionError: A network does not fit the data.
        """
        if shape is not None:
            self._check_points(self.network, shape)
        lines = self.model_dump(exclude_unset=True)
        return type(self)(self._earlier, self._code, encoding, **lines)

    def with_lines(self, **lines: Any) -> Self:
        """Return this definition with other lines at its top; raises as `with_code`."""
        given = {**self.model_dump(exclude_unset=True), **lines}
        return type(self)(self._earlier, self._code, self._encoding, **given)

    @property
    def network(self) -> Objective:
        """The registered objective."""
        return objectives.get(self.objective)

    @property
    def hyperparameters(self) -> type[TrainingHyperparameters]:
        """The class of a setting of the network."""
        return OwnHyperparameters if self.is_own_network else self.network.hyperparameters

    @cached_property
    def factors(self) -> Space:
        """The parsed search space."""
        kind = None if self.is_function else self.hyperparameters
        fixed = fixed_values(self.fixed, self.space)
        return parse_space(self.space, fixed, kind, self._earlier)

    @property
    def max_epochs(self) -> int | None:
        """The most epochs that a trial can have; None if that is unknown beforehand."""
        if self.is_function or self.factors.fixed.get("steps") or self.factors.values_of("steps"):
            return None
        return int(max(self.factors.possible_values("epochs")))

    @cached_property
    def levels(self) -> dict[str, list[Any]]:
        """The values that trials can have, for each hyperparameter that the study varies."""
        names = self.hyperparameters.model_fields
        return {n: self.factors.possible_values(n) for n in names if self.factors.values_of(n)}

    @cached_property
    def encoding(self) -> Encoding | None:
        """How the data are encoded, found by one pass over them; None for a function.

        Only the creation of a study asks: the worker and the holdout have what is stored with it.

        Raises:
            DefinitionError: Something is wrong with the data, or a network does not fit them.
        """
        if self.dataset is None or self._encoding is not None:
            return self._encoding
        if self.is_own_network:  # whether they fit shows where the network is built
            return AS_STORED
        if self.is_loaded_by_code:
            raise DefinitionError(
                "dataset",
                "Expected data that were looked at before their study is made. Received: "
                f"{self.dataset}, not called yet. Make the study by studies.run(...), or by hpo "
                "run or hpo create.",
            )
        source = sources.source_of(self.dataset)
        examined = keyed("dataset", lambda: source.examine(self.data))
        check_encoding(self.metric, self.network, examined.encoding, examined.n_judged)
        if source.input_shape(self.data) is None:
            self._check_points(self.network, examined.shape)
        return examined.encoding

    @cached_property
    def structural_factors(self) -> frozenset[str]:
        """The factors whose levels need different compiled programs; none for a function."""
        if self.is_function:
            return frozenset()
        if self.is_own_network:
            every = frozenset(self.factors.factors)
            return every if self._code is None else every.intersection(self._code.structural)
        return frozenset(
            structural_factors(self.factors, self.network.hyperparameters, self.levels)
        )

    @cached_property
    def most_alike(self) -> int | None:
        """The most different points with one structure; None where there is no limit.

        More trials than that would repeat points, and so a pack is never larger. Points that are
        queued do not repeat.
        """
        free = [f for f in self.factors.factors.values() if f.name not in self.structural_factors]
        try:
            return None if self.search.lists_points else prod(f.n_levels() for f in free)
        except DefinitionError:  # one of them is a continuous range
            return None

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
        check_from(self.fixed)
        if predecessor(self.fixed) is not None:  # the rest is checked with what that study fixes
            return self
        if self.is_code:
            check_code("objective", self.objective)
        if self.is_loaded_by_code:
            check_code("dataset", str(self.dataset))
        elif self.data.arguments:
            known = DataOptions.model_fields.keys() - {"arguments"}
            raise DefinitionError("data", str(unknown_name("a key", "arguments", known)))
        if self.is_function:
            check_function(self.data, self.fixed)
            _ = self.factors
        elif self.is_own_network:
            self._check_own_network()
        else:
            self._check_network()
        mistakes = Mistakes()
        for number, setting in enumerate(self.search.enqueue):
            with mistakes.noted():
                self._check_setting(f"search.enqueue[{number}]", setting)
                if not self.search.design:  # a design drops the inactive factors of a setting
                    check_conditions(self.factors, f"search.enqueue[{number}]", setting)
        with mistakes.noted():
            self._check_setting("search.default", self.search.default)
            if self.search.default and not self.suggests_all:
                check_every(self.factors, "search.default", self.search.default)
        mistakes.tell()
        if self.search.replicates > 1 and (
            SEED in self.factors.fixed or self.factors.values_of(SEED)
        ):
            raise DefinitionError(
                "search.replicates",
                "Expected 1 where [fixed] or [space] sets the seed. Received: more.",
            )
        if self.search.needs_space and not self.space and not self.is_own_network:
            what = "a design" if self.search.design else f"the sampler {self.search.sampler_name}"
            raise DefinitionError("space", f"Expected factors for {what}. Received: none.")
        has_levels = self.search.design in ("grid", "one-factor-at-a-time", "orthogonal")
        if has_levels or self.search.varies_in_turn:
            check_design(self.factors, self.search)
        return self

    def _check_own_network(self) -> None:
        assert self.dataset is not None
        dataset = self.dataset
        keyed("dataset", lambda: sources.check(dataset, self.data))
        check_as_stored(self.data)
        for point in self.factors.examples(EXAMPLES):
            with at_point(point):
                self.hyperparameters(**self.setting_at(point))

    def _check_network(self) -> None:
        mistakes = Mistakes()
        with mistakes.noted():
            check_dataset(self.dataset, self.data)
        with mistakes.noted():
            check_name(self.objective)
            network = self.network
            with mistakes.noted():
                check_metric(self.metric, self.direction, network)
            with mistakes.noted():
                known = {*network.metrics, *network.number_metrics, "loss", "val_loss"}
                check_watched(self.factors, self.metric, known)
        mistakes.tell()
        source = check_labels(str(self.dataset), self.data, network)
        self._check_points(network, source.input_shape(self.data))

    def _check_points(self, network: Objective, input_shape: tuple[int, ...] | None) -> None:
        """Check that a network can be built at each of many points of the space."""
        for point in self.factors.examples(EXAMPLES):
            with at_point(point):
                built = network.hyperparameters(**self.setting_at(point))
                if input_shape is not None:
                    built.check_input(input_shape)

    def setting_at(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hyperparameters that a point stands for, without the seed."""
        settings = self.factors.resolve(point)
        settings.pop(SEED, None)
        return settings

    @property
    def suggests_all(self) -> bool:
        """Whether the objective is code whose parameters are known when it is called."""
        return self.is_code and not self.space

    def _check_setting(self, key: str, setting: Mapping[str, Any]) -> None:
        for name, value in setting.items():
            if self.suggests_all:  # its names and ranges are known when it is called
                if value is not None and not isinstance(value, str | int | float):
                    raise DefinitionError(
                        f"{key}.{name}", f"Expected a number or text. Received: {value!r}."
                    )
                continue
            if name not in self.factors.factors:
                known = self.factors.factors
                raise DefinitionError(f"{key}.{name}", str(unknown_name("a factor", name, known)))
            self.factors.factors[name].choice_of(value, f"{key}.{name}")
        if self.search.design and (setting or key != "search.default"):
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
