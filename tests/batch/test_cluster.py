"""A batch over three Ray nodes, one of which is killed: the rows of the plain run, each once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from missing import needed

from cinn_core.batch.stacks import write_prepared_stack
from cinn_core.instrument import N_PIXELS, pixel_sigma
from cinn_core.prior import draw

ROOT = Path(__file__).resolve().parents[2]
N_SPECTRA, SHARD = 300, 10
PATIENCE_S = 600.0
UMASKS = (0o027, 0o077)
"""Of two nodes beside the first: the mode of a file tells which of them wrote it."""


@pytest.fixture
def stack(model, tmp_path: Path) -> Path:
    """Three hundred prepared stars at S/N 100."""
    rng = np.random.default_rng(5)
    flux = model.forward.flux(draw(N_SPECTRA, rng)) + rng.standard_normal((N_SPECTRA, N_PIXELS)) * pixel_sigma(100.0)
    path = tmp_path / "prepared.h5"
    snr = np.full((N_SPECTRA, 2), 100.0)
    write_prepared_stack(path, flux, snr, np.zeros(N_SPECTRA), [f"star {i}" for i in range(N_SPECTRA)])
    return path


@contextmanager
def three_nodes() -> Iterator[tuple[str, dict[int, Any]]]:
    """The address of a cluster of three nodes with one processor each, and two of them by the mode of their files."""
    needed("ray", "batch")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    before, others, cluster = os.umask(0o022), {}, Cluster()
    try:
        cluster.add_node(**node)
        for umask in UMASKS:
            os.umask(umask)
            others[0o666 & ~umask] = cluster.add_node(**node)
        os.umask(before)
        yield cluster.address, others
    finally:
        os.umask(before)
        cluster.shutdown()


def processes_of(node: Any) -> list[int]:
    """Processes of a Ray node and all that they have started."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
        except OSError:  # ended meanwhile
            continue
    found = [started.process.pid for kind in node.all_processes.values() for started in kind]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid and child not in found]
    return found


def batch(stack: Path, out: Path, *options: str) -> subprocess.Popen:
    """`kiel batch`, started."""
    kiel = [sys.executable, "-c", "from app.cli import app; app()"]
    given = ["batch", stack, "--out", out, "--fast", "--shard", str(SHARD), *options]
    return subprocess.Popen([*kiel, *given], cwd=ROOT)


def partitions(out: Path) -> list[Path]:
    return sorted((out / "rows").glob("part-*.parquet"))


def modes(out: Path) -> list[int]:
    """Modes of the partitions' files."""
    return [path.stat().st_mode & 0o777 for path in partitions(out)]


def rows_of(out: Path) -> list[dict[str, Any]]:
    """All rows in the order of the partitions; None for NaN, which equals nothing."""
    rows = (row for path in partitions(out) for row in pq.read_table(path).to_pylist())
    return [{key: None if value != value else value for key, value in row.items()} for row in rows]


@pytest.mark.slow
def test_a_node_killed_after_its_first_partition_leaves_the_rows_of_the_plain_run(stack, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else a machine that does something beside it starves them
    plain, out = tmp_path / "plain", tmp_path / "cluster"
    assert batch(stack, plain, "--device", "cpu", "--processes", "1").wait(PATIENCE_S) == 0
    with three_nodes() as (address, others):
        run = batch(stack, out, "--ray", address)
        deadline = time.monotonic() + PATIENCE_S
        while not others.keys() & modes(out) and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        doomed, *_ = others.keys() & modes(out)
        for pid in processes_of(others[doomed]):
            os.kill(pid, signal.SIGKILL)
        before = modes(out)
        assert run.wait(PATIENCE_S) == 0
    assert len(before) < N_SPECTRA // SHARD  # it was not over yet
    assert modes(out).count(doomed) == before.count(doomed) >= 1
    assert len(list((out / "rows").iterdir())) == N_SPECTRA // SHARD  # nothing half, nothing hidden
    rows = rows_of(out)
    assert [row["item"] for row in rows] == list(range(N_SPECTRA))
    assert rows == rows_of(plain)
