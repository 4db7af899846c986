"""What interpolation costs iron's departures: between structures s = 0 and 1, beyond them, and between the stars of the table.

python benchmarks/departures.py FOLDER          # four solutions a star, 20 to 60 s each; resumable; needs `nlte` and the data folder

Abundances from lines of Fe I of three stars off the table's nodes, with interpolated minus with solved departures [dex].
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from cinn_core.files import asset_path, data_directory
from cinn_core.nlte.equilibrium import Solution
from cinn_core.nlte.iron_gate import chosen_lines, solved_on
from cinn_core.nlte.iron_lines import abundance_of, growth, read_iron_lines
from cinn_core.nlte.runs import TABLE_LOG_TAU
from cinn_core.synthesis.departure_files import DepartureTable, read_table

STARS = ((5777.0, 4.44, 0.0), (5800.0, 3.7, -2.4), (4600.0, 1.4, -2.6))
STRUCTURES = (0.0, 0.5, 1.0, 1.3)


def with_departures(
    solution: Solution, table: DepartureTable, s: float, star: tuple[float, float, float, float]
) -> Solution:
    """A solution with the departures of a table at s for a star of Teff, log g, [Fe/H], A(Fe)."""
    depths = solution.departures.log_tau
    return replace(solution, departures=replace(solution.departures, b=table.grid(s).at(*star).on(depths)))


def main(folder: Path) -> None:
    """Print the errors of both kinds of interpolation, star by star."""
    data = data_directory()
    if data is None:
        raise SystemExit("There is no data folder; set KIEL_DATA.")
    folder.mkdir(parents=True, exist_ok=True)
    shipped, lines = read_table(asset_path("nlte", "Fe.npz")), read_iron_lines(data / "synthesis")
    for star in STARS:
        solved = {s: solved_on(s, star, folder, data) for s in STRUCTURES}
        abundance = solved[0.0].abundance
        b = np.stack([solved[s].departures.on(TABLE_LOG_TAU) for s in (0.0, 1.0)])
        nodes = np.array([[*star, abundance]] * 2)
        levels = solved[0.0].departures.levels
        own = DepartureTable("Fe", levels, nodes, TABLE_LOG_TAU, b, {}, np.array([0.0, 1.0]))
        for s, solution in solved.items():
            measured = [(x, w) for x, w in chosen_lines(solution, lines, star) if x.ion == 0]
            for name, table in (("between s = 0 and 1", own), ("of the table that ships", shipped)):
                with_table = with_departures(solution, table, s, (*star, abundance))
                off = np.array([abundance_of(growth(with_table, x, 1.0), w) for x, w in measured])
                print(
                    f"{star}  s {s:3.1f}  {name:24s} {len(off):3d} lines  mean {np.nanmean(off):+.3f}  rms {np.nanstd(off):.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
