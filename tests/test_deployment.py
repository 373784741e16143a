"""The files that put the service on servers, as far as a machine without Docker can tell."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="no docker-compose here")
def test_docker_compose_accepts_the_file_and_keeps_its_promises(tmp_path: Path) -> None:
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "postgres_password").write_text("topsecret")
    command = ["docker-compose", "--file", "docker-compose.yml", "config"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "topsecret" not in done.stdout
    database = done.stdout.partition("  database:")[2].partition("\n  worker:")[0]
    assert "healthcheck" in database
    assert "5432:5432" not in done.stdout
    others, _, gpu_worker = done.stdout.partition("\n  worker:")
    assert "capabilities" in gpu_worker
    assert "capabilities" not in others  # commands and the workers of a CPU need no GPU
    assert "[cuda]" in gpu_worker
    of_cpu = {**os.environ, "HPO_EXTRAS": ""}
    plain = subprocess.run(command, cwd=tmp_path, env=of_cpu, capture_output=True, text=True)
    assert plain.returncode == 0
    assert "cuda" not in plain.stdout
    assert "container_name" not in done.stdout  # a fixed name would forbid --scale


def test_the_image_holds_every_package() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for package in ("objectives", "storage", "studies"):
        assert f"COPY {package} {package}" in dockerfile


def test_the_image_hands_the_password_to_libpq_alone(tmp_path: Path) -> None:
    line = next(
        line
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("ENTRYPOINT")
    )
    entrypoint = json.loads(line.removeprefix("ENTRYPOINT "))
    (tmp_path / "hpo").write_text('#!/bin/sh\necho "$PGPASSWORD:$*"\n')
    (tmp_path / "hpo").chmod(0o755)
    (tmp_path / "password").write_text("pass word\n")
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PGPASSWORD_FILE": str(tmp_path / "password")}
    done = subprocess.run(
        [*entrypoint, "worker", "--wait"], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "pass word:worker --wait\n"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_the_password_is_read_by_the_user_of_a_container_and_by_no_other_here(
    tmp_path: Path,
) -> None:
    head = (ROOT / "docker-compose.yml").read_text().splitlines()
    (line,) = (line.removeprefix("#").strip() for line in head if "openssl" in line)
    subprocess.run(["sh", "-c", f"umask 077; {line}"], cwd=tmp_path, check=True)
    folder, file = tmp_path / "secrets", tmp_path / "secrets" / "postgres_password"
    assert len(file.read_text().strip()) == 48
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o644, "Docker shows it in a container as it is here"


def test_a_container_hears_the_signal_that_stops_it() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    of_all = text.partition("x-hpo: &hpo\n")[2].partition("\nservices:")[0]
    assert "\n  init: true\n" in of_all


def test_the_database_counts_as_ready_once_others_reach_it() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    (line,) = (line for line in text.splitlines() if "pg_isready" in line)
    assert '"--host=127.0.0.1"' in line
