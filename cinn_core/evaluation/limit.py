"""The information limit: how narrow any posterior can be, from the forward model's derivatives in prior coordinates.

There the prior is N(0, I), so a posterior's covariance is at best (F + I)^-1 with F = J^T C^-1 J over all 29 labels
(13 targets, 13 nuisance elements, 3 of the physics), C the white noise that the condition states, the continuum known. Local: exact
where the spectrum is linear in the labels over the width of the posterior, so not for a line that saturates or fades.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..forward_model.forward import ForwardModel
from ..forward_model.jacobian import jacobian
from ..forward_model.realism import error_spectra
from ..inference.projection import Projection
from ..instrument import pixel_sigma
from ..prior import N_LABELS, N_TARGETS, from_z, to_z

_BATCH = 16
_EDGE = 4.0
"""Largest |z| at which a star is held: beyond lies less than 1e-4 of the prior, and at a bound z is infinite."""


@dataclass(frozen=True, eq=False)
class Information:
    """Fisher information of n stars for pixel noise of 1, at prior coordinates z (n, 29).

    pixels (n, 29, 29) from every pixel; compressed (n, 29, 29) from the projection's coefficients alone, so without what
    the continuum's modes take away and what the components do not hold. error_slopes (n, m, 29) and error_products
    (n, m, m): the emulator's error, as m spectra, times the slopes and times itself, in the coefficients.
    """

    z: NDArray
    pixels: NDArray
    compressed: NDArray
    error_slopes: NDArray
    error_products: NDArray

    def within_reach(self, snr: float) -> NDArray:
        """Information (n, 29, 29), in units of `compressed`, where noise and the emulator's error add up at one S/N.

        A network that was trained with that error cannot know more: J^T (s² + E E^T)^-1 J, by Woodbury's identity.
        """
        noise = float(pixel_sigma(snr)) ** 2 * np.eye(self.error_products.shape[-1])
        lost = np.linalg.solve(noise + self.error_products, self.error_slopes)
        return self.compressed - self.error_slopes.transpose(0, 2, 1) @ lost


def information(forward: ForwardModel, projection: Projection, labels: NDArray) -> Information:
    """Fisher information of complete spectra of stars with labels (n, 29)."""
    z = clipped_z(labels)
    parts = []
    for i in range(0, len(z), _BATCH):
        slopes = jacobian(forward, z[i : i + _BATCH])
        compressed = projection.components.T @ slopes
        errors = error_spectra(forward, from_z(z[i : i + _BATCH])) @ projection.components
        pairs = ((slopes.transpose(0, 2, 1), slopes), (compressed.transpose(0, 2, 1), compressed))
        parts.append([a @ b for a, b in (*pairs, (errors, compressed), (errors, errors.transpose(0, 2, 1)))])
    return Information(z, *(np.concatenate(columns).astype(float) for columns in zip(*parts, strict=True)))


def clipped_z(labels: NDArray) -> NDArray:
    """Prior coordinates (n, k) of labels (n, k), those at or beyond a bound moved a little inside."""
    return np.clip(to_z(labels), -_EDGE, _EDGE)


def posterior_covariance(fisher: NDArray, snr: float) -> NDArray:
    """(F + I)^-1 of the targets, (n, 13, 13), for unit-noise information (n, 29, 29) at one S/N per Angstrom."""
    return _full_covariance(fisher, snr)[:, :N_TARGETS, :N_TARGETS]


def limit_samples(z: NDArray, fisher: NDArray, snr: float, latent: NDArray) -> NDArray:
    """Targets (n, m, 13) drawn from the ideal posteriors of stars at z (n, 29), from standard normal latents (m, 13).

    Each is N((F + I)^-1 F z, (F + I)^-1): what data without a chance deviation leave of the prior.
    """
    full = _full_covariance(fisher, snr)
    mean = z - (full @ z[..., None])[..., 0]  # (F + I)^-1 F = I - (F + I)^-1
    root = np.linalg.cholesky(full[:, :N_TARGETS, :N_TARGETS])
    drawn = mean[:, None, :N_TARGETS] + latent @ root.transpose(0, 2, 1)
    return from_z(drawn.reshape(-1, N_TARGETS)).reshape(drawn.shape)


def van_trees(fisher: NDArray, snr: float) -> NDArray:
    """Lower bound (13,) on the rms error in prior coordinates of any estimate, over all stars of the prior.

    From the mean information (Van Trees 1968): sqrt of the diagonal of (E[F] + I)^-1.
    """
    return np.sqrt(np.diag(posterior_covariance(fisher.mean(0)[None], snr)[0]))


def _full_covariance(fisher: NDArray, snr: float) -> NDArray:
    return np.linalg.inv(fisher / float(pixel_sigma(snr)) ** 2 + np.eye(N_LABELS))
