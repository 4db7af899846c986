"""Figures of `kiel evaluate network`, one for each of the paper's on synthetic stars: its 1, 4, 5, 8, 9 and 10."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from cinn_core.evaluation.network import Evaluation, bias_and_scatter, median_widths, prior_labels, thirds
from cinn_core.prior import N_TARGETS
from cinn_core.targets import COLUMN, TARGETS, Target

_COLUMNS = 5
_REFERENCE = 250
_SNR_TICKS = (10, 30, 100, 300, 1000)
_THIRDS = (("lower third", "tab:blue"), ("middle third", "tab:grey"), ("upper third", "tab:red"))


def write_figures(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write the six figures as PNG into a folder, made where it is missing; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    at = _REFERENCE if _REFERENCE in evaluation.answers else max(evaluation.answers)
    figures = {
        "fig01_priors": _panels(lambda ax, i: _prior(ax, i)),
        "fig04_bias_sigma": _panels(lambda ax, i: _bias_sigma(ax, evaluation, i)),
        f"fig05_map_truth_snr{at}": _panels(lambda ax, i: _map_truth(ax, evaluation, i, at)),
        "fig08_bias_sigma_thirds": _panels(lambda ax, i: _thirds(ax, evaluation, i)),
        "fig09_width_snr": _panels(lambda ax, i: _width(ax, evaluation, i)),
        f"fig10_full_width_feh_snr{at}": _panels(lambda ax, i: _full_width(ax, evaluation, i, at)),
    }
    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=110)
        paths.append(path)
    return paths


def _panels(draw_one: Callable[[Axes, int], None]) -> Figure:
    """One panel a target; drawn without a window system."""
    rows = -(-N_TARGETS // _COLUMNS)
    figure = Figure(figsize=(3.2 * _COLUMNS, 2.7 * rows), layout="constrained")
    axes = figure.subplots(rows, _COLUMNS).ravel()
    for i, ax in enumerate(axes):
        if i < N_TARGETS:
            draw_one(ax, i)
            ax.set_title(_name(TARGETS[i]), fontsize=10)
            ax.tick_params(labelsize=8)
        else:
            ax.axis("off")
    return figure


def _name(target: Target) -> str:
    return f"{target.label} [{target.unit}]"


def _prior(ax: Axes, i: int) -> None:
    ax.hist(prior_labels(i), 60, density=True, color="tab:blue")
    ax.set_yticks([])


def _bias_sigma(ax: Axes, evaluation: Evaluation, i: int) -> None:
    bias, sigma = bias_and_scatter(evaluation, i)
    ax.plot(list(evaluation.answers), sigma, "o-", ms=3, color="tab:blue", label="σ")
    ax.plot(list(evaluation.answers), bias, "s--", ms=3, color="tab:orange", label="bias")
    _by_snr(ax, i)


def _thirds(ax: Axes, evaluation: Evaluation, i: int) -> None:
    for (words, colour), stars in zip(_THIRDS, thirds(evaluation, i), strict=True):
        bias, sigma = bias_and_scatter(evaluation, i, stars)
        ax.plot(list(evaluation.answers), sigma, "o-", ms=3, color=colour, label=words)
        ax.plot(list(evaluation.answers), bias, "--", color=colour)
    _by_snr(ax, i)


def _width(ax: Axes, evaluation: Evaluation, i: int) -> None:
    widths, limits = median_widths(evaluation, i)
    ax.plot(list(evaluation.answers), widths, "o-", ms=3, color="tab:blue", label="68 % width")
    ax.plot(list(evaluation.answers), limits, "k:", label="limit")
    ax.set_yscale("log")
    _by_snr(ax, i)


def _by_snr(ax: Axes, i: int) -> None:
    ax.set_xscale("log")
    ax.set_xticks(_SNR_TICKS, [str(snr) for snr in _SNR_TICKS])
    ax.xaxis.set_minor_formatter(NullFormatter())
    if ax.get_yscale() == "linear":
        ax.axhline(0, color="0.7", lw=0.6)
    if i >= N_TARGETS - _COLUMNS:
        ax.set_xlabel("S/N per Å", fontsize=9)
    if i == 0:
        ax.legend(fontsize=7)


def _map_truth(ax: Axes, evaluation: Evaluation, i: int, snr: int) -> None:
    truth = evaluation.labels[..., i].ravel()
    ends = [truth.min(), truth.max()]
    ax.hist2d(truth, evaluation.answers[snr].map[:, i], bins=60, range=[ends, ends], cmin=1, norm="log", cmap="viridis")
    ax.plot(ends, ends, color="tab:red", lw=0.8)
    if i >= N_TARGETS - _COLUMNS:
        ax.set_xlabel("truth", fontsize=9)
    if i % _COLUMNS == 0:
        ax.set_ylabel("MAP", fontsize=9)


def _full_width(ax: Axes, evaluation: Evaluation, i: int, snr: int) -> None:
    feh = evaluation.labels[..., COLUMN["feh"]].ravel()
    ax.plot(feh, evaluation.answers[snr].full[:, i], ".", ms=2, alpha=0.4)
    target = TARGETS[i]
    if target.name not in ("teff", "li_fe"):  # the others' prior has one width for every star
        ax.axhline(target.high - target.low, color="tab:red", lw=0.8, ls="--")
    if i >= N_TARGETS - _COLUMNS:
        ax.set_xlabel("[Fe/H]", fontsize=9)


def plot_curve(curve: Path) -> Path:
    """Plot training and validation loss of a curve's CSV against its first column, as PNG beside it; returns its path."""
    with curve.open(newline="") as f:
        rows = list(csv.DictReader(f))
    first = next(iter(rows[0]))
    figure = Figure(figsize=(6, 4), layout="constrained")
    ax = figure.subplots()
    for name, words in (("training_loss", "training"), ("validation_loss", "validation")):
        ax.plot([float(row[first]) for row in rows], [float(row[name]) for row in rows], label=words, marker=".")
    ax.set(xlabel=first, ylabel="negative log density [nat a star]")
    ax.legend()
    path = curve.with_suffix(".png")
    figure.savefig(path, dpi=110)
    return path
