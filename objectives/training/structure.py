"""Read the structure of a built network: all that a compiled program of it depends on.

Every object of the network, its optimizer, losses and metrics is read, attribute by attribute, and
the graph of its layers. What variables hold is no part of the structure, nor are the few numbers
that a program can hold in variables: see `Tunable`. Functions and classes that are not Keras's are
compared by their code and all that it reads: see `own_code`. Whatever cannot be compared is an
error, and such a network is trained by Keras's own `fit`.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from types import (
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

import keras
import numpy as np

from objectives.training import tunable_optimizer
from objectives.training.keras_internals import (
    OPTIMIZER_NUMBERS,
    SEED_STATE,
    UNREAD,
    UNREAD_TYPES,
    Node,
    compiles,
    is_functional,
    is_of_keras,
    seed_state,
    variable_groups,
)
from objectives.training.own_code import (
    UnreadableCodeError,
    is_known,
    own_attributes,
    parts_of_class,
    parts_of_code,
    parts_of_function,
)
from objectives.types import Array

_PRIMITIVES = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), np.generic)


class UnreadableStructureError(Exception):
    """A network whose structure cannot be compared; the message is the reason, a clause."""


@dataclass(frozen=True)
class Tunable:
    """A number in which networks of one structure may differ.

    Attributes:
        holder: The layer or the optimizer that has it.
        name: The name of the attribute.
        value: The number.
    """

    holder: Any
    name: str
    value: float


@dataclass(frozen=True)
class Structure:
    """What is read of a network.

    Attributes:
        key: Equal for networks that one program can train.
        tunables: The numbers in which they may differ, in an order of the structure.
        others: Variables that its functions use, and that are none of the network's, its
            optimizer's and its metrics'.
        has_own_code: Whether there is a function or class in it that is not Keras's.
    """

    key: str
    tunables: Sequence[Tunable]
    others: Sequence[keras.Variable] = ()
    has_own_code: bool = False


def read(model: keras.Model) -> Structure:
    """Read the structure of a compiled network, all of whose variables exist.

    Raises:
        UnreadableStructureError: It has something that cannot be compared.
    """
    if not is_functional(model):
        raise UnreadableStructureError(f"{type(model).__name__} is a class of its own")
    if not compiles(model):
        raise UnreadableStructureError("its steps are not to be compiled one by one")
    if model.optimizer.use_ema:
        raise UnreadableStructureError("its optimizer averages the weights at the end of `fit`")
    if any(np.any(keras.ops.convert_to_numpy(v)) for v in model.metrics_variables):
        raise UnreadableStructureError("it has a metric that does not begin at zero")
    reader = _Reader(variable for group in variable_groups(model) for variable in group)
    try:
        reader.read("", model)
    except UnreadableCodeError as error:
        raise UnreadableStructureError(str(error)) from error
    except RecursionError as error:
        raise UnreadableStructureError("its code refers to too much") from error
    return Structure(reader.digest.hexdigest(), reader.tunables, reader.others, reader.has_own_code)


class _Reader:
    def __init__(self, variables: Iterable[keras.Variable]) -> None:
        self.digest = hashlib.sha256()
        self.tunables: list[Tunable] = []
        self.others: list[keras.Variable] = []
        self.has_own_code = False
        self._known = {id(variable) for variable in variables}
        self._seen: dict[int, tuple[int, Any]] = {}  # with the objects, or ids would be used again

    def read(self, where: str, value: Any) -> None:
        """Take an object into the digest, with all that it holds."""
        if _is_primitive(value):
            self._note(where, type(value).__name__, repr(value))
            return
        if isinstance(value, UNREAD_TYPES):
            return
        if id(value) in self._seen:
            self._note(where, "as", str(self._seen[id(value)][0]))
            return
        self._seen[id(value)] = len(self._seen), value
        for name, part in self._parts(where, value):
            self.read(name, part)

    def _note(self, *words: str) -> None:
        self.digest.update("\0".join((*words, "\1")).encode())

    def _parts(self, where: str, value: Any) -> Iterator[tuple[str, Any]]:
        """Note what an object is, and return what it holds, by name."""
        match value:
            case keras.Variable():
                facts = _place(value), value.shape, value.dtype, value.trainable
                self._note(where, "variable", *map(str, facts))
                if id(value) not in self._known:  # what it holds becomes a constant of the program
                    self.others.append(value)
                    yield "value", keras.ops.convert_to_numpy(value)
            case keras.KerasTensor():
                history = getattr(value, "_keras_history", None)
                self._note(where, "tensor", str(value.shape), str(value.dtype))
                if history is not None:
                    yield from zip(("operation", "node", "index"), history, strict=True)
            case Node():
                yield "operation", value.operation
                yield "args", value.arguments.args
                yield "kwargs", value.arguments.kwargs
            case Mapping() if _is_plain(value):
                self._note(where, "mapping", str(len(value)))
                for key, part in value.items():
                    yield str(key), part
            case list() | tuple() if _is_plain(value):
                self._note(where, type(value).__name__, str(len(value)))
                for i, part in enumerate(value):
                    yield str(i), part
            case Set() if _is_plain(value) and all(map(_is_primitive, value)):
                self._note(where, "set", repr(sorted(map(repr, value))))
            case FunctionType() | CodeType() | MethodType() | functools.partial() | type():
                yield from self._parts_of_code(where, value)
            case ModuleType() if value.__name__.partition(".")[0] != "keras":
                raise UnreadableStructureError(f"it keeps the module {value.__name__}")
            case ModuleType() | np.dtype() | slice() | range() | re.Pattern():
                self._note(where, repr(value))
            case _ if isinstance(value, np.ndarray) or keras.ops.is_tensor(value):
                self._note(where, "array", *_facts(_constant(value)))
            case _ if is_known(value):
                self._note(where, "known", value.__module__, value.__name__)
            case _:
                yield from self._attributes(where, value)

    def _parts_of_code(self, where: str, value: Any) -> Iterator[tuple[str, Any]]:
        """Note which function or class an object is, and return what a call of it depends on."""
        match value:
            case FunctionType():
                self._note(where, "function", value.__module__, value.__qualname__)
                if is_known(value):
                    for i, cell in enumerate(value.__closure__ or ()):
                        yield str(i), cell.cell_contents
                else:
                    self.has_own_code = True
                    yield from parts_of_function(value)
            case CodeType():
                yield from parts_of_code(value)
            case MethodType():
                yield from (("self", value.__self__), ("function", value.__func__))
            case functools.partial():
                self._note(where, "partial")
                yield from (("of", value.func), ("args", value.args), ("kwargs", value.keywords))
            case type():
                self._note(where, "class", value.__module__, value.__qualname__)
                if not is_known(value):
                    self.has_own_code = True
                    yield from parts_of_class(value)

    def _attributes(self, where: str, value: Any) -> Iterator[tuple[str, Any]]:
        kind = type(value)
        attributes = getattr(value, "__dict__", None)
        if not is_known(kind):
            yield "class", kind
            attributes = own_attributes(value)
        elif attributes is None or not (is_of_keras(kind) or kind is SimpleNamespace):
            raise UnreadableStructureError(f"it has a {kind.__qualname__}")
        if getattr(value, "stateful", False) and isinstance(value, keras.layers.RNN):
            raise UnreadableStructureError(f"{value.name} keeps its state from batch to batch")
        self._note(where, "object", kind.__module__, kind.__qualname__)
        tunable = _tunable_names(value)
        is_generator = isinstance(value, keras.random.SeedGenerator)
        for name, part in sorted(attributes.items()):
            if name in tunable:
                self._note(name, "tunable")
                self.tunables.append(Tunable(value, name, float(part)))
            elif name not in UNREAD and not (name == "name" and is_generator):
                yield name, part


def _is_primitive(value: Any) -> bool:
    return isinstance(value, _PRIMITIVES) and _is_plain(value)


def _is_plain(value: Any) -> bool:
    """Tell whether an object has what its content shows, and no code of a user's."""
    return is_known(type(value))


def _place(variable: keras.Variable) -> str:
    """Return the path of a variable, of a generator's state its name alone.

    Generators are counted as they are made, and a dropout at rate zero gets its own last.
    """
    return str(variable.name if variable.name == SEED_STATE else variable.path)


def _constant(tensor: Any) -> Array:
    try:
        return np.asarray(tensor)
    except Exception as error:  # one that was computed while the network was traced has no value
        raise UnreadableStructureError("a layer of it has a tensor of its own") from error


def _facts(array: Array) -> tuple[str, str, str]:
    return str(array.dtype), str(array.shape), hashlib.sha256(array.tobytes()).hexdigest()


def _tunable_names(value: Any) -> tuple[str, ...]:
    """Return the attributes of an object in which networks of one structure may differ.

    A number of an optimizer that is Keras's default stays a constant: as such it takes part in
    computations of double precision, as in `fit`.
    """
    if type(value) is keras.layers.Dropout:
        # As a variable the rate would change the type of what is computed in half precision.
        is_whole = value.compute_dtype == keras.backend.floatx()
        return ("rate",) if is_whole and value.rate < 1 and seed_state(value) is not None else ()
    if type(value) in tunable_optimizer.TUNABLE:
        defaults = inspect.signature(type(value).__init__).parameters
        return tuple(
            name
            for name in OPTIMIZER_NUMBERS
            if isinstance(number := getattr(value, name, None), int | float)
            and number > 0  # a norm of zero clips nothing
            and number != defaults[name].default
        )
    return ()
