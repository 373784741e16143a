"""Objectives as a user writes them, for the tests of workers: Optuna's usual signature."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from contextlib import closing, suppress
from pathlib import Path

import optuna
import sqlalchemy

from storage import storage_of
from studies import checkpoint_folder, keep_file

COMPLETE = optuna.trial.TrialState.COMPLETE


def _note(trial: optuna.Trial) -> None:
    """Write down that this trial was executed, by whom: a line that no other process breaks."""
    with Path(os.environ["EXECUTIONS"]).open("a") as file:
        file.write(f"{trial.number} {os.getpid()}\n")


def _wait_while_held(trial: optuna.Trial) -> None:
    """Wait while the test holds up this trial: a file `hold` has the number of the first one."""
    file = Path(os.environ["EXECUTIONS"]).with_name("hold")
    with suppress(FileNotFoundError):
        while trial.number >= int(file.read_text()):
            time.sleep(0.02)


def quick(trial: optuna.Trial) -> float:
    """Return at once."""
    _note(trial)
    return (trial.params["x"] - 0.3) ** 2


def noisy_sum(trial: optuna.Trial) -> float:
    """Return the sum of the parameters, and a little that hangs on them and on the seed."""
    _note(trial)
    draw = random.Random(f"{sorted(trial.params.items())} {trial.user_attrs['seed']}")
    return sum(trial.params.values()) + draw.gauss(0, 0.01)


def valley(trial: optuna.Trial) -> float:
    """Be lowest near x = .3; diverge or fail where x is large, and prune where y is small."""
    _note(trial)
    time.sleep(0.05)
    x, y, kind = (trial.params[name] for name in ("x", "y", "kind"))
    if kind == "c" and x > 0.9:
        raise RuntimeError("too far")
    if kind == "c" and x > 0.6:
        return float("nan")
    value = float((x - 0.3) ** 2 + y)
    if y < 0.003:
        trial.report(value, step=1)
        raise optuna.TrialPruned
    return value if kind == "b" else value + 0.01


def loaded(trial: optuna.Trial) -> float:
    """Return how many libraries are loaded that this function has not imported."""
    _note(trial)
    libraries = ("jax", "keras", "matplotlib", "pandas", "scipy", "sklearn", "tensorflow")
    return float(sum(name in sys.modules for name in libraries))


def slow(trial: optuna.Trial) -> float:
    """Take a third of a second, or until the test lets it go, so that a signal finds it at work."""
    _note(trial)
    _wait_while_held(trial)
    time.sleep(0.3)
    return float(trial.params["x"])


def endless(trial: optuna.Trial) -> float:
    """Never return in the time of a test; a retry does at once."""
    _note(trial)
    if "retry_of" not in trial.user_attrs:
        time.sleep(600)
    return 1.0


def starts_others(trial: optuna.Trial) -> float:
    """Start a program and a fork, end two of them by SIGTERM, and leave one of each behind."""
    _note(trial)
    forks = multiprocessing.get_context("fork")
    for wait in (True, False):
        program = subprocess.Popen(["sleep", "600"])
        fork = forks.Process(target=time.sleep, args=(600,))
        fork.start()
        assert fork.pid is not None
        if wait:
            program.terminate()
            fork.terminate()
            assert program.wait(timeout=300) == -signal.SIGTERM
            fork.join(timeout=300)
            assert fork.exitcode == -signal.SIGTERM
    Path(os.environ["EXECUTIONS"]).with_name("left").write_text(f"{program.pid} {fork.pid}")
    time.sleep(600)
    return 1.0


def uses_processes(trial: optuna.Trial) -> float:
    """Start processes as data loaders do, which end by themselves, and read what is not there."""
    forks = multiprocessing.get_context("fork")
    with forks.Pool(2) as pool:
        total = sum(pool.map(abs, [-1, -2, -3]))
    fork = forks.Process(target=time.sleep, args=(0,))
    fork.start()
    fork.join()
    assert fork.exitcode == 0
    return float(total + len(sys.stdin.read()))


def leaves_forks(trial: optuna.Trial) -> float:
    """Fork three times; a fork returns, raises or exits out of this function as this one does."""
    codes = []
    for ending in (None, RuntimeError("of a fork"), SystemExit(7)):
        pid = os.fork()
        if pid == 0 and ending is None:
            return 100.0
        if pid == 0:
            raise ending
        codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    assert codes == [0, 1, 7]
    _note(trial)
    return float(trial.number)


def reports_too_far(trial: optuna.Trial) -> float:
    """Report a step that PostgreSQL has no number for."""
    trial.report(0.5, step=3_000_000_000)
    return 1.0


def sets_a_long_key(trial: optuna.Trial) -> float:
    """Set an attribute whose name PostgreSQL has no place for."""
    trial.set_user_attr("k" * 600, 1)
    return 1.0


def stops_the_study(trial: optuna.Trial) -> float:
    """End the study in its second trial."""
    if trial.number == 1:
        trial.study.stop()
    return 1.0


def keeps_files(trial: optuna.Trial) -> float:
    """Be interrupted once, by a worker that is told to stop, go on, keep a file, and load JAX."""
    import jax  # noqa: F401

    step = checkpoint_folder(trial) / "step"
    begun = step.exists()
    if not begun:
        step.write_text("half")
    _note(trial)
    if not begun:
        time.sleep(600)
    result = Path(os.environ["EXECUTIONS"]).with_name("network.keras")
    result.write_text(f"{step.read_text()} of {trial.number} on {os.environ['KERAS_BACKEND']}")
    keep_file(trial, result)
    return float(trial.number)


def crash_on_3(trial: optuna.Trial) -> float:
    """End the whole process of trial 3, as a fault in native code does."""
    if trial.number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return float(trial.params["x"])


def database_flaps(trial: optuna.Trial) -> float:
    """Meet a database that fails the trial's own storage until it has been met so once."""
    failed: list[object] = []

    def set_up(connection: sqlite3.Connection, *_: object) -> None:
        connection.execute(f"PRAGMA query_only = {'OFF' if failed else 'ON'}")

    engine = storage_of(trial.study).engine
    sqlalchemy.event.listen(engine, "checkout", set_up)
    sqlalchemy.event.listen(engine, "handle_error", failed.append)
    trial.set_user_attr("note", 1)
    return 1.0


def database_away(trial: optuna.Trial) -> float:
    """Meet a database that always fails the trial's own storage."""
    # Not in a transaction of SQLAlchemy, whose beginning fails too.
    with closing(storage_of(trial.study).engine.raw_connection()) as connection:
        connection.cursor().execute("PRAGMA query_only = ON")
    try:
        trial.set_user_attr("note", 1)
    finally:
        with closing(storage_of(trial.study).engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA query_only = OFF")
    return 1.0


def own_sqlite_error(trial: optuna.Trial) -> float:
    """Fail always by a database of the user's own."""
    sqlite3.connect(":memory:").execute("SELECT * FROM mine")
    return 1.0


def own_engine_error(trial: optuna.Trial) -> float:
    """Fail always by a database of the user's own, through SQLAlchemy as the service does."""
    with sqlalchemy.create_engine("sqlite://").connect() as connection:
        connection.exec_driver_sql("SELECT * FROM mine")
    return 1.0


def talks(trial: optuna.Trial) -> float:
    """Print and warn, as a program of its own does."""
    print(f"printed by {trial.number}")
    print(f"an error of {trial.number}", file=sys.stderr)
    warnings.warn("a doubt", stacklevel=1)
    subprocess.run(["echo", f"echoed by {trial.number}"], check=True)
    study = optuna.create_study()
    study.optimize(lambda inner: inner.suggest_float("y", 0, 1), n_trials=1)
    return 1.0


def talks_and_is_killed(trial: optuna.Trial) -> float:
    """Print much, the last line without its end, and be killed."""
    for i in range(1000):
        print(f"line {i}.")
    print("the last words", end="")
    os.kill(os.getpid(), signal.SIGKILL)
    return 1.0


def greets(trial: optuna.Trial) -> float:
    """Print what TensorFlow, XLA and absl print when they load, and a progress bar of Keras."""
    for line in (
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "I0000 00:00:1795750718.733999   14984 cudart_stub.cc:31] Could not find cuda drivers",
        "E0000 00:00:1795750730.599389   14984 cuda_platform.cc:52] failed call to cuInit",
        "2025-01-01 00:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] This",
        "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow",
        "WARNING:absl:You are saving your model as an HDF5 file",
    ):
        print(line, file=sys.stderr)
    print("\r1/2 loss: 2.0\b\b\b\b\r2/2 loss: 1.0")
    return 1.0


def broken(trial: optuna.Trial) -> float:
    """Fail always."""
    raise RuntimeError("no such column")


def exits(trial: optuna.Trial) -> float:
    """End as a script does: with words, with a code, from a fork, and at once."""
    if trial.number == 2:
        if os.fork() == 0:
            sys.exit("a fork's own")  # which ends the fork alone
        os.wait()
        return 1.0
    if trial.number == 3:
        os._exit(4)
    sys.exit(["no data in /there", 3][trial.number])


def ended_trials(trial: optuna.Trial) -> float:
    """Return how many ended trials a sampler sees."""
    seen = trial.study._get_trials(states=(COMPLETE,), use_cache=True)
    return float(len(seen))


def not_a_number(trial: optuna.Trial) -> float:
    """Diverge, as a function may."""
    return float("nan")


def own_space(trial: optuna.Trial) -> float:
    """Suggest its own parameters, report, and prune itself where x is large."""
    x = trial.suggest_float("x", 0.0, 1.0)
    trial.report(x, step=1)
    if x > 0.5:
        raise optuna.TrialPruned
    return x


def of_seed(trial: optuna.Trial) -> float:
    """Depend on the seed, suggest and report by itself, and keep a file of each seed."""
    _note(trial)
    y = trial.suggest_float("y", 0.0, 1.0)
    trial.report(100.0, step=1)
    assert not trial.should_prune()
    file = Path(os.environ["EXECUTIONS"]).with_name("network.keras")
    file.write_text(f"seed {trial.seed}")
    keep_file(trial, file)
    return float(trial.params["x"] + y - ((trial.seed + 1) % 3) ** 2)


def ends_with_a_seed(trial: optuna.Trial) -> float:
    """Prune itself, diverge, or fail with the second seed."""
    if trial.seed == 0:
        return 1.0
    if trial.number == 0:
        raise optuna.TrialPruned
    if trial.number == 1:
        return float("nan")
    raise RuntimeError("the second seed")


def waits_in_a_seed(trial: optuna.Trial) -> float:
    """Be interrupted once in the second seed, and go on from what this seed has left."""
    step = checkpoint_folder(trial) / "step"
    begun = step.exists()
    step.write_text(str(trial.seed))
    _note(trial)
    if trial.seed == 8 and not begun:
        time.sleep(600)
    return float(trial.seed + 10 * begun)


def valley_of_seed(trial: optuna.Trial) -> float:
    """Be lowest near x = .3; another seed comes to another value, and a high x diverges with it."""
    _note(trial)
    time.sleep(0.05)
    x, y = trial.params["x"], trial.params["y"]
    seed = trial.seed  # type: ignore[attr-defined]
    if seed % 2 and x > 0.9:
        return float("nan")
    return float((x - 0.3) ** 2 + y + 0.01 * (seed % 2) * x)


def seeded(trial: optuna.Trial) -> float:
    """Return what depends on the seed of its point, after a moment."""
    _note(trial)
    _wait_while_held(trial)
    time.sleep(0.1)
    seed: int = getattr(trial, "seed")  # noqa: B009  Optuna's own trial has none
    return float(trial.params["x"]) + (seed % 7) / 1000
