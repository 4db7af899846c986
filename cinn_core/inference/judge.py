"""How far an answer can be trusted: samples left out, distance from the training stars, fit of the posterior's spectra."""

from __future__ import annotations

import numpy as np
import torch

from ..lines import line_windows
from ..prior import from_z
from ..stages import FluxVector, PosteriorSamples, Reliability
from ..targets import COLUMN
from .model import Model
from .network import Observation
from .predictive import modelled, variance, with_nuisances_of_z
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


METAL_POOR = -1.5
"""[Fe/H] below which LTE and one-dimensional atmospheres put real stars too cool and their gravities too low."""


EXTRAPOLATED = 0.1
"""Rejected fraction above which the answer lies outside what the network was trained on."""


MISFIT_HIGH, MISFIT_FOREIGN = 2.0, 6.0
"""Mean square misfit, in units of noise and model error, above which a fit is poor, and no star of the domain at all."""


def answer_flags(vector: FluxVector, posterior: PosteriorSamples, misfit: float, is_far: bool) -> tuple[str, ...]:
    """The flags of an answer: those of the preparation, and what samples, fit and embedding say of the domain."""
    flags = list(vector.flags)
    if posterior.rejected_fraction > EXTRAPOLATED:
        flags.append("extrapolated")
    if misfit > MISFIT_HIGH:
        flags.append("chi2_high")
    if misfit > MISFIT_FOREIGN or is_far or "extrapolated" in flags:
        flags.append("out_of_domain")
    if from_z(posterior.map_z[None])[0, COLUMN["feh"]] < METAL_POOR:
        flags.append("metal_poor")
    return tuple(dict.fromkeys(flags))
