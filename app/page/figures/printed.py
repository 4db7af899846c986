"""Figures for print, by matplotlib: the corner, the spectrum, the diagnostic lines, and one page that sums a star up."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from itertools import product

import corner
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from cinn_core import __version__
from cinn_core.explanation.saliency import magnitude
from cinn_core.inference.marginals import central_range, prior_outline
from cinn_core.inference.predictive import line_chi2
from cinn_core.inference.quantities import Quantity, label_of, quantities_of
from cinn_core.instrument import ARMS, WAVELENGTH, arm_slices
from cinn_core.lines import LineWindow, five, line_windows
from cinn_core.literature import literature_for
from cinn_core.output.bundle import SavedStar
from cinn_core.stages import Analysis
from cinn_core.targets import TARGETS

from .. import theme
from .lines import line_panel
from .spectrum import STRIP_COLUMNS, strongest_per_column

_SMALL, _TINY = 7.0, 6.0
_LEVELS = (0.68, 0.95)


def printed_files(star: SavedStar) -> dict[str, bytes]:
    """Figures of a star by its name in the bundle: PNG and PDF each, and the report."""
    drawn = {
        "corner": corner_print(star),
        "spectrum": spectrum_print(star.analysis),
        "lines": lines_print(star.analysis),
    }
    files = {
        f"figures/{name}.{kind}": _save(figure, kind) for (name, figure), kind in product(drawn.items(), ("png", "pdf"))
    }
    return files | {"report.pdf": _save(report(star), "pdf")}


KINDS = ("png", "svg", "pdf", "csv")
"""What a card of the page can be saved as."""


def card_file(card: str, kind: str, star: SavedStar, names: tuple[str, ...] | None = None) -> bytes:
    """A card of the page by its name in `CARDS` as a file of one of `KINDS`; csv: its numbers. names: those of a corner."""
    draw, tabulate = CARDS[card]
    if kind == "csv":
        return tabulate(star, names).to_csv(index=False, float_format="%.6g").encode()
    return _save(draw(star, names), kind)


def corner_files(star: SavedStar, names: tuple[str, ...] | None = None) -> dict[str, bytes]:
    """The corner alone, PNG and PDF, of all thirteen quantities or those named."""
    figure = corner_print(star, names)
    return {f"corner.{kind}": _save(figure, kind) for kind in ("png", "pdf")}


def corner_print(star: SavedStar, names: tuple[str, ...] | None = None) -> Figure:
    """The corner by `corner` with 68 and 95 % regions, the mode in ink and the literature in orange."""
    shown, weights = _shown(star)
    shown = tuple(q for q in shown if names is None or q.name in names)
    n = len(shown)
    figure = _figure(max(0.95 * n, 3.2), max(0.95 * n, 3.2))
    samples = np.stack([q.samples for q in shown], axis=1)
    ranges = [central_range(q.samples, 0.996, 0.08) for q in shown]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of glyphs and ticks that a font lacks
        corner.corner(
            samples, weights=weights, fig=figure, bins=32, smooth=0.8, levels=_LEVELS, range=ranges, color=theme.MODEL,
            plot_datapoints=False, plot_density=False, fill_contours=True, labels=[_label(q) for q in shown],
            label_kwargs={"fontsize": _SMALL}, max_n_ticks=3, hist_kwargs={"linewidth": 0.8},
            contour_kwargs={"linewidths": 0.5}, labelpad=0.5 / n,
        )  # fmt: skip
    margin = 0.75 / figure.get_figwidth()
    figure.subplots_adjust(
        left=margin, bottom=margin, right=1 - 0.2 * margin, top=1 - 0.2 * margin, wspace=0.06, hspace=0.06
    )
    literature = literature_for(star.analysis.flux_vector.star, star.analysis.flux_vector.file)
    axes = np.array(figure.axes).reshape(n, n)
    for axis in axes.ravel():
        axis.tick_params(labelsize=_TINY, length=2)
    for i, quantity in enumerate(shown):
        for j in range(i, n):
            axes[j, i].axvline(quantity.map, color=theme.INK, lw=0.6)
            if j > i:
                axes[j, i].axhline(shown[j].map, color=theme.INK, lw=0.6)
        if literature is not None and quantity.name in literature.values:
            for j in range(i, n):
                axes[j, i].axvline(literature.values[quantity.name], color=theme.LITERATURE, lw=0.8, ls="--")
    figure.suptitle(f"{plain(star.analysis.flux_vector.star)}: posterior, 68 and 95 %", fontsize=9, x=0.62, y=0.93)
    return figure


def spectrum_print(analysis: Analysis) -> Figure:
    """Both arms with the resimulation, its bands and the residuals."""
    figure = _figure(11, 6)
    grid = GridSpec(
        5, 1, figure, height_ratios=[3, 1, 0.5, 3, 1], hspace=0.12, left=0.06, right=0.99, top=0.94, bottom=0.07
    )
    for arm, row in enumerate((0, 3)):
        upper = figure.add_subplot(grid[row])
        lower = figure.add_subplot(grid[row + 1], sharex=upper)
        _draw_arm(analysis, arm, upper, lower)
    figure.suptitle(plain(analysis.flux_vector.star), fontsize=9, y=0.985)
    return figure


def lines_print(analysis: Analysis) -> Figure:
    """The five diagnostic lines."""
    figure = _figure(11, 2.6)
    for i, window in enumerate(five()):
        _draw_line(analysis, window, figure.add_subplot(1, len(five()), i + 1))
    figure.subplots_adjust(left=0.05, right=0.99, top=0.8, bottom=0.16, wspace=0.3)
    return figure


def kiel_print(star: SavedStar) -> Figure:
    """The posterior in the Kiel diagram."""
    figure = _figure(5, 4.5)
    _draw_kiel(star, figure.add_subplot())
    figure.suptitle(plain(star.analysis.flux_vector.star), fontsize=9)
    return figure


def saliency_print(analysis: Analysis) -> Figure:
    """The saliency of all targets, each scaled to its own strongest pixels."""
    figure, weights = _figure(11, 5), analysis.saliency.weights
    scaled = weights / np.maximum(magnitude(weights, 99.9), 1e-12)[:, None]
    colours = LinearSegmentedColormap.from_list("saliency", theme.SALIENCY)
    for i, (arm, part) in enumerate(zip(ARMS, arm_slices(), strict=True)):
        axis, n = figure.add_subplot(1, len(ARMS), i + 1), len(TARGETS)
        rows = [strongest_per_column(WAVELENGTH[part], row[part], arm.low, arm.high, STRIP_COLUMNS) for row in scaled]
        axis.imshow(np.stack(rows), cmap=colours, vmin=-1, vmax=1, aspect="auto", extent=(arm.low, arm.high, n, 0))
        axis.set_yticks(np.arange(n) + 0.5, [label_of(t.name) for t in TARGETS] if i == 0 else [""] * n)
        axis.set_xlabel("wavelength in air [Å]")
        _dress(axis)
    figure.suptitle(f"{plain(analysis.flux_vector.star)}: what each target looks at", fontsize=9)
    return figure


def spectrum_numbers(analysis: Analysis) -> pd.DataFrame:
    """What the card of the spectrum shows, a row a pixel."""
    fit, vector = analysis.resimulation, analysis.flux_vector
    edges = {
        f"model_{end}{share}": band[i]
        for share, band in ((68, fit.band68), (95, fit.band95))
        for i, end in enumerate(("lo", "hi"))
    }
    return pd.DataFrame(
        {"wavelength_air": WAVELENGTH, "flux": np.where(vector.good, vector.flux, np.nan), "model": fit.map_flux}
        | edges
        | {"residual_sigma": fit.residual}
    )  # fmt: skip


def lines_numbers(analysis: Analysis) -> pd.DataFrame:
    """The diagnostic lines, and how well the model fits each."""
    rows = [(w.name, w.species, w.wavelength, line_chi2(analysis.resimulation, w)) for w in line_windows()]
    return pd.DataFrame(rows, columns=["line", "species", "wavelength_air", "chi2_per_pixel"])


def posterior_numbers(star: SavedStar, names: tuple[str, ...] | None = None) -> pd.DataFrame:
    """The samples, a row each, with their weights where they have some."""
    shown, weights = _shown(star)
    table = pd.DataFrame({_label(q): q.samples for q in shown if names is None or q.name in names})
    return table if weights is None else table.assign(weight=weights)


def saliency_numbers(analysis: Analysis) -> pd.DataFrame:
    """The saliency of each target at each pixel."""
    rows = {t.name: row for t, row in zip(TARGETS, analysis.saliency.weights, strict=True)}
    return pd.DataFrame({"wavelength_air": WAVELENGTH} | rows)


CARDS: dict[str, tuple[Callable[..., Figure], Callable[..., pd.DataFrame]]] = {
    "spectrum": (lambda star, _names: spectrum_print(star.analysis), lambda star, _names: spectrum_numbers(star.analysis)),
    "lines": (lambda star, _names: lines_print(star.analysis), lambda star, _names: lines_numbers(star.analysis)),
    "corner": (corner_print, posterior_numbers),
    "kiel": (lambda star, _names: kiel_print(star), lambda star, _names: posterior_numbers(star, ("teff", "logg"))),
    "saliency": (lambda star, _names: saliency_print(star.analysis), lambda star, _names: saliency_numbers(star.analysis)),
}  # fmt: skip
"""The cards that can be saved: what draws each, and what gives its numbers; both take the star and names of quantities."""


def report(star: SavedStar) -> Figure:
    """One page, A4: who the star is, the thirteen results, spectrum, lines and the Kiel diagram."""
    analysis, vector = star.analysis, star.analysis.flux_vector
    figure = _figure(8.27, 11.69)
    grid = GridSpec(
        5, 5, figure, height_ratios=[0.5, 3.2, 2.3, 2.3, 1.6], hspace=0.32, wspace=0.35,
        left=0.08, right=0.96, top=0.965, bottom=0.05,
    )  # fmt: skip
    head = figure.add_subplot(grid[0, :])
    head.set_axis_off()
    head.text(0, 0.9, plain(vector.star or "unnamed star"), fontsize=15, fontweight="bold", va="top")
    head.text(0, 0.1, "   ".join(_facts(analysis)), fontsize=_SMALL, color=theme.MUTED, va="top")
    _draw_table(star, figure.add_subplot(grid[1, :3]))
    _draw_kiel(star, figure.add_subplot(grid[1, 3:]))
    for arm in range(len(ARMS)):
        rows = grid[2 + arm, :].subgridspec(2, 1, height_ratios=[3, 1], hspace=0.08)
        upper = figure.add_subplot(rows[0])
        _draw_arm(analysis, arm, upper, figure.add_subplot(rows[1], sharex=upper))
    for i, window in enumerate(five()):
        _draw_line(analysis, window, figure.add_subplot(grid[4, i]))
    foot = f"Kiel {__version__} · method of Ksoll et al. (2026), A&A 708, A118 · {plain(vector.file)} · seed {analysis.posterior.seed}"
    figure.text(0.08, 0.012, foot, fontsize=_TINY, color=theme.MUTED)
    return figure


def plain(text: str) -> str:
    """A text from outside as matplotlib shows it literally: no formulas, no control characters."""
    return "".join(c if c.isprintable() else " " for c in text)[:120].replace("\\", "").replace("$", r"\$")


def _shown(star: SavedStar) -> tuple[tuple[Quantity, ...], NDArray | None]:
    """The quantities of the posterior in use, and the weights of their samples."""
    constrained = star.constrained
    if constrained is None:
        return quantities_of(star.analysis.posterior, star.analysis.summary), None
    return quantities_of(star.analysis.posterior, constrained.summary, constrained.weights), constrained.weights


def _facts(analysis: Analysis) -> list[str]:
    vector = analysis.flux_vector
    snr = ", ".join(f"{arm.name} {s:.0f}" for arm, s in zip(ARMS, vector.snr, strict=True) if np.isfinite(s))
    return [
        plain(vector.file),
        f"velocity {vector.rv_kms:+.2f} ± {vector.rv_error_kms:.2f} km/s",
        f"S/N per Å: {snr}",
        f"χ² per pixel {analysis.resimulation.chi2_per_pixel:.2f}",
        "flags: " + (", ".join(analysis.flags).replace("_", " ") or "none"),
    ]


def _draw_table(star: SavedStar, axis: Axes) -> None:
    axis.set_axis_off()
    rows, _ = _shown(star)
    cells = [
        [q.label, q.unit, q.text(q.map), q.text(q.median), f"{q.text(q.lo68)} … {q.text(q.hi68)}", q.status_text]
        for q in rows
    ]
    table = axis.table(
        cells, colLabels=["", "", "mode", "median", "68 %", "status"], bbox=Bbox.from_bounds(0, 0.06, 1, 0.94), cellLoc="right",
        colWidths=[0.14, 0.1, 0.14, 0.14, 0.29, 0.19], edges="horizontal",
    )  # fmt: skip
    table.auto_set_font_size(False)
    table.set_fontsize(_SMALL)
    for cell in table.get_celld().values():
        cell.set_edgecolor(theme.LINE)
    constraints = [c.text for c in star.constraints]
    constrained = star.constrained
    if constrained is not None:
        text = f"given {', '.join(constraints)}: {constrained.effective_samples:.0f} effective samples"
        axis.text(0, 0, text, fontsize=_TINY, color=theme.LITERATURE, transform=axis.transAxes)


def _draw_kiel(star: SavedStar, axis: Axes) -> None:
    rows, weights = _shown(star)
    teff, logg = ({q.name: q for q in rows}[name] for name in ("teff", "logg"))
    axis.fill(*prior_outline(), facecolor=theme.GROUND, edgecolor=theme.FAINT, lw=0.6)
    shown = slice(0, 1500)
    sizes = 2.0 if weights is None else 8 * weights[shown]
    axis.scatter(teff.samples[shown], logg.samples[shown], s=sizes, color=theme.MODEL, alpha=0.2, lw=0, rasterized=True)
    axis.plot(teff.map, logg.map, "+", color=theme.LITERATURE, ms=9, mew=1.5)
    axis.set(xlim=(7350, 3800), ylim=(5.15, -0.15), xlabel="Teff [K]", ylabel="log g")
    _dress(axis)


def _draw_arm(analysis: Analysis, index: int, upper: Axes, lower: Axes) -> None:
    arm, part = ARMS[index], arm_slices()[index]
    wave, fit = WAVELENGTH[part], analysis.resimulation
    for band, alpha in ((fit.band95, theme.BAND95_ALPHA), (fit.band68, theme.BAND68_ALPHA)):
        upper.fill_between(wave, *band[:, part], color=theme.MODEL, alpha=alpha, lw=0)
    upper.plot(wave, analysis.flux_vector.flux[part], color=theme.INK, lw=0.5)
    upper.plot(wave, fit.map_flux[part], color=theme.MODEL, lw=0.5)
    upper.set(xlim=(arm.low, arm.high), ylim=(0, 1.15), ylabel="flux")
    upper.tick_params(labelbottom=False)
    lower.axhline(0, color=theme.LINE, lw=0.6)
    lower.plot(wave, fit.residual[part], color=theme.MUTED, lw=0.4)
    lower.set(ylim=(-6, 6), ylabel="σ")
    _dress(upper)
    _dress(lower)


def _draw_line(analysis: Analysis, window: LineWindow, axis: Axes) -> None:
    fit, panel = analysis.resimulation, line_panel(analysis, analysis.resimulation.band68, window, 0, 0)
    wave = WAVELENGTH[panel.shown]
    for band, alpha in ((fit.band95, theme.BAND95_ALPHA), (fit.band68, theme.BAND68_ALPHA)):
        axis.fill_between(wave, *band[:, panel.shown], color=theme.MODEL, alpha=alpha, lw=0)
    axis.plot(wave, analysis.flux_vector.flux[panel.shown], color=theme.INK, lw=0.8)
    axis.plot(wave, fit.map_flux[panel.shown], color=theme.MODEL, lw=0.8)
    chi2 = line_chi2(fit, window)
    verdict = f"χ² {chi2:.1f}" if np.isfinite(chi2) else "not observed"
    axis.set_title(f"{window.name}\n{verdict}", fontsize=_SMALL)
    axis.set_ylim(panel.low, panel.high)
    axis.locator_params(axis="x", nbins=2)
    axis.locator_params(axis="y", nbins=3)
    _dress(axis)


def _dress(axis: Axes) -> None:
    axis.tick_params(labelsize=_TINY, length=2, width=0.5, colors=theme.MUTED)
    axis.xaxis.label.set(fontsize=_SMALL, color=theme.MUTED)
    axis.yaxis.label.set(fontsize=_SMALL, color=theme.MUTED)
    for spine in axis.spines.values():
        spine.set(color=theme.LINE, linewidth=0.6)


def _label(quantity: Quantity) -> str:
    return quantity.label if quantity.unit == "dex" else f"{quantity.label} [{quantity.unit}]"


def _figure(width: float, height: float) -> Figure:
    """A figure of its own, beside pyplot's registry: threads may draw at once, and nothing is kept."""
    figure = Figure(figsize=(width, height), dpi=150)
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    metadata: Mapping[str, str | None] = (
        {"Software": f"Kiel {__version__}"} if kind == "png" else {"Creator": f"Kiel {__version__}"}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name in a script that the font does not have
        figure.savefig(buffer, format=kind, metadata=dict(metadata))
    return buffer.getvalue()
