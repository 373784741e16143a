"""The devices of this machine, and each worker's share of them."""

from __future__ import annotations

import os
import shutil
import subprocess


def gpus() -> list[str]:
    """Return the ids of the NVIDIA GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(query, capture_output=True, text=True, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []


def share_cores(pid: int, index: int, n: int) -> None:
    """Restrict a process to its share of the cores, where there is one for each of `n` processes.

    The thread pools of several workers on the same cores slow each other down.

    Args:
        pid: The process.
        index: Its place among the `n`, from 0.
        n: The number of processes that share the cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        return  # only Linux has it
    cores = sorted(os.sched_getaffinity(0))
    if n <= len(cores):
        os.sched_setaffinity(pid, cores[index::n])
