"""Air or vacuum as files say it: keywords, remarks, names of extensions, pipelines; every row of the table has its source."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from synthetic import fits_bytes, image_hdu, labels_of, observed, pixels

from cinn_core.readers import read
from cinn_core.readers.media import ORIGINS, medium_in_comments, medium_of
from cinn_core.stages import Medium

AIR, VACUUM, UNKNOWN = Medium.AIR, Medium.VACUUM, Medium.UNKNOWN


def header(*cards: tuple[str, object] | tuple[str, object, str]) -> fits.Header:
    made = fits.Header()
    for key, *rest in cards:
        made.append((key, *rest), end=True)
    return made


@pytest.mark.parametrize(
    ("cards", "medium"),
    [
        ([("AIRORVAC", "vac")], VACUUM),
        ([("VACUUM", True)], VACUUM),
        ([("VACUUM", False)], AIR),
        ([("VACUUM", "Air to vacuum correction applied.")], VACUUM),
        ([("VACUUM", "Air to vacuum correction not applied.")], AIR),
        ([("WAVETYPE", "VACUUM")], VACUUM),
        ([("CTYPE1", "AWAV")], AIR),
        ([("CTYPE1", "WAVE")], VACUUM),
        ([("CTYPE1", "WAVE"), ("INSTRUME", "HARPS")], AIR),
        ([("CRVAL1", 5100.0, "[Angstrom] vacuum wavelength of the first pixel")], VACUUM),
        ([("COMMENT", "wavelengths are in air, barycentric")], AIR),
        ([("COMMENT", "the dewar's vacuum was good and the airmass low")], UNKNOWN),
        ([("HISTORY", "converted wavelengths from air to vacuum")], VACUUM),
        ([("HISTORY", "wavelengths not in vacuum")], UNKNOWN),
        ([("EXTNAME", "WAVEDATA_VAC_BARY")], VACUUM),
        ([("EXTNAME", "WAVEDATA_AIR_BARY")], AIR),
        ([("INSTRUME", "CARMENES"), ("ORIGIN", "CARACAL")], VACUUM),
        ([("INSTRUME", "UVES"), ("CRVAL1", 3.7), ("UP_ARR01", "Normalized flux spectrum")], VACUUM),
        ([("INSTRUME", "UVES"), ("CRVAL1", 4800.0)], AIR),
        ([("INSTRUME", "FEROS"), ("PIPELINE", "CERES")], VACUUM),
        ([("INSTRUME", "FEROS"), ("HIERARCH (LAMBDA_BARY / LAMBDA_TOPO)", 1.00001)], VACUUM),
        ([("INSTRUME", "FIES")], AIR),
        ([("COMMENT", "Wellenlaengen im Vakuum")], VACUUM),
        ([("INSTRUME", "FEROS")], UNKNOWN),
        ([("INSTRUME", "HERMES-2dF")], AIR),
        ([("OBJECT", "NEID"), ("INSTRUME", "SES")], UNKNOWN),
        ([("PYP_SPEC", "keck_hires")], VACUUM),
        ([("INSTRUME", "nres01")], VACUUM),
        ([("AIR", False)], VACUUM),
        ([("TCOMM1", "Wavelength in vacuum")], VACUUM),
        ([("CNAME1", "Vacuum wavelength")], VACUUM),
        ([("LAMBDA", "VAC")], VACUUM),
        ([("WAVE_FRM", "VACUUM, heliocentric")], VACUUM),
        ([("HISTORY", "airtovac applied")], VACUUM),
        ([("HISTORY", "vac2air applied")], AIR),
    ],
)
def test_what_a_header_says_is_understood(cards, medium):
    found, steps = medium_of([header(*cards)])
    assert found is medium
    assert steps[0].reason


def test_every_header_of_a_file_is_asked_before_a_weaker_word_counts():
    assert medium_of([header(("CTYPE1", "WAVE")), header(("AIRORVAC", "air"))])[0] is AIR


def test_damaged_card_beside_a_sound_one_does_not_hide_it():
    damaged = fits.Header()
    damaged.append(fits.Card.fromstring("WAVEREF = 'unclosed".ljust(80)))
    damaged["INSTRUME"] = "KPF"
    assert medium_of([damaged])[0] is VACUUM


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda origin: origin.name)
def test_every_pipeline_and_instrument_has_a_source(origin):
    assert origin.medium in (AIR, VACUUM)
    assert len(origin.source) > 10


@pytest.mark.parametrize(
    ("line", "medium"),
    [
        ("# Wavelengths are in vacuum", VACUUM),
        ("# wavelength [A] (air), flux, error", AIR),
        ("# wavelength (vacuum), as converted from air", None),
        ("# exposure in air, 20 min", None),
        ("# vacuum", VACUUM),
        ("# medium = vacuum", VACUUM),
        ("AIRORVAC= 'air'", AIR),
        ("# vacuum pump on", None),
        ("# airmass 1.2, dewar vacuum 1e-6, wavelength from ThAr", None),
    ],
)
def test_comment_of_a_text_is_understood_where_it_is_on_wavelengths(line, medium):
    found = medium_in_comments([line])
    assert (None if found is None else found[0]) is medium


def test_text_and_image_in_vacuum_are_read_as_they_say():
    wave = pixels(5140, 5750, 0.05)
    flux = observed(labels_of(), wave, -40.0, 200.0, VACUUM)
    text = "# Wavelengths are in vacuum\n" + "\n".join(
        f"{w:.4f} {f:.5f}" for w, f in zip(wave.tolist(), flux.tolist(), strict=True)
    )
    assert read(text.encode(), "star.txt").medium is VACUUM
    cards = {"CRVAL1": float(wave[0]), "CDELT1": 0.05, "CRPIX1": 1.0, "CUNIT1": "Angstrom", "INSTRUME": "NEID"}
    spectrum = read(fits_bytes(image_hdu(flux, **cards)), "star.fits")
    assert spectrum.medium is VACUUM
    assert any("NEID pipeline documentation" in step.reason for step in spectrum.steps)
    assert np.isclose(spectrum.wavelength[0], wave[0])
