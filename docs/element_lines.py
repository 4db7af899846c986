"""One line of each element that has a label, in a star that shows them all, growing with the element's abundance.

Run: python docs/element_lines.py docs/element-lines.png. It draws the figure of docs/lines.md and prints the depth of each
line as the abundance rises.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

from cinn_core.forward_model.forward import ForwardModel, load_forward
from cinn_core.instrument import WAVELENGTH
from cinn_core.targets import COLUMN, labels_of

COLUMNS = 6
STAR = {"teff": 4500.0, "logg": 2.0, "feh": -0.2, "vmic": 1.5, "vbroad": 5.0}
"""A giant, whose spectrum shows every element; [X/Fe] = 0."""
STEPS_DEX = (-0.4, -0.2, 0.0, 0.2, 0.4)
_HALF_WIDTH_ANGSTROM = 1.0
_CORE_ANGSTROM = 0.15


@dataclass(frozen=True)
class ElementLine:
    """The line of a label: species as in figures, air wavelength [Angstrom]."""

    label: str
    species: str
    wavelength: float


ELEMENT_LINES: tuple[ElementLine, ...] = (
    ElementLine("feh", "Fe I", 6165.360),
    ElementLine("li_fe", "Li I", 6707.800),
    ElementLine("c_fe", "C₂", 5585.033),
    ElementLine("n_fe", "CN", 6486.267),
    ElementLine("o_fe", "[O I]", 6300.304),
    ElementLine("na_fe", "Na I", 6154.226),
    ElementLine("mg_fe", "Mg I", 5711.088),
    ElementLine("al_fe", "Al I", 6696.023),
    ElementLine("si_fe", "Si I", 5701.104),
    ElementLine("ca_fe", "Ca I", 6102.723),
    ElementLine("ti_fe", "Ti I", 6258.102),
    ElementLine("v_fe", "V I", 6111.673),
    ElementLine("cr_fe", "Cr I", 5409.784),
    ElementLine("mn_fe", "Mn I", 5537.801),
    ElementLine("co_fe", "Co I", 6771.092),
    ElementLine("ni_fe", "Ni I", 6643.630),
    ElementLine("sr_fe", "Sr I", 6503.991),
    ElementLine("y_fe", "Y II", 5402.774),
    ElementLine("zr_fe", "Zr I", 6134.550),
    ElementLine("ba_fe", "Ba II", 6496.898),
    ElementLine("ce_fe", "Ce II", 5274.229),
    ElementLine("eu_fe", "Eu II", 6645.098),
)


@dataclass(frozen=True, eq=False)
class Grown:
    """A line at several abundances: wavelength (m,) [air Angstrom], flux (n, m), core depths (n,) as abundance rises."""

    line: ElementLine
    wavelength: NDArray
    flux: NDArray
    depth: NDArray


def grown_lines(forward: ForwardModel) -> list[Grown]:
    """Every line at R = 20 000 with its element's abundance at STEPS_DEX from solar ratios, all else held."""
    star = labels_of(STAR)
    out = []
    for line in ELEMENT_LINES:
        labels = np.repeat(star[None], len(STEPS_DEX), 0)
        labels[:, COLUMN[line.label]] += STEPS_DEX
        flux = forward.flux(labels)
        near = np.abs(WAVELENGTH - line.wavelength) < _HALF_WIDTH_ANGSTROM
        core = np.abs(WAVELENGTH - line.wavelength) < _CORE_ANGSTROM
        out.append(Grown(line, WAVELENGTH[near], flux[:, near], 1 - flux[:, core].mean(1)))
    return out


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
