"""Spectra in HDF5 files."""

from __future__ import annotations

import io

import h5py
import numpy as np
import pytest
from made_up_files import FLUXES, WAVE, N

from cinn_core.errors import SpectrumError
from cinn_core.readers import list_spectra, read
from cinn_core.stages import Medium


def hdf5_bytes(build) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        build(file)
    return buffer.getvalue()


@pytest.mark.parametrize("layout", ["groups", "rows"])
def test_hdf5_with_several_spectra_asks_which(layout):
    def build(file) -> None:
        if layout == "rows":
            file["wavelength"], file["flux"] = WAVE, FLUXES
            return
        for i in range(3):
            group = file.create_group(f"star{i}")
            group["wavelength"], group["flux"] = WAVE, FLUXES[i]

    data = hdf5_bytes(build)
    choices = list_spectra(data, "stars.h5")
    assert len(choices) == 3
    with pytest.raises(SpectrumError, match="holds 3 spectra"):
        read(data, "stars.h5")
    for choice, flux in zip(choices, FLUXES, strict=True):
        assert np.allclose(read(data, "stars.h5", hdu=choice.hdu, row=choice.row).flux, flux)
    with pytest.raises(SpectrumError, match="there is no 9"):
        read(data, "stars.h5", hdu=9) if layout == "groups" else read(data, "stars.h5", row=9)


def test_hdf5_spectrum_with_attributes():
    def build(file) -> None:
        file.attrs["OBJECT"], file.attrs["AIRORVAC"], file.attrs["RESOLUTION"] = "HD 2", "vacuum", 47_000.0
        file["wavelength"] = WAVE / 10
        file["wavelength"].attrs["unit"] = "nm"
        file["flux"], file["error"] = FLUXES[0], np.full(N, 0.01)

    found = read(hdf5_bytes(build), "star.h5")
    assert np.allclose(found.wavelength, WAVE)
    assert np.allclose(found.flux, FLUXES[0])
    assert (found.format, found.medium, found.star, found.resolving_power) == ("HDF5", Medium.VACUUM, "HD 2", 47_000.0)


@pytest.mark.parametrize("grouped", [True, False])
def test_hdf5_orders_are_joined(grouped):
    cuts = [slice(0, 1500), slice(1250, 2750), slice(2500, 4000)]

    def build(file) -> None:
        if not grouped:
            file["wave"], file["flux"] = np.stack([WAVE[c] for c in cuts]), np.stack([9e3 * FLUXES[0][c] for c in cuts])
            return
        for i, cut in enumerate(cuts):
            group = file.create_group(f"order{i}")
            group["wave"], group["flux"] = WAVE[cut], 9e3 * FLUXES[0][cut]

    found = read(hdf5_bytes(build), "orders.h5")
    assert np.allclose(found.wavelength, WAVE)
    assert abs(np.median(found.flux) - 1) < 0.15


def test_hdf5_without_a_spectrum_is_refused_in_words():
    with pytest.raises(SpectrumError, match="none is known as wavelengths and flux"):
        read(hdf5_bytes(lambda file: file.create_dataset("a", data=WAVE)), "a.h5")
    with pytest.raises(SpectrumError, match="damaged HDF5"):
        read(hdf5_bytes(lambda file: file.create_dataset("a", data=WAVE))[:600], "a.h5")
