"""Draws the figure of docs/lines.md: one line of each element, growing with its abundance.

Run: python docs/element_lines.py docs/element-lines.png. It prints the depth of each line as the abundance rises.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from cinn_core.forward_model.element_lines import STEPS_DEX, Grown, grown_lines
from cinn_core.inference.model import load_forward

COLUMNS = 6


def draw(lines: list[Grown], path: Path) -> None:
    """The lines in rows of six, light to dark as the abundance rises."""
    rows = -(-len(lines) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(11, 1.75 * rows), sharey=True, layout="constrained")
    shades = plt.get_cmap("viridis_r")([0.1 + 0.85 * i / (len(STEPS_DEX) - 1) for i in range(len(STEPS_DEX))])
    for axis, grown in zip(axes.flat, lines, strict=False):
        for flux, shade in zip(grown.flux, shades, strict=True):
            axis.plot(grown.wavelength, flux, color=shade, lw=1)
        axis.axvline(grown.line.wavelength, color="0.75", lw=0.6, zorder=0)
        axis.set_title(f"{grown.line.species} {grown.line.wavelength:.1f}", fontsize=9)
        axis.set_xticks([round(grown.line.wavelength + step, 1) for step in (-0.6, 0.6)])
        axis.ticklabel_format(useOffset=False)
        axis.tick_params(labelsize=7)
    for axis in axes.flat[len(lines) :]:
        axis.set_axis_off()
    legend = [f"{step:+.1f} dex" for step in STEPS_DEX]
    axes.flat[-1].legend(axes.flat[0].get_lines()[: len(legend)], legend, loc="center", fontsize=8, frameon=False)
    figure.supxlabel("wavelength in air / Å", fontsize=9)
    figure.supylabel("flux / continuum", fontsize=9)
    figure.savefig(path, dpi=90)


def main() -> None:
    lines = grown_lines(load_forward())
    for grown in lines:
        depths = "  ".join(f"{100 * depth:5.1f}" for depth in grown.depth)
        print(f"{grown.line.species:6s} {grown.line.wavelength:8.2f}  {depths} %")
    draw(lines, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
