"""Iron in the Sun: over-ionised as far as published work has it, in equilibrium with its own rates, all nuclei kept."""

from __future__ import annotations

import numpy as np
import pytest
from missing import needed

from cinn_core.nlte.iron import fence, solve_iron
from cinn_core.nlte.iron_gate import read_amarsi, read_marcs_model
from cinn_core.nlte.iron_lines import IronLine
from cinn_core.synthesis.atmosphere import load_atmospheres
from cinn_core.synthesis.engine import labels_from


def test_the_fence_has_gaps_and_posts():
    ultraviolet = np.arange(300.6, 310.0, 1.25)
    section = np.log10(fence(ultraviolet))
    assert np.ptp(section) > 1.5
    assert np.median(section) == pytest.approx(np.mean(section), abs=0.5)
    # Nothing in the windows, where lines are synthesised, nor where optical depth is counted.
    assert fence(np.array([500.0, 545.0, 645.0, 1600.0])).max() < 1e-3 * fence(np.array([401.0, 402.0])).max()


def test_iron_of_the_sun_is_over_ionised_and_in_equilibrium(shared):
    needed("lightweaver", "nlte")
    model = load_atmospheres(shared / "synthesis").at(5777, 4.44, 0.0)
    solution = solve_iron(labels_from({"teff": 5777, "logg": 4.44}), model, shared / "nlte")
    upper, low, deep = solution.departures.on(np.array([-2.0, -1.0, 1.2]))[:3].T
    # Published solar b of the low levels: 0.95 to 0.98 at log tau -1.
    assert np.all((low > 0.93) & (low < 0.99))
    assert np.all(upper < 1.0)
    np.testing.assert_allclose(deep, 1.0, atol=0.01)
    nuclei = 10.0 ** (solution.abundance - 12) * solution.hydrogen
    np.testing.assert_allclose((solution.departures.b * solution.lte).sum(0), nuclei, rtol=1e-3)


def test_the_networks_give_their_published_test_value(shared):
    line = IronLine(0, 5000.0, 2.998045, 5.586893, -2.563, 8.0, 0.0, ("", ""))
    assert read_amarsi(shared / "nlte").error(5051, 4.0, 4.5, 0.0, line) == pytest.approx(-0.136, abs=5e-4)


def test_a_marcs_model_is_read_in_the_units_of_ours(shared):
    marcs = read_marcs_model(shared / "nlte" / "marcs" / "4500g+2.50z0.00.alt", 4500, 2.5, 0.0)
    ours = load_atmospheres(shared / "synthesis").at(4500, 2.5, 0.0)
    # In the photosphere codes differ by tenths, not by factors: column mass, T, gas pressure, electrons.
    pair = [[np.interp(-1.0, x.log_tau, np.log10(x.columns[:, k])) for k in range(4)] for x in (marcs, ours)]
    np.testing.assert_allclose(*pair, atol=0.25)
