"""Collision data as published: Barklem's rates of X + H for Li, Mg and Ca, and effective collision strengths of Mg + e."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

IONIC = "ionic"
"""The state X+ + H- in the tables of hydrogen collisions."""
_LI_FILE, _MG_FILE = Path("inelastic-Li+H/lih_rates.txt"), Path("inelastic-Mg+H/MgH_rates.txt")
_CA_FOLDER, _MG_FOLDER, _MG_ELECTRON_FOLDER = (
    Path(name) for name in ("inelastic-Ca+H", "inelastic-Mg+H/LCAOdata", "inelastic-Mg+e")
)


@dataclass(frozen=True, eq=False)
class RateTable:
    """Numbers between states: states (n,) names, temperature (t,) [K], values (t, n, n) as [initial, final].

    Rate coefficients [cm3/s] for hydrogen; effective collision strengths, symmetric, for electrons.
    """

    states: tuple[str, ...]
    temperature: NDArray
    values: NDArray

    def between(self, initial: int, final: int) -> NDArray:
        """The values (t,) of one transition."""
        return self.values[:, initial, final]


def hydrogen_rates(folder: Path, element: str) -> tuple[RateTable, ...]:
    """Rate coefficients of collisions with hydrogen atoms, the last state being IONIC; earlier tables go first.

    Li: Barklem, Belyaev & Asplund (2003, A&A 409, L1). Mg: Barklem et al. (2012, A&A 541, A80) among seven states, then
    the asymptotic model of Barklem (2016, PRA 93, 042705) among 17. Ca: the latter (2016; 2017, PRA 95, 069906).
    `folder` is that of Barklem's public data. Raises DataError.
    """
    if element not in ("Li", "Mg", "Ca"):
        raise DataError(f"There are no hydrogen collisions of {element}; there are those of Li, Mg and Ca.")
    try:
        if element == "Ca":
            return (_matrices(folder / _CA_FOLDER, "states.dat"),)
        if element == "Li":
            return (_blocks((folder / _LI_FILE).read_text()),)
        return (_blocks((folder / _MG_FILE).read_text()), _matrices(folder / _MG_FOLDER, "states.txt"))
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"The hydrogen collisions of {element} in {folder} cannot be read: {error}.") from error


def magnesium_electron_strengths(folder: Path) -> RateTable:
    """Effective collision strengths of Mg + e between 25 terms, B-spline R-matrix (Barklem et al. 2017, A&A 606, A11)."""
    where = folder / _MG_ELECTRON_FOLDER
    try:
        states = tuple(line.split()[1] for line in (where / "states.dat").read_text().splitlines() if line.strip())
        files = sorted((int(path.name[: -len("k_b.dat")]), path) for path in where.glob("*k_b.dat"))
        values = np.stack([np.loadtxt(path) for _, path in files])
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"The electron collisions of Mg in {where} cannot be read: {error}.") from error
    return RateTable(states, np.array([t for t, _ in files], float), values)


def _blocks(text: str) -> RateTable:
    """Blocks 'T K', a header of states, and rows: initial state, values, [backslashes]; blanks within names go."""
    temperatures, blocks, states = [], [], []
    for line in text.splitlines():
        found = re.match(r"\s*(\d+)\s*K\s*$", line)
        numbers = re.findall(r"\d\.\d+e[+-]\d+", line)
        if found:
            temperatures.append(float(found[1]))
            blocks.append([])
        elif numbers:
            blocks[-1].append([float(number) for number in numbers])
            states.append("".join(re.split(r"\d\.\d+e", line)[0].split()))
    names = [IONIC if "H-" in name else name for name in states[: len(blocks[0])]]
    return RateTable((*names[:-1], IONIC), np.array(temperatures), np.array(blocks))


def _matrices(folder: Path, states_file: str) -> RateTable:
    """One file a temperature, rows the final and columns the initial states; ionic channels but the first are left out."""
    lines = (folder / states_file).read_text().splitlines()
    states = [line.split()[0] for line in lines if line.strip() and line.split()[0] != "State"]
    ionic = [i for i, name in enumerate(states) if "+" in name]
    keep = [i for i in range(len(states)) if i not in ionic[1:]]
    files = sorted((int(path.name[: -len("_K.rates")]), path) for path in folder.glob("*_K.rates"))
    values = np.stack([np.loadtxt(path).T[np.ix_(keep, keep)] for _, path in files])
    names = tuple(IONIC if i in ionic else states[i] for i in keep)
    return RateTable(names, np.array([t for t, _ in files], float), values)
