"""How far an answer can be trusted: samples left out, distance from the training stars, fit of the posterior's spectra."""

from __future__ import annotations

import numpy as np
import torch

from ..explanation.modelled import modelled, variance, with_nuisances_of_z
from ..line_windows import line_windows
from ..model import Model
from ..stages import FluxVector, PosteriorSamples, Reliability
from .network import Observation
from .weighted import representatives

_N_PREDICTED = 64


def reliability(vector: FluxVector, seen: Observation, posterior: PosteriorSamples, model: Model) -> Reliability:
    """Reliability of one answer; chi2 is averaged over 64 samples of the posterior (posterior-predictive).

    A line counts where more than half of its pixels were observed. The nuisance elements stand at the middle of their
    prior, the model error is what the forward model is trusted to.
    """
    distance = threshold = None
    if model.distance is not None:
        with torch.no_grad():
            distance = float(model.distance.distance(model.network.embedding(seen))[0])
        threshold = model.distance.threshold
    chosen = representatives(None, len(posterior.z), _N_PREDICTED)
    flux = modelled(with_nuisances_of_z(posterior.z[chosen]), vector, model)
    observed = vector.good
    square = np.zeros(observed.shape)
    for one in flux:
        square[observed] += ((vector.flux - one) ** 2 / variance(one, vector))[observed] / len(flux)
    lines = {}
    for window in line_windows():
        near = window.pixels()
        if observed[near].mean() > 0.5:
            lines[window.name] = float(square[near & observed].mean())
    return Reliability(posterior.rejected_fraction, distance, threshold, float(square[observed].mean()), lines)
