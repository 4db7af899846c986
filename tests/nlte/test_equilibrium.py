"""Statistical equilibrium of lithium: towards LTE with collisions and haze, every nucleus kept, converged in levels and depths."""

from __future__ import annotations

import numpy as np
import pytest
from missing import needed
from solar_lithium import BARE, FULL, SUN

from cinn_core.nlte import equilibrium, model_atoms
from cinn_core.nlte.corrections import corrections_of, ground_level_b
from cinn_core.nlte.equilibrium import Physics, solve
from cinn_core.nlte.lines import read_line_data
from cinn_core.nlte.model_atoms import model_atom
from cinn_core.nlte.runs import NlteStar, load_solution
from cinn_core.synthesis.atmosphere import Atmosphere, load_atmospheres


class _Finer:
    """The model atmospheres with twice as many depths."""

    def __init__(self, atmospheres) -> None:
        self.atmospheres = atmospheres

    def at(self, *where) -> Atmosphere:
        model = self.atmospheres.at(*where)
        logs = np.log(model.columns)
        between = np.exp(0.5 * (logs[1:] + logs[:-1]))
        columns = np.empty((2 * len(logs) - 1, logs.shape[1]))
        columns[::2], columns[1::2] = model.columns, between
        return Atmosphere(**{**vars(model), "columns": columns})


def test_hydrogen_and_the_haze_bring_solar_lithium_towards_lte(solutions):
    full, bare = (load_solution(SUN.file(solutions, physics)) for physics in (FULL, BARE))
    assert ground_level_b(bare) < 0.9 < ground_level_b(full) < 1.05
    deep = full.departures.on(np.array([1.4]))
    np.testing.assert_allclose(deep, 1.0, atol=0.02)  # LTE at depth


def test_the_solution_keeps_every_lithium_nucleus(solutions):
    solution = load_solution(SUN.file(solutions, FULL))
    nuclei = 10.0 ** (1.05 - 12) * solution.hydrogen
    np.testing.assert_allclose((solution.departures.b * solution.lte).sum(0), nuclei, rtol=1e-4)
    np.testing.assert_allclose(solution.lte.sum(0), nuclei, rtol=1e-4)


@pytest.mark.parametrize(
    "star", [NlteStar("Li", 5777, 4.44, 0, 0), NlteStar("Li", 5750, 3.7, -2.5, 3.6)], ids=["Sun", "poor"]
)
def test_lithium_has_converged_in_levels_and_depths(star, shared, monkeypatch):
    needed("lightweaver", "nlte")
    atmospheres = load_atmospheres(shared / "synthesis")
    lines = read_line_data(shared / "synthesis", "Li")

    def corrected(models) -> float:
        (found,) = corrections_of(solve("Li", star.labels(), models, shared / "nlte", Physics()), lines)
        return found.correction

    whole = corrected(atmospheres)
    assert corrected(_Finer(atmospheres)) == pytest.approx(whole, abs=0.01)

    def fewer(*arguments):
        atom = model_atom(*arguments)
        model_atoms._keep_lowest(atom, 14)  # n = 5 complete, of 20 levels
        model_atoms.load_lightweaver().reconfigure_atom(atom)
        return atom

    monkeypatch.setattr(equilibrium, "model_atom", fewer)
    assert corrected(atmospheres) == pytest.approx(whole, abs=0.01)
