"""Files of one synthesised spectrum."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.readers import read
from cinn_core.stages import Medium
from cinn_core.synthesis.engine import grid_wavelength, labels_from
from cinn_core.synthesis.output import write_synthesis

SUN = {"teff": 5777.0, "logg": 4.44}


def test_synthesised_spectrum_is_read_again_as_what_it_is(tmp_path):
    labels, flux = labels_from(SUN), np.linspace(0.5, 1.0, grid_wavelength().size)
    write_synthesis(tmp_path / "sun.fits", labels, grid_wavelength(), flux, {"engine": "fake"})
    found = read(tmp_path / "sun.fits")
    assert found.medium is Medium.AIR
    assert found.resolving_power == pytest.approx(60_000, rel=1e-3)
    np.testing.assert_allclose(found.wavelength, grid_wavelength())
    np.testing.assert_allclose(found.flux, flux)

    write_synthesis(tmp_path / "sun.csv", labels, grid_wavelength(), flux, {})
    table = np.loadtxt(tmp_path / "sun.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table, np.stack([grid_wavelength(), flux], 1), atol=1e-4)
