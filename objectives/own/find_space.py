"""Find the search space of a user's `build(trial)` by running it.

Each parameter is tried at each of its levels in each context in which it occurs: beside each set of
parameters, at each level of those that decide about others. From these settings follows when each
parameter is asked for. Random settings then test it, so that a condition which the levels do not
show, as one within a range of floats, is an error and not a space with a hole.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from objectives.errors import SettingError
from objectives.own.build_trial import BuildTrial
from objectives.own.parameter import Parameter, Value

MAX_BUILDS = 500
MAX_SECONDS = 60.0
RANDOM_SETTINGS = 200
REMEDY = "Write the space yourself, in [space] with when = { name = [values] }."

Build = Callable[[BuildTrial], Any]
Setting = Mapping[str, Value]


@dataclass(frozen=True)
class FoundSpace:
    """What `build` asks for.

    Attributes:
        parameters: By name, each after those that its condition names.
        when: Parameter -> others with the values at which it is asked for; empty for always.
        n_builds: How often `build` was called to find it; more calls have tested it.
        fixed: The fixed parameters that it asks for.
    """

    parameters: Mapping[str, Parameter]
    when: Mapping[str, Mapping[str, list[Value]]]
    n_builds: int
    fixed: frozenset[str] = frozenset()

    def first(self) -> dict[str, Value]:
        """Return a setting: the first level of each parameter, also of those not asked for."""
        return {name: _first(parameter) for name, parameter in self.parameters.items()}

    def lines(self) -> dict[str, Any]:
        """Return the table `[space]`."""
        return {n: p.line(dict(self.when[n])) for n, p in self.parameters.items()}

    def asks(self, setting: Setting) -> set[str]:
        """Return the parameters that a setting has, which has a value for all of them."""
        active: set[str] = set()
        for name in self.parameters:
            conditions = self.when[name].items()
            if all(n in active and _among(setting[n], values) for n, values in conditions):
                active.add(name)
        return active


@dataclass
class _Search:
    build: Build
    check: Callable[[Any], object]
    deadline: float
    fixed: Mapping[str, Value]
    fixed_asked: set[str] = field(default_factory=set)
    parameters: dict[str, Parameter] = field(default_factory=dict)
    settings: list[dict[str, Value]] = field(default_factory=list)
    n_builds: int = 0
    switches: set[str] = field(default_factory=set)  # whose levels decide about other parameters
    tried: set[tuple[Any, ...]] = field(default_factory=set)

    def run(self, values: Setting, choose: Callable[[Parameter], Value]) -> dict[str, Value]:
        """Call `build` once, and return the setting that it has asked for.

        Raises:
            SettingError: A parameter's range is another one than before.
        """
        trial = BuildTrial({**values, **self.fixed}, choose)
        self.check(self.build(trial))
        self.n_builds += 1
        self.fixed_asked |= trial.asked.keys() & self.fixed.keys()
        searched = {n: p for n, p in trial.asked.items() if n not in self.fixed}
        params = {name: trial.params[name] for name in searched}
        for name, parameter in searched.items():
            before = self.parameters.setdefault(name, parameter)
            if before != parameter:
                raise SettingError(
                    f"Expected {name} to have one range. Received: {before.line({})}, and with "
                    f"{_in_words(params, name)} {parameter.line({})}. {REMEDY}"
                )
        self.settings.append(params)
        return params

    def settings_with(self, name: str) -> list[dict[str, Value]]:
        """Return the settings that have a parameter."""
        return [setting for setting in self.settings if name in setting]

    def explore(self) -> None:
        """Try each parameter at each level in each context, until no new context appears."""
        switches, tried = self.switches, self.tried
        known = -1
        while known < len(self.settings) + len(switches):
            known = len(self.settings) + len(switches)
            for setting in list(self.settings):
                context = _context(setting, switches)
                tried |= {(context, name, _key(value)) for name, value in setting.items()}
                for name, level in self._levels_of(setting):
                    if (context, name, _key(level)) in tried:
                        continue
                    tried.add((context, name, _key(level)))
                    self.check_limits()
                    if set(self.run({**setting, name: level}, _first)) != set(setting):
                        switches.add(name)

    def check_repeats(self) -> None:
        """Check that a setting asks for the same again: a function of chance has no space."""
        first, again = self.run({}, _first), self.run({}, _first)
        if list(again) != list(first):
            raise SettingError(
                "Expected one setting to ask for the same parameters each time. Received: "
                f"{', '.join(first) or 'none'}, then {', '.join(again) or 'none'}. "
                "Let the trial alone choose, not a random number or a global variable."
            )

    def _levels_of(self, setting: Setting) -> list[tuple[str, Value]]:
        return [(name, level) for name in setting for level in self.parameters[name].levels()]

    def check_limits(self) -> None:
        """Check that there have not been too many builds."""
        if self.n_builds >= MAX_BUILDS or time.monotonic() > self.deadline:
            raise SettingError(
                f"Expected a space that {MAX_BUILDS} builds in {MAX_SECONDS:g} s show. "
                f"Received: more, after {self.n_builds} builds. {REMEDY}"
            )


def find_space(
    build: Build,
    check: Callable[[Any], object] = lambda built: None,
    fixed: Mapping[str, Value] = MappingProxyType({}),
) -> FoundSpace:
    """Find what `build` asks for, and when.

    Args:
        build: The user's function.
        check: Called with what each call returns; raises an error where that is wrong.
        fixed: Parameters that have one value, and are not searched.

    Raises:
        SettingError: The space cannot be told by conditions on other parameters' levels; the
            message names the parameter and two settings. Or the function asks for one parameter in
            two ways, or is not the same function from call to call.
    """
    search = _Search(build, check, time.monotonic() + MAX_SECONDS, fixed)
    search.check_repeats()
    while True:
        search.explore()
        when = {name: _condition(search, name) for name in search.parameters}
        parameters = _in_order(search.parameters, when)
        space = FoundSpace(parameters, when, search.n_builds, frozenset(search.fixed_asked))
        if _agrees(search, space):
            return replace(space, fixed=frozenset(search.fixed_asked))


def _condition(search: _Search, name: str) -> dict[str, list[Value]]:
    """Return the values of other parameters at which one is asked for."""
    having = search.settings_with(name)
    lacking = [s for s in search.settings if name not in s]
    if not lacking:
        return {}
    candidates: dict[str, list[Value]] = {}
    for other in _always_before(having, name):
        values = _values(having, other)
        if any(other not in s or not _among(s[other], values) for s in lacking):
            candidates[other] = values
    unexplained = [s for s in lacking if _holds(candidates, s)]
    if unexplained:
        one = next((s for s in having), {})
        raise _inexplicable(name, one, unexplained[0])
    needed = dict(candidates)
    # Left out first is what only says that another parameter is asked for too: `dropout_2` depends
    # on `n_layers`, not on any value of `units_2`. Then what is asked for first.
    seen = {n: len(_values(search.settings_with(n), n)) for n in candidates}
    for other in sorted(candidates, key=lambda n: len(candidates[n]) < seen[n]):
        rest = {n: v for n, v in needed.items() if n != other}
        if rest and not any(_holds(rest, s) for s in lacking):
            needed = rest
    if not all(search.parameters[other].is_listed for other in needed):  # not all values are seen
        raise _inexplicable(name, having[0], next(s for s in lacking if not _holds(needed, s)))
    levels = {n: search.parameters[n].levels() for n in needed}
    return {n: [level for level in levels[n] if _among(level, v)] for n, v in needed.items()}


def _agrees(search: _Search, space: FoundSpace) -> bool:
    """Tell whether `build` asks in random settings for what the space says."""
    rng = random.Random(0)
    for _ in range(RANDOM_SETTINGS if space.parameters else 0):
        setting = {name: parameter.draw(rng) for name, parameter in space.parameters.items()}
        if space.asks(setting) != set(search.run(setting, _first)):
            search.check_limits()
            return False  # the setting is among those that the next conditions must explain
    return True


def _inexplicable(name: str, one: Setting, other: Setting) -> SettingError:
    yes, no = (one, other) if name in one else (other, one)
    return SettingError(
        f"Expected {name} to be asked for or not by the levels of other parameters, each alone. "
        f"Received: asked for with {_in_words(yes, name)}, not with {_in_words(no, name)}. {REMEDY}"
    )


def _in_words(setting: Setting, without: str) -> str:
    return ", ".join(f"{n}={v}" for n, v in setting.items() if n != without) or "nothing else"


def _always_before(settings: Sequence[Setting], name: str) -> list[str]:
    """Return the parameters that are asked for before `name` in each of the settings."""
    before = [list(s)[: list(s).index(name)] for s in settings]
    return [n for n in before[0] if all(n in names for names in before)]


def _values(settings: Sequence[Setting], name: str) -> list[Value]:
    return list({_key(s[name]): s[name] for s in settings}.values())


def _holds(conditions: Mapping[str, Sequence[Value]], setting: Setting) -> bool:
    return all(n in setting and _among(setting[n], values) for n, values in conditions.items())


def _in_order(
    parameters: Mapping[str, Parameter], when: Mapping[str, Mapping[str, Any]]
) -> dict[str, Parameter]:
    """Order parameters as they were first asked for, each after those of its condition."""
    ordered: dict[str, Parameter] = {}

    def place(name: str) -> None:
        for other in when[name]:
            place(other)
        ordered.setdefault(name, parameters[name])

    for name in parameters:
        place(name)
    return ordered


def _first(parameter: Parameter) -> Value:
    return parameter.levels()[0]


def _among(value: Value, values: Sequence[Value]) -> bool:
    return any(_key(value) == _key(each) for each in values)


def _context(setting: Setting, switches: set[str]) -> tuple[Any, ...]:
    """Return what decides, as far as known, which parameters a further level adds or removes."""
    return frozenset(setting), tuple((n, _key(v)) for n, v in setting.items() if n in switches)


def _key(value: Value) -> tuple[bool, Value]:
    return isinstance(value, bool), value  # 1 and True are two values, 1 and 1.0 are one
