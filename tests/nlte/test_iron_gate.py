"""Iron's gate: what log gf do to a balance of ionisation, and that they do nothing relative to the Sun."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.nlte.iron_gate import Balance, to_sun
from cinn_core.nlte.iron_lines import IronLine

EMPTY = Balance("a star", (0, 0), 1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def lines(ion: int, n: int) -> list[IronLine]:
    return [
        IronLine(ion, 5200.0 + 10 * k + 100 * ion, 1.0 + 0.3 * k, 3.4 + 0.3 * k, -2.0, 8.0, 0.0, ("", ""))
        for k in range(n)
    ]


def test_errors_of_log_gf_cancel_relative_to_the_sun():
    rng = np.random.default_rng(5)
    both = lines(0, 20) + lines(1, 4)
    wrong = {line: float(rng.normal(0, 0.15)) + 0.1 * line.ion for line in both}
    sun = dict(wrong)
    star = {line: wrong[line] - 0.3 + (0.06 + 0.02 * line.low_ev) * (line.ion == 0) for line in both}
    found = to_sun(EMPTY, star, sun)
    assert found.shared_with_sun == (20, 4)
    # Fe I is higher by 0.06 and by 0.02 dex/eV, whose lines lie between 1.0 and 6.7 eV: at their median
    assert found.balance_to_sun == pytest.approx(0.06 + 0.02 * np.median([x.low_ev for x in lines(0, 20)]), abs=1e-9)
    assert found.slope_to_sun == pytest.approx(0.02, abs=1e-9)


def test_a_star_that_shares_no_lines_of_the_ion_with_the_sun_has_no_such_balance():
    star = dict.fromkeys(lines(0, 20) + lines(1, 4), 0.0)
    sun = dict.fromkeys(lines(0, 20), 0.0) | dict.fromkeys(lines(1, 4), float("nan"))
    found = to_sun(EMPTY, star, sun)
    assert found.shared_with_sun == (0, 0)
    assert np.isnan(found.balance_to_sun)
