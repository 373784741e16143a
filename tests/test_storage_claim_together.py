"""Claims of trials that agree in some parameters, as the trials of one compiled program do."""

from __future__ import annotations

from typing import Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from queues import DESIGN, adaptive, end, new_study, states, traffic

from storage import Point, TrialStorage, claim, enqueue, requeue


def mixed(kinds: list[tuple[str, int | None]]) -> list[Point]:
    """Return points with a kind, a size unless the kind has none, and a rate unique to each."""
    distributions: dict[str, Any] = {
        "kind": CategoricalDistribution(["a", "b"]),
        "size": IntDistribution(0, 9),
        "rate": FloatDistribution(0.0, 1e6),
    }
    found = []
    for i, (kind, size) in enumerate(kinds):
        params = {"kind": kind, "size": size, "rate": float(i)}
        params = {name: value for name, value in params.items() if value is not None}
        found.append(Point(params, {name: distributions[name] for name in params}))
    return found


MIX = mixed([("a", 1), ("b", None), ("a", 1), ("a", 2), ("b", None), ("a", 1)])
TOGETHER = ("kind", "size")


def test_trials_claimed_together_agree_and_leave_the_others_waiting(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    enqueue(storage, study_id, MIX, DESIGN)
    taken = [[t.number for t in claim(storage, study_id, 2, together=TOGETHER)] for _ in range(5)]
    assert taken == [[0, 2], [1, 4], [3], [5], []]


def test_workers_side_by_side_take_what_nobody_runs_yet(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    enqueue(storage, study_id, mixed([("a", 1)] * 4 + [("b", None)] * 2), DESIGN)

    taken = [claim(storage, study_id, together=TOGETHER)[0] for _ in range(4)]
    assert [trial.number for trial in taken] == [0, 4, 1, 2]
    end(storage, taken[1])
    taken = [claim(storage, study_id, together=TOGETHER)[0] for _ in range(2)]
    assert [trial.number for trial in taken] == [5, 3]


def test_a_claim_agrees_with_the_values_given(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    enqueue(storage, study_id, MIX, DESIGN)

    def take(**like: Any) -> list[int]:
        return [t.number for t in claim(storage, study_id, 9, together=TOGETHER, like=like)]

    assert take(kind="a") == []  # all of this kind have a size
    assert take(kind="a", size=3) == []
    assert take(kind="a", size=2, rate=0.5) == [3]
    assert take(kind="b") == [1, 4]
    assert [t.number for t in claim(storage, study_id, 9, together=["kind"])] == [0, 2, 5]


def test_a_level_agrees_with_itself_however_it_was_computed(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    space = {"rate": FloatDistribution(0.0, 1.0, step=0.05)}
    enqueue(storage, study_id, [Point({"rate": v}, space) for v in (0.15, 0.05 * 3)], DESIGN)
    assert len(claim(storage, study_id, 2, together=["rate"], like={"rate": 0.15})) == 2


def test_trials_without_parameters_agree_with_any(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(6))
    (empty,) = claim(storage, study_id)
    enqueue(storage, study_id, [Point({}, {}), *MIX[:2]], adaptive(7))
    requeue(storage, empty, "lost")  # number 4, with nothing in it
    taken = claim(storage, study_id, 9, together=TOGETHER)
    assert [t.number for t in taken] == [1, 2, 4, 5, 6, 7]
    assert [t.params.get("kind") for t in taken] == [None, "a", None, None, None, None]
    assert states(storage, study_id)[3] == "WAITING"


def test_a_claim_of_those_that_agree_looks_at_the_first_ones_only(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    many = mixed([("a", 1)] + [("b", None)] * 300 + [("a", 1)])
    enqueue(storage, study_id, many, DESIGN)
    with traffic(storage) as counted:
        taken = claim(storage, study_id, 2, together=TOGETHER)
    assert [t.number for t in taken] == [0]
    assert len(counted.statements) < 25  # not one for each of 300
