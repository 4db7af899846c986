"""Made-up observations for the tests: stars of the shipped emulator at R = 60 000, on any pixels, in air or vacuum, shifted and noisy."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
import torch
from astropy.io import fits
from missing import missing
from scipy.interpolate import CubicSpline

from cinn_core import targets
from cinn_core.files import assets_directory
from cinn_core.instrument import SPEED_OF_LIGHT_KMS
from cinn_core.preparation.templates import Templates, make_templates
from cinn_core.refraction import air
from cinn_core.stages import Medium, Spectrum

POWER = 60_000.0


@lru_cache(maxsize=1)
def forward():
    """The shipped forward model, or skip (fail where CI is set)."""
    path = assets_directory() / "weights" / "emulator.safetensors"
    if not path.is_file():
        missing("the emulator's weights are not in assets")
    from cinn_core.forward_model.emulator import load_emulator
    from cinn_core.forward_model.forward import forward_model

    return forward_model(load_emulator(path)[0])


@lru_cache(maxsize=1)
def templates() -> Templates:
    return make_templates(forward())


def labels_of(
    teff: float = 5772, logg: float = 4.44, feh: float = 0.0, vmic: float = 1.0, vbroad: float = 3.0, **more: float
) -> np.ndarray:
    """Labels (29,) with solar ratios but for those named."""
    values = {"teff": teff, "logg": logg, "feh": feh, "vmic": vmic, "vbroad": vbroad, "li_fe": -feh} | more
    return targets.labels_of(values)


def observed(
    labels: np.ndarray,
    wavelength: np.ndarray,
    rv: float = 0.0,
    snr: float = 200.0,
    medium: Medium = Medium.AIR,
    seed: int = 1,
) -> np.ndarray:
    """Flux (n,) with continuum 1 at R = 60 000 as seen on `wavelength` (n,) in `medium`; S/N per Angstrom; 1 between the arms."""
    model = forward()
    row = torch.as_tensor(labels[None], dtype=torch.float32)
    native = model.torch_native_flux(row, resolving_power=torch.tensor([POWER])).detach().numpy()[0]
    rest = air(wavelength, medium) / (1 + rv / SPEED_OF_LIGHT_KMS)
    flux = np.ones(wavelength.size)
    for part in model.arms:
        grid = model.model_wavelength[part]
        inside = (rest > grid[0]) & (rest < grid[-1])
        flux[inside] = CubicSpline(grid, native[part])(rest[inside])
    step = np.median(np.diff(wavelength))
    return flux + np.random.default_rng(seed).normal(size=flux.size) / (snr * np.sqrt(step))


def pixels(low: float = 5140.0, high: float = 6810.0, step: float = 0.03) -> np.ndarray:
    return low + step * np.arange(round((high - low) / step))


def spectrum_of(wavelength: np.ndarray, flux: np.ndarray, **more) -> Spectrum:
    """A Spectrum in air at R = 60 000 with nothing missing, unless told otherwise."""
    parts = {"error": None, "good": np.ones(flux.size, bool), "medium": Medium.AIR, "resolving_power": POWER} | more
    return Spectrum(wavelength, flux, star="star", file="star.fits", sha256="0" * 64, format="made up", **parts)


def fits_bytes(*hdus) -> bytes:
    """The bytes of a FITS file with these HDUs."""
    buffer = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(buffer, output_verify="silentfix")
    return buffer.getvalue()


def image_hdu(flux: np.ndarray, **cards) -> fits.PrimaryHDU:
    """A primary image with these header cards (underscores stand for dashes)."""
    hdu = fits.PrimaryHDU(flux.astype(np.float32))
    for key, value in cards.items():
        hdu.header[key.replace("_", "-")] = value
    return hdu
