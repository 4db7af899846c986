"""The emulator's mean and basis as Fourier coefficients, so that a spectrum at R = 20 000 costs one product and one transform.

Rotation and line spread multiply Fourier coefficients, and beyond the band limit the instrument's leave nothing: the
basis is transformed once, when the forward model is made, and kept up to there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .broadening import transform_frequency, transform_length
from .emulator import Emulator

BAND_LIMIT = 0.15
"""Highest frequency kept [cycles per km/s]."""
MAX_RESOLVING_POWER = 25_000.0
"""Up to here what is beyond the band limit is below 1e-5 of the continuum."""


@dataclass(frozen=True, eq=False)
class FourierBasis:
    """size: steps of the transform; frequency (f,); of each arm the length, mean (f,) complex and basis (k, 2 f) real.

    The basis holds real and imaginary parts side by side, as `torch.view_as_real` does, for a product of real matrices.
    """

    size: int
    frequency: Tensor
    lengths: tuple[int, ...]
    means: tuple[Tensor, ...]
    bases: tuple[Tensor, ...]

    def depth(self, coefficients: Tensor, transfer: Tensor) -> Tensor:
        """Sum of basis spectra, each row through its transfer function, on the model's grid (n, m), without the mean.

        coefficients (n, k), transfer (n, f).
        """
        return self._back([self._spectrum(coefficients, basis) * transfer for basis in self.bases])

    def flux(self, coefficients: Tensor, transfer: Tensor) -> Tensor:
        """Flux (n, m) on the model's grid of coefficients (n, k) through transfer functions (n, f)."""
        pairs = zip(self.means, self.bases, strict=True)
        return 1 - self._back([(mean + self._spectrum(coefficients, basis)) * transfer for mean, basis in pairs])

    def _spectrum(self, coefficients: Tensor, basis: Tensor) -> Tensor:
        return torch.view_as_complex((coefficients @ basis).reshape(len(coefficients), -1, 2))

    def _back(self, spectra: list[Tensor]) -> Tensor:
        parts = [
            torch.fft.irfft(spectrum, n=self.size)[:, :length]
            for spectrum, length in zip(spectra, self.lengths, strict=True)
        ]
        return torch.cat(parts, 1)


def fourier_basis(emulator: Emulator, arms: tuple[slice, ...]) -> FourierBasis:
    """The Fourier basis of an emulator whose wavelength grid has these arms."""
    size = transform_length(arms)
    frequency = transform_frequency(size, emulator.mean)
    frequency = frequency[frequency <= BAND_LIMIT]
    n = len(frequency)
    means = tuple(torch.fft.rfft(emulator.mean[arm], n=size)[:n] for arm in arms)
    bases = tuple(
        torch.view_as_real(torch.fft.rfft(emulator.basis[:, arm], n=size)[:, :n]).reshape(len(emulator.basis), -1)
        for arm in arms
    )
    return FourierBasis(size, frequency, tuple(arm.stop - arm.start for arm in arms), means, bases)
