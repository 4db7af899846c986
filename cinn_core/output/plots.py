"""Plots of one star for notebooks and scripts, by matplotlib: spectrum with model, line, corner, Kiel diagram, saliency.

Each draws into the axes that are given, else into a figure of its own, and returns the axes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import KielError
from ..inference.marginals import central_range, prior_outline
from ..inference.predictive import line_chi2
from ..inference.quantities import quantities
from ..instrument import ARMS, WAVELENGTH, arm_slices
from ..lines import find_window, line_windows
from ..stages import Analysis
from ..targets import COLUMN, TARGET_NAMES, TARGETS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _MODEL, _MUTED = "#1b2430", "#0072B2", "#667085"
_AROUND_LINE_ANGSTROM = 3.0
_BANDS = ((0.16, "95"), (0.32, "68"))


def plot_spectrum(
    analysis: Analysis,
    region: tuple[float, float] | None = None,
    axes: Sequence[Axes] | None = None,
    others: Mapping[str, NDArray] | None = None,
) -> NDArray:
    """The spectrum (ink), the model at the MAP with 68 and 95 % bands (blue); both arms, or a region in air Angstrom.

    `others`: further models (N_PIXELS,) by name, drawn over it. Raises KielError for a region without pixels.
    """
    import matplotlib.pyplot as plt

    parts: tuple[slice | NDArray, ...] = arm_slices() if region is None else (_pixels(region),)
    if axes is None:
        _, made = plt.subplots(len(parts), 1, figsize=(10, 2.8 * len(parts)), squeeze=False, layout="constrained")
        axes = list(made[:, 0])
    for axis, part in zip(axes, parts, strict=True):
        _draw_pixels(analysis, part, axis)
        for i, (name, flux) in enumerate((others or {}).items()):
            axis.plot(WAVELENGTH[part], flux[part], color=f"C{i + 1}", lw=0.9, label=name)
        if others:
            axis.legend(fontsize=8, frameon=False)
    axes[0].set_title(_plain(analysis.flux_vector.star), fontsize=10)
    axes[-1].set_xlabel("wavelength in air, at rest [Å]")
    return np.array(axes)


def plot_line(analysis: Analysis, line: str, axis: Axes | None = None) -> Axes:
    """One diagnostic line, say "Li I 6707.8", with its χ²; raises KielError, with the names there are, for another."""
    window = find_window(line)
    if window is None:
        raise KielError(f"There is no diagnostic line {line!r}; there are {', '.join(w.name for w in line_windows())}.")
    axis = _one(axis, (4.2, 3.2))
    _draw_pixels(analysis, np.flatnonzero(window.pixels(_AROUND_LINE_ANGSTROM)), axis)
    chi2 = line_chi2(analysis.resimulation, window)
    axis.set_title(f"{window.name}: " + (f"χ² {chi2:.1f}" if np.isfinite(chi2) else "not observed"), fontsize=10)
    axis.set_xlabel("wavelength in air, at rest [Å]")
    return axis


def plot_corner(analysis: Analysis, targets: Sequence[str] | None = None) -> NDArray:
    """Corner of the posterior with 68 and 95 % regions and the mode; all thirteen targets, or those named.

    Lithium is shown as A(Li). Raises KielError for a name that is no target.
    """
    import corner
    import matplotlib.pyplot as plt

    unknown = set(targets or ()) - set(TARGET_NAMES)
    if unknown:
        raise KielError(f"No target is called {', '.join(sorted(unknown))}; the targets are {', '.join(TARGET_NAMES)}.")
    shown = [q for q in quantities(analysis) if targets is None or q.name in targets]
    size = max(4.0, 1.2 * len(shown) + 1.0)
    figure = plt.figure(figsize=(size, size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of glyphs and ticks that a font lacks
        corner.corner(
            np.stack([q.samples for q in shown], axis=1), fig=figure, bins=32, smooth=0.8, levels=(0.68, 0.95),
            range=[central_range(q.samples, 0.996, 0.08) for q in shown], color=_MODEL, plot_datapoints=False,
            plot_density=False, fill_contours=True, max_n_ticks=3, labelpad=0.12, truths=[q.map for q in shown], truth_color=_INK,
            labels=[q.label if q.unit == "dex" else f"{q.label} [{q.unit}]" for q in shown],
        )  # fmt: skip
    figure.subplots_adjust(left=1.0 / size, bottom=1.0 / size, right=0.98, top=0.98)
    return np.array(figure.axes).reshape(len(shown), len(shown))


def plot_kiel(analyses: Analysis | Sequence[Analysis], axis: Axes | None = None) -> Axes:
    """Samples and modes of one star or several in the diagram of log g against Teff, with the prior's outline."""
    axis = _one(axis, (4.6, 4.2))
    axis.fill(*prior_outline(), facecolor="#f5f7fa", edgecolor="#98a2b3", lw=0.6)
    teff, logg = COLUMN["teff"], COLUMN["logg"]
    for one in [analyses] if isinstance(analyses, Analysis) else analyses:
        labels, found = one.posterior.labels[:1500], one.summary.targets
        axis.scatter(labels[:, teff], labels[:, logg], s=2, color=_MODEL, alpha=0.2, lw=0)
        axis.plot(found["teff"].map, found["logg"].map, "+", color="#D55E00", ms=9, mew=1.5)
    axis.set(xlim=(7350, 3800), ylim=(5.15, -0.15), xlabel="Teff [K]", ylabel="log g [dex]")
    return axis


def plot_saliency(analysis: Analysis, target: str, axis: Axes | None = None) -> Axes:
    """d target / d flux of every pixel, over the norm of the gradient; KielError for a name that is no target."""
    if target not in TARGET_NAMES:
        raise KielError(f"No target is called {target}; the targets are {', '.join(TARGET_NAMES)}.")
    axis = _one(axis, (10, 2.4))
    for part in arm_slices():
        axis.plot(WAVELENGTH[part], analysis.saliency.weights[COLUMN[target], part], color=_MODEL, lw=0.5)
    axis.set(xlabel="wavelength in air, at rest [Å]", ylabel=f"d {TARGETS[COLUMN[target]].label} / d flux")
    return axis


def _draw_pixels(analysis: Analysis, part: slice | NDArray, axis: Axes) -> None:
    wave, fit = WAVELENGTH[part], analysis.resimulation
    for alpha, mass in _BANDS:
        low, high = fit.band95 if mass == "95" else fit.band68
        axis.fill_between(wave, low[part], high[part], color=_MODEL, alpha=alpha, lw=0)
    axis.plot(wave, analysis.flux_vector.flux[part], color=_INK, lw=0.6)
    axis.plot(wave, fit.map_flux[part], color=_MODEL, lw=0.6)
    axis.set(xlim=(wave[0], wave[-1]), ylabel="flux")
    axis.ticklabel_format(useOffset=False)


def _pixels(region: tuple[float, float]) -> NDArray:
    """Indices of the pixels of a region [air Angstrom]; KielError where there are none."""
    low, high = region
    found = np.flatnonzero((low <= WAVELENGTH) & (high >= WAVELENGTH))
    if found.size < 2:
        arms = " and ".join(f"{arm.low:g}-{arm.high:g}" for arm in ARMS)
        raise KielError(f"{low:g}-{high:g} Å holds no pixels; the spectrograph sees {arms} Å.")
    return found


def _one(axis: Axes | None, size: tuple[float, float]) -> Axes:
    if axis is not None:
        return axis
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def _plain(text: str) -> str:
    """A text from outside as matplotlib shows it literally."""
    return "".join(c if c.isprintable() else " " for c in text)[:120].replace("\\", "").replace("$", r"\$")
