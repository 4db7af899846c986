"""Memory and rate of `kiel batch` over many prepared spectra: both should stay what they are from the first thousand on.

python benchmarks/memory.py --stars 20000 --samples 512 --fast   # a quarter of an hour on one core
python benchmarks/memory.py --stars 100000 --samples 64          # half an hour; 5 GB of disk
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from cinn_core.batch.items import find_items
from cinn_core.batch.plan import BatchSettings, make_plan
from cinn_core.batch.run import parameter_hashes
from cinn_core.batch.shard import make_work, process_shard
from cinn_core.batch.stacks import write_prepared_stack
from cinn_core.inference.model import Model
from cinn_core.instrument import ARMS, N_PIXELS, pixel_sigma
from cinn_core.prior import draw

SNR = 100.0
SIMULATED = 256  # clean stars; every spectrum has noise of its own
STACK, SHARD, LINE = 2000, 250, 1000  # stars a file, a partition, a line of what is printed


def simulate(model: Model, n: int, folder: Path) -> None:
    """Prepared stacks of n noisy spectra."""
    rng = np.random.default_rng(0)
    labels = draw(SIMULATED, rng)
    clean = np.concatenate([model.forward.flux(labels[i : i + 32]) for i in range(0, SIMULATED, 32)])
    for first in range(0, n, STACK):
        stars = np.arange(first, min(first + STACK, n))
        flux = rng.standard_normal((stars.size, N_PIXELS), dtype=np.float32) * np.float32(pixel_sigma(SNR))
        flux += clean[stars % SIMULATED]
        snr = np.full((stars.size, len(ARMS)), SNR)
        names = [f"star {i}" for i in stars]
        write_prepared_stack(folder / f"{first:06d}.h5", flux, snr, np.zeros(stars.size), names)


def resident_mb() -> float:
    """Resident memory of this process [MB]."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--fast", action="store_true", help="Sobol latents in reduced precision")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = BatchSettings(samples=options.samples, sobol=options.fast, reduced=options.fast)
    work = make_work(settings, "cpu")
    with tempfile.TemporaryDirectory() as name:
        stacks, out = Path(name, "stacks"), Path(name, "out")
        stacks.mkdir()
        simulate(work.model, options.stars, stacks)
        plan = make_plan(out, list(find_items([str(stacks)])), settings, parameter_hashes(settings), SHARD)
        print("spectra   memory MB   spectra a second of processor")
        done, before, began = 0, 0, time.process_time()
        for shard in plan.open_shards():
            done += process_shard(work, plan, shard)
            if done - before >= LINE or done == plan.n_items:
                rate = (done - before) / (time.process_time() - began)
                print(f"{done:7d}   {resident_mb():9.0f}   {rate:10.2f}", flush=True)
                before, began = done, time.process_time()


if __name__ == "__main__":
    main()
