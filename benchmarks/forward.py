"""Speed of the forward model: 4096 resimulated spectra, a single one, and clean training stars a second, on this machine.

Run: python benchmarks/forward.py [--threads N]. Beside the wall-clock time it prints the processor time, which another
program on the same cores does not inflate much.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch

from cinn_core.forward_model.forward import ForwardModel, load_forward
from cinn_core.instrument import N_PIXELS
from cinn_core.prior import draw, from_z, to_z

N_SPECTRA, BATCH, N_SINGLE = 4096, 64, 50


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Wall-clock and processor seconds of a piece of work."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def run(forward: ForwardModel, labels: np.ndarray, batch: int) -> None:
    """Computes spectra for labels (n, 29) batch by batch."""
    for i in range(0, len(labels), batch):
        assert forward.flux(labels[i : i + batch]).shape[1] == N_PIXELS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    forward = load_forward()
    rng = np.random.default_rng(0)
    stars = draw(N_SPECTRA, rng)
    posterior = from_z(to_z(draw(1, rng)) + 0.1 * rng.standard_normal((N_SPECTRA, stars.shape[1])))
    run(forward, stars[: 2 * BATCH], BATCH)
    wall, processor = timed(lambda: run(forward, posterior, BATCH))
    print(f"{N_SPECTRA} resimulated spectra: {wall:.2f} s, {processor:.2f} s of processor on {threads} threads")
    run(forward, stars[:1], 1)
    wall, processor = timed(lambda: run(forward, stars[:N_SINGLE], 1))
    print(f"one spectrum, warm: {1e3 * wall / N_SINGLE:.1f} ms, {1e3 * processor / N_SINGLE:.1f} ms of processor")
    wall, processor = timed(lambda: run(forward, stars, BATCH))
    print(f"clean training stars: {N_SPECTRA / wall:.0f} a second, {N_SPECTRA / processor:.0f} a second of processor")


if __name__ == "__main__":
    main()
