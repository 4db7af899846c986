"""Lithium in 3D NLTE: the published corrections come out, and the line is the same whatever the structure is."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from cinn_core.errors import DataError
from cinn_core.synthesis.engine import NO_INPUTS, labels_from
from cinn_core.synthesis.line_lists import read_lines
from cinn_core.synthesis.lithium import (
    WINDOW,
    LithiumIn3D,
    is_covered,
    load_correction,
    open_line,
    open_lithium_3d,
    save_correction,
    with_lithium,
    without_line,
)
from cinn_core.synthesis.turbospectrum import ATOMS
from cinn_core.synthesis.turbospectrum_nlte import NlteElement, with_level_numbers
from cinn_core.targets import SOLAR_A_LI, SYNTHESIS_NAMES

WAVELENGTH = np.arange(6690.0, 6730.0, 0.025)
LI = SYNTHESIS_NAMES.index("li_fe")


@dataclass
class GaussianLine:
    """An engine whose only line is lithium's, of a depth that grows with A(Li); `slant` is what its structure does."""

    slant: float = 0.0
    with_line: bool = True
    window: tuple[float, float] = (6690.0, 6730.0)
    linelist: str = "calibrated"
    in_lte: tuple[str, ...] = ()
    provenance: dict[str, str] = field(default_factory=dict)

    def synthesise(self, labels):
        wavelength = WAVELENGTH[(WAVELENGTH >= self.window[0]) & (WAVELENGTH <= self.window[1])]
        tau = self.with_line * 0.5 * 10 ** (SOLAR_A_LI + labels[2] + labels[LI] - 2.2 + self.slant)
        blend = 0.8 * np.exp(-0.5 * ((wavelength - 6707.4) / 0.1) ** 2) * (0.2 + self.slant)
        return wavelength, np.exp(-tau * np.exp(-0.5 * ((wavelength - 6707.8) / 0.1) ** 2) - blend)


def width(wavelength, flux):
    return np.trapezoid(1 - flux, wavelength)


def in_3d(slant, same):
    short, whole = GaussianLine(window=WINDOW), GaussianLine(slant) if same else None
    return LithiumIn3D(GaussianLine(slant, with_line=False), short, short, load_correction(), whole)


def test_line_on_another_structure_is_that_on_atlas9():
    labels = labels_from({"teff": 5777, "logg": 4.44, "li_fe": 2.2 - SOLAR_A_LI})
    _, plain = in_3d(0.0, True).synthesise(labels)
    _, carried = in_3d(0.3, False).synthesise(labels)
    _, without = GaussianLine(0.3).synthesise(with_lithium(labels, -9.0))
    _, alone = GaussianLine(0.0).synthesise(with_lithium(labels, -9.0))
    np.testing.assert_allclose(carried / without, plain / alone, atol=1e-6)


def test_line_is_made_at_the_abundance_in_lte():
    labels = labels_from({"teff": 5777, "logg": 4.44, "li_fe": 2.2 - SOLAR_A_LI})
    lte = load_correction().lte_abundance(5777, 4.44, 0.0, 2.2)
    found = width(*in_3d(0.0, True).synthesise(labels))
    assert found == pytest.approx(width(*GaussianLine().synthesise(with_lithium(labels, lte))), rel=1e-9)
    assert 2.2 < lte < 2.35  # the line is stronger in 3D NLTE: the correction is negative here


@pytest.mark.parametrize("abundance", [-0.2, 1.05, 2.2, 3.3])
@pytest.mark.parametrize("star", [(5777.0, 4.44, 0.0), (4500.0, 2.5, 0.0), (6300.0, 4.2, -2.0), (5000.0, 2.5, -1.0)])
def test_abundance_in_lte_gives_the_abundance_back(star, abundance):
    correction = load_correction()
    lte = correction.lte_abundance(*star, abundance)
    assert lte + correction.at(np.array([[*star, lte]]))[0] == pytest.approx(abundance, abs=1e-6)


@pytest.mark.parametrize(
    ("star", "published"),
    [
        ((5772.0, 4.44, 0.0, 1.05), -0.059),
        ((4500.0, 2.5, 0.0, 1.05), 0.010),
        ((4500.0, 4.5, 0.0, 1.00), 0.024),
        ((5000.0, 2.5, -1.0, 1.00), -0.055),
        ((6000.0, 4.0, -1.0, 2.20), -0.053),
        ((5750.0, 3.7, -2.5, 2.15), 0.007),
        ((6300.0, 4.2, -2.0, 2.20), -0.022),
    ],
)
def test_corrections_are_the_published_ones_within_001(star, published):
    assert load_correction().at(np.array([star]))[0] == pytest.approx(published, abs=0.01)


def test_range_is_the_outline_of_the_published_models():
    assert is_covered(5777.0, 4.44, 0.0)
    assert is_covered(4500.0, 1.6, -2.0)
    assert not is_covered(6500.0, 2.0, 0.0)  # hot and of low gravity
    assert not is_covered(3900.0, 2.5, 0.0)
    assert not is_covered(5777.0, 4.44, 0.6)


def test_correction_survives_its_file(tmp_path):
    correction = load_correction()
    save_correction(correction, tmp_path / "c.npz")
    x = np.array([[5777.0, 4.44, 0.0, 2.0]])
    np.testing.assert_allclose(load_correction(tmp_path / "c.npz").at(x), correction.at(x), atol=1e-6)
    (tmp_path / "other.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="does not hold"):
        load_correction(tmp_path / "other.npz")


def test_only_the_line_at_6708_is_carried_over(shared, tmp_path):
    """Lithium's line at 6104, half as deep as that at 6708 where A(Li) is 4, stays in the spectrum."""
    plain, _ = open_line(tmp_path, shared, tmp_path)
    shifts = without_line(plain)
    assert {key for key in shifts if 6707 < key[1]} == {("Li I", w) for w in (6707.764, 6707.915, 6707.921, 6708.072)}
    assert not any(6100 < wavelength < 6110 for _, wavelength in shifts)
    text = with_level_numbers((plain.lines / ATOMS).read_text(encoding="latin-1"), (), shifts).text
    (tmp_path / "without.list").write_text(text, encoding="latin-1")
    left = read_lines(tmp_path / "without.list")
    lithium = left.species == "Li 1"
    resonance = lithium & (left.wavelength > 6707)
    assert resonance.sum() == 4
    assert (left.log_gf[resonance] < -19).all()
    assert (left.log_gf[lithium & (left.wavelength < 6110)] > -1).sum() == 3


def test_lithium_twice_in_nlte_is_refused(tmp_path):
    with pytest.raises(DataError, match="already"):
        open_lithium_3d(tmp_path, tmp_path, tmp_path, NO_INPUTS, (NlteElement("Li", None),))
