"""Memory and rate of `kiel batch` over many prepared spectra: both should stay what they are from the first thousand on.

python benchmarks/memory.py --stars 20000 --samples 512      # an hour on one core
python benchmarks/memory.py --stars 2000 --samples 64        # minutes
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from cinn_core.batch.items import find_items
from cinn_core.batch.plan import Settings, make_plan
from cinn_core.batch.run import weights_of
from cinn_core.batch.shard import make_work, process_shard
from cinn_core.batch.stacks import write_prepared_stack
from cinn_core.instrument import ARMS, N_PIXELS, pixel_sigma
from cinn_core.model import Model
from cinn_core.prior import draw

SNR = 100.0
SIMULATED = 256  # clean stars; every spectrum has noise of its own


def simulate(model: Model, n: int, path: Path) -> None:
    """A prepared stack of n noisy spectra."""
    rng = np.random.default_rng(0)
    labels = draw(SIMULATED, rng)
    clean = np.concatenate([model.forward.flux(labels[i : i + 32]) for i in range(0, SIMULATED, 32)])
    flux = np.empty((n, N_PIXELS), np.float32)
    for i in range(n):
        flux[i] = clean[i % SIMULATED] + rng.standard_normal(N_PIXELS) * pixel_sigma(SNR)
    write_prepared_stack(path, flux, np.full((n, len(ARMS)), SNR), np.zeros(n), [f"star {i}" for i in range(n)])


def resident_mb() -> float:
    """Resident memory of this process [MB]."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--shard", type=int, default=256)
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = Settings(samples=options.samples)
    work = make_work(settings, "cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(work.model, options.stars, folder / "prepared.h5")
        out = folder / "out"
        out.mkdir()
        items = find_items([str(folder / "prepared.h5")])
        plan = make_plan(out, list(items), settings, weights_of(settings), options.shard)
        print("spectra   memory MB   spectra a second of processor")
        done = 0
        for shard in plan.open_shards():
            began = time.process_time()
            n = process_shard(work, plan, shard)
            done += n
            print(f"{done:7d}   {resident_mb():9.0f}   {n / (time.process_time() - began):10.2f}", flush=True)


if __name__ == "__main__":
    main()
