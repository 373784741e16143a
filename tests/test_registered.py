"""Objectives that installed packages register: nothing of theirs is imported unasked."""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from commands import start_worker, states
from small_studies import RANDOM, table

import objectives
from objectives import registered
from studies import create_study
from studies.cli.trust import trusted
from studies.definition.study import parse_definition
from studies.errors import DefinitionError
from studies.lookup import definition_of

MODULE = """
from dataclasses import replace
import objectives

narrow = replace(objectives.get("mlp"), name="narrow")
other = replace(narrow, name="another")
number = 3
"""
ENTRY_POINTS = """
[hpo.objectives]
narrow = acme_nets.dense:narrow
misnamed = acme_nets.dense:other
number = acme_nets.dense:number
broken = acme_broken:nothing
"""
REMEDY = (
    r"Received: narrow.* The package acme_nets has registered narrow, and its code would be "
    r"executed. If you trust it: --allow-module acme_nets, in Python objectives.admit"
)


@pytest.fixture(autouse=True)
def _package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install a package that registers objectives, in this process and those that it starts."""
    (tmp_path / "acme_nets").mkdir()
    (tmp_path / "acme_nets" / "__init__.py").touch()
    (tmp_path / "acme_nets" / "dense.py").write_text(MODULE)
    (tmp_path / "acme_broken.py").write_text("raise OSError('gone')")
    about = tmp_path / "acme_nets-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-nets\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    folders = (str(tmp_path), os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, folders)))
    monkeypatch.setattr(registered, "_entry_points", lambda: entry_points(group=registered.GROUP))
    forget(monkeypatch)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a process in which nothing was admitted, until the test's end."""
    monkeypatch.setattr(registered, "_admitted", set())
    monkeypatch.setattr(registered, "_loaded", {})
    for module in [name for name in sys.modules if name.startswith("acme")]:
        monkeypatch.delitem(sys.modules, module)


def test_an_objective_of_a_package_is_loaded_once_the_package_is_admitted() -> None:
    assert objectives.names() == ("clock", "cnn", "mlp")
    objectives.admit(["acme", "acme_nets.convolutional"])
    with pytest.raises(objectives.UnknownNameError, match=REMEDY):
        objectives.get("narrow")
    assert "acme_nets" not in sys.modules
    assert trusted([], ["acme_nets"], {}) == ["acme_nets"]
    assert objectives.names() == ("clock", "cnn", "misnamed", "mlp", "narrow", "number")
    assert "acme_nets" not in sys.modules
    assert objectives.get("narrow").name == "narrow"
    assert objectives.get("narrow") is objectives.get("narrow")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("misnamed", r"^Expected an objectives.Objective named misnamed.*: one named another\.$"),
        ("number", r"^Expected an objectives.Objective named number, .* Received: 3\.$"),
        ("broken", r"^Expected an objective broken in acme_broken:nothing. .*: OSError: gone\.$"),
    ],
)
def test_what_is_no_objective_is_refused(name: str, said: str) -> None:
    objectives.admit(["acme_nets", "acme_broken"])
    with pytest.raises(objectives.CodeError, match=said):
        objectives.get(name)


def test_a_study_of_the_database_loads_nothing_that_was_not_admitted(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objectives.admit(["acme_nets"])
    search = RANDOM | {"n_trials": 1}
    definition = parse_definition(table(objective="narrow", search=search, fixed={"epochs": 1}))
    study = create_study(definition, sqlite_url, artifacts=tmp_path)
    forget(monkeypatch)
    with pytest.raises(DefinitionError, match=REMEDY):
        definition_of(study)
    assert "acme_nets" not in sys.modules
    assert start_worker(url=sqlite_url, folder=tmp_path).wait(timeout=300) == 1
    said = (tmp_path / "worker.log").read_text()
    assert re.search(rf"study 's' is left out: .*{REMEDY}", said)
    allowed = ("--allow-module", "acme_nets")
    assert start_worker(*allowed, url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 1}
