"""The 4MOST high-resolution spectrograph as the network sees it: arms, pixels, resolving power, noise and coverage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

SPEED_OF_LIGHT_KMS = 299_792.458
FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
"""Full width at half maximum of a Gaussian over its standard deviation."""
MIN_SNR, MAX_SNR = 5.0, 1000.0
"""S/N per Angstrom that the network knows; below it nothing is answered, above it the answer is that of the limit."""
RESOLVING_POWER = 20_000.0
PIXEL_ANGSTROM = 0.1
LSF_SIGMA_PIXELS = 1.2
"""Line spread function of R = 20 000 (15 km/s FWHM) in 0.1 Angstrom pixels, as a Gaussian sigma."""
BLOCK_ANGSTROM = 50.0
MODEL_FWHM_KMS = 5.0
"""Gaussian FWHM of the synthetic grid and so of the emulator (R = 60 000)."""


@dataclass(frozen=True)
class Arm:
    """One arm of the spectrograph: a window in air wavelength [Angstrom] filled exactly by 0.1 Angstrom pixels."""

    name: str
    low: float
    high: float

    @property
    def n_pixels(self) -> int:
        return round((self.high - self.low) / PIXEL_ANGSTROM)

    @property
    def edges(self) -> NDArray:
        """Pixel edges [Angstrom], shape (n_pixels + 1,)."""
        return self.low + PIXEL_ANGSTROM * np.arange(self.n_pixels + 1)

    @property
    def wavelength(self) -> NDArray:
        """Pixel centres [Angstrom], shape (n_pixels,)."""
        return self.low + PIXEL_ANGSTROM * (np.arange(self.n_pixels) + 0.5)

    @property
    def n_blocks(self) -> int:
        return int(np.ceil((self.high - self.low) / BLOCK_ANGSTROM))


ARMS: tuple[Arm, ...] = (Arm("green", 5160.0, 5730.0), Arm("red", 6100.0, 6790.0))
"""The blue arm (3926-4355 Angstrom) can join here."""

WAVELENGTH: NDArray = np.concatenate([arm.wavelength for arm in ARMS])
WAVELENGTH.setflags(write=False)
N_PIXELS = WAVELENGTH.size
N_BLOCKS = sum(arm.n_blocks for arm in ARMS)


def arm_slices() -> tuple[slice, ...]:
    """The pixels of each arm within a vector over all arms."""
    ends = np.cumsum([arm.n_pixels for arm in ARMS])
    return tuple(slice(int(end - arm.n_pixels), int(end)) for arm, end in zip(ARMS, ends, strict=True))


def block_of_pixel() -> NDArray:
    """Index of the 50 Angstrom coverage block of every pixel, shape (N_PIXELS,), 0..N_BLOCKS-1 (12 green, 14 red)."""
    blocks, first = [], 0
    for arm in ARMS:
        blocks.append(first + ((arm.wavelength - arm.low) // BLOCK_ANGSTROM).astype(int))
        first += arm.n_blocks
    return np.concatenate(blocks)


def block_coverage(good: NDArray) -> NDArray:
    """Fraction of good pixels in each block; `good` (..., N_PIXELS) bool, result (..., N_BLOCKS)."""
    starts, sizes = _blocks()
    return np.add.reduceat(good, starts, axis=-1, dtype=float) / sizes


@cache
def _blocks() -> tuple[NDArray, NDArray]:
    """First pixel and number of pixels of each block."""
    starts = np.searchsorted(block_of_pixel(), np.arange(N_BLOCKS))
    return starts, np.diff(np.append(starts, N_PIXELS))


TELLURIC_OXYGEN = (6275.0, 6320.0)
"""Telluric O2 in the observer's frame, air Angstrom; never part of a flux vector."""
LITHIUM_ANGSTROM = 6707.8
LITHIUM_HALF_WIDTH_ANGSTROM = 0.6
N_COVERAGE = N_BLOCKS + 1
"""Numbers that tell the network what is missing: one for each block, and one for the only line of lithium."""


def coverage_input(good: NDArray) -> NDArray:
    """Input of the network for the good pixels (..., N_PIXELS): coverage of each block and of the lithium line, (..., N_COVERAGE).

    A narrow gap over that one line hardly shows in its block and yet leaves nothing to know about lithium.
    """
    line = np.abs(WAVELENGTH - LITHIUM_ANGSTROM) < LITHIUM_HALF_WIDTH_ANGSTROM
    return np.concatenate([block_coverage(good), good[..., line].mean(-1, keepdims=True)], -1)


def arm_coverage(good: NDArray) -> NDArray:
    """Coverage of each arm: the mean of its blocks' fractions, shape (..., number of arms)."""
    fractions = block_coverage(good)
    ends = np.cumsum([arm.n_blocks for arm in ARMS])
    return np.stack([fractions[..., e - a.n_blocks : e].mean(-1) for a, e in zip(ARMS, ends, strict=True)], -1)


def pixel_sigma(snr_per_angstrom: NDArray | float) -> NDArray:
    """White noise of a 0.1 Angstrom continuum pixel for a S/N per Angstrom: 1 / (S/N sqrt(0.1))."""
    return 1.0 / (np.asarray(snr_per_angstrom) * np.sqrt(PIXEL_ANGSTROM))


def fwhm_kms(resolving_power: float | NDArray) -> NDArray:
    """FWHM of a line spread function [km/s] from its resolving power."""
    return SPEED_OF_LIGHT_KMS / np.asarray(resolving_power)
