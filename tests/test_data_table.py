"""Tables: parted first, then encoded by the training part; mistakes are named by their line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from objectives import DataOptions
from objectives.data import datasets, sources
from objectives.data.columns import Columns
from objectives.data.encoding import AS_STORED, from_json
from objectives.errors import DataError, UnknownNameError

N = 200
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({
    "price": RNG.permutation(N) * 1.5 + 10,
    "rooms": RNG.integers(1, 7, N),
    "area": np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(80, 20, N)),
    "new": RNG.random(N) < 0.5,
    "town": np.where(RNG.random(N) < 0.1, None, RNG.choice(["Aa", "Bb", "Cc"], N)),
    "kind": RNG.choice(["flat", "house"], N),
    "owner": np.arange(N) // 5,
    "sold": pd.date_range("2020-01-01", periods=N).astype(str).to_numpy()[RNG.permutation(N)],
    "part": np.array(["train", "val", "test", "train"] * (N // 4)),
})  # fmt: skip
OTHERS = ["owner", "sold", "part"]


def written(folder: Path, frame: pd.DataFrame = FRAME, name: str = "rows.csv") -> str:
    file = folder / name
    if name.endswith(".csv"):
        frame.to_csv(file, index=False)
    else:
        frame.to_parquet(file)
    return str(file)


def options(**given: Any) -> DataOptions:
    return DataOptions(**{"target": "price", "drop": OTHERS, **given})


def load(name: str, **given: Any) -> datasets.Dataset:
    sources.check(name, options(**given))
    return datasets.load(name, options(**given), AS_STORED)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_columns_are_encoded_as_scikit_learn_does_by_the_training_part(
    tmp_path: Path, name: str
) -> None:
    file = written(tmp_path, name=name)
    data = load(file, split="part", drop=["owner", "sold"])
    parts = {part: FRAME[FRAME["part"] == part] for part in ("train", "val", "test")}
    numbers, texts = ["rooms", "area", "new"], ["town", "kind"]
    theirs = ColumnTransformer([
        ("n", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ("c", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts),
    ])  # fmt: skip
    expected = theirs.fit_transform(parts["train"].astype({"new": float}))
    np.testing.assert_allclose(data.x_train, expected, atol=1e-6)
    expected = theirs.transform(parts["val"].astype({"new": float}))
    np.testing.assert_allclose(data.x_validation, expected, atol=1e-6)
    np.testing.assert_allclose(data.y_train, parts["train"]["price"])
    x, y = datasets.load_test(file, options(split="part", drop=["owner", "sold"]), AS_STORED)
    expected = theirs.transform(parts["test"].astype({"new": float}))
    np.testing.assert_allclose(x, expected, atol=1e-6)
    np.testing.assert_allclose(y, parts["test"]["price"])


@pytest.mark.parametrize("value", [0.1, 7.7, 3.0, 0.0, 100000.1])
def test_a_number_that_is_the_same_in_each_row_to_train_on_is_not_scaled(value: float) -> None:
    train = pd.DataFrame({"rate": np.full(97, value), "tiny": np.arange(97) * 1e-12})
    new = pd.DataFrame({"rate": [value, value + 1], "tiny": [0.0, 1e-12]})
    theirs = StandardScaler().fit(train).transform(new)  # it knows a deviation of rounding alone
    np.testing.assert_allclose(Columns.fit(train).encode(new), theirs, rtol=1e-6, atol=1e-9)


def test_of_rows_that_are_held_out_no_statistic_is_taken(tmp_path: Path) -> None:
    held = FRAME["part"] != "train"
    other = FRAME.copy()
    other.loc[held, "area"] = 1e6
    other.loc[held, "town"] = "Zz"
    one, two = (
        load(written(tmp_path, frame, name), split="part", drop=["owner", "sold"]).encoding
        for frame, name in ((FRAME, "one.csv"), (other, "two.csv"))
    )
    assert one == two
    stored = from_json(one.to_json())
    assert stored == one
    columns = Columns.from_json(stored.table)
    unseen = columns.encode(other[held])
    assert not unseen[:, 3:7].any()  # a town that no training row has is none of them


def test_rows_are_held_out_at_random_by_class_by_group_and_by_time(tmp_path: Path) -> None:
    file = written(tmp_path)
    plain = load(file, validation_fraction=0.2, test_fraction=0.1)
    assert (plain.n_train, len(plain.x_validation)) == (144, 36)
    kinds = load(file, target="kind", validation_fraction=0.25)
    assert kinds.labels == ("flat", "house")
    share = [np.mean(y) for y in (kinds.y_train, kinds.y_validation)]
    assert share[0] == pytest.approx(share[1], abs=0.02)
    both = load(file, target=["price", "rooms"])
    assert both.y_train.shape == (180, 2)

    def prices_of(column: str, **given: Any) -> list[set[Any]]:
        data = load(file, **given)
        known = dict(zip(FRAME["price"], FRAME[column], strict=True))
        return [{known[y] for y in part} for part in (data.y_train, data.y_validation)]

    groups = prices_of("owner", group="owner", drop=["sold", "part"], validation_fraction=0.3)
    assert not groups[0] & groups[1]
    assert len(groups[1]) == 12
    early, late = prices_of("sold", time="sold", drop=["owner", "part"], validation_fraction=0.3)
    assert max(early) < min(late)
    assert len(late) == 60


def test_the_test_part_is_held_out_first_and_none_is_not_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path)
    given = options(test_fraction=0.2, time="sold", drop=["owner", "part"])
    _, y = datasets.load_test(file, given, AS_STORED)
    latest = FRAME.sort_values("sold")["price"][-40:]
    assert sorted(y) == sorted(latest)
    with pytest.raises(DataError, match=r"test_fraction = 0\.2"):
        datasets.load_test(file, options(), AS_STORED)
    datasets.load_checked(file, options(), AS_STORED)


def test_a_column_of_weights_is_no_input_and_goes_with_its_rows(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).integers(0, 5, N) / 4
    file = written(tmp_path, FRAME.assign(counts=weights))
    given = {"weight": "counts", "test_fraction": 0.1, "seed": 3}
    data = load(file, **given)
    plain = load(file, drop=[*OTHERS, "counts"], test_fraction=0.1, seed=3)
    np.testing.assert_array_equal(data.x_train, plain.x_train)
    of_price = dict(zip(FRAME["price"], weights, strict=True))
    for y, own in (
        (data.y_train, data.train_weights), (data.y_validation, data.validation_weights),
    ):  # fmt: skip
        assert own.dtype == np.float32
        np.testing.assert_allclose(own, [of_price[each] for each in y])
    assert data.sha256 != plain.sha256
    _, y, own = datasets.load_test(file, options(**given), AS_STORED)
    np.testing.assert_allclose(own, [of_price[each] for each in y])
    encoding = sources.source_of(file).examine(options(**given)).encoding
    built_in = datasets.load(file, options(**given), encoding)
    np.testing.assert_array_equal(built_in.train_weights, data.train_weights)
    np.testing.assert_array_equal(datasets.load_test(file, options(**given), encoding)[2], own)


def test_how_many_labels_judge_is_told(tmp_path: Path) -> None:
    kinds = np.where(FRAME["part"] == "val", "flat", FRAME["kind"])
    file = written(tmp_path, FRAME.assign(kind=kinds))
    given = options(target="kind", split="part", drop=["owner", "sold"])
    assert sources.source_of(file).examine(given).n_judged == 1
    given = options(target="kind", drop=OTHERS)
    assert sources.source_of(file).examine(given).n_judged == 2


def spoiled(column: str, value: Any) -> pd.DataFrame:
    frame = FRAME.astype({column: object}).copy()
    frame.loc[3, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "given", "words"),
    [
        (spoiled("area", "n.k."), {}, "column area. Received: 'n.k.' in line 5"),
        (spoiled("area", "inf"), {}, "column area. Received: inf in line 5"),
        (spoiled("price", None), {}, "price in each row. Received: none in line 5"),
        (FRAME.assign(area=np.nan), {}, "a value of column area"),
        (FRAME.assign(id=[f"x{i}" for i in range(N)]), {}, "180 different texts in"),
        (spoiled("part", "trian"), {"split": "part"}, "Received: 'trian' in line 5"),
        (FRAME.assign(part=3), {"split": "part"}, "Received: 3 in line 2"),
        (spoiled("part", None), {"split": "part"}, "Received: none in line 5"),
        (FRAME.assign(part="train"), {"split": "part"}, "rows of the validation part"),
        (spoiled("sold", "soon"), {"time": "sold"}, "Received: 'soon' in line 5"),
        (FRAME, {"time": "sold", "group": "owner"}, "Received: both"),
        (FRAME, {"split": "part", "test_fraction": 0.2}, "no test_fraction beside split"),
        (spoiled("kind", "hut"), {"target": "kind"}, "one of class hut"),
        (FRAME[["price"]], {"drop": None}, "none beside the target"),
        (FRAME, {"validation_fraction": 0.999}, "which makes 0 and 200"),
        (FRAME[:0], {}, "Expected rows"),
        (spoiled("rooms", -1), {"weight": "rooms"}, "the weight. Received: -1 in line 5"),
        (spoiled("rooms", None), {"weight": "rooms"}, "the weight. Received: none in line 5"),
        (spoiled("rooms", "two"), {"weight": "rooms"}, "Received: 'two' in line 5"),
        (FRAME.assign(rooms=0), {"weight": "rooms"}, "rows of a weight above 0 in the train"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, frame: pd.DataFrame, given: dict[str, Any], words: str
) -> None:
    kept = [name for name in OTHERS if name in frame and name not in given.values()]
    with pytest.raises(DataError) as caught:
        load(written(tmp_path, frame), **{"drop": kept or None, **given})
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"permute_pixels": True}, "permute_pixels for pictures alone"),
        ({"target": None}, "Expected \\[data\\] target, .* price, rooms"),
        ({"target": "prize"}, "for target, .* Received: prize. Did you mean price?"),
        ({"drop": ["rooms", "rom"]}, "for drop, .* Received: rom"),
        ({"group": "own"}, "for group"),
        ({"weight": "heft"}, "for weight"),
        ({"weight": "price"}, "another column as weight than as target"),
    ],
)
def test_columns_that_are_not_there_are_told_from_the_first_line(
    tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises((DataError, UnknownNameError), match=words):
        sources.check(written(tmp_path), options(**given))


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"Expected a table in .*rows.parquet"):
        sources.check(str(tmp_path / "rows.parquet"), options())
    with pytest.raises(DataError, match="Expected target only for a table"):
        sources.check("digits", options(drop=None))


@pytest.mark.parametrize(
    ("header", "given"),
    [
        (",a,y", {"group": "Unnamed: 0"}),
        ("a,,y", {"target": "Unnamed: 1"}),
        ("a,a,y", {"drop": ["a.1"]}),
        ("y,a,y", {"weight": "y.1"}),
    ],
)
def test_a_name_that_pandas_has_made_up_is_one_where_an_option_has_it(
    tmp_path: Path, header: str, given: dict[str, Any]
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(header + "\n" + "".join(f"{i},{i % 7},{i / 2}\n" for i in range(20)))
    for names in (given, {**given, "folds": 2}):
        found = sources.source_of(str(file)).examine(DataOptions(**{"target": "y", **names}))
        assert found.shape == (1 + (header == "a,,y"),)


@pytest.mark.parametrize(
    ("header", "given", "words"),
    [
        ("a,a,y", {"drop": ["a"]}, r'Received: a, more than .*: drop = \["a.1"\]\.$'),
        ("y,a,y", {}, r'Received: y, more than once.* drop = \["y.1"\]\.$'),
        ("Unnamed: 1,,y", {}, r'for column 2, as where .* drop = \["Unnamed: 1.1"\]\.$'),
    ],
)
def test_a_name_that_pandas_has_made_up_is_refused_as_an_input(
    tmp_path: Path, header: str, given: dict[str, Any], words: str
) -> None:
    (tmp_path / "rows.csv").write_text(f"{header}\n1,2,3\n4,5,6\n")
    with pytest.raises(DataError, match=words):
        sources.source_of(str(tmp_path / "rows.csv")).examine(DataOptions(target="y", **given))


def test_a_column_of_a_parquet_file_whose_name_is_empty_is_dropped_by_that(tmp_path: Path) -> None:
    file = written(tmp_path, FRAME.rename(columns={"rooms": ""}), "rows.parquet")
    with pytest.raises(DataError, match=r'Received: none for column 2. Leave .*: drop = \[""\]\.$'):
        sources.source_of(file).examine(options())
    assert load(file, drop=[*OTHERS, ""]).x_train.shape[1] == 8
    assert sources.source_of(file).examine(options(drop=[*OTHERS, ""])).shape == (8,)
