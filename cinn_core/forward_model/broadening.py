"""Rotation, line spread function, velocity and pixels in torch: from the grid of the emulator to that of the instrument.

The emulator's grid has constant steps in velocity, on which shift and kernels do not depend on wavelength: together they
are one transfer function per arm, applied in Fourier space. 1 - flux is padded with zeros, and the grid's 7 Angstrom
beyond the windows keep effects of its edges out of them.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..instrument import ARMS, FWHM_PER_SIGMA, MODEL_FWHM_KMS, N_PIXELS, PIXEL_ANGSTROM, fwhm_kms

LIMB_DARKENING = 0.6
MODEL_STEP_KMS = 2.0
_MAX_SHIFT_KMS = 900.0
"""Least width of the zero padding: kernels and shifts at one end of an arm do not reach the other end."""
_TABLE_STEP = 3.0
"""Step of FWHM² [(km/s)²] between which spectra of a changing resolving power are interpolated; 3e-5 in flux."""


class _AiryFactor(torch.autograd.Function):
    """2 J1(s) / s with its gradient -2 J2(s) / s: torch has no gradients of its Bessel functions."""

    @staticmethod
    def forward(ctx: Any, s: Tensor) -> Tensor:
        ctx.save_for_backward(s)
        return torch.where(s < 1e-3, 1 - s * s / 8, 2 * torch.special.bessel_j1(s) / s.clamp_min(1e-3))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (s,) = ctx.saved_tensors
        safe = s.clamp_min(1e-3)
        j2 = 2 * torch.special.bessel_j1(safe) / safe - torch.special.bessel_j0(safe)
        return gradient * torch.where(s < 1e-3, -s / 4, -2 * j2 / safe)


def rotation_transfer(frequency: Tensor, vbroad: Tensor) -> Tensor:
    """Fourier transform of the rotational profile (Gray 2008, eq. 18.14), linear limb darkening 0.6.

    frequency (m,) [cycles per km/s], vbroad (n,) [km/s]; result (n, m), 1 at frequency 0.
    """
    s = 2 * torch.pi * vbroad[:, None] * frequency[None]
    safe = s.clamp_min(0.05)
    uniform = _AiryFactor.apply(s)
    parabolic = torch.where(s < 0.05, 1 - s * s / 10, 3 * (torch.sin(safe) - safe * torch.cos(safe)) / safe**3)
    e = LIMB_DARKENING
    return ((1 - e) * uniform + (2 * e / 3) * parabolic) / (1 - e / 3)


def gaussian_transfer(frequency: Tensor, squared_fwhm: Tensor) -> Tensor:
    """Fourier transform of Gaussians of FWHM² (n,) [(km/s)²] at frequency (m,) [cycles per km/s]; result (n, m)."""
    variance = squared_fwhm[:, None] / FWHM_PER_SIGMA**2
    return torch.exp(-2 * torch.pi**2 * variance * frequency[None] ** 2)


def transfer_function(
    frequency: Tensor,
    vbroad: Tensor,
    resolving_power: Tensor,
    velocity: Tensor | None = None,
    macroturbulence: Tensor | None = None,
) -> Tensor:
    """Transfer function (n, m) of rotation, line spread, shift and macroturbulence at `frequency` (m,) [cycles per km/s].

    It applies to spectra at R = 60 000: a Gaussian of FWHM² = (c / resolving_power)² - (5 km/s)² degrades them to the
    resolving power (n,). vbroad (n,) [km/s]; velocity (n,) [km/s], positive to the red; macroturbulence (n,)
    [km/s] isotropic and Gaussian, exp(-(v / macroturbulence)²). Real without velocity, else complex.
    """
    variance = (torch.as_tensor(fwhm_kms(1.0)) / resolving_power) ** 2 - MODEL_FWHM_KMS**2
    variance = variance.clamp_min(0)
    if macroturbulence is not None:
        variance = variance + 4 * np.log(2) * macroturbulence**2
    real = rotation_transfer(frequency, vbroad) * gaussian_transfer(frequency, variance)
    if velocity is None:
        return real
    return real * torch.exp(-2j * torch.pi * velocity[:, None] * frequency[None])


def model_arm_slices(wavelength: NDArray) -> tuple[slice, ...]:
    """Slices of the emulator's wavelength grid (m,) [Angstrom] that belong to the arms."""
    cuts = [0, *(np.flatnonzero(np.diff(wavelength) > 1.0) + 1).tolist(), wavelength.size]
    return tuple(slice(a, b) for a, b in pairwise(cuts))


def transform_length(arms: tuple[slice, ...]) -> int:
    """Length of the Fourier transform of all arms: that of the longest arm with its zero padding."""
    longest = max(arm.stop - arm.start for arm in arms)
    return int(scipy.fft.next_fast_len(longest + int(_MAX_SHIFT_KMS / MODEL_STEP_KMS), real=True))


def transform_frequency(size: int, like: Tensor) -> Tensor:
    """Frequencies (size // 2 + 1,) [cycles per km/s] of a real transform of `size` steps of the model's grid."""
    return torch.fft.rfftfreq(size, d=MODEL_STEP_KMS, dtype=like.dtype, device=like.device)


def broaden(
    flux: Tensor,
    arms: tuple[slice, ...],
    vbroad: Tensor,
    resolving_power: Tensor,
    velocity: Tensor | None = None,
    macroturbulence: Tensor | None = None,
) -> Tensor:
    """Rotate, degrade and shift spectra of the emulator.

    flux (n, m) at R = 60 000 on the emulator's grid; other arguments (n,) as in `transfer_function`. Returns (n, m) on the
    same grid; differentiable in every argument.
    """
    size = transform_length(arms)
    transfer = transfer_function(transform_frequency(size, flux), vbroad, resolving_power, velocity, macroturbulence)
    parts = []
    for arm in arms:
        depth = 1 - flux[:, arm]
        spectrum = torch.fft.rfft(depth, n=size) * transfer
        parts.append(1 - torch.fft.irfft(spectrum, n=size)[:, : depth.shape[1]])
    return torch.cat(parts, 1)


@dataclass(frozen=True, eq=False)
class ResolvingPowerTable:
    """A resolving power that changes along the spectrum: values (k,) at air wavelengths (k,) [Angstrom], linear between.

    Raises ValueError for fewer than two values, wavelengths that do not increase and values that are not positive.
    """

    wavelength: NDArray
    value: NDArray

    def __post_init__(self) -> None:
        if self.wavelength.shape != self.value.shape or self.wavelength.size < 2:
            raise ValueError("A table of resolving power needs as many values as wavelengths, two at least.")
        if np.any(np.diff(self.wavelength) <= 0) or np.any(self.value <= 0):
            raise ValueError("A table of resolving power needs increasing wavelengths and positive values.")


def broaden_by_table(
    flux: Tensor, wavelength: NDArray, arms: tuple[slice, ...], vbroad: Tensor, table: ResolvingPowerTable
) -> Tensor:
    """Rotate and degrade spectra as `broaden` does, with a resolving power that changes with wavelength.

    flux (n, m) on `wavelength` (m,) [Angstrom], vbroad (n,) [km/s]; returns (n, m). Linear in FWHM² between spectra of
    constant resolving power.
    """
    squared = fwhm_kms(np.interp(wavelength, table.wavelength, table.value)) ** 2
    low, high = float(squared.min()), float(squared.max())
    nodes = np.linspace(low, high, 2 + int((high - low) / _TABLE_STEP))
    step = max(nodes[1] - nodes[0], 1e-6)
    total = torch.zeros_like(flux)
    for node in nodes:
        weight = torch.as_tensor(np.clip(1 - np.abs(squared - node) / step, 0, 1), dtype=flux.dtype, device=flux.device)
        power = torch.full_like(vbroad, float(fwhm_kms(1.0) / np.sqrt(node)))
        total = total + weight * broaden(flux, arms, vbroad, power)
    return total


def pixel_operator(wavelength: NDArray) -> Tensor:
    """Sparse matrix (N_PIXELS, m) that averages a piecewise linear spectrum on `wavelength` (m,) [Angstrom] over each pixel."""
    rows, columns, values = [], [], []
    row0 = 0
    for arm, part in zip(ARMS, model_arm_slices(wavelength), strict=True):
        nodes = wavelength[part]
        first = np.searchsorted(nodes, arm.edges[:-1]) - 1
        for k in range(6):  # a 0.1 A pixel touches at most five nodes 2 km/s apart
            j = np.clip(first + k, 1, nodes.size - 2)
            weight = _hat_integral(nodes, j, arm.edges[1:]) - _hat_integral(nodes, j, arm.edges[:-1])
            rows.append(row0 + np.arange(arm.n_pixels))
            columns.append(part.start + j)
            values.append(weight / PIXEL_ANGSTROM)
        row0 += arm.n_pixels
    index = torch.tensor(np.array([np.concatenate(rows), np.concatenate(columns)]))
    value = torch.tensor(np.concatenate(values), dtype=torch.float32)
    positive = value > 0
    shape = (N_PIXELS, wavelength.size)
    sparse = torch.sparse_coo_tensor(index[:, positive], value[positive], shape, check_invariants=True).coalesce()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        return sparse.to_sparse_csr()  # by rows: seven times as fast for a single spectrum


def _hat_integral(nodes: NDArray, j: NDArray, x: NDArray) -> NDArray:
    """Integral up to x of the basis function of node j in linear interpolation."""
    left, right = nodes[j] - nodes[j - 1], nodes[j + 1] - nodes[j]
    a = np.clip(x - nodes[j - 1], 0, left)
    b = np.clip(x - nodes[j], 0, right)
    return a * a / (2 * left) + b - b * b / (2 * right)
