"""The fixed linear projection that compresses a spectrum: smooth continuum modes out, principal components in.

A spectrum y = flux - mean is written as modes (six Legendre modes an arm times the mean training flux, a
continuum error to first order) plus components. Only good pixels count: the modes are fitted and removed and the
components estimated by weighted least squares, with the components' own variances as a weak prior, so that a gap
is filled with nothing but what the rest implies. For a full spectrum this is the plain orthogonal projection,
each coefficient shrunk by a constant, which loses no information.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..instrument import ARMS, N_PIXELS, arm_slices, pixel_sigma
from ..preparation.continuum import N_MODES, legendre_modes

RIDGE_SIGMA = float(pixel_sigma(100.0))
"""Pixel noise against which the components' prior variances are weighed where pixels are missing."""


@dataclass(frozen=True, eq=False)
class Projection:
    """mean (N_PIXELS,), modes (N_PIXELS, 12) and components (N_PIXELS, k), jointly orthonormal; variance (k,)."""

    mean: NDArray
    modes: NDArray
    components: NDArray
    variance: NDArray

    @property
    def n_components(self) -> int:
        return self.components.shape[1]


@dataclass(frozen=True, eq=False)
class MaskedProjection:
    """The projection for one pattern of good pixels.

    matrix (N_PIXELS, k) gives coefficients = (flux - mean) @ matrix, zero on missing pixels; noise_kernel as in
    `mask_projection`.
    """

    good: NDArray
    matrix: NDArray
    noise_kernel: NDArray | None = None

    @cached_property
    def noise(self) -> NDArray:
        """(arms, k, k): a square root of the coefficients' covariance for white noise of unit variance in each arm's pixels."""
        seen = self.matrix if self.noise_kernel is None else _smooth(self.matrix, self.noise_kernel)
        return np.stack([_root(seen[part].T @ seen[part]) for part in arm_slices()])

    def coefficients(self, projection: Projection, flux: NDArray) -> NDArray:
        """Coefficients (n, k) of spectra (n, N_PIXELS); what missing pixels hold is ignored."""
        return np.where(self.good, flux - projection.mean, 0.0).astype(np.float32) @ self.matrix


def continuum_modes(mean: NDArray) -> NDArray:
    """Orthonormal smooth modes (N_PIXELS, 6 per arm): Legendre polynomials of each arm times the mean flux."""
    modes = np.zeros((N_PIXELS, N_MODES * len(ARMS)))
    for i, part in enumerate(arm_slices()):
        own = slice(i * N_MODES, (i + 1) * N_MODES)
        modes[part, own] = np.linalg.qr(legendre_modes()[part, own] * mean[part, None])[0]
    return modes


def fit_projection(flux: NDArray, n_components: int) -> Projection:
    """Projection from complete noise-free spectra (n, N_PIXELS) by principal components after the modes are out."""
    mean = flux.mean(0, dtype=np.float64)
    modes = continuum_modes(mean)
    y = (flux - mean).astype(np.float32)
    y -= (y @ modes.astype(np.float32)) @ modes.T.astype(np.float32)
    values, vectors = np.linalg.eigh((y @ y.T).astype(np.float64))
    order = np.argsort(values)[::-1][:n_components]
    components = y.T @ (vectors[:, order] / np.sqrt(values[order])).astype(np.float32)
    components, triangle = np.linalg.qr(components.astype(np.float64) - modes @ (modes.T @ components))
    components *= np.sign(np.diag(triangle))
    return Projection(
        mean.astype(np.float32),
        modes.astype(np.float32),
        components.astype(np.float32),
        (values[order] / len(y)).astype(np.float32),
    )


def stored(projection: Projection) -> Projection:
    """The projection as a file holds it, its components as half floats: what a network must be trained with."""
    return replace(projection, components=projection.components.astype(np.float16).astype(np.float32))


def mask_projection(projection: Projection, good: NDArray, noise_kernel: NDArray | None = None) -> MaskedProjection:
    """Projection for one pattern of good pixels (N_PIXELS,) bool.

    noise_kernel: symmetric kernel over pixels with unit sum that correlated the pixel noise (a spectrum that was
    degraded), or None for white noise.
    """
    b = projection.components * good[:, None]
    q = projection.modes * good[:, None]
    cross = q.T @ b
    inner = q.T @ q + 1e-6 * np.eye(q.shape[1], dtype=np.float32)
    smooth = np.linalg.solve(inner, cross)
    gram = (b.T @ b - cross.T @ smooth).astype(np.float64)  # of the components with the fitted modes taken out
    solved = np.linalg.inv(gram + np.diag(RIDGE_SIGMA**2 / projection.variance.astype(np.float64))).astype(np.float32)
    return MaskedProjection(good, b @ solved - q @ (smooth @ solved), noise_kernel)


def _smooth(matrix: NDArray, kernel: NDArray) -> NDArray:
    """Each column of (N_PIXELS, k) convolved within each arm by a symmetric kernel."""
    from scipy.signal import oaconvolve  # late: it brings all of scipy.stats along

    out = np.empty_like(matrix)
    for part in arm_slices():
        out[part] = oaconvolve(matrix[part], kernel[:, None].astype(np.float32), mode="same", axes=0)
    return out


def _root(covariance: NDArray) -> NDArray:
    """Symmetric square root of a positive semi-definite matrix, float32."""
    values, vectors = np.linalg.eigh(covariance.astype(np.float64))
    return ((vectors * np.sqrt(values.clip(0))) @ vectors.T).astype(np.float32)
