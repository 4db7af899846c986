"""Bands of the posterior predictive by response against those of full models: edges, sampling noise, and time, in turns.

    python benchmarks/bands.py [FILE ...]                 # the examples without files

For each star: difference of the edges over the half width of the band (median and 99th percentile of pixels), the same between
two disjoint sets of samples with full models, and the processor time of both.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cinn_core.analyse import load_model
from cinn_core.files import example_paths
from cinn_core.inference.infer import infer, observe
from cinn_core.inference.predictive import (
    N_BAND,
    QUANTILES,
    bands,
    model_flux,
    pixel_quantiles,
    with_nuisances_of_z,
)
from cinn_core.inference.weighted import representatives
from cinn_core.preparation.fourmost import prepare
from cinn_core.readers import read


def _difference(edges: NDArray, reference: NDArray) -> str:
    """Text: largest difference of lower and upper edge over the half width, for the 68 and 95 % band."""
    texts = []
    for low, high in ((1, 2), (0, 3)):
        half = (reference[high] - reference[low]) / 2
        off = np.abs(edges[[low, high]] - reference[[low, high]]).max(0) / half
        texts.append(f"{np.median(off):.3f} {np.quantile(off, 0.99):.3f}")
    return " | ".join(texts)


def main(files: list[Path]) -> None:
    model = load_model("cpu")
    print("star: median and p99 of |edge - edge of full models| / half width, 68 | 95 %")
    for path in files or list(example_paths().values()):
        vector = prepare(read(path), model.templates)
        posterior = infer(observe(vector, model), model, 4096, 0)
        selected = representatives(None, len(posterior.z), N_BAND)
        others = np.setdiff1d(np.arange(len(posterior.z)), selected)[:: len(posterior.z) // N_BAND][:N_BAND]
        start = time.process_time()
        full = pixel_quantiles(model_flux(with_nuisances_of_z(posterior.z[selected]), vector, model), QUANTILES)
        middle = time.process_time()
        quick = bands(vector, posterior, None, model)
        end = time.process_time()
        edges = np.stack([quick.band95[0], *quick.band68, quick.band95[1]])
        other = pixel_quantiles(model_flux(with_nuisances_of_z(posterior.z[others]), vector, model), QUANTILES)
        print(f"{path.name}: response {_difference(edges, full)}; other samples {_difference(other, full)}; ", end="")
        print(f"{middle - start:.2f} s full, {end - middle:.2f} s by response")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
