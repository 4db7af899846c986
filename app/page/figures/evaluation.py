"""Figures of `kiel evaluate network`, one for each of the paper's on synthetic stars: its 1, 4, 5, 8, 9 and 10."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from cinn_core.evaluation.network import Evaluation
from cinn_core.prior import N_TARGETS, draw
from cinn_core.targets import COLUMN, TARGETS, Target

_COLUMNS = 5
_REFERENCE = 250
_SNR_TICKS = (10, 30, 100, 300, 1000)
_PRIOR_STARS = 50_000
_THIRDS = (("lower third", "tab:blue"), ("middle third", "tab:grey"), ("upper third", "tab:red"))


def write_figures(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Writes the six figures as PNG into a folder, made where it is missing, and returns their paths."""
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
    labels = draw(_PRIOR_STARS, np.random.default_rng(0))[:, i]
    ax.hist(labels, 60, density=True, color="tab:blue")
    ax.set_yticks([])


def _errors(evaluation: Evaluation, snr: int, i: int) -> NDArray:
    """map - truth (stars, draws) of the stars with [Fe/H] > -2.5."""
    truth = evaluation.labels[..., i]
    return (evaluation.answers[snr].map[:, i].reshape(truth.shape) - truth)[evaluation.rich]


def _bias_sigma(ax: Axes, evaluation: Evaluation, i: int) -> None:
    snrs = list(evaluation.answers)
    errors = [_errors(evaluation, snr, i) for snr in snrs]
    ax.plot(snrs, [e.std() for e in errors], "o-", ms=3, color="tab:blue", label="σ")
    ax.plot(snrs, [e.mean() for e in errors], "s--", ms=3, color="tab:orange", label="bias")
    _by_snr(ax, i)


def _thirds(ax: Axes, evaluation: Evaluation, i: int) -> None:
    snrs, truth = list(evaluation.answers), evaluation.labels[evaluation.rich][..., i]
    edges = np.quantile(truth, [0, 1]) @ np.array([[1, 2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3, 1]])
    for (words, colour), low, high in zip(_THIRDS, edges[:-1], edges[1:], strict=True):
        chosen = (truth >= low) & (truth <= high)
        errors = [_errors(evaluation, snr, i)[chosen] for snr in snrs]
        ax.plot(snrs, [e.std() for e in errors], "o-", ms=3, color=colour, label=words)
        ax.plot(snrs, [e.mean() for e in errors], "--", color=colour)
    _by_snr(ax, i)


def _width(ax: Axes, evaluation: Evaluation, i: int) -> None:
    snrs = list(evaluation.answers)
    shape = evaluation.labels.shape[:2]
    widths = [
        np.median(np.ptp(a.interval68[:, i], -1).reshape(shape)[evaluation.rich]) for a in evaluation.answers.values()
    ]
    ax.plot(snrs, widths, "o-", ms=3, color="tab:blue", label="68 % width")
    ax.plot(snrs, [np.median(evaluation.limit68[snr][evaluation.rich][..., i]) for snr in snrs], "k:", label="limit")
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
    ends = [np.quantile(truth, q) for q in (0, 1)]
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
    """Draws training and validation loss of a curve's CSV against its first column, as PNG beside it; returns its path."""
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
