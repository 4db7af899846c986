"""Line-by-line abundances: each diagnostic line fitted alone, everything else held at the star's MAP, its continuum free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..forward_model.forward import ForwardModel
from ..forward_model.jacobian import jacobian, label_jacobian
from ..forward_model.model_error import ModelError
from ..inference.predictive import noise_of
from ..instrument import LSF_SIGMA_PIXELS, SPEED_OF_LIGHT_KMS, WAVELENGTH
from ..lines import LineWindow, line_windows
from ..prior import from_z
from ..stages import FluxVector
from ..targets import A_LI_HIGH, A_LI_LOW, COLUMN, SOLAR_A_LI, TARGETS

Synthesise = Callable[[NDArray], NDArray]
"""Labels (n, 29) to flux (n, N_PIXELS) at R = 20 000, rest frame, continuum 1."""

DETECTED_SIGMA = 3.0
BLENDED = 0.5
"""A line is blended where an error in another element shifts its abundance by more than this share of that error."""
_LARGEST_ERROR = 1 / (DETECTED_SIGMA * np.log(10))
"""Error [dex] of the abundance of a line that is seen at 3 sigma: its depth grows as 10^abundance while it is weak."""
ELEMENTS: dict[str, tuple[str, ...]] = {
    "Fe I": ("Fe I",),
    "Fe II": ("Fe II",),
    "Fe": ("Fe I", "Fe II"),
    "Mg": ("Mg I",),
    "Ca": ("Ca I",),
    "Li": ("Li I",),
}
"""The abundances that lines give, each with its species."""
_CORE, _WINDOW = 0.35, 1.5  # Angstrom either side of a line that does not rotate
_SEEN = 0.8
_CORRELATED_PIXELS = 2 * np.sqrt(np.pi) * LSF_SIGMA_PIXELS
"""Neighbouring pixels that share one error of the model."""
_RANGE = 0.6  # dex either side of the MAP
_LITHIUM = "li_fe"
_LARGEST_Z = 3.5
_MOLECULAR = ("c_fe", "n_fe", "o_fe")


@dataclass(frozen=True)
class LineFit:
    """One line: abundance [X/H], of lithium A(Li), its error and its limit (3 sigma above the best), in dex.

    NaN where there is none; `left_out` says why a line has no say, and is empty where it has.
    """

    window: LineWindow
    value: float
    error: float
    limit: float
    left_out: str = ""


@dataclass(frozen=True)
class Abundance:
    """An element from its lines: median [X/H] (lithium: A(Li)), scatter of the lines (standard deviation), error, number.

    Without lines in use the value is NaN and `limit` is the least of the undetected lines' limits, NaN without any.
    """

    name: str
    value: float
    scatter: float
    error: float
    n: int
    limit: float


@dataclass(frozen=True)
class LineFits:
    """Fits of the diagnostic lines, the abundances they give (Fe I, Fe II, Fe, Mg, Ca, Li), and what made the model spectra."""

    lines: tuple[LineFit, ...]
    abundances: dict[str, Abundance]
    synthesis: str

    def references(self) -> dict[str, float]:
        """Values of the targets by line fits: feh, mg_fe, ca_fe, li_fe; only those that have a value."""
        iron = self.abundances["Fe"].value
        found = {
            "feh": iron,
            "mg_fe": self.abundances["Mg"].value - iron,
            "ca_fe": self.abundances["Ca"].value - iron,
            _LITHIUM: self.abundances["Li"].value - SOLAR_A_LI - iron,
        }
        return {name: value for name, value in found.items() if np.isfinite(value)}


def fit_lines(
    vector: FluxVector,
    z: NDArray,
    forward: ForwardModel,
    error: ModelError,
    synthesise: Synthesise | None = None,
    *,
    step: float = 0.1,
    name: str = "emulator",
) -> LineFits:
    """Fit the abundance of each diagnostic line alone, Teff, log g, vmic, vbroad and the rest held at z (29,).

    Level and slope of the continuum around a line are free. Model spectra come from `synthesise` (by default the
    emulator), every `step` dex (lithium: twice that). Iron is varied with all [X/Fe] held, as its metallicity.
    Left out are lines that are masked, blended, weaker than 3 sigma, or at the edge of the models.
    """
    synthesise = synthesise or forward.flux
    at = from_z(z[None])[0]
    centre = synthesise(at[None])[0].astype(float)
    slopes = _label_slopes(forward, z)
    weight = np.where(vector.good & ~error.masked, 1.0, 0.0) / np.nan_to_num(
        noise_of(vector) ** 2 + _CORRELATED_PIXELS * error.sigma(centre) ** 2, nan=1.0
    )
    varied: dict[str, tuple[NDArray, NDArray]] = {}
    lines = []
    for window in line_windows():
        if window.target not in varied:
            values = _values(at, window.target, step)
            varied[window.target] = values, synthesise(_varied(at, window.target, values)).astype(float)
        lines.append(_fit_line(window, vector, weight, centre, slopes, *varied[window.target], at))
    found = {
        key: _abundance(key, [line for line in lines if line.window.species in species])
        for key, species in ELEMENTS.items()
    }
    return LineFits(tuple(lines), found, name)


def _values(at: NDArray, target: str, step: float) -> NDArray:
    """Abundances (k,) to try: [X/H] around the MAP's within the prior's bounds, for lithium all of A(Li)."""
    if target == _LITHIUM:
        return np.arange(A_LI_LOW, A_LI_HIGH + step, 2 * step)
    bounds = next(t for t in TARGETS if t.name == target)
    offset = 0.0 if target == "feh" else at[COLUMN["feh"]]
    values = at[COLUMN[target]] + step * np.arange(-round(_RANGE / step), round(_RANGE / step) + 1)
    return values[(values >= bounds.low) & (values <= bounds.high)] + offset


def _varied(at: NDArray, target: str, values: NDArray) -> NDArray:
    """Labels (k, 29) with one abundance at each of the values."""
    labels = np.repeat(at[None], len(values), 0)
    if target == "feh":
        labels[:, COLUMN[_LITHIUM]] += at[COLUMN["feh"]] - values  # A(Li) stays
        labels[:, COLUMN["feh"]] = values
    elif target == _LITHIUM:
        labels[:, COLUMN[target]] = values - SOLAR_A_LI - at[COLUMN["feh"]]
    else:
        labels[:, COLUMN[target]] = values - at[COLUMN["feh"]]
    return labels


def _label_slopes(forward: ForwardModel, z: NDArray) -> NDArray:
    """d flux / d label (N_PIXELS, 29) at prior coordinates z (29,), a little inside the prior's edges where they lie there."""
    inner = np.clip(z, -_LARGEST_Z, _LARGEST_Z)[None]
    return jacobian(forward, inner)[0].astype(float) @ np.linalg.inv(label_jacobian(inner)[0])


def _fit_line(
    window: LineWindow,
    vector: FluxVector,
    weight: NDArray,
    centre: NDArray,
    slopes: NDArray,
    values: NDArray,
    spectra: NDArray,
    at: NDArray,
) -> LineFit:
    wide = 2 * at[COLUMN["vbroad"]] / SPEED_OF_LIGHT_KMS * window.wavelength
    core = window.pixels(_CORE + 0.5 * wide)
    near = window.pixels(_WINDOW + wide)
    none = (np.nan, np.nan, np.nan)
    if len(values) < 3 or (weight[core] > 0).mean() < _SEEN or (weight[near] > 0).mean() < 0.5:
        return LineFit(window, *none, "masked or not observed")
    observed, w = np.nan_to_num(vector.flux[near]), weight[near]
    across = (WAVELENGTH[near] - window.wavelength) / _WINDOW
    chi2 = np.array([_chi2(observed, model, w, across) for model in spectra[:, near]])
    value, error, at_edge = _minimum(values, chi2)
    limit = _limit(values, chi2)
    if not error < _LARGEST_ERROR:
        return LineFit(window, value, error, limit, f"weaker than {DETECTED_SIGMA:.0f} sigma")
    if at_edge:
        return LineFit(window, value, error, limit, "at the edge of the models")
    share, other = _largest_blend(window.target, slopes[near], w, centre[near], across)
    if share > BLENDED:
        return LineFit(window, value, error, limit, f"blended with {other}")
    return LineFit(window, value, error, limit)


def _chi2(observed: NDArray, model: NDArray, weight: NDArray, across: NDArray) -> float:
    """Weighted sum of squares (its scale: one a pixel) once level and slope of the model's continuum are fitted."""
    design = np.stack([model, model * across], 1)
    amplitude = np.linalg.lstsq(np.sqrt(weight)[:, None] * design, np.sqrt(weight) * observed, rcond=None)[0]
    return float(weight @ (observed - design @ amplitude) ** 2)


def _minimum(values: NDArray, chi2: NDArray) -> tuple[float, float, bool]:
    """Minimum of the parabola through the lowest chi2 and its neighbours, its standard error, whether it lies at an edge."""
    i = int(np.clip(chi2.argmin(), 1, len(values) - 2))
    curvature, slope, _ = np.polyfit(values[i - 1 : i + 2] - values[i], chi2[i - 1 : i + 2], 2)
    edge = chi2.argmin() in (0, len(values) - 1)
    if curvature <= 0:
        return float(values[chi2.argmin()]), float("inf"), True
    return float(values[i] - slope / (2 * curvature)), float(1 / np.sqrt(curvature)), bool(edge)


def _limit(values: NDArray, chi2: NDArray) -> float:
    """Abundance above the best one at which chi2 has risen by 9; NaN where the models end before."""
    best = int(chi2.argmin())
    above = chi2[best:] - chi2[best] - DETECTED_SIGMA**2
    if not (above > 0).any():
        return float("nan")
    i = best + int((above > 0).argmax())
    return float(np.interp(0.0, above[i - best - 1 : i - best + 1], values[i - 1 : i + 1]))


def _largest_blend(target: str, slopes: NDArray, weight: NDArray, model: NDArray, across: NDArray) -> tuple[float, str]:
    """How far an error of 1 dex in another element shifts the line's abundance [dex], and which element that is."""
    root = np.sqrt(weight)[:, None]
    continuum = np.linalg.qr(root * np.stack([model, model * across], 1))[0]
    by_name = {
        name: slopes[:, column]
        for name, column in COLUMN.items()
        if name.endswith("_fe") and name != target and name not in _MOLECULAR
    }
    own = slopes[:, COLUMN[target]]
    if target != "feh":
        ratios = [column for name, column in COLUMN.items() if name.endswith("_fe")]
        by_name["feh"] = slopes[:, COLUMN["feh"]] - slopes[:, ratios].sum(1)  # iron alone, all else as it is
    own, *others = (x - continuum @ (continuum.T @ x) for x in (root[:, 0] * s for s in (own, *by_name.values())))
    shares = [abs(float(own @ other)) / float(own @ own) for other in others]
    largest = int(np.argmax(shares))
    return shares[largest], list(by_name)[largest].removesuffix("_fe").removesuffix("h").capitalize()


def _abundance(name: str, lines: Sequence[LineFit]) -> Abundance:
    used = [line for line in lines if not line.left_out]
    values = np.array([line.value for line in used])
    if not used:
        limits = [line.limit for line in lines if line.left_out.startswith("weaker") and np.isfinite(line.limit)]
        return Abundance(name, np.nan, np.nan, np.nan, 0, min(limits, default=np.nan))
    scatter = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    formal = float(1 / np.sqrt(np.sum([line.error**-2 for line in used])))
    error = max(formal, scatter / np.sqrt(len(values))) if len(values) > 1 else formal
    return Abundance(name, float(np.median(values)), scatter, error, len(values), np.nan)
