"""Simulated observations by the project's own forward model, written as 4MOST level-1 files: the shipped examples.

`python -m cinn_core.evaluation.simulate DIR` writes the three of them.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from astropy.io import fits
from numpy.typing import NDArray

from ..files import EXAMPLES, written
from ..forward_model.forward import ForwardModel
from ..instrument import ARMS, RESOLVING_POWER
from ..prior import N_LABELS, from_z
from ..targets import COLUMN, SOLAR_A_LI

BIN_ANGSTROM = 0.05
_MARGIN_ANGSTROM = 3.0
_DESCRIBED = (
    ("SpectralAxis.Value", "em.wl;obs.atmos"),
    ("FluxAxis.Value", "phot.flux.density;em.wl;src.net;meta.main"),
    ("FluxAxis.Accuracy.StatError", "stat.error;phot.flux.density"),
    ("", "meta.code.qual"),
)
"""UTYPE and UCD of the table's columns, as ESO phase 3 has them."""


@dataclass(frozen=True)
class SimulatedStar:
    """A star to simulate: labels by name (the rest mid-prior), velocity [km/s], S/N per Angstrom, seed of the noise."""

    name: str
    labels: dict[str, float]
    rv_kms: float
    snr: float
    seed: int


STARS: dict[str, SimulatedStar] = {
    "solar-twin": SimulatedStar(
        "Simulated solar twin",
        {"teff": 5785, "logg": 4.43, "feh": 0.03, "vmic": 1.05, "vbroad": 3.5, "a_li": 1.6}
        | dict.fromkeys(("ca_fe", "c_fe", "mg_fe", "mn_fe", "n_fe", "si_fe", "ti_fe", "o_fe"), 0.0),
        12.3,
        150.0,
        11,
    ),
    "metal-poor-giant": SimulatedStar(
        "Simulated metal-poor giant",
        {"teff": 4720, "logg": 1.55, "feh": -2.1, "vmic": 1.8, "vbroad": 6.0, "a_li": 0.9}
        | {
            "ca_fe": 0.32,
            "c_fe": -0.3,
            "mg_fe": 0.4,
            "mn_fe": -0.3,
            "n_fe": 0.3,
            "si_fe": 0.38,
            "ti_fe": 0.25,
            "o_fe": 0.5,
        },
        -148.0,
        120.0,
        12,
    ),
    "lithium-rich-dwarf": SimulatedStar(
        "Simulated lithium-rich dwarf",
        {"teff": 6080, "logg": 4.25, "feh": -0.15, "vmic": 1.2, "vbroad": 14.0, "a_li": 3.2}
        | {
            "ca_fe": 0.05,
            "c_fe": 0.0,
            "mg_fe": 0.06,
            "mn_fe": -0.05,
            "n_fe": 0.0,
            "si_fe": 0.04,
            "ti_fe": 0.05,
            "o_fe": 0.1,
        },
        31.5,
        90.0,
        13,
    ),
}


def star_labels(star: SimulatedStar) -> NDArray:
    """The 29 labels (1, 29) of a simulated star."""
    labels = from_z(np.zeros((1, N_LABELS)))
    for name, value in star.labels.items():
        if name == "a_li":
            labels[:, COLUMN["li_fe"]] = value - SOLAR_A_LI - star.labels["feh"]
        else:
            labels[:, COLUMN[name]] = value
    return labels


@torch.no_grad()
def simulate(forward: ForwardModel, star: SimulatedStar) -> tuple[NDArray, NDArray, NDArray]:
    """Wavelength [Angstrom, air], flux and error of a 4MOST level-1 spectrum: moving star, sloping response, white noise."""
    labels = torch.as_tensor(star_labels(star), dtype=torch.float32)
    native = forward.torch_native_flux(labels, velocity=torch.tensor([star.rv_kms]))[0].double().numpy()
    rng = np.random.default_rng(star.seed)
    wavelengths, fluxes, errors = [], [], []
    for arm, part in zip(ARMS, forward.arms, strict=True):
        edges = np.arange(arm.low - _MARGIN_ANGSTROM, arm.high + _MARGIN_ANGSTROM, BIN_ANGSTROM)
        nodes = forward.model_wavelength[part]
        integral = np.concatenate([[0], np.cumsum(0.5 * np.diff(nodes) * (native[part][1:] + native[part][:-1]))])
        flux = np.diff(np.interp(edges, nodes, integral)) / BIN_ANGSTROM
        centre = 0.5 * (edges[1:] + edges[:-1])
        x = (centre - arm.low) / (arm.high - arm.low)
        response = 3e-15 * (0.6 + 0.9 * x - 0.5 * x**2)
        sigma = response / (star.snr * np.sqrt(BIN_ANGSTROM))
        wavelengths.append(centre)
        fluxes.append(flux * response + sigma * rng.standard_normal(centre.size))
        errors.append(sigma)
    return np.concatenate(wavelengths), np.concatenate(fluxes), np.concatenate(errors)


def write_level1(path: Path, forward: ForwardModel, star: SimulatedStar) -> None:
    """Write a simulated star in the layout of 4MOST level-1 spectra (one row of vectors), whole or not at all."""
    wavelength, flux, error = simulate(forward, star)
    n, unit = wavelength.size, "erg/cm**2/s/Angstrom"
    columns = [
        fits.Column("WAVE", f"{n}D", unit="Angstrom", array=wavelength[None]),
        fits.Column("FLUX", f"{n}E", unit=unit, array=flux[None]),
        fits.Column("ERR_FLUX", f"{n}E", unit=unit, array=error[None]),
        fits.Column("QUAL", f"{n}I", array=np.zeros((1, n), np.int16)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="PHASE3SPECTRUM")
    for i, (utype, ucd) in enumerate(_DESCRIBED, 1):
        if utype:
            table.header[f"TUTYP{i}"] = f"Spectrum.Data.{utype}"
        table.header[f"TUCD{i}"] = ucd
    primary = fits.PrimaryHDU()
    for header in (primary.header, table.header):
        header["OBJECT"] = star.name
        header["SPEC_RES"] = RESOLVING_POWER
    primary.header["INSTRUME"] = ("SIMULATED", "by the forward model of Kiel, not observed")
    primary.header["SNR"] = (star.snr, "per Angstrom of continuum")
    primary.header["HIERARCH KIEL RV"] = (star.rv_kms, "[km/s] true value")
    for name, value in star.labels.items():
        primary.header[f"HIERARCH KIEL {name.upper()}"] = (value, "true value")
    with written(path) as part:
        fits.HDUList([primary, table]).writeto(part, overwrite=True, checksum=True)


def main(directory: Path) -> None:
    """Write the three shipped examples."""
    from ..forward_model.forward import load_forward

    forward = load_forward()
    directory.mkdir(parents=True, exist_ok=True)
    for key in EXAMPLES:
        write_level1(directory / f"{key}.fits", forward, STARS[key])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
