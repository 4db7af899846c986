"""The forward model: labels in, the spectrum that the instrument would see out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..instrument import RESOLVING_POWER
from ..targets import COLUMN, SYNTHESIS_NAMES
from .broadening import (
    broaden,
    model_arm_slices,
    pixel_operator,
    transfer_function,
    transform_frequency,
    transform_length,
)
from .emulator import Emulator

SYNTHESIS_COLUMNS = [COLUMN[name] for name in SYNTHESIS_NAMES]


@dataclass(frozen=True, eq=False)
class ForwardModel:
    """Emulator, broadening and the instrument's pixels as one function of the 26 labels.

    pixels: sparse (N_PIXELS, m), averages the model's grid over the instrument's pixels.
    """

    emulator: Emulator
    arms: tuple[slice, ...]
    pixels: Tensor
    fourier: FourierBasis

    @property
    def model_wavelength(self) -> NDArray:
        """Air wavelengths [Angstrom] of `native_flux`, (m,), constant 2 km/s steps within each arm."""
        return self.emulator.wavelength

    def torch_flux(
        self, labels: Tensor, resolving_power: Tensor | None = None, velocity: Tensor | None = None
    ) -> Tensor:
        """Flux (n, N_PIXELS) for labels (n, 26), differentiable; resolving_power and velocity [km/s] (n,) optional.

        Raises ValueError for a resolving power above 25 000, which the pixels would not sample.
        """
        coefficients = self.emulator.coefficients(labels[:, SYNTHESIS_COLUMNS])
        return self.torch_flux_of(coefficients, labels[:, COLUMN["vbroad"]], resolving_power, velocity)

    def torch_flux_of(
        self,
        coefficients: Tensor,
        vbroad: Tensor,
        resolving_power: Tensor | None = None,
        velocity: Tensor | None = None,
    ) -> Tensor:
        """The same for coefficients (n, k) of the emulator's basis and vbroad (n,) [km/s]."""
        if resolving_power is None:
            resolving_power = vbroad.new_full((len(vbroad),), RESOLVING_POWER)
        elif bool((resolving_power > MAX_RESOLVING_POWER).any()):
            raise ValueError(f"The instrument's pixels carry a resolving power of at most {MAX_RESOLVING_POWER:.0f}.")
        transfer = transfer_function(self.fourier.frequency, vbroad, resolving_power, velocity)
        return self.to_pixels(self.fourier.flux(coefficients, transfer))

    def torch_native_flux(
        self,
        labels: Tensor,
        resolving_power: Tensor | None = None,
        velocity: Tensor | None = None,
        macroturbulence: Tensor | None = None,
    ) -> Tensor:
        """Flux (n, m) on the model's own grid, rotated and degraded to any resolving power up to 60 000."""
        flux = self.emulator.flux(labels[:, SYNTHESIS_COLUMNS])
        if resolving_power is None:
            resolving_power = flux.new_full((len(labels),), RESOLVING_POWER)
        vbroad = labels[:, COLUMN["vbroad"]]
        return broaden(flux, self.arms, vbroad, resolving_power, velocity, macroturbulence)

    def to_pixels(self, native_flux: Tensor) -> Tensor:
        """Averages spectra (n, m) over the instrument's pixels, (n, N_PIXELS)."""
        return torch.sparse.mm(self.pixels, native_flux.T).T

    @torch.no_grad()
    def flux(self, labels: NDArray) -> NDArray:
        """Flux (n, N_PIXELS) float32 at R = 20 000, rest frame, continuum 1, for labels (n, 26)."""
        return np.ascontiguousarray(self.torch_flux(torch.as_tensor(labels, dtype=torch.float32)).numpy())

    @torch.no_grad()
    def flux_in_lte(self, labels: NDArray) -> NDArray:
        """The same without what NLTE changes."""
        given = torch.as_tensor(labels, dtype=torch.float32)
        coefficients = self.emulator.coefficients(given[:, SYNTHESIS_COLUMNS])
        coefficients[:, self.emulator.n_lte :] = 0
        return np.ascontiguousarray(self.torch_flux_of(coefficients, given[:, COLUMN["vbroad"]]).numpy())

    @torch.no_grad()
    def native_flux(self, labels: NDArray) -> NDArray:
        """Flux (n, m) float32 at R = 20 000 on `model_wavelength` for labels (n, 26)."""
        return self.torch_native_flux(torch.as_tensor(labels, dtype=torch.float32)).numpy()


def forward_model(emulator: Emulator) -> ForwardModel:
    """Forward model around an emulator."""
    arms = model_arm_slices(emulator.wavelength)
    return ForwardModel(emulator, arms, pixel_operator(emulator.wavelength), fourier_basis(emulator, arms))


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
