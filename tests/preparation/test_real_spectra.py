"""Every real spectrum of the index, one test each: format, range, coverage, medium, velocity and arms as the index has them."""

from __future__ import annotations

import csv
import re
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pytest
from synthetic import templates

from cinn_core.errors import SpectrumError
from cinn_core.files import data_directory
from cinn_core.instrument import ARMS, arm_slices
from cinn_core.preparation.fourmost import prepare
from cinn_core.readers import read
from cinn_core.stages import FluxVector, Medium, Spectrum

REFUSED = {
    "MOON_rabh.225.fits": "without wavelengths",  # its wavelengths are in another file
    "hd122563blue_multi.fits": "the model needs 5160-5730 and 6100-6790",
}
DARK_ORDER = "mbgphR201811160014_u1we.fits"
"""Its bluest order begins with noise alone (5417-5450 Angstrom, below S/N 3 a pixel): the index counts it, Kiel does not."""

CLIPPED = "HARPS.GBOG_psiPhe.fits"
"""Whoever normalised it set all flux above 1.1 to zero: its rebinned coverage is smaller than that of its pixels."""

HOT = ("ELODIE_HD886_gamPeg_B2IV.fits", "Sophie_Vega.fits")
"""The index gives no velocity for them."""

ARMS_APART = {"CoRoT-1_UVES_107200_472_683_2020.fits": 0.6}
"""Its arms differ by 0.52 km/s here and by 0.32 in the index; no other file of one star needs more than the index."""

FORMATS = (
    (r"text 3 col \(order", "text, echelle orders"),
    (r"^text", "text"),
    (r"^image CRVAL1", "FITS image"),
    (r"^bintable wav/flux", "FITS column table"),
    (r"^ESO phase3 bintable|1 row x vector cells", "FITS vector table"),
    (r"^IRAF multispec", "IRAF multispec"),
    (r"^multi-HDU linear per order", "one extension an order"),
    (r"^CPS HIRES 2-D", "order image with wavelengths"),
)


def index() -> dict[str, dict[str, str]]:
    folder = data_directory()
    if folder is None:
        return {}
    rows = csv.DictReader((folder / "spectra" / "INDEX.csv").read_text().splitlines())
    return {row["file"]: row for row in rows}


INDEX = index()
READ = [f for f in INDEX if f != "MOON_rabh.225.fits"] or [""]
pytestmark = pytest.mark.usefixtures("shared")
PREPARED = [f for f in INDEX if f not in REFUSED] or READ


@lru_cache(maxsize=1)
def spectrum(file: str) -> Spectrum:
    return read(Path(str(data_directory())) / "spectra" / file)


@cache
def prepared(file: str) -> FluxVector:
    return prepare(spectrum(file), templates())


def numbers(vector: FluxVector, step: str) -> dict[str, float | str]:
    return next((s.numbers for s in reversed(vector.steps) if s.name == step), {})


def index_velocities(row: dict[str, str]) -> tuple[float | None, float | None]:
    green, red = (float(row[key]) if row[key] else None for key in ("rv_green_kms", "rv_red_kms"))
    return green, red


def arms_differ(row: dict[str, str]) -> bool:
    """Whether the index's own two velocities lie more than 0.5 km/s apart."""
    green, red = index_velocities(row)
    return green is not None and red is not None and abs(green - red) > 0.5


@pytest.mark.parametrize("file", READ)
def test_format_and_range_are_those_of_the_index(file):
    row, found = INDEX[file], spectrum(file)
    assert found.format == next(kiel for pattern, kiel in FORMATS if re.search(pattern, row["flavour"]))
    assert found.wavelength[0] == pytest.approx(float(row["wave_min_A"]), abs=1)
    assert found.wavelength[-1] == pytest.approx(float(row["wave_max_A"]), abs=1)


@pytest.mark.parametrize("file", READ)
def test_pixels_cover_the_windows_as_the_index_says(file):
    row, found = INDEX[file], spectrum(file)
    wave = found.wavelength[found.good]
    for arm in ARMS:
        told = float(row[f"frac_cover_{arm.name}_{arm.low:.0f}_{arm.high:.0f}"])
        if file == DARK_ORDER and arm.name == "green":
            told -= (5450 - 5417) / (arm.high - arm.low)
        share = (np.histogram(wave, np.arange(arm.low, arm.high + 0.25, 0.5))[0] > 0).mean()
        assert share == pytest.approx(told, abs=0.05), arm.name


@pytest.mark.parametrize("file", PREPARED)
def test_rebinned_coverage_is_that_of_the_pixels(file):
    row, rebinned = INDEX[file], numbers(prepared(file), "degrade and rebin")
    for arm in ARMS:
        share = float(rebinned[f"coverage_{arm.name}"])
        told = float(row[f"frac_cover_{arm.name}_{arm.low:.0f}_{arm.high:.0f}"])
        if file == DARK_ORDER and arm.name == "green":
            told -= (5450 - 5417) / (arm.high - arm.low)
        if file == CLIPPED:
            assert 0.5 < share <= told, arm.name
            continue
        assert share == pytest.approx(told, abs=0.05), arm.name


@pytest.mark.parametrize("file", PREPARED)
def test_what_the_masks_leave_out_is_in_the_ledger_and_little_beside_the_air(file):
    vector = prepared(file)
    masked = sum(float(s.numbers["pixels"]) for s in vector.steps if s.name == "mask")
    rebinned = numbers(vector, "degrade and rebin")
    for arm, share, part in zip(ARMS, vector.coverage, arm_slices(), strict=True):
        lost = float(rebinned[f"coverage_{arm.name}"]) - share
        most = 1.5 * masked / vector.good[part].size  # coverage is a mean over blocks, not over pixels
        assert -1e-9 < lost < most, arm.name
        assert lost < (0.06 if arm.name == "green" else 0.2), arm.name  # oxygen and most water lines are in the red


@pytest.mark.parametrize("file", PREPARED)
def test_air_or_vacuum_is_right(file):
    told = Medium.VACUUM if INDEX[file]["air_vacuum"].upper() == "VACUUM" else Medium.AIR
    found = spectrum(file).medium
    if found is Medium.UNKNOWN:
        vector = prepared(file)
        assert "medium_guessed" in vector.flags
        found = Medium(numbers(vector, "medium")["chosen"])
    assert found is told


@pytest.mark.parametrize("file", PREPARED)
def test_velocity_is_that_of_the_index(file):
    row, vector = INDEX[file], prepared(file)
    green, _ = index_velocities(row)
    if file in HOT:
        assert green is None
        assert "rv_uncertain" in vector.flags or vector.rv_error_kms > 0.3
        return
    assert "rv_uncertain" not in vector.flags
    assert vector.rv_kms == pytest.approx(green, abs=2 if arms_differ(row) else 1)


@pytest.mark.parametrize("file", PREPARED)
def test_arms_agree_where_the_star_is_one_and_bright(file):
    row, vector = INDEX[file], prepared(file)
    seen = numbers(vector, "velocity")
    difference = float(seen["rv_green"]) - float(seen["rv_red"])
    if row["category"] == "suspect" and arms_differ(row):
        assert "arms_disagree" in vector.flags
        return
    assert "arms_disagree" not in vector.flags
    if file in HOT or not float(row["snr_est_green"] or 0) > 100 or np.isnan(difference) or arms_differ(row):
        return
    assert abs(difference) < ARMS_APART.get(file, 0.5)


@pytest.mark.parametrize("file", PREPARED)
def test_single_star_is_not_called_composite(file):
    assert "composite" not in prepared(file).flags


@pytest.mark.parametrize("file", sorted(REFUSED))
def test_file_without_what_is_needed_is_refused_in_words(file, shared):
    with pytest.raises(SpectrumError, match=REFUSED[file]):
        prepare(read(shared / "spectra" / file), templates())
