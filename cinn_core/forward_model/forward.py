"""The forward model: from labels to the spectrum on the pixels of the instrument, through Fourier space.

Rotation, line spread and velocity multiply Fourier coefficients, and above the band limit the line spread function of the
instrument leaves nothing. The emulator's mean and basis are transformed once, when the forward model is built, and kept up
to there: a spectrum at R = 20 000 costs one matrix product and one inverse transform.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..files import asset_path
from ..instrument import RESOLVING_POWER
from ..targets import COLUMN, EMULATOR_COLUMNS
from .broadening import (
    broaden,
    model_arm_slices,
    pixel_operator,
    transfer_function,
    transform_frequency,
    transform_length,
)
from .emulator import Emulator, load_emulator

BAND_LIMIT = 0.15
"""Highest frequency of the Fourier basis [cycles per km/s]."""
MAX_RESOLVING_POWER = 25_000.0
"""Largest resolving power for which the flux above the band limit is below 1e-5 of the continuum."""


@dataclass(frozen=True, eq=False)
class ForwardModel:
    """A forward model: emulator, broadening and the instrument's pixels as one function of the 29 labels.

    pixels: sparse (N_PIXELS, m), averages the model's grid over the instrument's pixels.
    """

    emulator: Emulator
    arms: tuple[slice, ...]
    pixels: Tensor
    fourier: FourierBasis

    @property
    def model_wavelength(self) -> NDArray:
        """Air wavelengths (m,) [Angstrom] of `native_flux`, constant 2 km/s steps in each arm."""
        return self.emulator.wavelength

    def torch_flux(
        self, labels: Tensor, resolving_power: Tensor | None = None, velocity: Tensor | None = None
    ) -> Tensor:
        """Flux (n, N_PIXELS) with continuum 1 for labels (n, 29), differentiable; R = 20 000 and velocity 0 by default.

        resolving_power (n,), velocity (n,) [km/s]. Raises ValueError for a resolving power above 25 000, which the pixels would not sample.
        """
        coefficients = self.emulator.coefficients(labels[:, EMULATOR_COLUMNS])
        return self.torch_flux_of(coefficients, labels[:, COLUMN["vbroad"]], resolving_power, velocity)

    def torch_flux_of(
        self,
        coefficients: Tensor,
        vbroad: Tensor,
        resolving_power: Tensor | None = None,
        velocity: Tensor | None = None,
    ) -> Tensor:
        """Flux (n, N_PIXELS) for coefficients (n, k) of the emulator's basis and vbroad (n,) [km/s], differentiable.

        resolving_power (n,), velocity (n,) [km/s]. Raises ValueError for a resolving power above 25 000.
        """
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
        """Flux (n, m) on `model_wavelength` for labels (n, 29), rotated and degraded to any resolving power (n,) up to 60 000.

        R = 20 000 by default; velocity (n,) and macroturbulence (n,) [km/s]; differentiable.
        """
        flux = self.emulator.flux(labels[:, EMULATOR_COLUMNS])
        if resolving_power is None:
            resolving_power = flux.new_full((len(labels),), RESOLVING_POWER)
        vbroad = labels[:, COLUMN["vbroad"]]
        return broaden(flux, self.arms, vbroad, resolving_power, velocity, macroturbulence)

    def to_pixels(self, native_flux: Tensor) -> Tensor:
        """Average spectra (n, m) on `model_wavelength` over the instrument's pixels, (n, N_PIXELS)."""
        return torch.sparse.mm(self.pixels, native_flux.T).T

    @torch.no_grad()
    def flux(self, labels: NDArray) -> NDArray:
        """Flux (n, N_PIXELS) float32 at R = 20 000, rest frame, continuum 1, for labels (n, 29)."""
        return np.ascontiguousarray(self.torch_flux(torch.as_tensor(labels, dtype=torch.float32)).numpy())

    @torch.no_grad()
    def flux_in_lte(self, labels: NDArray) -> NDArray:
        """Flux (n, N_PIXELS) float32 in LTE on ATLAS9 at R = 20 000, rest frame, continuum 1, for labels (n, 29)."""
        given = torch.as_tensor(labels, dtype=torch.float32)
        coefficients = self.emulator.coefficients(given[:, EMULATOR_COLUMNS])
        coefficients[:, self.emulator.n_lte :] = 0
        return np.ascontiguousarray(self.torch_flux_of(coefficients, given[:, COLUMN["vbroad"]]).numpy())

    @torch.no_grad()
    def native_flux(self, labels: NDArray) -> NDArray:
        """Flux (n, m) float32 at R = 20 000 on `model_wavelength` for labels (n, 29)."""
        return self.torch_native_flux(torch.as_tensor(labels, dtype=torch.float32)).numpy()


def forward_model(emulator: Emulator) -> ForwardModel:
    """Forward model with an emulator."""
    arms = model_arm_slices(emulator.wavelength)
    return ForwardModel(emulator, arms, pixel_operator(emulator.wavelength), fourier_basis(emulator, arms))


@dataclass(frozen=True, eq=False)
class FourierBasis:
    """Fourier coefficients of the emulator's mean and basis, up to the band limit.

    size: steps of the transform; frequency (f,) [cycles per km/s]; for each arm its length, mean (f,) complex and basis
    (k, 2 f) real: real and imaginary parts side by side, as `torch.view_as_real` has them, for a product of real matrices.
    """

    size: int
    frequency: Tensor
    lengths: tuple[int, ...]
    means: tuple[Tensor, ...]
    bases: tuple[Tensor, ...]

    def depth(self, coefficients: Tensor, transfer: Tensor) -> Tensor:
        """Depth (n, m) on the model's grid without the mean, from coefficients (n, k) through transfer functions (n, f)."""
        return self._transform_back([self._spectrum(coefficients, basis) * transfer for basis in self.bases])

    def flux(self, coefficients: Tensor, transfer: Tensor) -> Tensor:
        """Flux (n, m) on the model's grid from coefficients (n, k) through transfer functions (n, f)."""
        pairs = zip(self.means, self.bases, strict=True)
        return 1 - self._transform_back(
            [(mean + self._spectrum(coefficients, basis)) * transfer for mean, basis in pairs]
        )

    def _spectrum(self, coefficients: Tensor, basis: Tensor) -> Tensor:
        return torch.view_as_complex((coefficients @ basis).reshape(len(coefficients), -1, 2))

    def _transform_back(self, spectra: list[Tensor]) -> Tensor:
        parts = [
            torch.fft.irfft(spectrum, n=self.size)[:, :length]
            for spectrum, length in zip(spectra, self.lengths, strict=True)
        ]
        return torch.cat(parts, 1)


def fourier_basis(emulator: Emulator, arms: tuple[slice, ...]) -> FourierBasis:
    """Fourier basis of an emulator; `arms` are the slices of its wavelength grid."""
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


def emulator_path() -> Path:
    return asset_path("weights", "emulator.safetensors")


def load_forward(path: Path | None = None) -> ForwardModel:
    """The forward model around the shipped emulator, or around the weights of another (`path`)."""
    return forward_model(load_emulator(path or emulator_path())[0])
