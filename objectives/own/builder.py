"""Call a user's `build(trial)` with the values of a setting, and check what it asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from objectives.code.raised import ExitsRaised, raised
from objectives.errors import CodeError, ObjectiveError, SettingError
from objectives.own.build_trial import BuildTrial
from objectives.own.built import check_built
from objectives.own.parameter import Parameter, Value
from objectives.own.toml import toml_key, toml_value


class Builder:
    """Builds the networks of a study.

    Args:
        function: The user's function.

    Attributes:
        asked: The parameters that the function has asked for, in all calls.
    """

    def __init__(self, function: Callable[[BuildTrial], Any]) -> None:
        self._function = function
        self.asked: dict[str, Parameter] = {}
        self._notes: dict[str, dict[str, Any]] = {}

    def __call__(self, setting: Mapping[str, Value], number: int = 0) -> keras.Model:
        """Build the network of a setting, which has all parameters.

        Raises:
            SettingError: The function asks for another one, or returns no compiled network.
            CodeError: It raises an exception.
        """
        trial = BuildTrial(setting, lambda parameter: _refuse(parameter, setting), number)
        network = check_built(call(self._function, trial))
        self.asked |= trial.asked
        self._notes[_key(setting)] = trial.user_attrs
        return network

    def take_notes(self, setting: Mapping[str, Value]) -> dict[str, Any]:
        """Return what the last call with a setting has noted with its trial, once."""
        return self._notes.pop(_key(setting), {})

    def overridden(self, lines: Mapping[str, Any]) -> list[str]:
        """Return the parameters that were asked for with other bounds than their lines have.

        Args:
            lines: The lines of `[space]`; a parameter without one is fixed.
        """
        return [
            name
            for name, parameter in self.asked.items()
            if name in lines and not _is_alike(lines[name], parameter)
        ]


def call(function: Callable[[BuildTrial], Any], trial: BuildTrial) -> Any:
    """Call a user's function.

    Raises:
        ObjectiveError: The trial has raised it, which the function has asked for something wrong.
        CodeError: It raises another exception; the message has its line and the setting.
    """
    try:
        with ExitsRaised():
            return function(trial)
    except ObjectiveError:
        raise
    except Exception as error:
        setting = ", ".join(f"{name}={value}" for name, value in trial.params.items())
        raise CodeError(
            "Expected a function that builds a network. "
            f"Received: {raised(function, error)}{f', with {setting}' if setting else ''}."
        ) from error


def _key(setting: Mapping[str, Value]) -> str:
    return repr(sorted(setting.items()))


def _refuse(parameter: Parameter, setting: Mapping[str, Value]) -> Value:
    line = f"{toml_key(parameter.name)} = {toml_value(parameter.line({}))}"
    raise SettingError(
        f"Expected a line for each parameter that the function asks for: {', '.join(setting)}. "
        f"Received: {parameter.name}, which has none. Write {line} into [space], or a value into "
        "[fixed]; or leave [space] out, and the function's own bounds are taken."
    )


def _is_alike(line: Any, parameter: Parameter) -> bool:
    """Tell whether a line of `[space]` has the values that the function has named."""
    levels = line.get("levels") if isinstance(line, dict) else line
    if isinstance(levels, list):
        own = ["none" if each is None else each for each in parameter.levels()]
        return parameter.is_listed and levels in (parameter.levels(), own)
    own = parameter.line({})
    return isinstance(own, dict) and _bounds(line) == _bounds(own)


def _bounds(line: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"log": False, **{key: value for key, value in line.items() if key != "when"}}
