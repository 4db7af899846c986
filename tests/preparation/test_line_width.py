"""Resolving power: what a file states is believed unless the star's lines rule it out, and a doubt is flagged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from synthetic import labels_of, observed, pixels, spectrum_of, templates

from cinn_core.preparation.fourmost import prepare
from cinn_core.preparation.line_width import width_in_data
from cinn_core.stages import Spectrum
from cinn_core.targets import COLUMN

WAVE = pixels()


def star(vbroad: float = 4.0, **more) -> Spectrum:
    """A star observed at R = 60 000."""
    flux = observed(labels_of(5772, 4.44, 0.0, 1.0, vbroad), WAVE, 5.0, 300.0)
    return replace(spectrum_of(WAVE, flux), **more)


def test_lines_narrower_than_the_power_stated_are_believed_and_flagged():
    vector = prepare(star(resolving_power=20_000.0), templates())
    assert "resolution_unsure" in vector.flags
    assert 45_000 < vector.native_resolving_power < 80_000
    assert any("narrower" in s.reason for s in vector.steps)


def test_lines_overrule_the_usual_power_of_an_instrument():
    vector = prepare(star(resolving_power=28_000.0, usual_power=True), templates())
    assert 45_000 < vector.native_resolving_power < 80_000


@pytest.mark.parametrize("stated", [60_000.0, 50_000.0])
def test_power_that_the_lines_allow_is_kept(stated):
    vector = prepare(star(resolving_power=stated), templates())
    assert vector.native_resolving_power == stated
    assert "resolution_unsure" not in vector.flags


def test_wide_lines_are_unsure_where_nothing_states_the_power_only():
    wide = star(vbroad=22.0, resolving_power=None)
    assert "resolution_unsure" in prepare(wide, templates()).flags
    assert "resolution_unsure" not in prepare(replace(wide, resolving_power=60_000.0), templates()).flags


def test_arm_full_of_gaps_leaves_the_width_unknown():
    good = np.arange(WAVE.size) % 12 > 2
    assert np.isnan(width_in_data(WAVE, observed(labels_of(), WAVE, 0.0, 200.0), good, 0.0, _solar(), templates()))


def _solar() -> int:
    labels = templates().labels
    return int(np.argmin(np.abs(labels[:, COLUMN["teff"]] - 5772) + 1e3 * (labels[:, COLUMN["vbroad"]] > 10)))
