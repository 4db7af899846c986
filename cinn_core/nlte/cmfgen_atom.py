"""Model atoms of Na I and Si I from the data of CMFGEN (Hillier 2011, Ap&SS 336, 87): sublevels gathered to terms.

Levels, oscillator strengths and photoionisation (Opacity Project); collisions with electrons by formula, as for calcium.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .calcium_atom import LIGHT_CM, SynpleAtom, atom_of_terms
from .multiplets import LETTERS, SplitTerm

PREFIX = {"Na": "NA_I", "Si": "SIL_I"}
N_LEVELS = {"Na": 17, "Si": 60}
"""Terms in the model atoms: those more than 0.38 eV below the ionisation limit of Na, 0.5 eV of Si."""
_IONS = {"Na": ("Na II 2p6 1S", 1.0), "Si": ("Si II 3s2 3p 2P*", 6.0)}
_LEVEL = re.compile(r"(\S+)\s+(\d+\.\d+)\s+(-?\d+\.\d+)\s")
_LINE = re.compile(r"(\S+?)\s*-(\d\S*)\s+(\d\.\d+E[+-]\d+)\s+\d\.\d+E[+-]\d+\s")
_TERM = re.compile(r"(.*?)(?:_([a-z]?))?(\d[SPDFGHI])([eo])$")
_OPACITY_PROJECT = "20"


@dataclass(frozen=True, eq=False)
class CmfgenAtom:
    """A neutral atom in terms: as the model of TLUSTY's format, and the sublevels of its terms by label."""

    terms: SynpleAtom
    sublevels: dict[str, SplitTerm]


def read_cmfgen(folder: Path, element: str) -> CmfgenAtom:
    """Read levels, oscillator strengths and cross-sections of Na or Si in the folder of CMFGEN's data.

    Raises DataError for files that are missing or not of this format.
    """
    prefix = PREFIX[element]
    try:
        rows = _rows(folder / f"{prefix}_osc_data.gz")
        limit = next(float(row.split("!")[0]) for row in rows if "!Ionization energy" in row)
        start = next(i for i, row in enumerate(rows) if row.lstrip().startswith("Transition"))
        levels = [match for row in rows[:start] if (match := _LEVEL.match(row)) and "!" not in row]
        names, weights, energies = zip(*((m[1], float(m[2]), float(m[3])) for m in levels), strict=True)
        lines = [match for row in rows[start:] if (match := _LINE.match(row.strip()))]
        sections = _sections(_rows(folder / f"{prefix}_phot_data_A.gz"))
        if not lines or not sections:
            raise ValueError("no lines or no cross-sections")
    except (OSError, ValueError, StopIteration) as error:
        raise DataError(f"The data of {element} I in {folder} are not those of CMFGEN: {error}.") from error
    term_of = {name: _label(name.split("[")[0]) for name in names}
    labels = list(dict.fromkeys(term_of.values()))
    place = {label: i for i, label in enumerate(labels)}
    at = np.array([place[term_of[name]] for name in names])
    weight = np.bincount(at, weights)
    energy = np.bincount(at, np.array(weights) * energies) / weight
    sums: dict[tuple[int, int], float] = {}
    own = dict(zip(names, weights, strict=True))
    for match in lines:
        lower, upper = match[1], match[2]
        if lower in own and upper in own:
            pair = (place[term_of[lower]], place[term_of[upper]])
            sums[pair] = sums.get(pair, 0.0) + own[lower] * float(match[3])
    strength = {pair: gf / float(weight[pair[0]]) for pair, gf in sums.items() if pair[0] != pair[1]}
    cross_sections = {place[label]: section for label, section in sections.items() if label in place}
    terms = SynpleAtom(
        (limit - energy) * LIGHT_CM, weight, tuple(labels), cross_sections, _ordered(strength, energy), float(energy[0])
    )
    return CmfgenAtom(terms, _split_terms(names, energies, term_of))


def read_atom(folder: Path, element: str) -> tuple[Any, dict[str, SplitTerm]]:
    """Lightweaver's AtomicModel of Na I or Si I with the ground term of the ion, and the sublevels of its terms by label.

    Raises DataError for missing files, KielError without Lightweaver.
    """
    source = read_cmfgen(folder, element)
    return atom_of_terms(element, source.terms, N_LEVELS[element], *_IONS[element]), source.sublevels


def _rows(path: Path) -> list[str]:
    return gzip.decompress(path.read_bytes()).decode("latin-1").splitlines()


def _label(name: str) -> str:
    """Label of a term, `3s2.3p.4s 3P*`, from CMFGEN's name, 3s2_3p_4s_3Po or 3p2Po; other names as they are."""
    match = _TERM.match(name)
    if match is None or not match[1]:
        return name
    return f"{match[1].replace('_', '.')} {match[2] or ''}{match[3]}{'*' if match[4] == 'o' else ''}"


def _ordered(strength: dict[tuple[int, int], float], energy: Any) -> dict[tuple[int, int], float]:
    """Strengths by pairs with the smaller number first; terms whose means are in another order than a line of theirs are left out."""
    return {(a, b): f for (a, b), f in strength.items() if energy[b] > energy[a] and a < b}


def _sections(rows: list[str]) -> dict[str, tuple[Any, Any]]:
    """Cross-sections by label: frequency over threshold, cm2; tables of the Opacity Project alone."""
    out = {}
    for i, row in enumerate(rows):
        if "!Configuration name" in row and rows[i + 1].split()[0] == _OPACITY_PROJECT:
            n = int(rows[i + 2].split()[0])
            table = np.array([line.replace("D", "E").split()[:2] for line in rows[i + 3 : i + 3 + n]], float)
            out[_label(row.split()[0])] = (np.maximum(table[:, 0], 1.0), table[:, 1] * 1e-18)
    return out


def _split_terms(names: tuple[str, ...], energies: tuple[float, ...], term_of: dict[str, str]) -> dict[str, SplitTerm]:
    """Terms with more than one sublevel, by label."""
    found: dict[str, dict[float, float]] = {}
    for name, energy in zip(names, energies, strict=True):
        inner = re.search(r"\[(\d+)(?:/(\d))?\]", name)
        if inner:
            found.setdefault(term_of[name], {})[int(inner[1]) / int(inner[2] or 1)] = energy
    out = {}
    for label, sublevels in found.items():
        term = re.search(r" [a-z]?(\d)([SPDFGHI])\*?$", label)
        if term and len(sublevels) > 1 and term[2] in LETTERS:
            out[label] = SplitTerm(int(term[1]), LETTERS.index(term[2]), sublevels)
    return out
