"""The error floor: the forward model fitted to stars whose parameters are known, and what is left over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.stats import chi2

from .. import __version__
from ..errors import DataError, KielError
from ..forward_model.forward import ForwardModel
from ..forward_model.model_error import ModelError, halpha_core, halpha_wings, uniform_model_error
from ..inference.label_fit import Held, fit_labels, pixel_noise
from ..instrument import arm_slices
from ..literature import KnownStar, read_index
from ..preparation.fourmost import prepare
from ..preparation.templates import Templates
from ..readers import read
from ..stages import FluxVector
from ..statistics import finite_mean, robust_sigma
from ..targets import COLUMN, LABEL_NAMES, labels_of

LOWEST_SNR = 80.0
"""S/N per Angstrom in every arm that a spectrum needs."""
N_GROUPS = 3
_WITHIN = 3.0
"""A literature value is held at its error over this, so that the fit stays within the error."""
_FEH_ERROR = 0.05
_SMALLEST_ERROR = {"teff": 3.0, "logg": 0.01}
_FIRST_EPSILON = 0.03
_ROUNDS = 3
_WINDOW_PIXELS = 2.0
"""Gaussian sigma over which squares of residuals and depths are averaged before their ratio is taken."""
_DEGREES = 2.5  # independent residuals in that window
_LARGEST_EPSILON = 1.0
_PRIOR_STARS = 5.0  # what the typical error counts beside the stars' own
_FLAT_DEPTH = 0.02
_LARGEST_SIGMAS = 4.0  # residuals beyond count as this many sigma when a model error is judged
_MASK_RESIDUAL, _MASK_SIGMAS = 0.02, 4.0
_MASK_REACH = 1.5  # pixels


@dataclass(frozen=True, eq=False)
class Leftover:
    """Residuals of one star, over its spectra: observed - model, line depth and noise (N_PIXELS,), NaN where nothing was observed."""

    star: str
    residual: NDArray
    depth: NDArray
    noise: NDArray


@dataclass(frozen=True)
class TeffPair:
    """Teff [K] fitted with and without Halpha's wings, log g held, beside the literature's."""

    star: str
    file: str
    literature: float
    with_wings: float
    without_wings: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """The model error of all stars, the judgement of each group by the others, and Teff with and without the wings.

    judged: mean squared residual over noise and model error together of each group, by the error that the others gave;
    the model error is scaled so that their mean is 1.
    """

    error: ModelError
    groups: tuple[tuple[str, ...], ...]
    judged: tuple[float, ...]
    teff: tuple[TeffPair, ...]


def development_stars(folder: Path) -> list[KnownStar]:
    """Stars of the index of a folder of real spectra, FOLDER/INDEX.csv, that count.

    Raises DataError where the index is missing, lacks a column or holds a value that is not a number.
    """
    index = folder / "INDEX.csv"
    if not index.is_file():
        raise DataError(f"There is no index of real spectra {index}; name the data folder with --data.")
    return [star for star in read_index(index) if star.counts]


def held_by_literature(star: KnownStar) -> dict[str, Held]:
    """Teff, log g and [Fe/H] held at their literature values by a third of the error, so that the fit stays within it.

    Raises DataError where the error of Teff or log g is missing.
    """
    held = {"feh": Held(star.values["feh"], _FEH_ERROR / _WITHIN)}
    for name, smallest in _SMALLEST_ERROR.items():
        if name not in star.errors:
            raise DataError(f"The index gives no error e_{name} for {star.file}, a star of fundamental parameters.")
        held[name] = Held(star.values[name], max(star.errors[name], smallest) / _WITHIN)
    return held


def calibrate(
    stars: Sequence[KnownStar],
    folder: Path,
    forward: ForwardModel,
    templates: Templates,
    emulator_sha256: str,
    report: Callable[[str], None] = lambda text: None,
) -> Calibration:
    """Fit every star in rounds, each with the model error of the round before, and measure what is left over.

    The spectra lie in `folder`. Raises DataError where fewer than three stars can be used or a star has no errors.
    """
    prepared = ((star, prepared_star(folder / star.file, templates, report)) for star in stars)
    vectors = [(star, vector) for star, vector in prepared if vector is not None]
    names = sorted({star.star for star, _ in vectors})
    if len(names) < N_GROUPS:
        raise DataError(f"{len(names)} stars can be used; a calibration needs {N_GROUPS} at least.")
    error = uniform_model_error(_FIRST_EPSILON)
    for number in range(_ROUNDS):
        report(f"Round {number + 1} of {_ROUNDS}: {len(vectors)} spectra of {len(names)} stars")
        left = leftovers(vectors, forward, error)
        error = model_error_of(left)
    groups = tuple(tuple(names[i::N_GROUPS]) for i in range(N_GROUPS))
    judged = tuple(judged_by_the_others(left, group) for group in groups)
    error = scaled(error, max(float(np.sqrt(np.mean(judged))), 1.0))
    report("Teff with and without the wings of Halpha")
    pairs = tuple(_teff_pair(star, vector, forward, error) for star, vector in vectors)
    provenance = {
        "kiel": __version__,
        "emulator_sha256": emulator_sha256,
        "stars": names,
        "spectra": {Path(star.file).name: vector.sha256 for star, vector in vectors},
        "groups": [list(group) for group in groups],
        "judged_by_the_others": judged,
    }
    return Calibration(replace(error, provenance=provenance), groups, judged, pairs)


def prepared_star(path: Path, templates: Templates, report: Callable[[str], None]) -> FluxVector | None:
    """Prepare the spectrum of a file; None, and a report, where it is missing, refused, noisy or uncertain in wavelength."""
    report(f"Preparing {path.name}")
    try:
        vector = prepare(read(path), templates, model_error=uniform_model_error(_FIRST_EPSILON))
    except (KielError, OSError) as error:
        report(f"left out: {error}")
        return None
    if np.nanmin(vector.snr) < LOWEST_SNR or "rv_uncertain" in vector.flags:
        report(f"left out: S/N {np.nanmin(vector.snr):.0f} per Angstrom")
        return None
    return vector


def leftovers(
    vectors: Sequence[tuple[KnownStar, FluxVector]], forward: ForwardModel, error: ModelError
) -> list[Leftover]:
    """Residuals of the fits of every star, the mean over its spectra; the fits leave Halpha out."""
    fitted: dict[str, list[tuple[NDArray, NDArray, NDArray]]] = {}
    for star, vector in vectors:
        fit = fit_labels(vector, forward, error, held_by_literature(star), used=~(halpha_wings() | halpha_core()))
        fitted.setdefault(star.star, []).append((fit.residual(vector), 1 - fit.flux, pixel_noise(vector)))
    out = []
    for name, parts in fitted.items():
        residuals, depths, noises = (np.array(part) for part in zip(*parts, strict=True))
        observed = np.isfinite(residuals)
        noise = np.sqrt(np.where(observed, np.nan_to_num(noises) ** 2, 0).sum(0)) / observed.sum(0).clip(1)
        out.append(Leftover(name, finite_mean(residuals), depths.mean(0), noise))
    return out


def model_error_of(left: Sequence[Leftover]) -> ModelError:
    """Model error that explains the residuals of some stars.

    epsilon² is, over stars, the median weighted by depth² of (residual² - noise²) / depth², each averaged over a window
    of the line spread function, brought to a mean by the median of chi². The typical value, the mean over stars of their
    medians over pixels, joins in as five further stars and is the least: a few stars that fit well do not show that
    others will. A pixel is masked where the stars' median residual is large and out of keeping with that.
    """
    residual, depth, noise = (np.array([getattr(one, name) for one in left]) for name in ("residual", "depth", "noise"))
    seen = np.isfinite(residual)
    residual = np.where(seen, residual, 0.0)
    flat = seen & (depth < _FLAT_DEPTH) & ~halpha_core() & ~halpha_wings()
    continuum = float(np.sqrt(np.mean([_excess(r[f], n[f]) for r, n, f in zip(residual, noise, flat, strict=True)])))
    excess = _windowed(np.where(seen, residual**2 - noise**2 - continuum**2, 0.0))
    square = _windowed(np.where(seen, depth**2, 0.0)) + np.where(seen, _FLAT_DEPTH**2, 1e-12)
    to_mean = _DEGREES / chi2.median(_DEGREES)
    ratio, ordinary = excess / square, ~(halpha_core() | halpha_wings())
    local = to_mean * np.maximum(_weighted_median(ratio, square), 0)
    of_stars = _weighted_median(ratio[:, ordinary].T, (np.where(seen, depth, 0.0) ** 2)[:, ordinary].T)
    typical = to_mean * float(np.mean(np.maximum(of_stars, 0)))
    n = seen.sum(0)
    local = np.where(ordinary, np.minimum(local, _LARGEST_EPSILON**2), typical)
    epsilon = np.sqrt(np.maximum(typical, (n * local + _PRIOR_STARS * typical) / (n + _PRIOR_STARS)))
    middle = np.array([np.median(r[s]) if s.any() else 0.0 for r, s in zip(residual.T, seen.T, strict=True)])
    expected = np.hypot(np.sqrt(typical) * np.median(depth, 0), continuum)
    wrong = (np.abs(middle) > np.maximum(_MASK_RESIDUAL, _MASK_SIGMAS * expected)) & ordinary
    masked = (gaussian_filter1d(wrong.astype(float), _MASK_REACH / 2) > 0.1) & ordinary | halpha_core()
    return ModelError(epsilon, masked, _wings_error(residual, depth, seen), continuum, {})


def _excess(residual: NDArray, noise: NDArray) -> float:
    """Variance of residuals (n,) beyond that of the noise (n,), robust, not negative."""
    if not residual.size:
        return 0.0
    return float(max(robust_sigma(residual, 0.0) ** 2 - np.median(noise) ** 2, 0.0))


def _windowed(x: NDArray) -> NDArray:
    return gaussian_filter1d(x, _WINDOW_PIXELS, axis=1)


def _weighted_median(values: NDArray, weights: NDArray) -> NDArray:
    """Median over the first axis of values (n, m) with weights (n, m)."""
    order = np.argsort(values, 0)
    total = np.cumsum(np.take_along_axis(weights, order, 0), 0)
    at = (total >= 0.5 * total[-1]).argmax(0)
    return np.take_along_axis(np.take_along_axis(values, order, 0), at[None], 0)[0]


def _wings_error(residual: NDArray, depth: NDArray, seen: NDArray) -> float:
    """Root mean square over stars of the factor by which Halpha's wings are too shallow, from fits that did not see them."""
    inside = seen & halpha_wings()
    product, square = (np.where(inside, x, 0).sum(1) for x in (residual * depth, depth**2))
    factors = product[square > 0] / square[square > 0]
    return float(np.sqrt(np.mean(factors**2)))


def judged_by_the_others(left: Sequence[Leftover], group: Sequence[str]) -> float:
    """`mean_square` of the stars of a group by the model error of those outside it."""
    others = model_error_of([one for one in left if one.star not in group])
    return mean_square([one for one in left if one.star in group], others)


def scaled(error: ModelError, factor: float) -> ModelError:
    """A model error `factor` times as large; the error of Halpha's wings, measured by itself, stays."""
    return replace(error, epsilon=error.epsilon * factor, continuum=error.continuum * factor)


def mean_square(left: Sequence[Leftover], error: ModelError) -> float:
    """Mean squared residual of stars over noise and model error together, each at most 4 sigma: 1 when the error is right."""
    values = []
    for one in left:
        good = np.isfinite(one.residual) & ~error.masked & ~halpha_wings()
        total = np.hypot(error.sigma(1 - one.depth), one.noise)
        values.append(np.mean(np.minimum(np.abs(one.residual / total)[good], _LARGEST_SIGMAS) ** 2))
    return float(np.mean(values))


def _teff_pair(star: KnownStar, vector: FluxVector, forward: ForwardModel, error: ModelError) -> TeffPair:
    held = {"logg": held_by_literature(star)["logg"]}
    with_wings = fit_labels(vector, forward, error, held)
    without = fit_labels(vector, forward, error, held, used=~halpha_wings())
    return TeffPair(
        star.star,
        Path(star.file).name,
        star.values["teff"],
        float(with_wings.labels[0]),
        float(without.labels[0]),
    )


SUN = {"teff": 5772.0, "logg": 4.44, "feh": 0.0, "vmic": 1.0}
"""Literature parameters; every [X/Fe] is 0. Rotation and macroturbulence, velocity and continuum are fitted."""
_TIGHT = {"teff": 0.5, "logg": 1e-3, "feh": 1e-3, "vmic": 1e-3}
_TIGHT_RATIO = 1e-3
_FREE = "vbroad"


@dataclass(frozen=True)
class SunCheck:
    """One solar spectrum: scatter (1.48 MAD) and rms of observed - model of each arm outside the mask, fitted vbroad [km/s]."""

    file: str
    scatter: tuple[float, ...]
    rms: tuple[float, ...]
    vbroad: float


def check_sun(path: Path, forward: ForwardModel, templates: Templates, error: ModelError) -> SunCheck:
    """Residuals of the solar spectrum in a file at R = 20 000; SpectrumError where it cannot be prepared."""
    vector = prepare(read(path), templates)
    solar = dict(zip(LABEL_NAMES, labels_of(SUN).tolist(), strict=True))
    held = {name: Held(value, _TIGHT.get(name, _TIGHT_RATIO)) for name, value in solar.items() if name != _FREE}
    fit = fit_labels(vector, forward, error, held)
    residual = np.where(error.masked | halpha_core(), np.nan, fit.residual(vector))
    scatter, rms = [], []
    for part in arm_slices():
        finite = residual[part][np.isfinite(residual[part])]
        scatter.append(robust_sigma(finite) if finite.size else float("nan"))
        rms.append(float(finite.std()) if finite.size else float("nan"))
    return SunCheck(path.name, tuple(scatter), tuple(rms), float(fit.labels[COLUMN[_FREE]]))
