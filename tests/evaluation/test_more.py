"""Coverage of the elements beside the targets: right posteriors pass, narrow ones do not, and the network's own hold."""

import numpy as np
import pytest

from cinn_core.evaluation.more import _figures, coverage_of_elements
from cinn_core.inference.more_elements import ELEMENTS
from cinn_core.prior import N_LABELS, from_z
from cinn_core.targets import NUISANCE_BOUNDS


def made_up(width: float) -> dict[str, dict[str, object]]:
    """Figures of 300 stars whose posteriors have `width` times the scatter of the truth about them."""
    rng = np.random.default_rng(5)
    centre = 0.5 * rng.standard_normal((300, len(NUISANCE_BOUNDS)))
    truth = centre + 0.3 * rng.standard_normal(centre.shape)
    drawn = [_whole(one + 0.3 * width * rng.standard_normal((1000, len(NUISANCE_BOUNDS)))) for one in centre]
    return _figures(drawn, from_z(_whole(truth))[:, ELEMENTS])


def _whole(elements: np.ndarray) -> np.ndarray:
    """Coordinates of all labels (n, 29): all but the elements in the middle of their prior."""
    z = np.zeros((len(elements), N_LABELS))
    z[:, ELEMENTS] = elements
    return z


def test_right_posteriors_hold_their_share_and_narrow_ones_do_not():
    """Three binomial errors and the 0.02 by which the shortest interval of 1000 samples is too short."""
    right, narrow = made_up(1.0), made_up(0.5)
    for name in NUISANCE_BOUNDS:
        assert abs(right[name]["coverage68"] - 0.68) < 3 * right[name]["error68"] + 0.02, name
        assert abs(right[name]["coverage95"] - 0.95) < 3 * right[name]["error95"] + 0.02, name
        assert narrow[name]["coverage68"] < 0.55, name


@pytest.mark.nightly
def test_elements_of_simulated_stars_hold_their_share(model):
    """32 stars of the prior at S/N 100 as real spectra are; three binomial errors of single elements, two of all together."""
    figures = coverage_of_elements(model, 32, 100.0, 1.0, 256, 0)["elements"]
    shares = np.array([[one["coverage68"], one["coverage95"]] for one in figures.values()])
    assert np.all(np.abs(shares[:, 0] - 0.68) < 3 * np.sqrt(0.68 * 0.32 / 32))
    assert np.all(np.abs(shares[:, 1] - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 32))
    assert abs(shares[:, 0].mean() - 0.68) < 2 * np.sqrt(0.68 * 0.32 / (32 * 13)) + 0.05
