"""Ask optuna-dashboard for what its pages show, through its own WSGI application."""

from __future__ import annotations

import json
from typing import Any
from wsgiref.util import setup_testing_defaults

from optuna_dashboard import wsgi

from storage import TrialStorage


def plots_shown(storage: TrialStorage, study_id: int) -> dict[str, str]:
    """Return the figures on a study's page: name -> Plotly's JSON."""
    environ: dict[str, Any] = {"PATH_INFO": f"/api/studies/{study_id}"}
    setup_testing_defaults(environ)
    answered: list[str] = []
    body = b"".join(wsgi(storage)(environ, lambda status, headers, *_: answered.append(status)))
    assert answered == ["200 OK"], body
    shown = json.loads(body)["plotly_graph_objects"]
    return {each["id"]: each["graph_object"] for each in shown}
