"""Diagnostic lines one by one: misfit, the abundance each alone gives, the targets it drives, the answer without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..inference.infer import infer, observe
from ..inference.model import Model
from ..inference.predictive import match_continuum, model_flux, variance, with_nuisances_of_z
from ..inference.projection import mask_projection
from ..inference.summary import summarise
from ..lines import LineWindow, line_windows
from ..stages import Analysis, PosteriorSamples, Saliency, Summary
from ..targets import COLUMN

DISAGREES_SIGMA = 3.0
"""Standard errors by which a line's abundance must differ from that of the other lines to be flagged."""
MISFIT = 4.0
"""Mean square misfit in units of noise and model error from which a line is flagged by itself."""
_FEWEST_PIXELS = 5


@dataclass(frozen=True)
class LineVerdict:
    """Verdict of one diagnostic line.

    chi2: mean square residual of its pixels in units of the noise (NaN: not observed); shift and error [dex]: by how
    much its element's abundance would have to change for this line alone, to first order; others: the same for the
    other lines of the element (NaN without any); disagrees, and why in words.
    """

    window: LineWindow
    chi2: float
    shift: float
    error: float
    others: float
    disagrees: bool
    reason: str


@dataclass(frozen=True, eq=False)
class LineByLine:
    """Verdicts in the order of `line_windows`, and one_sigma[target] (2, N_PIXELS): the spectrum with that abundance 1 sigma
    lower and higher (the ends of its 68 % interval), all else at the MAP. in_lte (N_PIXELS,): the MAP's spectrum without
    what NLTE changes, None where the model is in LTE itself.
    """

    verdicts: tuple[LineVerdict, ...]
    one_sigma: dict[str, NDArray]
    in_lte: NDArray | None = None


def line_by_line(analysis: Analysis, model: Model) -> LineByLine:
    """Judge every diagnostic line of a star at its MAP; takes some 0.2 s."""
    vector, fit = analysis.flux_vector, analysis.resimulation
    names = tuple(dict.fromkeys(w.target for w in line_windows()))
    at_map = with_nuisances_of_z(analysis.posterior.map_z[None])
    moved = np.repeat(at_map, 2 * len(names), 0)
    for i, name in enumerate(names):
        found = analysis.summary.targets[name]
        moved[2 * i : 2 * i + 2, COLUMN[name]] = found.lo68, found.hi68
    flux = model_flux(moved, vector, model)
    one_sigma = {name: flux[2 * i : 2 * i + 2] for i, name in enumerate(names)}
    widths = {name: moved[2 * i + 1, COLUMN[name]] - moved[2 * i, COLUMN[name]] for i, name in enumerate(names)}
    slopes = {name: (one_sigma[name][1] - one_sigma[name][0]) / max(widths[name], 1e-6) for name in names}
    weight = np.where(vector.good, 1 / variance(fit.map_flux, vector), 0.0)
    missing = np.nan_to_num(vector.flux - fit.map_flux)
    chi2 = np.nan_to_num(fit.residual) ** 2

    raw = []
    for window in line_windows():
        near = window.pixels() & vector.good
        if near.sum() < _FEWEST_PIXELS:
            raw.append((np.nan, np.nan, np.nan, np.nan))
            continue
        slope = slopes[window.target][near]
        information = float(weight[near] @ slope**2)
        shift = float(weight[near] @ (slope * missing[near])) / max(information, 1e-12)
        misfit = float(np.mean(weight[near] * missing[near] ** 2))
        raw.append((float(np.mean(chi2[near])), misfit, shift, float(1 / np.sqrt(max(information, 1e-12)))))
    in_lte = None
    if model.forward.emulator.change is not None:
        in_lte = match_continuum(model.forward.flux_in_lte(at_map), vector, model.projection)[0]
    return LineByLine(tuple(_judge(raw, i) for i in range(len(raw))), one_sigma, in_lte)


def _judge(raw: list[tuple[float, float, float, float]], i: int) -> LineVerdict:
    window = line_windows()[i]
    chi2, misfit, shift, error = raw[i]
    if np.isnan(chi2):
        return LineVerdict(window, chi2, shift, error, np.nan, False, "not observed")
    rest = [
        raw[j][2:] for j, other in enumerate(line_windows())
        if j != i and other.target == window.target and np.isfinite(raw[j][2])
    ]  # fmt: skip
    others, others_error = _mean(rest)
    distance = abs(shift - others) / np.hypot(error, others_error) if rest else 0.0
    if distance > DISAGREES_SIGMA:
        reason = f"{shift - others:+.2f} ± {error:.2f} dex from the other lines of its element"
    elif misfit > MISFIT:
        reason = f"the model misses its shape: misfit {misfit:.1f} in units of noise and model error"
    else:
        reason = ""
    return LineVerdict(window, chi2, shift, error, others, bool(reason), reason)


def _mean(pairs: Sequence[tuple[float, ...]]) -> tuple[float, float]:
    """Weighted mean of (value, error) pairs and its error, which grows with their scatter where that is larger."""
    if not pairs:
        return np.nan, np.nan
    values, errors = np.array(pairs).T
    weights = errors**-2.0
    mean = float(weights @ values / weights.sum())
    scatter = float(weights @ (values - mean) ** 2 / weights.sum() / max(len(values) - 1, 1))
    return mean, float(np.sqrt(max(1 / weights.sum(), scatter)))


def drives(saliency: Saliency, window: LineWindow) -> NDArray:
    """Share (13,) of each target's saliency, squared and summed, that lies in the line's pixels."""
    return (saliency.weights[:, window.pixels()] ** 2).sum(1)


def without_line(analysis: Analysis, window: LineWindow, model: Model) -> tuple[PosteriorSamples, Summary]:
    """The star inferred again with the line's pixels marked missing, with as many samples and the same seed."""
    vector = analysis.flux_vector
    gap = replace(vector, good=vector.good & ~window.pixels())
    seen = observe(gap, model, masked=mask_projection(model.projection, gap.good))
    drawn = analysis.provenance.get("samples", len(analysis.posterior.labels))
    posterior = infer(seen, model, int(str(drawn)), analysis.posterior.seed)
    return posterior, summarise(posterior)
