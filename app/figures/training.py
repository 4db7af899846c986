"""The learning curve of a training as a figure beside its numbers."""

from __future__ import annotations

import csv
from pathlib import Path

from matplotlib.figure import Figure


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
