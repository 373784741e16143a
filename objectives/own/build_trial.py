"""The trial that a user's `build(trial)` gets: it answers, and remembers what was asked.

It has the methods of Optuna's trial that make sense before training, and needs no Optuna.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from objectives.errors import SettingError
from objectives.own.parameter import Parameter, Value

KNOWN = ("suggest_float", "suggest_int", "suggest_categorical", "number", "params",
         "set_user_attr", "user_attrs")  # fmt: skip


class BuildTrial:
    """A setting, asked for parameter by parameter.

    Args:
        values: Parameter -> its value.
        choose: Gives the value of a parameter that is not among them.
        number: The trial's number; 0 for the service's trials, since a retry, which has another,
            must build the same network.

    Attributes:
        asked: The parameters that were asked for, in this order.
        params: Their values.
        number: The trial's number.
        user_attrs: What the function has noted with the trial.
    """

    def __init__(
        self,
        values: Mapping[str, Value],
        choose: Callable[[Parameter], Value],
        number: int = 0,
    ) -> None:
        self.asked: dict[str, Parameter] = {}
        self.params: dict[str, Value] = {}
        self.number = number
        self.user_attrs: dict[str, Any] = {}
        self._values = values
        self._choose = choose

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Return a number from `low` to `high`, both included."""
        found = self.ask(Parameter(name, (), float(low), float(high), step, log))
        return float(cast(float, found))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Return a whole number from `low` to `high`, both included."""
        highest = low + (high - low) // step * step if step > 0 and high >= low else high
        parameter = Parameter(name, (), low, highest, step, log, is_whole=True)
        return int(cast(int, self.ask(parameter)))

    def suggest_categorical(self, name: str, choices: Sequence[Value]) -> Value:
        """Return one of `choices`.

        Raises:
            SettingError: There are none.
        """
        if not choices:
            raise SettingError(f"Expected at least one choice for {name}. Received: none.")
        return self.ask(Parameter(name, tuple(choices)))

    def set_user_attr(self, key: str, value: Any) -> None:
        """Note something with the trial."""
        self.user_attrs[key] = value

    def __getattr__(self, name: str) -> Any:
        """Say what such a trial has, where a function asks for something else."""
        raise AttributeError(
            f"Expected one of {', '.join(KNOWN)} of the trial that builds a network. "
            f"Received: trial.{name}. The service trains the network and reports its epochs."
        )

    def ask(self, parameter: Parameter) -> Value:
        """Return the value of a parameter, the same each time.

        Raises:
            SettingError: It is no range or list of choices, or not the one of an earlier call.
        """
        name = parameter.name
        parameter.check()
        before = self.asked.get(name)
        if before is not None and before != parameter:
            raise SettingError(
                f"Expected {name} to have one range, or the same choices each time. "
                f"Received: {before.line({})} and {parameter.line({})}. Give one another name."
            )
        if before is None:
            given = name in self._values
            self.asked[name] = parameter
            value = self._values[name] if given else self._choose(parameter)
            # So is None written in a study's file, where "none" is no choice of its own.
            is_none = value == "none" and None in parameter.choices
            self.params[name] = None if is_none and "none" not in parameter.choices else value
        return self.params[name]
