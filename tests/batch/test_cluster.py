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
ONLY_OURS = 0o077
"""The umask of the node that is killed: its files, unlike the others', are for their owner alone."""


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
def three_nodes() -> Iterator[tuple[str, Any]]:
    """The address of a cluster of three nodes with one processor each, and the node that has the umask of its own."""
    needed("ray", "batch")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        cluster.add_node(**node)
        before = os.umask(ONLY_OURS)
        try:
            doomed = cluster.add_node(**node)
        finally:
            os.umask(before)
        yield cluster.address, doomed
    finally:
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


def written_by_the_doomed(out: Path) -> list[Path]:
    return [path for path in partitions(out) if not path.stat().st_mode & ONLY_OURS]


def rows_of(out: Path) -> list[dict[str, Any]]:
    """All rows in the order of the partitions; None for NaN, which equals nothing."""
    rows = (row for path in partitions(out) for row in pq.read_table(path).to_pylist())
    return [{key: None if value != value else value for key, value in row.items()} for row in rows]


@pytest.mark.slow
def test_a_node_killed_after_its_first_partition_leaves_the_rows_of_the_plain_run(stack, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    plain, out = tmp_path / "plain", tmp_path / "cluster"
    assert batch(stack, plain, "--device", "cpu", "--processes", "1").wait(PATIENCE_S) == 0
    with three_nodes() as (address, doomed):
        run = batch(stack, out, "--ray", address)
        deadline = time.monotonic() + PATIENCE_S
        while not written_by_the_doomed(out) and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        for pid in processes_of(doomed):
            os.kill(pid, signal.SIGKILL)
        done_before = len(partitions(out))
        assert run.wait(PATIENCE_S) == 0
    assert 1 <= len(written_by_the_doomed(out)) <= done_before < N_SPECTRA // SHARD
    assert len(list((out / "rows").iterdir())) == N_SPECTRA // SHARD  # nothing half, nothing hidden
    rows = rows_of(out)
    assert [row["item"] for row in rows] == list(range(N_SPECTRA))
    assert rows == rows_of(plain)
