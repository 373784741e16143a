"""The dashboard in a real headless browser, on a study whose levels are lists."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import COMMAND, environment, wait_until
from optuna.trial import TrialState

from storage import claim, create_storage
from studies import create_study
from studies.definition import parse_definition

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
    for trial in claim(storage, study._study_id, 12):
        value = 0.5 + 0.03 * trial.number
        storage.set_trial_intermediate_value(trial._trial_id, 1, value - 0.1)
        storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [value])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [*COMMAND, "dashboard", "--port", str(port)],
        env=environment(sqlite_url, tmp_path),
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: _answers(url), "the dashboard answers")
    yield url
    process.terminate()
    process.wait()


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/api/studies") as response:
        return bool(response.status == 200)
    return False


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_the_dashboard_shows_a_study_with_list_valued_levels(dashboard_url: str) -> None:
    from playwright.sync_api import Page, sync_playwright

    failed: list[str] = []

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.on(
            "response",
            lambda r: failed.append(f"{r.status} {r.url}") if r.status >= 500 else None,
        )

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 1400, "height": 1600})
        watch(page)
        page.goto(f"{dashboard_url}/dashboard")
        page.get_by_text("lists").first.click()
        page.get_by_text("Hyperparameter Importance").first.wait_for()
        page.locator(".js-plotly-plot text", has_text="filters").first.wait_for()
        # The dashboard's table of trials stands on its page for selecting some of them.
        page.goto(f"{dashboard_url}/dashboard/studies/1/smartSelection")
        page.get_by_role("cell", name="8-16").first.wait_for()
        assert page.get_by_role("cell", name="4-8").count() == 4
        page.goto(f"{dashboard_url}/dashboard/studies/1/trials?numbers=8")
        page.get_by_text("filters 8-16").first.wait_for()
        assert page.get_by_text("Trial 11", exact=True).count() == 1
        browser.close()
    assert failed == []


def test_the_dashboard_gives_importances_of_labelled_levels(dashboard_url: str) -> None:
    with urllib.request.urlopen(f"{dashboard_url}/api/studies/1/param_importances") as response:
        body = response.read().decode()
    assert response.status == 200
    assert all(name in body for name in ("filters", "learning_rate", "optimizer"))
