"""The dashboard in a real headless browser: levels that are lists, and what networks misread."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import plotly.graph_objects as go
import pytest
import sqlalchemy
from commands import COMMAND, environment, start_worker, wait_until
from dashboard_api import plots_shown
from optuna.trial import TrialState
from small_studies import table

from storage import claim, create_storage, study_id, trial_id
from studies import create_study
from studies.dashboard.app import serve
from studies.definition.study import parse_definition
from studies.worker.keep_models import show_plots
from studies.worker.loop import WorkerOptions, open_session

if TYPE_CHECKING:
    from playwright.sync_api import Page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture
def dashboard_url(sqlite_url: str, tmp_path: Path) -> Iterator[str]:
    """Serve a study of 12 finished trials with list-valued levels, by `hpo dashboard`."""
    table = {
        "name": "lists",
        "objective": "cnn",
        "dataset": "digits",
        "search": {"design": "grid"},
        "space": {
            "filters": [[4], [4, 8], [8, 16]],
            "learning_rate": [0.001, 0.01],
            "optimizer": ["adam", "sgd"],
        },
    }
    study = create_study(parse_definition(table), sqlite_url, artifacts=tmp_path / "artifacts")
    storage = create_storage(sqlite_url)
    for trial in claim(storage, study_id(study), 12):
        value = 0.5 + 0.03 * trial.number
        history = {"val_loss": [value] * 500}
        storage.set_trial_user_attr(trial_id(trial), "history", history)
        storage.set_trial_user_attr(trial_id(trial), "traceback", f"first\n{'word ' * 99}")
        storage.set_trial_intermediate_value(trial_id(trial), 1, value - 0.1)
        storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [value])
    with dashboard(sqlite_url, tmp_path) as url:
        yield url


@contextlib.contextmanager
def dashboard(storage_url: str, folder: Path) -> Iterator[str]:
    """Serve the studies of a storage; yield the address."""
    process, url = _start_dashboard(storage_url, folder)
    if process.poll() is not None:  # another program has taken the port meanwhile
        process, url = _start_dashboard(storage_url, folder)
    try:
        yield url
    finally:
        process.terminate()
        process.wait()


def _start_dashboard(storage_url: str, folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start a dashboard at a port that was free; wait until it answers, or has ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "dashboard.log").open("ab") as log:  # whose end is shown where a test fails
        process = subprocess.Popen(
            [*COMMAND, "dashboard", "--port", str(port)],
            env=environment(storage_url, folder),
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: process.poll() is not None or _answers(url), "the dashboard answers")
    return process, url


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/api/studies") as response:
        return bool(response.status == 200)
    return False


@contextlib.contextmanager
def opened_page() -> Iterator[Page]:
    """Open a page in a browser; what fails in it fails the test."""
    from playwright.sync_api import sync_playwright

    failed: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1600})
        page.set_default_timeout(300_000)  # milliseconds; its own is 30 seconds
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on(
            "response",
            lambda r: failed.append(f"{r.status} {r.url}") if r.status >= 500 else None,
        )
        yield page
        browser.close()
    assert failed == []


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_the_dashboard_shows_a_study_with_list_valued_levels(dashboard_url: str) -> None:
    with opened_page() as page:
        page.goto(f"{dashboard_url}/dashboard")
        page.get_by_text("lists").first.click()
        page.get_by_text("Hyperparameter Importance").first.wait_for()
        page.locator(".js-plotly-plot text", has_text="filters").first.wait_for()
        # The dashboard's table of trials stands on its page for selecting some of them.
        page.goto(f"{dashboard_url}/dashboard/studies/1/smartSelection")
        page.get_by_role("cell", name="8-16").first.wait_for()
        assert page.get_by_role("cell", name="4-8").count() == 4
        page.set_viewport_size({"width": 1000, "height": 1600})
        page.wait_for_function("document.documentElement.scrollWidth == 1000")  # once drawn anew
        heights = page.locator("main tbody tr").evaluate_all("all => all.map(r => r.offsetHeight)")
        assert max(heights) < 100  # not as high as a history
        page.goto(f"{dashboard_url}/dashboard/studies/1")
        page.get_by_role("cell", name="versions").first.wait_for()
        box = "t => [t.parentElement.scrollWidth, t.parentElement.clientWidth]"
        width, shown = page.locator("main table").first.evaluate(box)
        assert width <= shown  # the attributes of the study are wrapped
        page.goto(f"{dashboard_url}/dashboard/studies/1/trials?numbers=8")
        page.get_by_text("filters 8-16").first.wait_for()
        page.get_by_text("history {").first.wait_for()
        for width in (1000, 1900):  # which an attribute does not widen
            page.set_viewport_size({"width": width, "height": 1200})
            page.wait_for_function(f"document.documentElement.scrollWidth == {width}")
            listed = page.get_by_text("Trial 7", exact=True).bounding_box()
            assert listed is not None
            assert listed["width"] > 40
        assert page.get_by_text("Trial 11", exact=True).count() == 1


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_the_dashboard_shows_what_a_network_reads_badly(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    clocks = {
        "name": "clocks",
        "objective": "clock",
        "dataset": "clock",
        "data": {"size": 16, "n_images": 200},
        "search": {"design": "grid"},
        "fixed": {"epochs": 1, "first_filters": 2, "patterns": 1, "hidden_units": [8]},
        "space": {"head": ["both_hands"]},
    }
    create_study(
        parse_definition(table(name="elsewhere")), sqlite_url, artifacts=tmp_path / "other"
    )
    with dashboard(sqlite_url, tmp_path) as url, opened_page() as page:
        # Made while the dashboard is open, with a folder of its own.
        create_study(parse_definition(clocks), sqlite_url, artifacts=tmp_path / "artifacts")
        assert start_worker("clocks", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
        page.goto(f"{url}/dashboard/studies/2/trials?numbers=0")
        pictures = page.locator("img[src*='artifacts']")
        pictures.nth(1).wait_for()
        page.wait_for_function(
            "() => [...document.querySelectorAll(\"img[src*='artifacts']\")]"
            ".every((picture) => picture.complete && picture.naturalWidth > 700)"
        )
        assert pictures.count() == 2
        page.get_by_text("worst.png").first.wait_for()
        page.get_by_text("errors.png").first.wait_for()
        page.goto(f"{url}/dashboard/studies/2")
        page.get_by_text("Worst readings of the best trial (validation)").first.wait_for()
        page.get_by_text("Error of the best trial over the dial (validation)").first.wait_for()
        page.get_by_text("Mean error of the best trial by hour and minute").first.wait_for()


def test_a_port_that_is_taken_is_one_line_with_the_remedy(sqlite_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=rf"--port {port}: Address already.*--port {port + 1} "):
            serve(sqlite_url, "127.0.0.1", port)


def test_the_dashboard_gives_importances_of_labelled_levels(dashboard_url: str) -> None:
    with urllib.request.urlopen(f"{dashboard_url}/api/studies/1/param_importances") as response:
        body = response.read().decode()
    assert response.status == 200
    assert all(name in body for name in ("filters", "learning_rate", "optimizer"))


def test_a_plot_on_the_studys_page_is_never_read_half_written(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = create_study(parse_definition(table()), sqlite_url, artifacts=tmp_path)
    database = open_session(sqlite_url, WorkerOptions()).database
    opened, _ = database.load_study(study.study_name)
    other = create_storage(sqlite_url, writes=False)
    seen = []

    def read(*_: object) -> None:
        shown = plots_shown(other, study_id(study))
        seen.extend(len(json.loads(text)["data"]) for text in shown.values())

    sqlalchemy.event.listen(database.storage.engine, "commit", read)
    for n in (1, 300, 20):  # first in one attribute, then in many, then in fewer
        figure = go.Figure([go.Scatter(y=[1, 2, 3])] * n)
        show_plots(database, opened, {"errors": figure.to_json()})
    read()
    assert set(seen) == {1, 300, 20}
    assert seen == sorted(seen, key=[1, 300, 20].index)
