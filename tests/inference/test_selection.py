"""The posterior in use: the flow's, weighed against the likelihood, or corrected for bias; what is not there is not used."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.page.state import SessionState
from app.page.visit import Request, Settings, Source, Star
from cinn_core.inference.bias import BiasCorrection, LinearBias
from cinn_core.inference.constraints import Constraint
from cinn_core.inference.selection import Corrections, PosteriorKind, Range, selected_quantities, selection_of
from cinn_core.stages import Importance
from cinn_core.targets import COLUMN


def weights_for(analysis, column: int, failed: bool = False) -> Importance:
    """Weights that keep the samples above the median of one target."""
    own = analysis.posterior
    above = own.labels[:, column] > np.median(own.labels[:, column])
    log_weights = np.where(above, 0.0, -np.inf)
    return Importance(own.labels, own.z, own.log_prob, log_weights, 2048.0, 0.5, 0.2, 0, failed, analysis.summary)


def test_flow_without_weights_shows_the_numbers_of_the_summary(made_up):
    chosen = selection_of(made_up, PosteriorKind.FLOW, (), ())
    assert chosen.summary is made_up.summary
    assert chosen.text == ""


def test_weighted_posterior_follows_its_weights_in_every_number(made_up):
    corrections = Corrections(importance=weights_for(made_up, COLUMN["feh"]))
    chosen = selection_of(made_up, PosteriorKind.WEIGHTED, (), (), corrections)
    found, before = chosen.summary.targets["feh"], made_up.summary.targets["feh"]
    assert found.lo95 >= before.median
    assert selected_quantities(chosen)[COLUMN["feh"]].median == found.median
    assert chosen.text == "importance-weighted"


def test_weights_that_failed_are_not_used(made_up):
    corrections = Corrections(importance=weights_for(made_up, 0, failed=True))
    chosen = selection_of(made_up, PosteriorKind.WEIGHTED, (), (), corrections)
    assert chosen.weights is None
    assert chosen.summary is made_up.summary


def test_corrected_posterior_is_shifted_by_the_bias_alone(made_up):
    corrections = Corrections(bias=BiasCorrection({"feh": LinearBias(0.0, 0.1, 5)}, {}))
    chosen = selection_of(made_up, PosteriorKind.CORRECTED, (), (), corrections)
    for name, shift in (("feh", -0.1), ("logg", 0.0)):
        got, before = chosen.summary.targets[name], made_up.summary.targets[name]
        assert got.median == pytest.approx(before.median + shift)
        assert got.map == pytest.approx(before.map + shift, abs=0.03)
    assert chosen.text == "bias-corrected"


def test_a_constraint_acts_on_the_corrected_samples(made_up):
    corrections = Corrections(bias=BiasCorrection({"feh": LinearBias(0.0, 0.1, 5)}, {}))
    middle = float(np.median(made_up.posterior.labels[:, COLUMN["feh"]])) - 0.1
    given = (Constraint("feh", middle, 0.001),)
    chosen = selection_of(made_up, PosteriorKind.CORRECTED, given, (), corrections)
    assert chosen.summary.targets["feh"].median == pytest.approx(middle, abs=0.003)


def test_another_star_does_not_inherit_the_weights_of_the_last(made_up):
    state = SessionState()
    source = Source(b"bytes", "star.fits")
    state.restore(Star(Request(source, Settings()), made_up))
    state.kind = PosteriorKind.WEIGHTED
    state.corrections = Corrections(importance=weights_for(made_up, 0))
    assert state.selection.weights is not None
    state.restore(Star(Request(source, Settings()), replace(made_up, importance=None)))
    assert state.corrections.importance is None
    assert state.selection.weights is None


def test_brush_that_holds_no_sample_is_none(made_up):
    chosen = selection_of(made_up, PosteriorKind.FLOW, (), (Range("teff", 1.0, 2.0),))
    assert chosen.weights is None
