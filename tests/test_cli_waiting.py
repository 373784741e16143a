"""What takes longer than a moment is told on standard error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from commands import wait_until

from studies.cli import waiting
from studies.cli.init import study_text
from studies.cli.waiting import told_while
from studies.errors import DefinitionError
from studies.fleet import own_code


def told_by_now() -> str:
    """Return what was written on standard error since pytest has read it last."""
    stream: Any = sys.stderr
    return str(stream.getvalue())


def test_only_what_takes_longer_than_a_moment_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with told_while("Doing it"):
        pass
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr(waiting, "SILENT_SECONDS", 0.0)
    for ends in (True, False):
        with told_while("Doing [it]"):  # no markup of rich
            wait_until(lambda: "Doing [it]" in told_by_now(), "it is told")
        told = capsys.readouterr()
        assert told.out == ""
        if ends:
            assert told.err == "Doing [it] ...\n"
        else:
            assert "Doing [it]" in told.err
            assert "0:00:0" in told.err
            assert told.err.endswith("\x1b[2K")  # the line is gone
        monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal
        monkeypatch.setenv("TERM", "xterm")


def test_building_networks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(waiting, "SILENT_SECONDS", 0.0)

    def build(*_: Any) -> None:
        wait_until(lambda: "find its space" in told_by_now(), "it is told")
        raise DefinitionError("objective", "Expected a network.")

    monkeypatch.setattr(own_code, "_inspect_now", build)
    file = tmp_path / "net.py"
    file.write_text("def build(trial): ...\n")
    with pytest.raises(DefinitionError, match="Expected a network"):
        study_text(f"{file}:build", "digits", {}, tmp_path / "s.toml", None, [str(file)], print)
    told = capsys.readouterr().err
    assert told == "Building networks of net.py:build to find its space ...\n"
