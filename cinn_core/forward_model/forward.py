"""The forward model: labels in, the spectrum that the instrument would see out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..instrument import RESOLVING_POWER
from ..targets import COLUMN, SYNTHESIS_NAMES
from .broadening import broaden, model_arm_slices, pixel_operator, transfer_function
from .emulator import Emulator
from .fourier_basis import MAX_RESOLVING_POWER, FourierBasis, fourier_basis

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
