"""Three ways to the continuum side by side: `python benchmarks/continuum.py [--stars N] [--spectra DIR]`.

A well-kept library (specutils' fit_generic_continuum, a Chebyshev series of degree 5 through a running median), an
iterative spline (lines clipped away while it is refitted) and the model-guided fit that Kiel ships.
On simulated stars of the prior, under smooth continua that are known and noise of S/N 50: rms error. On real spectra,
where no continuum is known: how far the spectra of one star by different instruments lie apart once each is normalised,
and how far each lies from the model of its literature parameters, both in means of 10 Angstrom. All see the same pixels.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from astropy import units as u
from numpy.typing import NDArray
from scipy.interpolate import LSQUnivariateSpline
from specutils import Spectrum
from specutils.fitting import fit_generic_continuum

from cinn_core import prior
from cinn_core.errors import SpectrumError
from cinn_core.evaluation.continuum import random_continua
from cinn_core.forward_model.forward import ForwardModel, load_forward
from cinn_core.instrument import WAVELENGTH, arm_slices, pixel_sigma
from cinn_core.preparation.continuum import fit_continuum
from cinn_core.preparation.fourmost import prepare
from cinn_core.preparation.templates import Templates, shipped_templates
from cinn_core.readers import read
from cinn_core.targets import COLUMN, labels_of

Fit = Callable[[NDArray, NDArray], NDArray]
"""Continuum (N_PIXELS,) of a flux (N_PIXELS,) with good pixels (N_PIXELS,) bool."""

SNR = 50.0
BLOCK = 100  # pixels: 10 Angstrom
KNOTS_ANGSTROM = 120.0
BIN = 5  # pixels
DEGREE = 5


def library(flux: NDArray, good: NDArray) -> NDArray:
    """specutils' fit of a Chebyshev series through a running median, arm by arm, as its documentation has it."""
    from astropy.modeling.models import Chebyshev1D

    out = np.ones(flux.size)
    for part in arm_slices():
        keep = good[part]
        if keep.sum() < BLOCK:
            continue
        seen = Spectrum(flux=flux[part][keep] * u.one, spectral_axis=WAVELENGTH[part][keep] * u.AA)
        fitted = fit_generic_continuum(seen, median_window=31, model=Chebyshev1D(DEGREE))
        out[part] = fitted(WAVELENGTH[part] * u.AA).value
    return out


def spline(flux: NDArray, good: NDArray) -> NDArray:
    """Cubic spline of 120 Angstrom knots through means of 0.5 Angstrom, refitted without those 1.5 sigma below or 3 above."""
    out = np.ones(flux.size)
    for part in arm_slices():
        x, y = (a[part].reshape(-1, BIN).mean(1) for a in (WAVELENGTH, flux))
        use = good[part].reshape(-1, BIN).all(1)
        if use.sum() < BLOCK:
            continue
        fit = None
        for _ in range(10):
            inside = np.arange(x[use][0] + KNOTS_ANGSTROM, x[use][-1] - KNOTS_ANGSTROM / 2, KNOTS_ANGSTROM)
            held = [k for k in inside if (np.abs(x[use] - k) < KNOTS_ANGSTROM / 2).sum() > 20]
            fit = LSQUnivariateSpline(x[use], y[use], held, k=3)
            residual = y - fit(x)
            sigma = float(np.std(residual[use]))
            new = use & (residual > -1.5 * sigma) & (residual < 3 * sigma)
            if new.sum() < BLOCK // 2 or (new == use).all():
                break
            use = new
        out[part] = np.maximum(fit(WAVELENGTH[part]), 0.02)
    return out


def main(stars: int, spectra: Path | None) -> None:
    """Prints both tables."""
    warnings.simplefilter("ignore")  # of fits that specutils finds hard
    forward = load_forward()
    templates = shipped_templates()

    def guided(flux: NDArray, good: NDArray) -> NDArray:
        return fit_continuum(flux[None].astype(np.float32), good[None], templates.flux)[0].astype(float)

    fits: dict[str, Fit] = {"library": library, "spline": spline, "model-guided": guided}
    _simulated(fits, forward, stars)
    if spectra is not None:
        _real(fits, forward, spectra, templates)


def _simulated(fits: dict[str, Fit], forward: ForwardModel, n: int) -> None:
    rng = np.random.default_rng(0)
    labels, truth = prior.draw(n, rng), random_continua(n, rng)
    clean = np.asarray(forward.flux(labels), float)
    noisy = truth * (clean + pixel_sigma(SNR) * rng.normal(size=clean.shape))
    teff = labels[:, COLUMN["teff"]]
    rich = labels[:, COLUMN["feh"]] > -1
    groups = (
        ("4500-6800 K", (teff > 4500) & (teff < 6800)),
        ("below 4500 K", teff <= 4500),
        ("above 6800 K", teff >= 6800),
        ("[Fe/H] > -1", rich),
        ("[Fe/H] < -1", ~rich),
    )
    print(f"simulated stars, S/N {SNR:.0f}: rms error (median of one star's rms) [%], seconds of processor a star")
    for name, fit in fits.items():
        fit(noisy[0], np.ones(noisy.shape[1], bool))
        start = time.process_time()
        error = np.stack([fit(one, np.ones(one.size, bool)) for one in noisy]) / truth - 1
        spent = (time.process_time() - start) / n
        each = np.sqrt((error**2).mean(1))
        told = "  ".join(
            f"{group} {100 * np.sqrt((each[w] ** 2).mean()):5.2f} ({100 * np.median(each[w]):4.2f})"
            for group, w in groups
            if w.any()
        )
        print(f"{name:<13} {told}  {spent:.2f} s", flush=True)


def _real(fits: dict[str, Fit], forward: ForwardModel, folder: Path, templates: Templates) -> None:
    index = csv.DictReader((folder / "INDEX.csv").open())
    rows = [row for row in index if row["category"] == "main" and row["teff"] and row["logg"] and row["feh"]]
    levels: dict[str, dict[str, list[NDArray]]] = {name: {} for name in fits}
    from_model: dict[str, list[float]] = {name: [] for name in fits}
    for row in rows:
        try:
            vector = prepare(read(folder / row["file"]), templates)
        except SpectrumError as problem:
            print(f"{row['file']}: {problem}")
            continue
        flux = np.where(vector.good, vector.flux * vector.continuum, 1.0)
        model = np.asarray(forward.flux(_literature(row)[None]), float)[0]
        for name, fit in fits.items():
            ratio = _blocks(flux / fit(flux, vector.good), vector.good) / _blocks(model, vector.good)
            levels[name].setdefault(row["star"], []).append(ratio)
            from_model[name].append(float(np.sqrt(np.nanmean((ratio - 1) ** 2))))
    print(
        f"{len(from_model['library'])} real spectra, means of 10 Angstrom: rms between spectra of one star; from the model [%]"
    )
    for name, by_star in levels.items():
        apart = [np.nanmean((a - b) ** 2) for r in by_star.values() for i, a in enumerate(r) for b in r[:i]]
        one, other = np.sqrt(np.median(apart) / 2), np.median(from_model[name])
        print(
            f"{name:<13} {100 * one:5.2f} (median of {len(apart)} pairs, one spectrum's share)   {100 * other:5.2f} (median)"
        )


def _literature(row: dict[str, str]) -> NDArray:
    """Labels (29,) of a star of the index: its three parameters, solar ratios, usual microturbulence and rotation."""
    labels = labels_of({})
    feh = float(row["feh"])
    values = {
        "teff": float(row["teff"]),
        "logg": float(row["logg"]),
        "feh": feh,
        "vmic": 1.2,
        "vbroad": 5.0,
        "li_fe": -1 - feh,
    }
    for name, value in values.items():
        labels[COLUMN[name]] = value
    return labels


def _blocks(flux: NDArray, good: NDArray) -> NDArray:
    """Means over blocks of 10 Angstrom within each arm, NaN where less than two thirds are good."""
    out = []
    for part in arm_slices():
        n = (part.stop - part.start) // BLOCK * BLOCK
        f, g = flux[part][:n].reshape(-1, BLOCK), good[part][:n].reshape(-1, BLOCK)
        mean = np.where(g, f, 0).sum(1) / np.maximum(g.sum(1), 1)
        out.append(np.where(g.mean(1) > 0.66, mean, np.nan))
    return np.concatenate(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stars", type=int, default=200)
    parser.add_argument("--spectra", type=Path, help="folder with real spectra and their INDEX.csv")
    told = parser.parse_args()
    main(told.stars, told.spectra)
