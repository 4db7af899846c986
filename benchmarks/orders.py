"""What a ripple of echelle orders does to labels, and what is left of it: `python benchmarks/orders.py [--stars N] [FILE ...]`.

Simulated stars of the prior with the errors that training gives them, of model and continuum, show how often a ripple is
found where there is none. Stars of the emulator (metal-poor dwarfs to cool giants) at S/N 60 to 200 are seen with and
without a ripple like that of blazes left in: 3 to 20 % from foot to top, orders of 40 to 120 Angstrom, joined by a step or
merged. Printed are how many are found and how far the MAP moves, with orders followed and without. For files given: what
was found in each.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from cinn_core import prior
from cinn_core.errors import SpectrumError
from cinn_core.forward_model.forward import ForwardModel
from cinn_core.forward_model.realism import model_errors, normalisation_errors
from cinn_core.inference.infer import infer, observe
from cinn_core.inference.model import Model, load_model
from cinn_core.instrument import pixel_sigma
from cinn_core.preparation import fourmost
from cinn_core.preparation.continuum import fit_stars
from cinn_core.preparation.orders import Continuum, follow_orders
from cinn_core.preparation.templates import shipped_templates
from cinn_core.prior import from_z
from cinn_core.readers import read
from cinn_core.stages import FluxVector, Medium, Spectrum
from cinn_core.targets import COLUMN, labels_of

KINDS: tuple[tuple[float, float, float], ...] = (
    (6200, 4.1, -2.0), (5800, 4.3, -1.2), (5772, 4.44, 0.0), (6400, 4.2, 0.1), (4900, 4.6, 0.0), (5100, 3.5, -0.5),
    (4650, 2.4, 0.0), (4100, 1.5, -0.3), (4700, 1.6, -2.2),
)  # fmt: skip
POWER, STEP = 60_000.0, 0.03
SHOWN = (("teff", "K", 0), ("logg", "dex", 3), ("feh", "dex", 3))


def ripple(wavelength: NDArray, rng: np.random.Generator, height: float) -> NDArray:
    """Factor (n,) of a blaze left in, `height` from foot to top: an arch leaning to one side, the next order's behind a step or a merge."""
    order, place = rng.uniform(40, 120), rng.uniform()
    number = 6000.0**2 / order / wavelength + place
    m = np.floor(number)
    x = number - m - 0.5
    lean, overlap = rng.uniform(-1, 1), rng.choice([0.005, rng.uniform(0.02, 0.15)])
    sizes, shifts = (scale * rng.normal(size=400) for scale in (0.15, 0.03))

    def of_order(k: NDArray, x: NDArray) -> NDArray:
        at = np.clip(x + shifts[k.astype(int) % 400], -0.75, 0.75)
        return (1 + sizes[k.astype(int) % 400]) * (np.sinc(0.9 * at) ** 2 + 0.5 * lean * at)

    share = 1 / (1 + np.exp(-np.clip((np.abs(x) - 0.5) / overlap, -40, 40)))
    other = np.where(x > 0, 1, -1)
    raw = (1 - share) * of_order(m, x) + share * of_order(m + other, x - other)
    low, high = np.percentile(raw, [2, 98])
    return np.asarray(1 + height * ((raw - np.mean(raw)) / (high - low)))


def star(forward: ForwardModel, labels: NDArray, wavelength: NDArray) -> NDArray:
    """Flux (n,) of a star at R = 60 000 and rest, continuum 1, 1 between the arms."""
    row = torch.as_tensor(labels[None], dtype=torch.float32)
    with torch.no_grad():
        native = forward.torch_native_flux(row, resolving_power=torch.tensor([POWER])).numpy()[0]
    flux = np.ones(wavelength.size)
    for part in forward.arms:
        grid = forward.model_wavelength[part]
        inside = (wavelength > grid[0]) & (wavelength < grid[-1])
        flux[inside] = CubicSpline(grid, native[part])(wavelength[inside])
    return flux


def spectrum_of(wavelength: NDArray, flux: NDArray) -> Spectrum:
    """A file's spectrum in air."""
    parts = {"error": None, "good": np.ones(flux.size, bool), "medium": Medium.AIR, "resolving_power": POWER}
    return Spectrum(wavelength, flux, star="star", file="star", sha256="0" * 64, format="made up", **parts)


def answer(vector: FluxVector, model: Model) -> tuple[NDArray, NDArray]:
    """MAP (13,) and half widths (13,) of 68 % of a prepared spectrum."""
    posterior = infer(observe(vector, model), model, 512, 0)
    low, high = np.percentile(posterior.labels, [15.87, 84.13], axis=0)
    return from_z(posterior.map_z[None])[0], 0.5 * (high - low)


def unfollowed(flux: NDArray, good: NDArray, continuum: NDArray, model: NDArray, templates: NDArray) -> Continuum:
    """The continuum as it is where nobody looks for orders."""
    return Continuum(continuum)


def found(vector: FluxVector) -> bool:
    """Whether a ripple of orders was found in a spectrum."""
    return any(s.name == "order ripple" for s in vector.steps)


def alarms(model: Model, n: int, seed: int) -> None:
    """Prints in how many of n simulated stars without orders a ripple is found."""
    rng = np.random.default_rng(seed)
    flux = np.asarray(model.forward.flux(prior.draw(n, rng)), np.float32)
    seen = (flux + model_errors(flux, rng)) * normalisation_errors(flux, rng) + pixel_sigma(100.0) * rng.normal(
        size=flux.shape
    )
    good = np.ones(flux.shape, bool)
    fits = zip(seen.astype(np.float32), good, *fit_stars(seen, good, model.templates.flux), strict=True)
    count = sum(follow_orders(*one, model.templates.flux).ripple is not None for one in fits)
    print(
        f"{n} stars of the prior with errors of model and continuum, no ripple, seed {seed}: found in {count}",
        flush=True,
    )


def simulated(model: Model, n: int, heights: tuple[float, ...]) -> None:
    """Prints what ripples of each height do to the MAP of n stars, with orders followed and without."""
    wavelength = np.arange(5140.0, 6810.0, STEP)
    rng = np.random.default_rng(0)
    clean, labels, noises = [], [], []
    for i in range(n):
        teff, logg, feh = KINDS[i % len(KINDS)]
        values = {"teff": teff + rng.normal(0, 100), "logg": logg, "feh": feh + rng.normal(0, 0.1), "vmic": 1.2,
                  "vbroad": rng.uniform(2, 12), "li_fe": -1 - feh, "mg_fe": 0.3 * (feh < -1), "ca_fe": 0.3 * (feh < -1)}  # fmt: skip
        labels.append(labels_of(values))
        flux = star(model.forward, labels[-1], wavelength)
        noises.append(rng.normal(size=flux.size) / (rng.uniform(60, 200) * np.sqrt(STEP)))
        clean.append(flux)
    flat = [
        fourmost.prepare(spectrum_of(wavelength, f + e), model.templates) for f, e in zip(clean, noises, strict=True)
    ]
    answers = [answer(v, model) for v in flat]
    print(f"{n} stars without a ripple: found in {sum(map(found, flat))}")
    for height in heights:
        factors = [ripple(wavelength, np.random.default_rng(i), height) for i in range(n)]
        spectra = [spectrum_of(wavelength, f * r + e) for f, r, e in zip(clean, factors, noises, strict=True)]
        with patch.object(fourmost, "follow_orders", unfollowed):
            before = [fourmost.prepare(s, model.templates) for s in spectra]
        after = [fourmost.prepare(s, model.templates) for s in spectra]
        poor = [sum("continuum_poor" in v.flags for v in vectors) for vectors in (before, after)]
        number = sum(map(found, after))
        print(f"ripple of {100 * height:.0f} %: found in {number} of {n}; flagged {poor[0]} before, {poor[1]} after")
        for told, vectors in (("not followed", before), ("followed", after)):
            _print_moves(told, [answer(v, model) for v in vectors], answers)


def _print_moves(told: str, moved: list[tuple[NDArray, NDArray]], at: list[tuple[NDArray, NDArray]]) -> None:
    words = []
    for name, unit, digits in SHOWN:
        k = COLUMN[name]
        away = np.abs([m[k] - a[k] for (m, _), (a, _) in zip(moved, at, strict=True)])
        wide = np.median([w[k] for _, w in moved])
        middle, most_of, most = (f"{v:.{digits}f}" for v in (np.median(away), np.percentile(away, 90), away.max()))
        words.append(f"{name} {middle}, 90 % {most_of}, most {most} {unit} (68 %: {wide:.{digits}f})")
    print(f"  {told:<13} MAP moves by " + "; ".join(words), flush=True)


def real(files: list[Path]) -> None:
    """Prints what was found in each file."""
    for path in files:
        try:
            vector = fourmost.prepare(read(path), shipped_templates())
        except SpectrumError as problem:
            print(f"{path.name:<52} {str(problem)[:60]}")
            continue
        step = next((s for s in vector.steps if s.name == "order ripple"), None)
        told = "-" if step is None else "  ".join(f"{k} {v:.4g}" for k, v in step.numbers.items())
        print(f"{path.name:<52} {told}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stars", type=int, default=90)
    parser.add_argument("files", type=Path, nargs="*", help="real spectra to be searched for a ripple")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    real(given.files)
    if given.stars:
        for seed in (1, 2):  # the least share that counts as a ripple was set on the first
            alarms(load_model(), 20 * given.stars, seed)
        simulated(load_model(), given.stars, (0.03, 0.06, 0.1, 0.2))
