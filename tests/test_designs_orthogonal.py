"""Orthogonal arrays: their sizes, and each pair of levels equally often, in SQL too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from math import prod
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from commands import hpo_here
from hypothesis import given, settings
from hypothesis import strategies as st

from storage import create_storage
from studies import create_study, load_study
from studies.attributes import ARRAY_KEY
from studies.definition.study import StudyDefinition, parse_definition
from studies.designs import tables
from studies.designs.fitting import smallest
from studies.designs.merging import parts
from studies.designs.points import initial_points
from studies.designs.tables import FILES, check_strength, n_levels
from studies.errors import DefinitionError

# Factors of a function, in this order: as many of each number of levels.
TEXTBOOK: list[tuple[dict[int, int], int]] = [
    ({4: 4}, 16),
    ({2: 1, 3: 7}, 18),
    ({3: 6, 6: 1}, 18),
    ({2: 11}, 12),
    ({5: 6}, 25),
    ({3: 13}, 27),
    ({2: 7}, 8),
    ({4: 1, 2: 4}, 8),
    ({4: 1, 2: 5}, 16),
    ({2: 15}, 16),
    ({4: 9, 2: 4}, 32),
    ({2: 63}, 64),
    ({2: 1, 5: 11}, 50),
    ({2: 11, 3: 12}, 36),
    ({3: 40}, 81),
]
# In SQL: how often each pair of values of two parameters comes, over all pairs of parameters.
PAIRS = """
SELECT one.param_name AS one, other.param_name AS other, one.param_value, other.param_value,
       COUNT(*) AS n
FROM trial_params AS one
JOIN trial_params AS other ON one.trial_id = other.trial_id AND one.param_name < other.param_name
GROUP BY one.param_name, other.param_name, one.param_value, other.param_value
"""


def sizes_of(counts: Mapping[int, int]) -> dict[str, int]:
    each = [size for size, n in counts.items() for _ in range(n)]
    return {f"f{number:02}": size for number, size in enumerate(each)}


def study(sizes: Mapping[str, int], **search: Any) -> StudyDefinition:
    """Make the study of a function whose factors have these numbers of levels."""
    lines = {"name": "s", "objective": "m:f", "direction": "minimize"}
    space = {name: list(range(size)) for name, size in sizes.items()}
    return parse_definition(lines | {"search": {"design": "orthogonal"} | search, "space": space})


def columns(definition: StudyDefinition) -> list[tuple[Any, ...]]:
    points = initial_points(definition)
    return [tuple(point.params[name] for point in points) for name in definition.space]


@pytest.mark.parametrize("file", FILES)
def test_every_array_and_every_merge_is_of_strength_2(file: str) -> None:
    every = parts(file)
    wholes = [part.whole for part in every]
    pieces = [column for part in every for column in part.pieces or [part.whole]]
    assert_balanced(wholes)
    assert_balanced(pieces)
    assert all(
        prod(map(n_levels, part.pieces)) in (1, 6, 8) for part in every
    )  # a line of three columns of two levels, or one of two and one of three


def assert_balanced(every: list[tuple[Any, ...]]) -> None:
    for one, other in combinations(every, 2):
        pairs = Counter(zip(one, other, strict=True))
        assert len(pairs) == len(set(one)) * len(set(other))
        assert len(set(pairs.values())) == 1


def test_the_array_of_pydoe_that_is_not_of_strength_2_is_found_out() -> None:
    with pytest.raises(RuntimeError, match=r"L64\(2\^31\), whose columns"):
        tables.table("L_64_2_31")
    one = (0, 0, 1, 1)
    with pytest.raises(RuntimeError, match="mine, whose columns 0 and 1"):
        check_strength("mine", [one, one])


@pytest.mark.parametrize(("counts", "n_runs"), TEXTBOOK, ids=str)
def test_the_textbooks_sizes_and_every_pair_equally_often_as_queued_in_sql(
    counts: dict[int, int], n_runs: int, tmp_path: Path
) -> None:
    sizes = sizes_of(counts)
    storage = create_storage(f"sqlite:///{tmp_path}/hpo.db")
    made = create_study(study(sizes), storage, artifacts=tmp_path)
    about = made.user_attrs[ARRAY_KEY]
    assert (about["runs"], about["grid"]) == (n_runs, prod(sizes.values()))
    with storage.engine.connect() as connection:
        n_trials = connection.scalar(sqlalchemy.text("SELECT COUNT(*) FROM trials"))
        rows = connection.execute(sqlalchemy.text(PAIRS)).all()
    assert n_trials == n_runs
    counted = Counter((row.one, row.other) for row in rows)
    assert counted == {(a, b): sizes[a] * sizes[b] for a, b in combinations(sizes, 2)}
    assert all(row.n == n_runs / (sizes[row.one] * sizes[row.other]) for row in rows)


def test_an_array_that_has_a_run_again_gives_it_another_seed() -> None:
    definition = study(sizes_of({2: 5, 3: 1}), replicates=2, seed=7)
    points = initial_points(definition)
    assert len(points) == 2 * 36
    keys = Counter(tuple(point.params.items()) for point in points)
    assert set(keys.values()) == {2, 4}  # 3 of the 36 runs of L36 come again
    seeded = {(*point.params.items(), point.user_attrs["seed"]) for point in points}
    assert len(seeded) == len(points)
    assert {point.user_attrs["seed"] for point in points} == {7, 8, 9, 10}


def test_a_known_setting_comes_first_and_is_not_repeated() -> None:
    sizes = sizes_of({4: 4})
    (*_, last) = initial_points(study(sizes))
    outside = {"f00": 0, "f01": 0, "f02": 3, "f03": 3}
    points = initial_points(study(sizes, enqueue=[dict(last.params), outside]))
    assert [dict(point.params) for point in points[:2]] == [dict(last.params), outside]
    assert len(points) == len({tuple(point.params.items()) for point in points}) == 17


def test_where_no_array_is_smaller_the_grid_is_taken_and_told(tmp_path: Path) -> None:
    for counts in ({2: 1, 3: 1}, {2: 2, 3: 1}, {2: 2}, {7: 1, 9: 1}, {1: 3, 2: 1}):
        definition = study(sizes_of(counts))
        assert len(initial_points(definition)) == definition.factors.grid_size
        assert_balanced(columns(definition))


def test_dummy_levels_repeat_a_level_and_the_rest_is_in_proportion() -> None:
    sizes = sizes_of({2: 1, 3: 3})
    assert len(initial_points(study(sizes))) == 18
    first, other = (study(sizes, dummy_levels=how) for how in (True, {"f00": 1}))
    for definition, repeated in ((first, 0), (other, 1)):
        dummy, *rest = columns(definition)
        assert Counter(dummy) == {repeated: 6, 1 - repeated: 3}
        assert_balanced(rest)
        for column in rest:
            pairs = Counter(zip(dummy, column, strict=True))
            assert {pair: n for pair, n in pairs.items() if pair[0] == repeated} == {
                (repeated, level): 2 for level in range(3)
            }
            assert len(pairs) == 6
    assert len(initial_points(study(sizes, dummy_levels={"f01": 1}))) == 18


@given(st.lists(st.integers(1, 6), min_size=1, max_size=14), st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_factors_get_a_balanced_design_or_an_error(levels: list[int], dummies: bool) -> None:
    sizes = {f"f{number}": size for number, size in enumerate(levels)}
    definition = study(sizes, dummy_levels=dummies)
    try:
        points = initial_points(definition)
    except DefinitionError:
        assert smallest({n: k for n, k in sizes.items() if k > 1}) is None
        return
    assert len(points) <= prod(levels)
    if not dummies:
        assert_balanced(columns(definition))
    for column, size in zip(columns(definition), levels, strict=True):
        assert set(column) == set(range(size))


TOML = """\
name = "t"
objective = "mlp"
dataset = "digits"
[search]
design = "orthogonal"
[space]
optimizer = ["sgd", "adam"]
activation = ["relu", "tanh", "elu"]
batch_size = [16, 32, 64]
dropout = [0.1, 0.2, 0.3]
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "[0.1, 0.2, 0.3]",
            "{ low = 0.1, high = 0.7, step = 0.1 }",
            "line 10: space.dropout: Expected at most 6 levels for an orthogonal array: no array "
            "here has a column of more. Received: 7. Take 6",
        ),
        (
            "[0.1, 0.2, 0.3]",
            "[0.1, 0.2, 0.3, 0.4]",
            "line 6: space: Expected factors that an orthogonal array holds. Received: 1 factor of "
            "2 levels, 2 of 3, 1 of 4. The nearest sizes that one holds are 1 factor of 2 levels, "
            "3 of 3: L18(3^6 6^1). With dummy_levels = true they fit in L16(4^5)",
        ),
        (
            "[0.1, 0.2, 0.3]",
            "{ low = 0.1, high = 0.3 }",
            "line 10: space.dropout: Expected a list of levels or a range with a step",
        ),
        (
            "[0.1, 0.2, 0.3]",
            '[0.1]\nmomentum = { levels = [0.5, 0.9], when = { optimizer = ["sgd"] } }',
            "line 11: space.momentum: Expected factors without conditions",
        ),
        (
            '"orthogonal"',
            '"orthogonal"\ndummy_levels = { optimizr = "sgd" }',
            "line 6: search.dummy_levels.optimizr: Expected a factor, one of optimizer, "
            "activation, batch_size, dropout. Received: optimizr. Did you mean optimizer?",
        ),
        (
            '"orthogonal"',
            '"orthogonal"\ndummy_levels = { optimizer = "sdg" }',
            "line 6: search.dummy_levels.optimizer: Expected a level, one of sgd, adam. Received: "
            "sdg. Did you mean sgd?",
        ),
        ('"orthogonal"', '"grid"\ndummy_levels = true', "dummy_levels with design orthogonal"),
        ('"orthogonal"', '"taguchi"', "'taguchi' is here: design = \"orthogonal\""),
    ],
)
def test_what_no_array_holds_is_refused_with_file_and_line(
    old: str, new: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "t.toml").write_text(TOML.replace(old, new))
    done = hpo_here(
        "create", str(tmp_path / "t.toml"), url=f"sqlite:///{tmp_path}/hpo.db", folder=tmp_path
    )
    assert done.returncode == 1
    assert expected in done.stderr
    assert not (tmp_path / "hpo.db").exists()


@pytest.mark.parametrize(
    ("lines", "options", "expected"),
    [
        ("", (), "Orthogonal array L18(3^6 6^1): 18 runs of the 54 points of the grid.\n"),
        ("dummy_levels = true", (), "L9(3^4): 9 runs of the 54 points of the grid. More often than "
         "others: sgd of optimizer; their pairs are in proportion.\n"),
        ("replicates = 2", ("-n", "10"), "The budget cuts it to 10 of 36 trainings: only all of"),
    ],
)  # fmt: skip
def test_a_line_tells_the_array(
    lines: str, options: tuple[str, ...], expected: str, tmp_path: Path
) -> None:
    (tmp_path / "t.toml").write_text(TOML.replace("[space]", f"{lines}\n[space]"))
    url = f"sqlite:///{tmp_path}/hpo.db"
    done = hpo_here("create", str(tmp_path / "t.toml"), *options, url=url, folder=tmp_path)
    assert expected in done.stdout
    again = hpo_here("create", "t", "-n", "18", url=url, folder=tmp_path)
    assert "Orthogonal array" in again.stdout
    n_trials = min(18, 9 if "dummy" in lines else 18)
    assert len(load_study("t", url)[0].trials) == n_trials


def test_a_smaller_grid_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(TOML.replace('["relu", "tanh", "elu"]', '["relu"]'))
    done = hpo_here(
        "create", str(tmp_path / "t.toml"), url=f"sqlite:///{tmp_path}/hpo.db", folder=tmp_path
    )
    line = "No orthogonal array is smaller than the grid, whose 18 points are trained.\n"
    assert line in done.stdout
