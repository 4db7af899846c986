"""Published answers for lithium at 6708 as networks, and our 1D NLTE - LTE corrections against them.

Wang et al. (2021, MNRAS 500, 2159; 2024, MNRAS 528, 5394), as the data folder has them: A(3D NLTE) - A(1D LTE) from A in
LTE; A in 3D NLTE and A in 1D NLTE on MARCS from the equivalent width. A star's 1D NLTE - 1D LTE follows: the width of its
LTE line is that at which the 3D NLTE network gives A_LTE + correction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from .corrections import WITHIN_DEX, corrections_of
from .equilibrium import Physics
from .lines import read_line_data
from .runs import NlteStar, Outcome, load_solution, solve_stars, star_of_abundance

FOLDER = Path("Li_Breidablik")
CORRECTION_3D, ABUNDANCE_3D, ABUNDANCE_1D = (
    f"{name}_6708.npz" for name in ("correction_3dnlte_1dlte", "abundance_3dnlte", "abundance_1dnlte_marcs")
)
_LAYERS = 3
_WIDTHS = np.linspace(-9.0, -3.5, 1000)  # log10 of equivalent width over wavelength
_STEPS = 8
_LINE = 6707.8
_TEFF_LOGG = (
    (4500.0, 2.0), (4500.0, 4.5), (4750.0, 2.5), (5000.0, 2.5), (5000.0, 4.5), (5500.0, 3.5), (5500.0, 4.5), (5777.0, 4.44),
    (6000.0, 4.0), (6000.0, 4.5), (6500.0, 4.0), (6500.0, 4.5),
)  # fmt: skip
_FEH = (0.25, 0.0, -1.0, -2.0, -3.0)
_COOL, _A_COOL, _A_WARM = 5250.0, 1.0, 2.2


Network = Callable[[NDArray], NDArray]


def read_network(nlte: Path, name: str) -> Network:
    """A published network (n, 4) -> (n,), of Teff [K], log g, [Fe/H] and a fourth input; `nlte` is the folder of that name.

    Raises DataError where it is missing or no such network.
    """
    path = nlte / FOLDER / name
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key].astype(float) for key in file.files}
        mean, std = arrays["mean"], arrays["std"]
        layers = [(arrays[f"w{k}"], arrays[f"b{k}"]) for k in range(_LAYERS)]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} does not hold a network of lithium: {error}.") from error

    def network(x: NDArray) -> NDArray:
        y = (np.asarray(x, float) - mean) / std
        for k, (weight, bias) in enumerate(layers):
            y = y @ weight.T + bias
            y = np.maximum(y, 0) if k < _LAYERS - 1 else y
        return y[:, 0]

    return network


def published_correction(nlte: Path) -> Callable[[float, float, float, float], float]:
    """A(1D NLTE) - A(1D LTE) [dex] on MARCS as a function of Teff [K], log g, [Fe/H] and A(Li) in 1D NLTE."""
    correction, three, one = (read_network(nlte, name) for name in (CORRECTION_3D, ABUNDANCE_3D, ABUNDANCE_1D))

    def at(teff: float, logg: float, feh: float, abundance: float) -> float:
        star = np.array([teff, logg, feh])
        by_width = three(np.column_stack([np.tile(star, (_WIDTHS.size, 1)), _WIDTHS]))
        shift = 0.0
        for _ in range(_STEPS):
            lte = abundance - shift
            width = np.interp(lte + correction(np.array([[*star, lte]]))[0], by_width, _WIDTHS)
            shift = float(one(np.array([[*star, width]]))[0]) - lte
        return shift

    return at


@dataclass(frozen=True)
class ComparedLithium:
    """A star, the published 1D NLTE - LTE correction [dex], and ours, None where the star is not solved."""

    star: NlteStar
    published: float
    ours: float | None


def gate_stars() -> list[NlteStar]:
    """Sixty stars of the FGK range, dwarfs and giants, [Fe/H] 0.25 to -3; A(Li) 1.0 below 5250 K, else 2.2."""
    return [
        star_of_abundance("Li", teff, logg, feh, _A_COOL if teff < _COOL else _A_WARM)
        for (teff, logg), feh in product(_TEFF_LOGG, _FEH)
    ]


def compare_lithium(
    stars: list[NlteStar],
    folder: Path,
    data: Path,
    physics: Physics,
    processes: int = 1,
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> list[ComparedLithium]:
    """Our corrections of stars against the published ones; solutions that `folder` lacks are made. `data` as in `solve_stars`."""
    outcomes = solve_stars(stars, folder, data, physics, processes, report)
    solved = {outcome.star for outcome in outcomes if not outcome.reason}
    published, lines = published_correction(data / "nlte"), read_line_data(data / "synthesis", "Li")
    out = []
    for star in stars:
        theirs = published(star.teff, star.logg, star.feh, star.abundance)
        ours = None
        if star in solved:
            try:
                rows = corrections_of(load_solution(star.file(folder, physics)), lines)
                ours = next((row.correction for row in rows if abs(row.wavelength - _LINE) < 1), None)
            except SynthesisError:
                ours = None
        out.append(ComparedLithium(star, theirs, ours))
    return out


def count_lithium(compared: Iterable[ComparedLithium]) -> dict[str, int]:
    """Numbers of stars and of those within 0.05 dex of the published correction; a star without ours is not within."""
    rows = list(compared)
    within = [row for row in rows if row.ours is not None and abs(row.ours - row.published) <= WITHIN_DEX]
    return {"li_n": len(rows), "li_within_005": len(within)}
