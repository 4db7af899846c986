"""Whitened models by the short way are those of spectra multiplied by the operator."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.inference.whitened import WhitenedModel
from cinn_core.instrument import N_PIXELS, pixel_sigma
from cinn_core.prior import draw
from cinn_core.targets import COLUMN


@pytest.mark.parametrize("vbroad", [1.0, 3.7, 19.9, 20.1, 57.3, 100.0])
def test_whitened_models_are_spectra_times_the_operator_at_any_rotation(model, vbroad):
    """Operators of white noise at S/N 100; both ways are in single precision, which leaves some 2e-5 of the flux."""
    rng = np.random.default_rng(2)
    rows, _ = np.linalg.qr(rng.standard_normal((N_PIXELS, 20)))
    operator = (rows / float(pixel_sigma(100.0))).astype(np.float32)
    labels = draw(40, rng)
    labels[:, COLUMN["vbroad"]] = vbroad
    expected = model.forward.flux(labels) @ operator
    found = WhitenedModel(model.forward, operator)(labels)
    assert np.abs(found - expected).max() < 0.01  # of the noise's standard deviation
    assert expected.std(0).max() > 1.0
