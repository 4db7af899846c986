"""Reading bytes of any kind: packed, damaged and what is not a spectrum at all."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import fits
from made_up_files import FLUX
from synthetic import fits_bytes, image_hdu

from cinn_core.errors import SpectrumError
from cinn_core.readers import one_after_the_other, read

GOOD_FILE = fits_bytes(image_hdu(FLUX, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0))


def test_gzip_is_seen_through_by_its_bytes_not_its_name():
    data = fits_bytes(image_hdu(FLUX, CRVAL1=5200.0, CDELT1=0.05, CRPIX1=1.0))
    assert np.array_equal(read(gzip.compress(data), "star.fits").flux, read(data, "star.gz").flux)


def test_gzip_bomb_is_refused(monkeypatch):
    monkeypatch.setattr("cinn_core.readers.MAX_BYTES", 10_000)
    with pytest.raises(SpectrumError, match="unpacks to more than"):
        read(gzip.compress(bytes(100_000)), "bomb.fits.gz")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        np.random.default_rng(0).bytes(20_000),
        b"\xff\xd8\xff\xe0" + bytes(5000),
        GOOD_FILE[:3000],
        GOOD_FILE[:100],
        b"\x1f\x8b" + np.random.default_rng(1).bytes(500),
        gzip.compress(GOOD_FILE)[:400],
        b"<!DOCTYPE html><p>404 not found</p>",
        b"name,age\nanna,31\nbert,27\n",
        b"5200 1.0\n5200.1 0.9\n5200.2 x\n",
        fits_bytes(fits.PrimaryHDU()),
        b"5200 nan\n" * 400,
    ],
)
def test_what_is_no_spectrum_is_refused_in_one_sentence(data):
    with pytest.raises(SpectrumError) as caught:
        read(data, "upload")
    text = str(caught.value)
    assert "Traceback" not in text
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 320


def test_random_damage_to_a_header_never_crashes():
    rng = np.random.default_rng(8)
    for _ in range(60):
        damaged = bytearray(GOOD_FILE)
        for place in rng.integers(0, 2880, 12):
            damaged[place] = rng.integers(32, 127)
        try:
            read(bytes(damaged), "damaged.fits")
        except SpectrumError:
            continue


@dataclass
class Placed:
    """An extension that begins at a byte of its file."""

    begins: int | None

    def fileinfo(self):
        return None if self.begins is None else {"hdrLoc": self.begins}


def test_extensions_that_go_backwards_are_refused_and_others_are_not():
    forward = [Placed(0), Placed(2880), Placed(None), Placed(8640)]
    assert list(one_after_the_other(forward, "star.fits")) == forward
    for wrong in (2880, 0):
        with pytest.raises(SpectrumError, match="begins before it"):
            list(one_after_the_other([*forward[:2], Placed(wrong)], "star.fits"))
