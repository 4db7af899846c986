"""Refraction of the air."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.refraction import air, vacuum
from cinn_core.stages import Medium


def test_air_and_vacuum_are_inverse_and_83_kms_apart():
    wave = np.array([5160.0, 6790.0])
    assert air(vacuum(wave, Medium.AIR), Medium.VACUUM) == pytest.approx(wave, abs=1e-4)
    assert (vacuum(wave, Medium.AIR) / wave - 1) * 299792.458 == pytest.approx([83.5, 82.8], abs=0.5)


def test_wavelengths_are_those_of_specutils():
    from astropy import units as u
    from specutils.utils.wcs_utils import air_to_vac, vac_to_air

    wave = np.linspace(2600.0, 25_000.0, 500)
    for ours, theirs in ((air(wave, Medium.VACUUM), vac_to_air), (vacuum(wave, Medium.AIR), air_to_vac)):
        np.testing.assert_allclose(ours, theirs(wave * u.AA, method="Morton2000").to_value(u.AA), rtol=1e-14)
