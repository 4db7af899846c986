"""IRAF's six kinds of dispersion functions against the formulas of its specwcs description, on random coefficients."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from synthetic import fits_bytes

from cinn_core.errors import SpectrumError
from cinn_core.readers import list_spectra, read
from cinn_core.readers.iraf import multispec_axis, physical_pixels

PIXEL = np.linspace(1.0, 512.0, 777)
"""Physical pixels, whole and broken ones."""


def chebyshev(p: float, c: list[float], low: float, high: float) -> float:
    n = (p - (high + low) / 2) / ((high - low) / 2)
    x = [1.0, n]
    while len(x) < len(c):
        x.append(2 * n * x[-1] - x[-2])
    return sum(a * b for a, b in zip(c, x, strict=False))


def legendre(p: float, c: list[float], low: float, high: float) -> float:
    n = (p - (high + low) / 2) / ((high - low) / 2)
    x = [1.0, n]
    for i in range(3, len(c) + 1):
        x.append(((2 * i - 3) * n * x[-1] - (i - 2) * x[-2]) / (i - 1))
    return sum(a * b for a, b in zip(c, x, strict=False))


def cubic_spline(p: float, c: list[float], low: float, high: float) -> float:
    pieces = len(c) - 3
    s = (p - low) / (high - low) * pieces
    j = min(int(s), pieces - 1)
    a, b = (j + 1) - s, s - j
    x = (a**3, 1 + 3 * a * (1 + a * b), 1 + 3 * b * (1 + a * b), b**3)
    return sum(c[i + j] * x[i] for i in range(4))


def linear_spline(p: float, c: list[float], low: float, high: float) -> float:
    pieces = len(c) - 1
    s = (p - low) / (high - low) * pieces
    j = min(int(s), pieces - 1)
    return c[j] * ((j + 1) - s) + c[j + 1] * (s - j)


def pixel_array(p: float, c: list[float], *_: float) -> float:
    k = min(int(p), len(c) - 1)
    return c[k - 1] * ((k + 1) - p) + c[k] * (p - k)


def sampled_array(p: float, c: list[float], *_: float) -> float:
    at, value = c[0::2], c[1::2]
    k = max(i for i in range(len(at) - 1) if at[i] <= p)
    share = (p - at[k]) / (at[k + 1] - at[k])
    return value[k] * (1 - share) + value[k + 1] * share


def random_function(kind: int, rng: np.random.Generator) -> tuple[list[float], object, list[float], float, float]:
    """Fields of a function, what computes it, its coefficients and its range."""
    low, high = 1.0, 512.0
    n = int(rng.integers(2, 7))
    if kind in (1, 2):
        c = [5400.0, 30.0, *rng.normal(0, 0.5, n - 2)] if n > 2 else [5400.0, 30.0]
        return [kind, len(c), low, high, *c], (chebyshev, legendre)[kind - 1], c, low, high
    if kind in (3, 4):
        c = list(
            900.0 + 3 * np.arange(n + 3 if kind == 3 else n + 1) + rng.normal(0, 0.3, n + 3 if kind == 3 else n + 1)
        )
        return [kind, n, low, high, *c], (cubic_spline, linear_spline)[kind - 3], c, low, high
    if kind == 5:
        c = list(5000.0 + 0.05 * np.arange(512) + rng.normal(0, 0.001, 512))
        return [kind, 512, *c], pixel_array, c, low, high
    at = np.concatenate([[1.0], np.sort(rng.uniform(2, 511, n)), [512.0]])
    c = list(np.stack([at, 5000.0 + 0.05 * at + rng.normal(0, 0.01, at.size)], 1).ravel())
    return [kind, at.size, 0.0, *c], sampled_array, c, low, high


@pytest.mark.parametrize("kind", range(1, 7))
def test_functions_are_those_of_the_description(kind):
    rng = np.random.default_rng(kind)
    for _ in range(5):
        parts = [random_function(k, rng) for k in (kind, int(rng.integers(1, 7)))]  # two arcs, also of different kinds
        weights, offsets, z = (0.6, 0.4), rng.normal(0, 2, 2), rng.normal(0, 1e-4)
        fields = [1, 90, 2, 5000.0, 0.05, PIXEL.size, z, 10, 20]
        for (own, *_rest), weight, offset in zip(parts, weights, offsets, strict=True):
            fields += [weight, offset, *own]
        expected = [
            sum(
                w * (o + f(p, c, low, high)) for (_, f, c, low, high), w, o in zip(parts, weights, offsets, strict=True)
            )
            / (1 + z)
            for p in PIXEL
        ]
        found = multispec_axis([repr(float(x)) for x in fields], PIXEL, "a.fits")
        assert np.abs(found - expected).max() < 1e-6


def test_pixels_of_a_cut_and_binned_image_are_those_before():
    header = {"LTV1": -20.0, "LTM1_1": 0.5}
    assert np.allclose(physical_pixels(header, 3), [42.0, 44.0, 46.0])  # p = (l - LTV1) / LTM1_1


def test_linear_and_log_linear_axes_and_uncalibrated_rows():
    linear = multispec_axis("1 1 0 5000. 0.05 777 1e-3 1 2".split(), PIXEL, "a")
    assert np.allclose(linear, (5000 + 0.05 * (PIXEL - 1)) / 1.001)
    logarithmic = multispec_axis("1 1 1 3.7 1e-5 777 0. 1 2".split(), PIXEL, "a")
    assert np.allclose(logarithmic, 10 ** (3.7 + 1e-5 * (PIXEL - 1)))
    assert multispec_axis("1 1 -1 1. 1. 777 0. 1 2".split(), PIXEL, "a") is None


@pytest.mark.parametrize(
    "words",
    ["1 1 2", "1 1 2 5000 0.05 777 0 1 2 1. 0. 1 5 1. 512. 5000.", "1 1 2 5000 0.05 777 0 1 2", "a b c d e f g h i"],
)
def test_damaged_description_is_refused_in_words(words):
    with pytest.raises(SpectrumError, match="damaged or cut"):
        multispec_axis(words.split(), PIXEL, "a.fits")


def test_apertures_over_the_same_wavelengths_are_stars_to_choose_among_and_orders_are_not():
    wave = 5140.0 + 0.05 * np.arange(2000)
    flux = np.stack([np.full(wave.size, level) + 1e-3 * (np.arange(wave.size) % 7) for level in (1.0, 2.0, 3.0)])

    def file(starts: tuple[float, ...]) -> bytes:
        hdu = fits.PrimaryHDU(flux)
        cards = {
            "WCSDIM": 2,
            "CTYPE1": "MULTISPE",
            "WAT0_001": "system=multispec",
            "WAT1_001": "wtype=multispec units=angstroms",
        }
        hdu.header.update(cards | {f"APID{i + 1}": n for i, n in enumerate(("sky", "HD 1", "HD 2"))})
        specs = (f'spec{i + 1} = "{i + 1} {i + 1} 0 {s} 0.05 2000 0. 1. 2."' for i, s in enumerate(starts))
        words = "wtype=multispec " + " ".join(specs)
        hdu.header.update({f"WAT2_{i // 68 + 1:03d}": words[i : i + 68] for i in range(0, len(words), 68)})
        return fits_bytes(hdu)

    stars = file((5140.0, 5140.5, 5141.0))
    assert [c.label for c in list_spectra(stars)] == ["row 0: sky", "row 1: HD 1", "row 2: HD 2"]
    second = read(stars, row=2)
    assert (second.star, round(second.wavelength[0], 2)) == ("HD 2", 5141.0)
    assert not list_spectra(file((5140.0, 5230.0, 5320.0)))
