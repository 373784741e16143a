"""A backup of a SQLite file: all of a moment in one file, while others write to it."""

from __future__ import annotations

import itertools
import shutil
import threading
from pathlib import Path

import pytest
from commands import hpo, wait_until
from queues import adaptive, end, new_study, states

from storage import InvalidUrlError, TrialStorage, backup, claim, create_storage


def test_a_backup_holds_all_that_was_written_and_a_plain_copy_does_not(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study = new_study(sqlite_storage, adaptive(3))
    for trial in claim(sqlite_storage, study, 3):
        end(sqlite_storage, trial)
    file = tmp_path / "backup.db"
    done = hpo("backup", str(file), url=f"sqlite:///{tmp_path}/hpo.db", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert {each.name for each in tmp_path.glob("backup*")} == {"backup.db"}
    assert file.read_bytes()[18:20] == b"\1\1", "with a -wal, SQLite's header has 2 here"
    copied = create_storage(f"sqlite:///{file}", writes=False)
    assert states(copied, study) == ["COMPLETE"] * 3
    copied.engine.dispose()
    shutil.copy(tmp_path / "hpo.db", tmp_path / "plain.db")
    plain = create_storage(f"sqlite:///{tmp_path}/plain.db", writes=False)
    assert plain.get_all_studies() == []  # all lies in the -wal
    plain.engine.dispose()
    with pytest.raises(FileExistsError, match="not there yet"):
        backup(sqlite_storage, file)


def test_a_backup_is_of_one_moment_though_others_write(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study, stop = new_study(sqlite_storage, adaptive(None)), threading.Event()
    written = 0

    def work() -> None:
        nonlocal written
        while not stop.is_set():
            end(sqlite_storage, *claim(sqlite_storage, study))
            written += 1

    writer = threading.Thread(target=work)
    writer.start()
    try:
        files = [tmp_path / f"{i}.db" for i in range(5)]
        for file in files:
            backup(sqlite_storage, file)
            before = written
            wait_until(lambda before=before: written > before, "another trial is written")
    finally:
        stop.set()
        writer.join()
    counts = []
    for file in files:
        copied = create_storage(f"sqlite:///{file}")
        with copied.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        counts.append(len(copied.get_all_trials(study)))
        copied.engine.dispose()
    assert all(first <= second for first, second in itertools.pairwise(counts))
    assert counts[0] < counts[-1]


def test_what_cannot_be_written_or_is_on_a_server_is_told(
    sqlite_storage: TrialStorage, tmp_path: Path, postgres_url: str
) -> None:
    with pytest.raises(OSError, match=r"Expected a file that can be written\. Received: '/proc/x'"):
        backup(sqlite_storage, Path("/proc/x"))
    server = create_storage(postgres_url)
    with pytest.raises(InvalidUrlError, match="one on a server"):
        backup(server, tmp_path / "x.db")
    server.engine.dispose()
    assert not (tmp_path / "x.db").exists()
