"""What the network sees of many stars at once: the masked projection of each, without forming its matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from ..inference.infer import log_snr_input
from ..inference.model import Model
from ..inference.network import Observation
from ..inference.projection import RIDGE_SIGMA, Projection
from ..instrument import N_PIXELS, told_coverage
from ..stages import FluxVector


def observe_many(vectors: Sequence[FluxVector], model: Model, realism: float = 1.0) -> Observation:
    """As `infer.observe` for each flux vector, all in one observation."""
    flux = np.stack([np.nan_to_num(v.flux) for v in vectors])
    good = np.stack([v.good for v in vectors])
    numbers = (
        masked_coefficients(model.projection, flux, good),
        log_snr_input(np.array([v.snr for v in vectors])),
        told_coverage(good),
        np.full(len(vectors), realism),
    )
    return Observation(*(torch.as_tensor(x, dtype=torch.float32, device=model.device) for x in numbers))


def masked_coefficients(projection: Projection, flux: NDArray, good: NDArray) -> NDArray:
    """Coefficients (n, k) of spectra (n, N_PIXELS) with their own good pixels, those of `projection.mask_projection`.

    The products of components and modes over the good pixels are those over all, less those over the missing ones,
    which are few; one Cholesky decomposition a star does the rest.
    """
    columns = np.concatenate([projection.modes, projection.components], 1)
    every = columns.T @ columns
    light = np.where(good, flux - projection.mean, 0.0).astype(np.float32) @ columns
    m = projection.modes.shape[1]
    ridge = np.diag(RIDGE_SIGMA**2 / projection.variance.astype(np.float64))
    out = np.empty((len(flux), projection.n_components))
    for i, (mask, y) in enumerate(zip(good, light.astype(np.float64), strict=True)):
        few_missing = mask.sum() > N_PIXELS / 2
        some = columns[~mask] if few_missing else columns[mask]
        products = (every - some.T @ some if few_missing else some.T @ some).astype(np.float64)
        inner = products[:m, :m] + 1e-6 * np.eye(m)
        solved = np.linalg.solve(inner, np.column_stack([products[:m, m:], y[:m]]))
        gram = products[m:, m:] - products[m:, :m] @ solved[:, :-1]
        right = y[m:] - products[m:, :m] @ solved[:, -1]
        out[i] = cho_solve(cho_factor(gram + ridge, check_finite=False), right, check_finite=False)
    return out
