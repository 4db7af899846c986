"""From labels and inputs to a synthesis, and from its spectrum to the wavelengths of the grid."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from made_up_lines import TURBOSPECTRUM_LIST

from cinn_core.errors import DataError, SynthesisError
from cinn_core.forward_model.broadening import MODEL_STEP_KMS
from cinn_core.instrument import MODEL_FWHM_KMS, SPEED_OF_LIGHT_KMS
from cinn_core.synthesis.engine import GRID_STEP_KMS, OwnInputs, grid_wavelength, labels_from, to_grid
from cinn_core.synthesis.turbospectrum import SYNTHESIS_WINDOWS
from cinn_core.targets import SYNTHESIS_NAMES

SUN = {"teff": 5777.0, "logg": 4.44}


def test_grid_wavelengths_are_those_of_the_shared_grid(shared):
    assert GRID_STEP_KMS == MODEL_STEP_KMS
    with h5py.File(shared / "grid" / "grid-3.h5") as f:
        # exp differs in its last bit from one kind of processor to another
        np.testing.assert_allclose(grid_wavelength(), f["wavelength"][:], rtol=1e-15, atol=0)


def test_way_to_the_grid_broadens_a_line_by_the_instrument_alone():
    wavelength = np.concatenate([np.arange(low, high, 0.0025) for low, high in SYNTHESIS_WINDOWS])
    sigma_kms = 4.0
    velocity = SPEED_OF_LIGHT_KMS * np.log(wavelength / 5400.0)
    depth = 1 - to_grid(wavelength, 1 - 0.5 * np.exp(-0.5 * (velocity / sigma_kms) ** 2))
    grid_velocity = SPEED_OF_LIGHT_KMS * np.log(grid_wavelength() / 5400.0)
    width = np.sqrt((depth * grid_velocity**2).sum() / depth.sum())
    assert width == pytest.approx(np.hypot(sigma_kms, MODEL_FWHM_KMS / 2.3548), rel=2e-3)
    area = depth.sum() * GRID_STEP_KMS
    assert area == pytest.approx(0.5 * sigma_kms * np.sqrt(2 * np.pi), rel=1e-4)


def test_spectrum_that_misses_a_window_is_refused():
    wavelength = np.arange(5150.0, 5740.0, 0.025)
    with pytest.raises(SynthesisError, match="does not cover 6093-6797"):
        to_grid(wavelength, np.ones_like(wavelength))


def test_missing_labels_take_the_suns_value_and_unknown_ones_are_refused():
    labels = dict(zip(SYNTHESIS_NAMES, labels_from(SUN), strict=True))
    assert (labels["teff"], labels["vmic"], labels["feh"], labels["li_fe"]) == (5777.0, 1.0, 0.0, 0.0)
    with pytest.raises(DataError, match="vbroad is not a label of a synthesis"):
        labels_from({**SUN, "vbroad": 5.0})
    with pytest.raises(DataError, match="logg is missing"):
        labels_from({"teff": 5777.0})
    with pytest.raises(DataError, match="feh is not a finite number"):
        labels_from({**SUN, "feh": float("nan")})


def test_lists_of_ones_own_have_a_name_of_their_own(tmp_path):
    path = tmp_path / "mine.list"
    path.write_text(TURBOSPECTRUM_LIST)
    inputs = OwnInputs((path, path))
    assert inputs.line_names == "mine.list+mine.list"
    assert inputs.digest() != OwnInputs((path,)).digest()
