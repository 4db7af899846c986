"""The elements beside the targets, and the star's physics, drawn for each sample of the posterior; told when asked for.

The flow integrates over them. Here each sample of the targets is extended by a draw from prior times likelihood of the
elements given the targets, one element after the other (`importance.NuisanceProposal`), so that they carry the uncertainty of
Teff, log g, [Fe/H] and of one another. The same draws are the proposal of importance sampling.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..forward_model.jacobian import jacobian, label_jacobian
from ..forward_model.nlte_change import elements_in_nlte, has_structure
from ..instrument import WAVELENGTH
from ..prior import N_TARGETS, from_z
from ..random_streams import Stream, stream
from ..stages import MoreElement, MoreElements, PosteriorSamples, Status
from ..targets import COLUMN, NUISANCE_BOUNDS, PHYSICS_LABELS
from .importance import nuisance_proposal
from .likelihood import make_likelihood
from .model import Model
from .network import Observation
from .projection import MaskedProjection
from .summary import status_of
from .weighted import marginal, representatives

N_SAMPLES = 1024
"""Samples of the posterior that are extended: the ends of an interval are then good to a twentieth of it."""
N_LINES = 3
ELEMENTS = slice(N_TARGETS, N_TARGETS + len(NUISANCE_BOUNDS))
_APART_ANGSTROM = 0.8
_LEAST_SLOPE = 1e-3
"""Smallest change of flux per dex by which a pixel counts as a line of an element."""


def more_elements(
    observation: Observation,
    masked: MaskedProjection,
    posterior: PosteriorSamples,
    model: Model,
    seed: int = 0,
    n_samples: int = N_SAMPLES,
) -> MoreElements:
    """[X/Fe] [dex] of the thirteen elements for samples taken evenly from a posterior, with status, limit, physics and lines.

    Where the emulator knows of it, also the star's physics: what the spectrum says of it beside its prior.
    """
    z = extended(observation, masked, posterior, model, seed, n_samples)
    labels, middle = from_z(z), np.median(z, axis=0)
    slopes = np.abs(jacobian(model.forward, middle[None])[0]) * masked.good[:, None]
    slopes /= np.abs(np.diag(label_jacobian(middle[None])[0]))  # of a label, not of its z
    physics = str(model.cards["emulator"]["physics"])
    in_nlte = elements_in_nlte(physics)

    def told(name: str, label: str, unit: str, lines_are: str) -> MoreElement:
        i = COLUMN[name]
        m = marginal(labels[:, i])
        status, limit = status_of(z[:, i], labels[:, i])
        lines = () if status is Status.UNCONSTRAINED else strongest_lines(slopes[:, i])
        return MoreElement(
            label, unit, m.mean, m.median, *m.interval68, *m.interval95, status, limit, lines_are, lines
        )  # fmt: skip

    elements = {}
    for name in NUISANCE_BOUNDS:
        symbol = name.removesuffix("_fe").capitalize()
        elements[name] = told(name, f"[{symbol}/Fe]", "dex", "NLTE" if symbol in in_nlte else "LTE")
    known = PHYSICS_LABELS.items() if has_structure(physics) else ()
    return MoreElements(
        labels[:, ELEMENTS], z[:, ELEMENTS], elements, {name: told(name, label, "", "") for name, label in known}
    )


def element_text(one: MoreElement) -> str:
    """The median of an element, its limit, or in brackets the median of the prior where the spectrum says nothing."""
    if one.limit95 is not None:
        return f"{'<' if one.limit95 >= one.median else '>'} {one.limit95:+.2f}"
    return f"{one.median:+.2f}" if one.status is Status.MEASURED else f"({one.median:+.2f})"


def extended(
    observation: Observation,
    masked: MaskedProjection,
    posterior: PosteriorSamples,
    model: Model,
    seed: int,
    n_samples: int,
) -> NDArray:
    """Prior coordinates (n, 29) of n samples of a posterior, the thirteen elements and the physics drawn for each."""
    z = posterior.z[representatives(None, len(posterior.z), min(n_samples, len(posterior.z)))]
    proposal = nuisance_proposal(make_likelihood(observation, masked, model, posterior.map_z), posterior.map_z)
    return np.concatenate([z, proposal.draw(z, stream(Stream.MORE_ELEMENTS, seed))[0]], 1)


def strongest_lines(slopes: NDArray) -> tuple[float, ...]:
    """Air wavelengths [Angstrom] of the pixels whose flux answers most to an element, from sizes (N_PIXELS,) per dex.

    At most three, apart by more than a line's width, each at least a tenth of the strongest.
    """
    left, found = slopes.copy(), []
    least = max(0.1 * float(slopes.max()), _LEAST_SLOPE)
    while len(found) < N_LINES and left.max() >= least:
        found.append(float(WAVELENGTH[left.argmax()]))
        left[np.abs(WAVELENGTH - found[-1]) < _APART_ANGSTROM] = 0.0
    return tuple(round(wavelength, 2) for wavelength in found)
