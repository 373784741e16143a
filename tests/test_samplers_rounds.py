"""Rounds and coordinate search as pure functions of the slots that have ended: no database."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase
from optuna.trial import FrozenTrial
from sampling import MIXED, PLANE, define

from storage import Plan, Round, RoundsOver, Slot
from studies.definition.study import StudyDefinition
from studies.errors import DefinitionError
from studies.samplers.moves import draw, move
from studies.samplers.plan import plan_of

LEVELS: dict[str, Any] = {
    "a": [1, 2, 3],
    "b": ["x", "y"],
    "c": {"low": 0.0, "high": 0.2, "step": 0.1},
}
WHEN: dict[str, Any] = {
    "kind": ["plain", "fine"],
    "depth": {"levels": [1, 2, 3], "when": {"kind": ["fine"]}},
    "rate": [0.1, 0.2],
}


def plan(definition: StudyDefinition) -> Plan:
    found = plan_of(definition)
    assert found is not None
    return found


def rounds(space: dict[str, Any] = PLANE, seed: int = 0, **options: Any) -> Plan:
    return plan(define(space, {"name": "rounds", **options}, None, seed=seed))


def coordinate(space: dict[str, Any], default: dict[str, Any], **lines: Any) -> Plan:
    return plan(define(space, "coordinate", None, default=default, **lines))


def ended(found: Round | RoundsOver, value: Callable[[dict[str, Any]], float | None]) -> list[Slot]:
    """Return the slots of a round once its trials have ended."""
    assert isinstance(found, Round), found
    params = {place: dict(point.params) for place, point in found.points.items()}
    return [Slot(found.number, place, each, value(each)) for place, each in params.items()]


def run(
    plan: Plan, value: Callable[[dict[str, Any]], float | None], most: int = 50
) -> tuple[list[Slot], str]:
    """Go on until the rounds are over; return all slots, and why they are over."""
    slots: list[Slot] = []
    for _ in range(most):
        found = plan(slots)
        if isinstance(found, RoundsOver):
            return slots, found.reason
        slots += ended(found, value)
    return slots, ""


def sphere(params: dict[str, Any]) -> float:
    return float(sum(v**2 for v in params.values() if isinstance(v, int | float)))


def params_of(slots: list[Slot], number: int) -> list[dict[str, Any]]:
    return [dict(slot.params) for slot in slots if slot.round == number]


# Rounds.


def test_rounds_are_a_function_of_seed_and_slots_and_go_on_while_they_improve() -> None:
    slots, reason = run(rounds(), sphere)
    assert run(rounds(), sphere) == (slots, reason)
    assert run(rounds(seed=1), sphere)[0] != slots
    last = slots[-1].round
    assert last > 2
    assert [(s.round, s.place) for s in slots] == [
        (r, p) for r in range(1, last + 1) for p in range(1, 7)
    ]
    best = [min(s.value or 0 for s in slots if s.round == r) for r in range(1, last + 1)]
    assert best[:-1] == sorted(best[:-1], reverse=True)
    assert best[-1] >= best[-2]
    assert reason == f"round {last} was no better than those before it"
    assert len({frozenset(slot.params.items()) for slot in slots}) == len(slots)


def test_a_round_perturbs_the_best_three_of_all_before_each_in_turn() -> None:
    first = ended(rounds(perturbation=0.01)([]), sphere)
    second = ended(rounds(perturbation=0.01)(first), sphere)
    kept = sorted(first, key=lambda slot: slot.value or 0)[:3]
    for slot in second:
        start = kept[(slot.place - 1) % 3].params
        moved = {n for n in start if slot.params[n] != start[n]}
        assert moved
        assert all(abs(slot.params[n] - start[n]) <= 0.02 for n in start), "1 % of a width of 2"
    better = [replace(slot, value=slot.place - 2.0) for slot in second]  # -1 and 0 for two of them
    third = ended(rounds(perturbation=0.01)([*first, *better]), sphere)
    best = [better[0], better[1], kept[0]]
    assert all(
        abs(slot.params[n] - best[(slot.place - 1) % 3].params[n]) <= 0.02
        for slot in third
        for n in slot.params
    )


@pytest.mark.parametrize(
    ("direction", "values", "kept"),
    [
        ("minimize", [5.0, None, 1.0, None, 1.0, 3.0], [3, 5, 6]),
        ("maximize", [5.0, None, 1.0, None, 1.0, 3.0], [1, 6, 3]),
        ("minimize", [None, None, 1.0, None, None, None], [3, 1, 2]),
        ("minimize", [None] * 6, [1, 2, 3]),
    ],
)
def test_the_failed_are_worst_and_ties_go_to_the_earlier_slot(
    direction: str, values: list[float | None], kept: list[int]
) -> None:
    definition = define(PLANE, {"name": "rounds", "perturbation": 0.01}, None)
    turned = plan(definition.model_copy(update={"direction": direction}))
    places = iter(values)
    first = ended(turned([]), lambda _: next(places))
    second = ended(turned(first), lambda _: None)
    for slot in second:
        start = first[kept[(slot.place - 1) % 3] - 1].params
        assert all(abs(slot.params[n] - start[n]) <= 0.02 for n in start)
    if values == [None] * 6:  # a round of failures is no better than one
        assert turned([*first, *second]) == RoundsOver("round 2 was no better than those before it")


@pytest.mark.parametrize("cut", [1, 4, 5])
def test_a_round_that_a_budget_has_cut_is_completed_as_it_would_have_been(cut: int) -> None:
    first = ended(rounds()([]), sphere)
    second = ended(rounds()(first), sphere)
    rest = ended(rounds()([*first, *second[:cut]]), sphere)
    assert [*second[:cut], *rest] == second
    other = Slot(1, 1, {"x": 0.5, "y": 0.5}, 1.0)
    assert ended(rounds()([other]), sphere) == first[1:], "a draw is the place's own"
    without = [slot for slot in [*first, *second] if (slot.round, slot.place) != (1, 2)]
    (again,) = ended(rounds()(without), sphere)
    assert again == first[1], "a slot whose rows were deleted has the same setting again"


def test_the_rounds_of_a_small_space_are_over_when_all_of_it_was_trained() -> None:
    falling = iter(range(0, -1000, -1))  # each is better than those before it
    slots, reason = run(rounds(LEVELS), lambda _: float(next(falling)))
    assert len(slots) == len({frozenset(slot.params.items()) for slot in slots}) == 3 * 2 * 3
    assert reason == "every setting of the space was trained, in 3 rounds"
    assert {slot.params["c"] for slot in slots} == {0.0, 0.1, 0.2}


def test_conditional_factors_come_and_go_with_their_conditions() -> None:
    slots, _ = run(rounds(WHEN | PLANE), sphere)
    kinds = {slot.params["kind"] for slot in slots}
    assert kinds == {"plain", "fine"}
    assert all(("depth" in slot.params) == (slot.params["kind"] == "fine") for slot in slots)
    first = ended(rounds(WHEN | PLANE)([]), sphere)
    found = rounds(WHEN | PLANE)(first)
    assert isinstance(found, Round)
    assert all(point.params.keys() == point.distributions.keys() for point in found.points.values())


def test_settings_and_kept_are_as_many_as_asked() -> None:
    found = rounds(n_settings=4, n_kept=1)([])
    assert isinstance(found, Round)
    assert list(found.points) == [1, 2, 3, 4]
    first = ended(found, sphere)
    best = min(first, key=sphere_of).params
    second = ended(rounds(n_settings=4, n_kept=1, perturbation=0.05)(first), sphere)
    assert all(abs(s.params[n] - best[n]) <= 0.1 for s in second for n in best)


def sphere_of(slot: Slot) -> float:
    return slot.value or 0.0


# Coordinate search.


def test_each_factor_is_varied_in_the_order_of_the_file_at_the_best_of_those_before() -> None:
    default = {"a": 3, "b": "y", "c": 0.1}
    slots, reason = run(coordinate(LEVELS, default), sphere)
    assert params_of(slots, 1) == [{"a": a, "b": "y", "c": 0.1} for a in (1, 2, 3)]
    assert params_of(slots, 2) == [{"a": 1, "b": "x", "c": 0.1}]
    # Both levels of b are alike: the earlier slot stays the best.
    assert params_of(slots, 3) == [{"a": 1, "b": "y", "c": c} for c in (0.0, 0.2)]
    assert len(slots) == 1 + 2 + 1 + 2
    assert reason == "each of 3 factors was varied"
    turned = dict(reversed(LEVELS.items()))
    assert params_of(run(coordinate(turned, default), sphere)[0], 1) == [
        {"a": 3, "b": "y", "c": c} for c in (0.0, 0.1, 0.2)
    ]


@pytest.mark.parametrize(
    ("better", "varied"),
    [("fine", [("depth", 1), ("depth", 3)]), ("plain", [("rate", 0.2)])],
)
def test_a_factor_that_is_inactive_at_the_best_has_no_round(
    better: str, varied: list[tuple[str, Any]]
) -> None:
    default = {"kind": "plain", "depth": 2, "rate": 0.1}
    slots, reason = run(coordinate(WHEN, default), lambda p: float(p["kind"] != better))
    assert params_of(slots, 1) == [
        {"kind": "plain", "rate": 0.1},
        {"kind": "fine", "depth": 2, "rate": 0.1},
    ]
    third = slots[2:][: len(varied)]
    assert [
        (slot.round, slot.params[name]) for slot, (name, _) in zip(third, varied, strict=True)
    ] == [(2 if better == "fine" else 3, level) for _, level in varied]
    assert reason == "each of 3 factors was varied"


def test_a_coordinate_search_of_failures_stays_at_the_default() -> None:
    default = {"a": 3, "b": "y", "c": 0.1}
    slots, _ = run(coordinate(LEVELS, default), lambda _: None)
    assert params_of(slots, 3) == [{"a": 1, "b": "y", "c": c} for c in (0.0, 0.2)]
    cut = [slot for slot in slots if (slot.round, slot.place) != (3, 1)]
    (again,) = ended(coordinate(LEVELS, default)(cut), lambda _: None)
    assert again == next(slot for slot in slots if (slot.round, slot.place) == (3, 1))


# Draws and moves.

DISTRIBUTIONS: list[BaseDistribution] = [
    FloatDistribution(-1.0, 3.0),
    FloatDistribution(1e-5, 0.1, log=True),
    FloatDistribution(0.0, 1.0, step=0.1),
    IntDistribution(1, 9),
    IntDistribution(1, 4096, log=True),
    IntDistribution(0, 100, step=10),
    CategoricalDistribution([1e-4, 1e-3, 1e-2, 1e-1]),
    CategoricalDistribution(["relu", "tanh", "elu"]),
    CategoricalDistribution([True, False]),
]


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=str)
def test_a_move_stays_in_the_range_and_near_and_ends_elsewhere(
    distribution: BaseDistribution,
) -> None:
    rng = random.Random(0)
    for _ in range(300):
        level = draw(distribution, rng)
        moved = move(distribution, level, 0.1, rng)
        for each in (level, moved):
            assert distribution._contains(distribution.to_internal_repr(each))  # noqa: SLF001
        assert moved != level
    if isinstance(distribution, FloatDistribution) and not distribution.step:
        lows = [move(distribution, distribution.low, 0.1, rng) for _ in range(200)]
        share = (0.1 / 1e-5) ** 0.1 if distribution.log else 0.4
        most = distribution.low * share if distribution.log else distribution.low + share
        assert distribution.low < max(lows) <= most * (1 + 1e-9)
        assert max(lows) > distribution.low + 0.9 * (most - distribution.low)


@pytest.mark.parametrize(
    ("choices", "level", "near"),
    [
        ([1, 2, 4, 8], 2, {1, 4}),
        ([0.5, 0.2, 0.1], 0.5, {0.2}),
        ([1, 4, 2], 1, {4, 2}),
        (["a", "b", "c"], "a", {"b", "c"}),
        ([True, False], True, {False}),
        (["a"], "a", {"a"}),
    ],
)
def test_levels_that_are_numbers_in_order_move_to_a_neighbour(
    choices: list[Any], level: Any, near: set[Any]
) -> None:
    rng = random.Random(0)
    found = {move(CategoricalDistribution(choices), level, 0.2, rng) for _ in range(60)}
    assert found == near


@pytest.mark.parametrize("distribution", [IntDistribution(3, 3), FloatDistribution(2.0, 2.0)])
def test_the_only_level_stays(distribution: BaseDistribution) -> None:
    rng = random.Random(0)
    assert draw(distribution, rng) == move(distribution, draw(distribution, rng), 0.5, rng)


class MovingSampler(BaseSampler):
    """Each value moved from that of the trial before, or drawn, as a round does."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return none: the factors of a point are drawn one after the other."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return none."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Move or draw."""
        others = (t for t in study.get_trials(deepcopy=False) if param_name in t.params)
        before = next((t.params[param_name] for t in others), None)
        drawn = draw(param_distribution, self._rng)
        return move(param_distribution, before if before is not None else drawn, 0.2, self._rng)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
class TestMovesConform(BasicSamplerTestCase):
    """Optuna's own suite, on the draws and moves from which points of rounds are made."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        """Make samplers with seeds that differ."""
        seeds = iter(range(1000))
        return lambda: MovingSampler(next(seeds))


# What a definition may say.


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ({"sampler": {"name": "rounds", "n_kept": 7}}, "search.sampler: Expected n_kept <= n_sett"),
        ({"sampler": {"name": "rounds", "n_settings": 0}}, "Expected n_settings >= 1 for rounds"),
        ({"sampler": {"name": "rounds", "perturbation": 2}}, "Expected perturbation <= 1"),
        ({"sampler": {"name": "rounds", "kept": 2}}, "Expected an option of rounds, one of n_kept"),
        ({"sampler": "rounds", "repeats": "train"}, "no repeats with the sampler rounds"),
        ({"sampler": "rounds", "default": {"x": 1}}, r"\[search.default\] with design one-factor"),
        ({"sampler": "coordinate"}, r"\[search.default\] with .* or sampler coordinate, and only"),
        (
            {"sampler": "coordinate", "default": {"x": 0.5}},
            "search.default: Expected every factor. Received: no y, one of",
        ),
        (
            {"sampler": "coordinate", "default": {"x": 0.5, "y": 0.5}},
            "space.x: Expected a list of levels or a range with a step",
        ),
        ({"sampler": "coordinate", "default": {"x": 2.0, "y": 0}}, "search.default.x: Expected a"),
        ({"space": {}, "sampler": "rounds"}, "space: Expected factors for the sampler rounds"),
    ],
)
def test_what_does_not_fit_rounds_is_told_with_its_line(lines: dict[str, Any], says: str) -> None:
    space = lines.pop("space", PLANE)
    with pytest.raises(DefinitionError, match=says):
        define(space, lines.pop("sampler"), None, **lines)


def test_a_default_names_the_condition_of_a_factor_that_it_lacks() -> None:
    with pytest.raises(DefinitionError, match="no depth, which is active with kind=fine"):
        define(WHEN, "coordinate", None, default={"kind": "plain", "rate": 0.1})


def test_other_samplers_have_no_rounds() -> None:
    assert plan_of(define(MIXED, "tpe")) is None
    assert plan_of(define(WHEN, None, None, design="grid")) is None
