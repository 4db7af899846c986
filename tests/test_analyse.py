"""The same file, seed and weights give the same numbers: twice, in other processes, with other threads, on either device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cinn_core.analyse import analyse, load_model
from cinn_core.output.report import to_json
from cinn_core.targets import TARGETS

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = 256
CHANGING = ("timings_s", "versions", "device")
"""What may differ between two runs."""


def numbers(document: Any, path: str = "") -> dict[str, object]:
    """Every leaf of a JSON document by its path, but for what may change."""
    if isinstance(document, dict):
        return {
            k: v
            for key, item in document.items()
            if key not in CHANGING
            for k, v in numbers(item, f"{path}/{key}").items()
        }
    if isinstance(document, list):
        return {k: v for i, item in enumerate(document) for k, v in numbers(item, f"{path}/{i}").items()}
    return {path: document}


def assert_same(one: dict[str, Any], other: dict[str, Any], tolerance: float) -> None:
    first, second = numbers(one), numbers(other)
    assert first.keys() == second.keys()
    for key, value in first.items():
        if isinstance(value, float):
            assert second[key] == pytest.approx(value, rel=tolerance, abs=tolerance), key
        else:
            assert second[key] == value, key


def by_command(example: Path, out: Path, threads: int) -> dict[str, Any]:
    """The JSON of `kiel analyse` in a process of its own."""
    command = [sys.executable, "-c", "from app.cli import app; app()", "analyse", str(example), "--json", str(out)]
    options = ["--samples", str(SAMPLES), "--seed", "3", "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, *options], env=environment, cwd=ROOT, check=True, capture_output=True)
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def one_by_command(examples, tmp_path_factory):
    """The JSON of a process with one thread."""
    return by_command(examples["metal-poor-giant"], tmp_path_factory.mktemp("one") / "1.json", 1)


@pytest.mark.parametrize(("threads", "tolerance"), [(1, 1e-5), (2, 1e-4)])
def test_same_file_and_seed_give_the_same_numbers_in_another_process(
    one_by_command, examples, tmp_path, threads, tolerance
):
    """Other numbers of threads add up in another order, in single precision: 4e-5 dex of lithium, 1e-5 of all else."""
    again = by_command(examples["metal-poor-giant"], tmp_path / "again.json", threads)
    assert_same(one_by_command, again, tolerance)
    assert again["provenance"]["seed"] == 3


def test_another_seed_gives_other_samples(model, examples):
    path = examples["solar-twin"]
    one, other = (analyse(path, model, n_samples=SAMPLES, seed=seed).posterior.labels for seed in (1, 2))
    assert one.shape[1] == other.shape[1]
    assert abs(one[:, 0].mean() - other[:, 0].mean()) > 0


def test_result_names_the_versions_the_weights_and_the_file_it_rests_on(model, examples):
    document = to_json(analyse(examples["solar-twin"], model, n_samples=SAMPLES))
    made_by = document["provenance"]
    assert {"torch", "FrEIA", "numpy", "astropy"} <= set(made_by["versions"])
    assert {k: card["sha256"] for k, card in model.cards.items()} == made_by["weights_sha256"]
    assert len(made_by["file_sha256"]) == 64
    assert made_by["kiel"]


def test_gpu_and_cpu_agree_within_a_twentieth_of_the_posterior_width(examples):
    """Both draw the same latents; single precision on a GPU rounds otherwise, which moves samples, not posteriors."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    cpu, gpu = (analyse(examples["solar-twin"], load_model(d), n_samples=4096, seed=1).summary for d in ("cpu", "cuda"))
    for target in TARGETS:
        one, other = cpu.targets[target.name], gpu.targets[target.name]
        width = one.hi68 - one.lo68
        assert abs(one.median - other.median) < 0.05 * width, target.name
        assert abs((other.hi68 - other.lo68) - width) < 0.1 * width, target.name
