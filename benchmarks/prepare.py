"""Time of preparing one spectrum: `python benchmarks/prepare.py [FILE ...]`, without files the shipped examples."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from cinn_core.files import example_paths
from cinn_core.forward_model.forward import load_forward
from cinn_core.preparation.fourmost import prepare
from cinn_core.preparation.templates import make_templates
from cinn_core.readers import read

REPEATS = 5


def main(files: list[Path]) -> None:
    """Prints seconds of reading and of preparing each file, the median of five after one that fills the caches."""
    start = time.perf_counter()
    templates = make_templates(load_forward())
    print(f"templates {time.perf_counter() - start:.2f} s, once")
    for path in files:
        prepare(read(path), templates)
        times = []
        for _ in range(REPEATS):
            begin = time.perf_counter()
            spectrum = read(path)
            middle, cpu = time.perf_counter(), time.process_time()
            prepare(spectrum, templates)
            times.append((middle - begin, time.perf_counter() - middle, time.process_time() - cpu))
        read_s, wall_s, cpu_s = np.median(times, axis=0)
        print(f"{path.name:<40} read {read_s:.2f} s   prepare {wall_s:.2f} s ({cpu_s:.2f} s of processor)")


if __name__ == "__main__":
    main([Path(a) for a in sys.argv[1:]] or list(example_paths().values()))
