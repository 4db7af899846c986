"""Several exposures of one star as one: each prepared by itself, its own velocity taken out, then added pixel by pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from ..errors import SpectrumError
from ..instrument import ARMS, MAX_SNR, N_PIXELS, WAVELENGTH, arm_slices
from ..overrides import NOTHING_GIVEN, Overrides
from ..stages import FluxVector, Snapshot, Spectrum, Step
from ..statistics import robust_sigma
from .fourmost import coverage_flags, prepare
from .snr import LOW, degraded, noise_left
from .templates import Templates

_CUT_SIGMA, _CUT_FLUX = 5.0, 0.02
"""An exposure's pixel is left out beyond this many of its errors, and this much of the continuum, from the others'."""

_WINGS = 2  # pixels beside one that is left out: the line spread function carries a cosmic ray there
_SHARED, _FOREIGN, _FOREIGN_FLUX = 0.65, 1.5, 0.03
_SHARP_PIXELS = 101
_OF_EXPOSURES = frozenset({"partial_coverage", "missing_arm", "snr_low", "snr_clipped"})
"""Flags that one exposure may carry and the sum need not."""

_LONGEST_NAME = 160


def combine(spectra: Sequence[Spectrum], templates: Templates, overrides: Overrides = NOTHING_GIVEN) -> FluxVector:
    """Sum of several exposures of one star by inverse variance, as one flux vector with the ledger of all of them.

    Exposures are brought to rest one by one, so they may be of different velocities, instruments and media. Their noise
    has to be independent: its S/N per Angstrom adds in squares. Raises SpectrumError where a file comes twice, where two
    exposures share their noise or show different stars, or where one cannot be prepared.
    """
    _require_exposures(spectra, overrides)
    vectors = [_prepared(one, templates, overrides) for one in spectra]
    flux = np.stack([v.flux for v in vectors])
    sigma = np.stack([_pixel_noise(v) for v in vectors])
    _require_independent(vectors, flux, sigma)
    known = np.isfinite(flux) & np.isfinite(sigma)
    cut = known & _outlying(flux, sigma, known)
    used = known & ~cut
    used[:, ~used.any(0)] = known[:, ~used.any(0)]  # where nothing else is left they stay
    weight = np.where(used, sigma, np.inf) ** -2.0
    total = weight.sum(0)
    good = total > 0
    mean = (weight * np.where(used, flux, 0.0)).sum(0) / np.where(good, total, 1.0)
    snr = _summed_snr(vectors, used, good)
    steps = _steps(vectors, snr, cut, flux, sigma)
    return _as_vector(vectors, np.where(good, mean, np.nan), good, snr, steps, overrides)


def _require_exposures(spectra: Sequence[Spectrum], overrides: Overrides) -> None:
    if len(spectra) < 2:
        raise SpectrumError("One spectrum alone cannot be combined; name two or more exposures of the star.")
    if overrides.velocity is not None or overrides.snr is not None:
        raise SpectrumError("A velocity or a S/N cannot be given for exposures that are combined: each has its own.")
    for a, b in combinations(spectra, 2):
        if a.sha256 == b.sha256 or (
            np.array_equal(a.flux, b.flux) and np.allclose(a.wavelength, b.wavelength, rtol=1e-3)
        ):
            raise SpectrumError(
                f"{a.file} and {b.file} are the same exposure; it would be counted twice. Name each exposure once."
            )


def _prepared(spectrum: Spectrum, templates: Templates, overrides: Overrides) -> FluxVector:
    try:
        vector = prepare(spectrum, templates, replace(overrides, degrade_to_snr=None))
    except SpectrumError as problem:
        raise SpectrumError(f"{spectrum.file} cannot be combined with the others. {problem}") from problem
    if "rv_uncertain" in vector.flags:
        raise SpectrumError(
            f"{spectrum.file} has no credible velocity, so it cannot be brought to rest with the other exposures; leave it out."
        )
    return vector


def _pixel_noise(vector: FluxVector) -> NDArray:
    """Noise (N_PIXELS,) of each pixel of a flux vector; NaN where it has none."""
    noise = np.full(N_PIXELS, np.nan)
    for arm, part, snr in zip(ARMS, arm_slices(), vector.snr, strict=True):
        if np.isfinite(snr):
            noise[part] = noise_left(snr, vector.noise_fwhm_kms, 0.5 * (arm.low + arm.high))
    return np.where(vector.good, noise, np.nan)


def _sharp_difference(a: NDArray, b: NDArray) -> NDArray:
    """Difference (n,) of two exposures where both have pixels, without what varies over more than some 10 Angstrom."""
    both = np.isfinite(a) & np.isfinite(b)
    difference = a[both] - b[both]
    return difference - median_filter(difference, _SHARP_PIXELS)


def _require_independent(vectors: Sequence[FluxVector], flux: NDArray, sigma: NDArray) -> None:
    """Raise SpectrumError for two exposures that differ by much less or much more than their noise makes them."""
    for i, j in combinations(range(len(vectors)), 2):
        difference = _sharp_difference(flux[i], flux[j])
        if difference.size < _SHARP_PIXELS:
            continue
        scatter = robust_sigma(difference, 0.0)
        expected = float(np.nanmedian(np.hypot(sigma[i], sigma[j])))
        a, b = vectors[i].file, vectors[j].file
        if scatter < _SHARED * expected:
            raise SpectrumError(
                f"{a} and {b} differ by {scatter / expected:.2f} of what their noise would make of two exposures: they share it, and "
                "it would be counted twice. Combine exposures that do not contain each other."
            )
        if scatter > _FOREIGN * expected and scatter**2 - expected**2 > _FOREIGN_FLUX**2:
            raise SpectrumError(
                f"{a} and {b} differ by {scatter / expected:.1f} times their noise; they do not show the same star. Leave one out."
            )


def _outlying(flux: NDArray, sigma: NDArray, known: NDArray) -> NDArray:
    """Pixels (exposures, N_PIXELS) bool far from the others': above them, or on either side where three or more are there.

    Two exposures show only that one is too bright, as cosmic rays make it.
    """
    count = known.sum(0)
    middle = np.full(N_PIXELS, np.nan)
    several = count > 2
    middle[several] = np.nanmedian(np.where(known, flux, np.nan)[:, several], axis=0)
    pairs = count == 2
    middle[pairs] = np.nanmin(np.where(known, flux, np.nan)[:, pairs], axis=0)
    noise = np.hypot(np.nan_to_num(sigma), np.nanmax(np.where(known, sigma, 0.0), axis=0) * np.where(several, 0.7, 1.0))
    off = np.where(known & np.isfinite(middle), flux - middle, 0.0)
    far = np.abs(off) > np.maximum(_CUT_SIGMA * noise, _CUT_FLUX)
    wrong = far & ((off > 0) | several)
    return np.stack([np.convolve(row, np.ones(2 * _WINGS + 1), "same") > 0 for row in wrong])


def _summed_snr(vectors: Sequence[FluxVector], used: NDArray, good: NDArray) -> tuple[float, ...]:
    """S/N per Angstrom of each arm: squares add, in the share of the pixels to which an exposure contributes."""
    out = []
    for i, part in enumerate(arm_slices()):
        shares = used[:, part].sum(1) / max(int(good[part].sum()), 1)
        square = sum(float(s) * v.snr[i] ** 2 for s, v in zip(shares, vectors, strict=True) if np.isfinite(v.snr[i]))
        out.append(float(np.sqrt(square)) if square > 0 else float("nan"))
    return tuple(out)


def _steps(
    vectors: Sequence[FluxVector], snr: tuple[float, ...], cut: NDArray, flux: NDArray, sigma: NDArray
) -> list[Step]:
    """Ledger of the sum: every step of every exposure, then velocity, S/N and how many pixels were left out."""
    steps = [replace(s, name=f"exposure {i}, {s.name}") for i, v in enumerate(vectors, 1) for s in v.steps]
    kms, error = _mean_velocity(vectors)
    numbers: dict[str, float | str] = {"rv_kms": kms, "error_kms": error}
    numbers |= {f"rv_{i}": v.rv_kms for i, v in enumerate(vectors, 1)}
    steps.append(Step("velocity", "taken out of each exposure by itself; their mean by inverse variance", numbers))
    for i, arm in enumerate(ARMS):
        of_arm: dict[str, float | str] = {"per_angstrom": snr[i]}
        of_arm |= {f"exposure_{k}": v.snr[i] for k, v in enumerate(vectors, 1)}
        steps.append(Step(f"signal to noise, {arm.name}", "squares of the exposures' add", of_arm))
    over = [
        robust_sigma(_sharp_difference(flux[i], flux[j]), 0.0) / float(np.nanmedian(np.hypot(sigma[i], sigma[j])))
        for i, j in combinations(range(len(vectors)), 2)
    ]
    counted: dict[str, float | str] = {"exposures": len(vectors), "difference_over_noise": float(np.nanmedian(over))}
    counted |= {f"file_{i}": v.file for i, v in enumerate(vectors, 1)}
    counted |= {f"pixels_left_out_{i}": int(row.sum()) for i, row in enumerate(cut, 1)}
    reason = "exposures at rest added on the 4MOST pixels by inverse variance, outliers beyond 5 sigma left out"
    return [*steps, Step("combine", reason, counted)]


def _mean_velocity(vectors: Sequence[FluxVector]) -> tuple[float, float]:
    weight = np.array([1 / max(v.rv_error_kms, 1e-3) ** 2 for v in vectors])
    kms = np.array([v.rv_kms for v in vectors])
    return float((weight * kms).sum() / weight.sum()), float(weight.sum() ** -0.5)


def _as_vector(
    vectors: Sequence[FluxVector],
    flux: NDArray,
    good: NDArray,
    snr: tuple[float, ...],
    steps: list[Step],
    overrides: Overrides,
) -> FluxVector:
    """Flux vector of the sum, with noise added where that is asked for; widths of noise and instrument are weighted means."""
    share = np.array([v.snr_per_angstrom**2 for v in vectors])
    best = vectors[int(share.argmax())]
    fwhm = float((share * [v.noise_fwhm_kms for v in vectors]).sum() / share.sum())
    flags = {f for v in vectors for f in v.flags} - _OF_EXPOSURES | coverage_flags(good)
    typical = float(np.nanmedian(snr))
    flags |= {"snr_low"} if typical < LOW else set()
    flags |= {"snr_clipped"} if np.nanmax(snr) > MAX_SNR else set()
    snr = tuple(min(s, MAX_SNR) if np.isfinite(s) else s for s in snr)
    if overrides.degrade_to_snr is not None:
        flux, snr, step = degraded(flux, snr, fwhm, overrides.degrade_to_snr, overrides.noise_seed)
        steps = [*steps, step]
    kms, error = _mean_velocity(vectors)
    return FluxVector(
        flux=flux,
        good=good,
        continuum=best.continuum,
        snr=snr,
        rv_kms=kms,
        rv_error_kms=error,
        native_resolving_power=float((share * [v.native_resolving_power for v in vectors]).sum() / share.sum()),
        noise_fwhm_kms=fwhm,
        star=best.star,
        file=" + ".join(v.file for v in vectors)[:_LONGEST_NAME],
        sha256=hashlib.sha256("".join(sorted(v.sha256 for v in vectors)).encode()).hexdigest(),
        steps=tuple(steps),
        flags=tuple(sorted(flags)),
        snapshots=(*best.snapshots, Snapshot("combine", "air, at rest", WAVELENGTH, np.where(good, flux, 0.0), good)),
    )
