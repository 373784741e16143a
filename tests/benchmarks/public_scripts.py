"""Fourteen studies after public scripts: hpo against the loops that their authors would write.

    python tests/benchmarks/public_scripts.py
    python tests/benchmarks/public_scripts.py --only text unet --contestants hpo author-jax
    python tests/benchmarks/public_scripts.py --show rows.jsonl more.jsonl

Each contestant is a process from its start to its end: `hpo run -j 2` where nothing is compiled
before ("hpo-first") and where it is ("hpo"), and the author's loop on TensorFlow and on JAX
(`contestants/public_loop.py`). Round i has seed i. Every run is a line of the file `--rows` as soon
as it has ended; a run that is in it is not repeated. The table is made of all lines.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
SCRIPTS = HERE.parent / "public_scripts"
LOOP = HERE / "contestants" / "public_loop.py"
KINDS = {
    "series": "an LSTM on a series, split by time",
    "text": "a text classifier",
    "unet": "a U-Net, masks, a Dice loss",
    "transfer": "transfer, frozen layers",
    "vae": "a VAE, its own loss",
    "houses": "regression of a table, by groups",
    "kinds": "classes of a table",
    "folds": "three folds of a table",
    "birds": "a folder of pictures",
    "hyper_model": "a HyperModel of KerasTuner",
    "wide_deep": "two inputs, two outputs",
    "signals": "Conv1D and a GRU",
    "denoise": "a denoising autoencoder",
    "stream": "tf.data",
}
CONTESTANTS = ("hpo-first", "hpo", "author-tensorflow", "author-jax")


@dataclass(frozen=True)
class Run:
    """What a contestant took.

    Attributes:
        study: The name of the study.
        contestant: Who.
        seed: The seed of all networks.
        seconds: From the start of its process to its end.
        cpu: The processor seconds of it and its children.
        load: The machine's load at the start: what runs beside it.
        values: The value of each setting.
        way: How hpo trained them, and on which backend.
    """

    study: str
    contestant: str
    seed: int
    seconds: float
    cpu: float
    load: float
    values: Sequence[float]
    way: str = ""


def run(study: str, contestant: str, seed: int, scripts: Path, cache: Path) -> Run | None:
    """Run a contestant in an empty folder; None if it fails, which is told."""
    by_hpo = contestant.startswith("hpo")
    if contestant == "hpo-first":
        shutil.rmtree(cache, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/hpo.db"
        file = scripts / f"{study}.toml"
        hpo = [sys.executable, "-P", "-m", "studies", "run", str(file), "-j2"]
        hpo += [f"--set=search.seed={seed}"]
        environment = {"OPTUNA_STORAGE": url, "XDG_CACHE_HOME": str(cache)}
        if not by_hpo:
            environment["KERAS_BACKEND"] = contestant.removeprefix("author-")
        load, before, started = os.getloadavg()[0], _cpu(), time.perf_counter()
        done = subprocess.run(
            hpo if by_hpo else [sys.executable, str(LOOP), str(file), str(seed)],
            cwd=folder if by_hpo else scripts,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds, cpu = time.perf_counter() - started, _cpu() - before
        if done.returncode != 0:
            print(
                f"{study}, {contestant}: {done.stdout[-500:]}{done.stderr[-3000:]}", file=sys.stderr
            )
            return None
        way, values = "", []
        if by_hpo:
            way, values = _found(study, url)
        else:
            values = json.loads(done.stdout.splitlines()[-1])["values"]
    return Run(study, contestant, seed, seconds, cpu, load, values, way)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _found(study: str, url: str) -> tuple[str, list[float]]:
    """Return how hpo trained the networks, and their values."""
    trials = optuna.load_study(study_name=study, storage=url).trials
    assert all(trial.values for trial in trials)
    ways = {f"{trial.user_attrs['trained_by']}, {trial.user_attrs['backend']}" for trial in trials}
    return "; ".join(sorted(ways)), [float(trial.values[0]) for trial in trials if trial.values]


def read(files: Iterable[Path]) -> list[Run]:
    """Read the runs of files."""
    lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
    return [Run(**json.loads(line)) for line in lines]


def main() -> None:
    """Run the contestants in turn and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=KINDS, default=list(KINDS), metavar="STUDY")
    parser.add_argument("--contestants", nargs="*", choices=CONTESTANTS, default=CONTESTANTS)
    parser.add_argument("--rounds", type=int, default=1, help="seeds 0, 1, ...")
    parser.add_argument("--seeds", type=int, nargs="*", help="these seeds in place of rounds")
    parser.add_argument("--rows", type=Path, default=Path("public_scripts.jsonl"))
    parser.add_argument("--show", type=Path, nargs="*", help="print the table of these files alone")
    chosen = parser.parse_args()
    if chosen.show is None:
        seeds = chosen.seeds or range(chosen.rounds)
        race(chosen.only, chosen.contestants, seeds, chosen.rows)
    show(read(chosen.show or [chosen.rows]))


def race(only: Sequence[str], contestants: Sequence[str], seeds: Iterable[int], rows: Path) -> None:
    """Run what `rows` does not have yet; add each run to it."""
    done = {(each.study, each.contestant, each.seed) for each in read([rows])}
    with tempfile.TemporaryDirectory() as folder:
        scripts = Path(folder) / "scripts"
        shutil.copytree(SCRIPTS, scripts, ignore=shutil.ignore_patterns("data", "__pycache__"))
        subprocess.run([sys.executable, scripts / "make_data.py"], check=True)
        for seed in seeds:
            for study in only:
                for contestant in contestants:
                    if (study, contestant, seed) in done:
                        continue
                    found = run(study, contestant, seed, scripts, Path(folder) / "cache" / study)
                    if found is None:
                        continue
                    with rows.open("a") as file:
                        file.write(json.dumps(asdict(found)) + "\n")
                    print(f"{study} {contestant} {found.seconds:.1f} s", file=sys.stderr)


def show(runs: Sequence[Run]) -> None:
    """Print the tables of speed and of values."""
    speed = Table(title=f"Trials an hour, {os.cpu_count()} cores; processor seconds; load")
    values = Table(title="The mean of the settings' values, by seed")
    for column in ("study", "trials", "trained by", *CONTESTANTS, "hpo-first is", "hpo is"):
        speed.add_column(column)
    for column in ("study", "metric", "author's", "hpo's", "within"):
        values.add_column(column)
    for study in KINDS:
        own = [each for each in runs if each.study == study]
        if own:
            speed.add_row(study, *_speed(own))
            values.add_row(study, *_values(study, own))
    console = Console(width=150) if not sys.stdout.isatty() else Console()
    console.print(speed)
    console.print(values)


def _speed(own: Sequence[Run]) -> list[str]:
    n = len(own[0].values)
    seconds: dict[str, float] = {}
    cells = []
    for name in CONTESTANTS:
        its = [each for each in own if each.contestant == name]
        if not its:
            cells.append("")
            continue
        seconds[name] = statistics.median(each.seconds for each in its)
        cpu = statistics.median(each.cpu for each in its)
        load = statistics.median(each.load for each in its)
        cells.append(f"{n * 3600 / seconds[name]:.0f} ({cpu:.0f}; {load:.0f})")
    author = min((s for name, s in seconds.items() if name.startswith("author")), default=None)
    for name in ("hpo-first", "hpo"):
        its_seconds = seconds.get(name)
        known = author is not None and its_seconds is not None
        cells.append(f"{author / its_seconds:.2f}x" if known else "")
    ways = {each.way for each in own if each.way}
    return [str(n), "; ".join(sorted(ways)), *cells]


def _values(study: str, own: Sequence[Run]) -> list[str]:
    """Return what the author's networks reach, what hpo's do, and whether these are as good.

    That is: hpo's mean over its seeds lies within two standard deviations of the author's mean.
    """
    metric = tomllib.loads((SCRIPTS / f"{study}.toml").read_text())["metric"]
    author, hpo = (
        {
            (each.contestant, each.seed): statistics.mean(each.values)
            for each in own
            if each.contestant.startswith(whose)
        }
        for whose in ("author", "hpo")
    )
    shown = [_mean_and_spread(list(found.values())) for found in (author, hpo)]
    within = ""
    if len({seed for _, seed in author}) > 2 and hpo:
        mean, spread = statistics.mean(author.values()), statistics.stdev(author.values())
        within = str(abs(statistics.mean(hpo.values()) - mean) <= 2 * spread)
    return [metric, *shown, within]


def _mean_and_spread(found: Sequence[float]) -> str:
    if len(found) < 2:
        return ", ".join(f"{each:.4f}" for each in found)
    return f"{statistics.mean(found):.4f} ± {statistics.stdev(found):.4f} of {len(found)}"


if __name__ == "__main__":
    main()
