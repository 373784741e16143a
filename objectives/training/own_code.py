"""Take a user's functions and classes apart: all that a call of one depends on.

Two functions are equal if their code is, and what it reads: defaults, closure and globals, by
value. Whatever may give another result at each call, or cannot be followed, is an error.
"""

from __future__ import annotations

import builtins
import dis
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import keras
import numpy as np

from objectives.training.keras_internals import is_of_keras

_Parts = Iterator[tuple[str, Any]]

_KNOWN = frozenset({
    "abc", "builtins", "cmath", "collections", "dataclasses", "enum", "functools", "itertools",
    "jax", "jaxlib", "keras", "math", "ml_dtypes", "numbers", "numpy", "operator", "_operator",
    "types", "typing",
})  # fmt: skip
"""Packages whose functions give the same for the same arguments: NumPy but for its `random`, and
Keras's random functions, whose generators are looked at while a network is traced."""
_REFUSED = frozenset({
    "__import__", "compile", "eval", "exec", "globals", "hash", "id", "input", "locals", "open",
    "vars",
})  # fmt: skip
"""Functions of Python that read what the code does not name."""
_NO_CODE = frozenset({
    "__annotations__", "__dict__", "__doc__", "__firstlineno__", "__module__", "__qualname__",
    "__static_attributes__", "__weakref__", "__abstractmethods__", "_abc_impl", "__parameters__",
    "__orig_bases__", "__dataclass_fields__", "__dataclass_params__", "__match_args__",
})  # fmt: skip
_BEFORE_TRAINING = frozenset({
    "__init__", "build", "compute_output_shape", "compute_output_spec", "from_config",
    "get_build_config", "build_from_config", "get_config", "load_own_variables",
    "save_own_variables",
})  # fmt: skip
"""Methods of Keras's objects that no step of training calls."""
_CONTENTS = (bool, int, float, complex, str, bytes, Mapping, Sequence, Set, np.ndarray)
"""What has more than its attributes."""
_LOADS_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")


class UnreadableCodeError(Exception):
    """Code that cannot be compared; the message is the reason, a clause."""


def is_known(thing: Any) -> bool:
    """Tell whether a function or class is known by its name: one of Keras, JAX, NumPy, Python."""
    if isinstance(thing, FunctionType):  # not its `__module__`, which a decorator copies
        return _is_known_module(str(thing.__globals__.get("__name__")))
    if isinstance(thing, BuiltinFunctionType):
        owner = thing.__self__
        return isinstance(owner, ModuleType) and _is_known_module(owner.__name__)
    module, name = getattr(thing, "__module__", None), getattr(thing, "__name__", None)
    if not isinstance(module, str) or not isinstance(name, str) or not _is_known_module(module):
        return False
    return isinstance(thing, type) or getattr(sys.modules.get(module), name, None) is thing


def _is_known_module(name: str) -> bool:
    is_random = name == "numpy.random" or name.startswith("numpy.random.")
    return name.partition(".")[0] in _KNOWN and not is_random


def parts_of_function(function: FunctionType) -> _Parts:
    """Return what a call of a function depends on, beside its arguments, by name.

    Raises:
        UnreadableCodeError: It does what cannot be followed.
    """
    yield "code", function.__code__
    yield "defaults", function.__defaults__
    yield "keyword defaults", function.__kwdefaults__
    yield "attributes", function.__dict__
    closed = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            closed[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            raise UnreadableCodeError(f"{_named(function)} uses {name}, which is not set") from None
    # Modules in a closure are followed to what is used of them.
    yield "closure", {n: each for n, each in closed.items() if not isinstance(each, ModuleType)}
    for code in _codes(function.__code__):
        _check(function, code)
        yield from _globals(function, code, closed)


def parts_of_code(code: CodeType) -> _Parts:
    """Return a code object's parts; where it stands in its file is none."""
    yield "bytes", code.co_code
    yield "constants", code.co_consts
    yield "names", (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    yield "arguments", counts
    yield "exceptions", getattr(code, "co_exceptiontable", b"")


def parts_of_class(kind: type) -> _Parts:
    """Return the code and the attributes of a user's class, and of those that it derives from.

    Raises:
        UnreadableCodeError: It is not of Python, or has what cannot be followed.
    """
    for base in kind.__mro__:
        if is_known(base):
            yield "base", base
            continue
        if getattr(base, "__slots__", ()) or not base.__flags__ & 1 << 9:  # of a heap type
            raise UnreadableCodeError(f"{base.__qualname__} keeps what cannot be read")
        unread = _NO_CODE | (_BEFORE_TRAINING if _is_kind_of_keras(kind) else set())
        for name, part in sorted(vars(base).items()):
            if name not in unread:
                yield name, _unwrapped(part)


def _is_kind_of_keras(kind: type) -> bool:
    return any(is_of_keras(base) for base in kind.__mro__ if base is not object)


def own_attributes(value: Any) -> Mapping[str, Any]:
    """Return the attributes of an object of a user's class.

    Raises:
        UnreadableCodeError: It is of a class whose objects may change at each call.
    """
    kind = type(value)
    if getattr(value, "stateful", False):
        raise UnreadableCodeError(f"{kind.__qualname__} keeps its state from batch to batch")
    if isinstance(value, keras.metrics.Metric) and not _begins_at_zero(value):
        raise UnreadableCodeError(f"{kind.__qualname__} does not begin at zero")
    if not hasattr(value, "__dict__") or isinstance(value, _CONTENTS):
        raise UnreadableCodeError(f"{kind.__qualname__} keeps what cannot be read")
    # Keras wraps the method `build` of an object, which has done its work.
    unread = _BEFORE_TRAINING if _is_kind_of_keras(kind) else ()
    return {name: part for name, part in vars(value).items() if name not in unread}


def _begins_at_zero(metric: keras.metrics.Metric) -> bool:
    """Tell whether a metric sets its variables, which are zero, to zero at each epoch."""
    for variable in metric.variables:
        variable.assign(np.ones(variable.shape))
    metric.reset_state()
    values = [np.asarray(keras.ops.convert_to_numpy(each)) for each in metric.variables]
    for variable in metric.variables:
        variable.assign(np.zeros(variable.shape))
    return not any(np.any(each) for each in values)


def _unwrapped(part: Any) -> Any:
    if isinstance(part, staticmethod | classmethod):
        return type(part).__name__, part.__func__
    if isinstance(part, property):
        return "property", part.fget, part.fset, part.fdel
    return part


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all within it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _check(function: FunctionType, code: CodeType) -> None:
    """Check that code changes nothing global, and imports nothing that cannot be followed."""
    for step in dis.get_instructions(code):
        if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
            raise UnreadableCodeError(f"{_named(function)} changes the global {step.argval}")
        if step.opname == "IMPORT_NAME":
            name = str(step.argval)
            is_random = name.startswith("numpy") and "random" in (*name.split("."), *code.co_names)
            if is_random or not _is_known_module(name):
                raise UnreadableCodeError(f"{_named(function)} imports {name}")


def _globals(function: FunctionType, code: CodeType, closed: Mapping[str, Any]) -> _Parts:
    """Yield the globals that code reads, those of modules by their dotted names."""
    steps = [each for each in dis.get_instructions(code) if each.opname != "EXTENDED_ARG"]
    for i, step in enumerate(steps):
        name = str(step.argval)
        if step.opname in _LOADS_GLOBAL:
            if name in function.__globals__:
                value = function.__globals__[name]
            elif hasattr(builtins, name):
                _check_builtin(function, name)
                continue
            elif step.opname != "LOAD_GLOBAL":  # of a class within the function
                continue
            else:
                raise UnreadableCodeError(f"{_named(function)} uses {name}, which is not set")
        elif isinstance(closed.get(name), ModuleType) and "DEREF" in step.opname:
            value = closed[name]
        else:
            continue
        yield _follow(function, name, value, steps[i + 1 :])


def _check_builtin(function: FunctionType, name: str) -> None:
    if name in _REFUSED:
        raise UnreadableCodeError(f"{_named(function)} uses {name}")


def _follow(
    function: FunctionType, name: str, value: Any, steps: list[dis.Instruction]
) -> tuple[str, Any]:
    """Return what is read of a module, with its dotted name; any other object as it is."""
    for step in steps:
        if not isinstance(value, ModuleType):
            return name, value
        is_pythons = value.__name__.partition(".")[0] in sys.stdlib_module_names
        is_read = step.opname in ("LOAD_ATTR", "LOAD_METHOD")
        known = _is_known_module(value.__name__)
        if not is_read or (not known and (is_pythons or value.__name__.startswith("numpy"))):
            break
        name = f"{name}.{step.argval}"
        value = getattr(value, str(step.argval), None)
    if isinstance(value, ModuleType):
        raise UnreadableCodeError(f"{_named(function)} uses the module {value.__name__}")
    return name, value


def _named(function: FunctionType) -> str:
    return function.__name__
