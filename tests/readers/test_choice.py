"""Choices among the spectra of a file: listed, asked for, and what read takes."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from made_up_files import FLUXES, WAVE, pixels_hdu, rows_hdu
from synthetic import fits_bytes, image_hdu

from cinn_core.errors import SpectrumError
from cinn_core.readers import Choice, list_spectra, read


def test_rows_that_are_pixels_and_text_have_nothing_to_choose():
    with pytest.raises(SpectrumError, match="are the pixels of one spectrum"):
        read(fits_bytes(fits.PrimaryHDU(), pixels_hdu(FLUXES[0], "A")), "a.fits", row=5)
    with pytest.raises(SpectrumError, match="no extensions or rows"):
        read("\n".join(f"{w} 1.0" for w in WAVE).encode(), "a.txt", hdu=1)


def test_choices_are_listed_for_whoever_asks_and_are_what_read_takes():
    names = fits.BinTableHDU.from_columns([fits.Column(name="TARGNAME", format="4A", array=["a", "b", "c", "d", "e"])])
    stack = image_hdu(np.concatenate([FLUXES, FLUXES[:2]]), CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0)
    data = fits_bytes(stack, names)
    choices = list_spectra(data, "fibres.fits")
    assert choices[1] == Choice(0, 1, "row 1: b")
    assert len(choices) == 5
    assert np.allclose(read(data, "fibres.fits", hdu=choices[2].hdu, row=choices[2].row).flux, FLUXES[2])
    with pytest.raises(SpectrumError, match="5 spectra"):
        read(data, "fibres.fits")
    rows = list_spectra(fits_bytes(fits.PrimaryHDU(), rows_hdu(np.tile(WAVE, (3, 1)), FLUXES)))
    assert [(c.hdu, c.row) for c in rows] == [(1, 0), (1, 1), (1, 2)]
    tables = fits_bytes(fits.PrimaryHDU(), pixels_hdu(FLUXES[0], "FIRST"), pixels_hdu(FLUXES[1], "SECOND"))
    assert list_spectra(tables) == (Choice(1, None, "1 FIRST"), Choice(2, None, "2 SECOND"))


def test_nothing_is_asked_where_a_file_holds_one_spectrum():
    assert list_spectra(fits_bytes(image_hdu(FLUXES[0], CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0))) == ()
    bands = {"BANDID1": "spectrum - weights variance", "BANDID2": "sky"}
    assert list_spectra(fits_bytes(image_hdu(FLUXES[:2], CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0, **bands))) == ()
    assert (
        len(list_spectra(fits_bytes(image_hdu(FLUXES[:2], CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0)))) == 2
    )  # who knows
    assert list_spectra(b"5200 1.0\n5200.1 0.9\n") == ()
    with pytest.raises(SpectrumError, match="damaged"):
        list_spectra(b"SIMPLE" + bytes(9000), "a.fits")


def test_choices_are_named_in_characters_that_can_be_read():
    """A name of a damaged table holds what no terminal shows."""
    assert Choice(None, 1, "row 1: SK\x00Y\n").label == "row 1: SK Y "
