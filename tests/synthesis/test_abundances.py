"""Abundances from labels, and the metallicity of the model atmosphere."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.synthesis.abundances import SOLAR_ABUNDANCES, abundances, metallicity
from cinn_core.synthesis.engine import labels_from

SUN = {"teff": 5777.0, "logg": 4.44}


def test_the_sun_has_solar_abundances():
    assert abundances(labels_from(SUN)) == SOLAR_ABUNDANCES


def test_alpha_elements_raise_metallicity_neon_and_sulphur():
    alphas = {"o_fe": 0.4, "mg_fe": 0.4, "si_fe": 0.4}
    plain, raised = labels_from({**SUN, "feh": -1.0}), labels_from({**SUN, "feh": -1.0, **alphas})
    assert metallicity(plain) == pytest.approx(-1.0)
    assert metallicity(raised) == pytest.approx(-1.0 + np.log10(0.638 * 10**0.4 + 0.362))
    for number, ratio in {10: 0.4, 16: 0.4, 12: 0.4, 20: 0.0, 26: 0.0}.items():
        assert abundances(raised)[number] - abundances(plain)[number] == pytest.approx(ratio)
    assert abundances(raised)[1] == 12.0


def test_no_abundance_falls_below_what_turbospectrum_takes():
    assert min(abundances(labels_from({**SUN, "feh": -20.0})).values()) == -9.0
