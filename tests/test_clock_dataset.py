"""Sets of clocks: rendered once into the cache, and split minute by minute."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import is_alive, wait_until

from objectives.clock.dataset import read, rendered
from objectives.clock.render import render
from objectives.clock.render_options import Rendering
from objectives.data.splits import split_clocks
from objectives.errors import RenderingError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return


def test_a_set_is_rendered_once_and_kept() -> None:
    told: list[tuple[int, int]] = []
    rendering = Rendering(size=16, n_images=250)
    folder = rendered(rendering, lambda done, total: told.append((done, total)))
    assert sum(done for done, _ in told) == 250
    assert {total for _, total in told} == {250}
    x, y = read(folder)
    assert (x.shape, x.dtype) == ((250, 16, 16, 1), np.uint8)
    assert len(set(y)) == 250
    assert y.max() > 700
    for i in (0, 249):
        np.testing.assert_array_equal(x[i, ..., 0], render(int(y[i]), 16, (0, i)))
    again = rendered(rendering, lambda done, total: pytest.fail("rendered twice"))
    assert again == folder
    assert rendered(Rendering(size=16, n_images=250, seed=1)) != folder


def test_clocks_that_cannot_be_rendered_leave_nothing_that_would_be_read() -> None:
    rendering = Rendering(size=-1, n_images=10)
    with pytest.raises(RenderingError, match=r"^Expected to render 10 clocks .*exit code 1"):
        rendered(rendering)
    assert not rendering.folder.exists()


# Without a guard, as in a user's script; and ignoring signals, as the executor child does.
RENDERS = """
import os, signal, sys
from objectives.clock.dataset import rendered
from objectives.clock.render_options import Rendering

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(rendered(Rendering(size=100, n_images=int(sys.argv[1]))), flush=True)
"""


def test_a_process_that_ignores_signals_renders_and_leaves_none_behind(tmp_path: Path) -> None:
    script = tmp_path / "renders.py"
    script.write_text(RENDERS)

    def start(n: int) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(n)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    assert start(200).communicate(timeout=300)[0].strip().endswith("100-200-0-180.0")
    renders = start(400_000)  # which takes longer than the test waits
    wait_until(lambda: len(descendants(renders.pid)) > 2, "processes are started")
    known = descendants(renders.pid)
    renders.kill()
    renders.communicate(timeout=300)
    wait_until(lambda: not any(map(is_alive, known)), "they end with their parent")


def descendants(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return []
    return [i for child in map(int, children) for i in (child, *descendants(child))]


def sizes(parts: Mapping[str, Any]) -> dict[str, int]:
    return {name: len(part) for name, part in parts.items()}


def test_each_minute_gives_20_pictures_to_train_on_and_5_held_out() -> None:
    minutes = np.repeat(np.arange(720), 25)
    parts = split_clocks(minutes, seed=0)
    assert sizes(parts) == {"train": 14_400, "validation": 1_800, "test": 1_800}
    counts = {name: np.bincount(minutes[part], minlength=720) for name, part in parts.items()}
    assert set(counts["train"]) == {20}
    assert set(counts["validation"]) == set(counts["test"]) == {2, 3}
    everything = np.concatenate(list(parts.values()))
    assert sorted(everything) == list(range(18_000))
    other = split_clocks(minutes, seed=1)
    assert sorted(other["test"]) != sorted(parts["test"])


def test_in_a_small_set_no_kind_of_minute_is_on_one_side_only() -> None:
    minutes = np.repeat(np.arange(720), 5)
    parts = split_clocks(minutes, seed=0)
    assert sizes(parts) == {"train": 2_880, "validation": 360, "test": 360}
    for part in parts.values():
        assert set(minutes[part] % 2) == {0, 1}
        assert set(minutes[part] % 10) == set(range(10))
    alone = split_clocks(np.arange(720), seed=0)
    assert len(set(alone["train"] % 5)) == 5
    assert sizes(split_clocks(np.arange(10), 0)) == {"train": 8, "validation": 1, "test": 1}
