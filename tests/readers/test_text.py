"""Spectra in text files."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_files import FLUX, WAVE, N

from cinn_core.errors import SpectrumError
from cinn_core.readers import read
from cinn_core.stages import Medium


def test_text_in_nm_with_errors_csv_and_names():
    lines = "\n".join(f"{w / 10:.5f}\t{f:.6f}\t0.01" for w, f in zip(WAVE, FLUX, strict=True))
    ispec = read(f"waveobs\tflux\terr\n{lines}\n".encode(), "star.txt")
    narval = read(f"***Reduced spectrum of 'star'\n {N} 2\n{lines}\n".encode(), "star.s")
    comma = read(
        ("wavelength,flux\n" + "\n".join(f"{w:.3f},{f:.6f}" for w, f in zip(WAVE, FLUX, strict=True))).encode(),
        "star.csv",
    )
    for spectrum in (ispec, narval, comma):
        assert np.allclose(spectrum.wavelength, WAVE, atol=1e-3)
        assert np.allclose(spectrum.flux, FLUX, atol=1e-5)
    assert np.allclose(ispec.error, 0.01)
    assert ispec.medium is Medium.AIR
    assert comma.medium is Medium.UNKNOWN


def test_rounded_wavelengths_that_coincide_become_increasing_again():
    rounded = np.round(5200 + 0.0083 * np.arange(N), 2)
    assert (np.diff(rounded) == 0).any()
    spectrum = read("\n".join(f"{w:.2f} {f:.5f}" for w, f in zip(rounded, FLUX, strict=True)).encode(), "star.txt")
    assert np.all(np.diff(spectrum.wavelength) > 0)
    assert np.abs(spectrum.wavelength - (5200 + 0.0083 * np.arange(N)))[20:-20].max() < 0.01


def test_text_larger_than_any_spectrum_is_refused(monkeypatch):
    monkeypatch.setattr("cinn_core.readers.MAX_TEXT_BYTES", 1000)
    with pytest.raises(SpectrumError, match="is a text of"):
        read("\n".join(f"{w} 1.0" for w in WAVE).encode(), "a.txt")
