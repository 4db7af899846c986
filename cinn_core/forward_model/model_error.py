"""Error of the forward model, measured on real stars: a standard error for every pixel, and pixels to be masked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ..errors import ParametersError
from ..files import asset_path, write_arrays
from ..instrument import LSF_SIGMA_PIXELS, N_PIXELS, WAVELENGTH

SCHEMA = 1
HALPHA_ANGSTROM = 6562.8
HALPHA_CORE_ANGSTROM, HALPHA_WINGS_ANGSTROM = 1.5, 30.0
"""Half widths of Halpha's core, which is never used, and of its wings, which share one error."""
HALPHA_BUMP_SHARE, HALPHA_BUMP_ANGSTROM = 0.25, (8.0, 16.0, 32.0)
"""Errors of the continuum at Halpha: the blaze of a normalised echelle order may contain part of Halpha's wings.

The continuum is then wrong by a share of the wings, smoothed with Gaussians of these widths: zero mean, this standard
deviation for each width. Spectra of Procyon, beta Hyi and HD 140283 show shares around a half, those of the Sun and tau Cet
none."""
_BUMP_REACH_ANGSTROM, _BUMP_BIN_PIXELS = 96.0, 30


@dataclass(frozen=True, eq=False)
class ModelError:
    """Error of a model spectrum with line depth d = 1 - flux.

    epsilon (N_PIXELS,): standard error as a fraction of d, correlated over the line spread function; wings: error common to
    all of Halpha's wings, as a fraction of d; continuum: an error in units of the continuum, everywhere; masked (N_PIXELS,)
    bool: wrong or missing lines and Halpha's core; provenance: stars and settings that it was measured with.
    """

    epsilon: NDArray
    masked: NDArray
    wings: float
    continuum: float
    provenance: Mapping[str, Any]

    def sigma(self, flux: NDArray) -> NDArray:
        """Standard error (..., N_PIXELS) of model spectra (..., N_PIXELS)."""
        relative = np.hypot(self.epsilon, np.where(halpha_wings(), self.wings, 0.0))
        return np.hypot(relative * (1 - flux), self.continuum)

    def draw(self, flux: NDArray, rng: np.random.Generator) -> NDArray:
        """Draw errors (n, N_PIXELS) float32 of model spectra (n, N_PIXELS) with unit continuum: lines and Halpha's wings.

        Errors of the continuum, also at Halpha, are not included: `realism.normalisation_errors` draws those.
        """
        white = rng.standard_normal(flux.shape, dtype=np.float32)
        smooth = gaussian_filter1d(white, LSF_SIGMA_PIXELS, axis=1, truncate=3) * lsf_gain()
        wings = rng.normal(0, self.wings, (len(flux), 1)).astype(np.float32) * halpha_wings()
        return (self.epsilon.astype(np.float32) * smooth + wings) * (1 - flux)


def lsf_gain() -> float:
    """Factor that restores unit variance to white noise smoothed with the line spread function."""
    impulse = np.zeros(41)
    impulse[20] = 1
    return float(1 / np.sqrt((gaussian_filter1d(impulse, LSF_SIGMA_PIXELS, truncate=3) ** 2).sum()))


@cache
def halpha_core() -> NDArray:
    """Pixels (N_PIXELS,) bool within 1.5 Angstrom of Halpha."""
    return np.abs(WAVELENGTH - HALPHA_ANGSTROM) < HALPHA_CORE_ANGSTROM


@cache
def halpha_wings() -> NDArray:
    """Pixels (N_PIXELS,) bool of Halpha's wings: within 30 Angstrom, without the core."""
    return (np.abs(WAVELENGTH - HALPHA_ANGSTROM) < HALPHA_WINGS_ANGSTROM) & ~halpha_core()


def halpha_bumps(flux: NDArray) -> NDArray:
    """Errors of a continuum that contains part of Halpha's wings (3, n, N_PIXELS) float32, for model spectra (n, N_PIXELS).

    The depth of the wings, without lines of metals (smallest depth in each bin of 3 Angstrom), smoothed with a Gaussian of
    each width of HALPHA_BUMP_ANGSTROM; the observed flux is that of the model times 1 + share * bump.
    """
    inside, kernels = _bump_kernels()
    depth = 1 - flux[:, inside]
    wings = depth.reshape(len(flux), -1, _BUMP_BIN_PIXELS).min(2).astype(np.float32)
    bumps = np.zeros((len(kernels), *flux.shape), np.float32)
    bumps[:, :, inside] = wings @ kernels
    return bumps


@cache
def _bump_kernels() -> tuple[slice, NDArray]:
    """Slice of the pixels around Halpha with bumps, and smoothing kernels (3, bins, pixels) of unit sum over bins."""
    centre = int(np.abs(WAVELENGTH - HALPHA_ANGSTROM).argmin())
    half = round(_BUMP_REACH_ANGSTROM / (WAVELENGTH[centre + 1] - WAVELENGTH[centre])) // _BUMP_BIN_PIXELS
    inside = slice(centre - half * _BUMP_BIN_PIXELS, centre + half * _BUMP_BIN_PIXELS)
    wavelength = WAVELENGTH[inside]
    bins = wavelength.reshape(-1, _BUMP_BIN_PIXELS).mean(1)
    width = np.array(HALPHA_BUMP_ANGSTROM)[:, None, None]
    kernels = (
        np.exp(-0.5 * ((wavelength - bins[:, None]) / width) ** 2) * (bins[1] - bins[0]) / width / np.sqrt(2 * np.pi)
    )
    return inside, kernels.astype(np.float32)


def uniform_model_error(epsilon: float, continuum: float = 0.005) -> ModelError:
    """A model error that is the same fraction `epsilon` of the depth of all lines; only Halpha's core is masked."""
    return ModelError(np.full(N_PIXELS, epsilon), halpha_core(), 0.0, continuum, {})


@cache
def shipped_model_error() -> ModelError:
    """The model error that ships with Kiel. Raises KielError where it is missing or damaged."""
    return load_model_error(asset_path("model_error.npz"))


def save_model_error(error: ModelError, path: Path) -> None:
    """Write a model error, whole or not at all, some 20 kB."""
    arrays = {
        "epsilon": error.epsilon.astype(np.float16),
        "masked": np.packbits(error.masked),
        "wings": error.wings,
        "continuum": error.continuum,
        "provenance": np.array(json.dumps({"schema": SCHEMA, **error.provenance})),
    }
    write_arrays(path, arrays, compressed=True)


def load_model_error(path: Path) -> ModelError:
    """Read a model error. Raises ParametersError for a file that this version cannot use."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            provenance = json.loads(str(arrays["provenance"]))
            epsilon = arrays["epsilon"].astype(float)
            masked = np.unpackbits(arrays["masked"])[: len(epsilon)].astype(bool)
            wings, continuum = float(arrays["wings"]), float(arrays["continuum"])
    except (OSError, KeyError, ValueError) as error:
        raise ParametersError(f"{path.name} holds no model error; make one with `kiel calibrate`.") from error
    if provenance.get("schema") != SCHEMA or epsilon.shape != (N_PIXELS,):
        raise ParametersError(
            f"{path.name} was made for {len(epsilon)} pixels by another version of Kiel, which has {N_PIXELS}; "
            "make it again with `kiel calibrate`."
        )
    return ModelError(epsilon, masked, wings, continuum, provenance)
