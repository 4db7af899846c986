"""Model atom of Fe I with the low terms of Fe II: terms, super-levels, split multiplets, photoionisation, collisions.

Levels, oscillator strengths, electron collisions and photoionisation: Mashonkina et al. (2011, A&A 528, A87), with the
cross-sections of Bautista (1997, A&AS 122, 167), resonances in; hydrogenic where there are none. Energies of sublevels:
the list of CMFGEN. Hydrogen: Barklem (2018, A&A 612, A90) with Fe+ + H-, and free electrons. Terms keep their own
population below 5.5 eV; above, those of one parity within 0.1 eV share one.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import wofz

from ..errors import DataError
from . import load_lightweaver
from .collisions import (
    STRENGTH_TO_RATE,
    TEMPERATURE,
    RateMatrix,
    free_electron_rate,
    seaton_ionisation,
    van_regemorter,
)
from .lines import MASSES
from .multiplets import LETTERS, SplitTerm, components

ATOM_FOLDER, HYDROGEN_FILE = Path("Fe_Mashonkina2011"), Path("hydrogen_rates/Fe_H.npz")
LIMIT_EV = 7.9024
"""Energy [eV] of Fe II a6D above Fe I a5D, both means of their sublevels, as all energies of the atom."""
OWN_LEVEL_BELOW_EV, SUPER_LEVEL_EV = 5.5, 0.1
"""Terms below this energy have a population of their own; above, levels of this width share one."""
N_IONS = 15
"""Terms of Fe II in the atom, below 3.3 eV: with them its partition function is within 5 % at 6500 K."""
WEAKEST_LINE = 0.2
"""Product of weight and oscillator strength below which a multiplet is left out of the radiative rates."""
_EV_CM, _FARTHEST_NM = 8065.544, 3000.0
_SAME_STATE_EV = 0.0075
_UNKNOWN_SHARES = 1 / 3
_TYPICAL_SPEED, _STRONG = 3e3, 1.0  # m/s; g f of one line
_WEAK_POINTS = np.array([0.0, 0.6, 1.2, 2.0, 3.2])  # in units of that speed, from the centre
_STRONG_POINTS = np.array([0.0, 0.5, 1.0, 1.6, 2.4, 3.6, 6.0, 12.0, 30.0])
_KRAMERS_CM2 = 7.907e-18  # of a hydrogenic level of n = 1 at threshold
_LIGHT, _EV_HZ = 2.99792458e8, 2.417989e14
_BOLTZMANN_EV = 8.617333e-5
BETWEEN_CORES = 0.1
"""Share of the free-electron rate of collisions with hydrogen that terms of different cores have: somewhere from 0 to 1.

A collision of the outer electron leaves the core as it is, but terms are mixtures of configurations (docs/nlte.md).
"""
CELL_EDGES_NM = np.concatenate([
    np.geomspace(91.0, 160.0, 13)[:-1], np.arange(160.0, 480.0, 1.25), np.geomspace(480.0, 4000.0, 25)
])  # fmt: skip
"""Edges [nm] of the wavelength cells of continua: cross-sections are means over them, lines of others differ between them."""


@dataclass(frozen=True, eq=False)
class IronTerms:
    """Terms of Fe I and Fe II: ion (n,) 0 or 1, energy (n,) [eV] within the ion, weight (n,), label (n,); group (n,) its level."""

    ion: NDArray
    energy: NDArray
    weight: NDArray
    label: tuple[str, ...]
    group: NDArray

    @property
    def size(self) -> int:
        """Number of levels of the model atom."""
        return int(self.group.max()) + 1

    def gathered(self, values: NDArray) -> NDArray:
        """Mean (levels,) of values (n,) of the terms, by weight."""
        total = np.bincount(self.group, self.weight)
        return np.bincount(self.group, self.weight * values) / total


def read_terms_of_iron(data: Path) -> IronTerms:
    """Read the terms and gather them to levels; `data` holds Fe_Mashonkina2011/. Raises DataError for missing files."""
    path = data / ATOM_FOLDER / "levels.csv"
    try:
        with path.open() as file:
            rows = [row for row in csv.DictReader(file) if row["ion"] == "1" or int(row["index"]) < N_IONS]
        ion = np.array([int(row["ion"]) - 1 for row in rows])
        energy, weight = (np.array([float(row[name]) for row in rows]) for name in ("energy_eV", "g"))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} is not the list of the terms of iron: {error}.") from error
    label = tuple(row["label"] for row in rows)
    keys: dict[tuple[float, ...], int] = {}
    group = []
    for k in range(len(rows)):
        own = ion[k] or energy[k] < OWN_LEVEL_BELOW_EV
        key: tuple[float, ...] = (k,) if own else (-1, int(energy[k] / SUPER_LEVEL_EV), label[k].endswith("o"))
        group.append(keys.setdefault(key, len(keys)))
    first = np.array([np.flatnonzero(np.array(group) == g)[0] for g in range(len(keys))])
    order = np.argsort(np.argsort(np.array([ion[k] * 1e3 for k in first]) + _means(energy, weight, np.array(group))))
    return IronTerms(ion, energy, weight, label, order[np.array(group)])


def _means(values: NDArray, weight: NDArray, group: NDArray) -> NDArray:
    return np.bincount(group, weight * values) / np.bincount(group, weight)


def read_iron(data: Path, hydrogen: bool = True, between_cores: float = BETWEEN_CORES) -> Any:
    """Lightweaver's AtomicModel of iron; `data` holds Fe_Mashonkina2011/, CMFGEN/ and hydrogen_rates/.

    `hydrogen` with collisions of hydrogen atoms, of which `between_cores` is the share between terms of different cores.
    Raises DataError for files that are missing or not of their format, KielError without Lightweaver.
    """
    lw = load_lightweaver()
    from lightweaver import rh_atoms as parts
    from lightweaver.atomic_model import AtomicLevel, AtomicModel

    terms = read_terms_of_iron(data)
    ion = np.zeros(terms.size, int)
    ion[terms.group] = terms.ion
    energy = (terms.gathered(terms.energy) + LIMIT_EV * ion) * _EV_CM
    weight = np.bincount(terms.group, terms.weight)
    rows = zip(energy, weight, _names(terms), ion, strict=True)
    levels = [AtomicLevel(float(e), float(g), name, int(z)) for e, g, name, z in rows]
    strengths = _read_strengths(data, terms)
    atom_lines = _lines(parts, terms, strengths, energy, weight)
    sections = _cross_sections(data, terms)
    ground = int(np.flatnonzero(ion == 1)[0])
    continua = [
        parts.ExplicitContinuum(ground, i, *_continuum(sections[i], 1e7 / (energy[ground] - energy[i])))
        for i in range(ground)
    ]
    collisions = _collisions(data, terms, energy, weight, strengths, sections, between_cores if hydrogen else None)
    atom = AtomicModel(lw.PeriodicTable["Fe"], levels, atom_lines, continua, [collisions])
    lw.reconfigure_atom(atom)
    return atom


def _names(terms: IronTerms) -> list[str]:
    out = []
    for g in range(terms.size):
        inside = np.flatnonzero(terms.group == g)
        roman = "II" if terms.ion[inside[0]] else "I"
        more = f" +{inside.size - 1}" if inside.size > 1 else ""
        out.append(f"Fe {roman} {terms.label[inside[0]]}{more}")
    return out


def _read_strengths(data: Path, terms: IronTerms) -> dict[tuple[int, int], float]:
    """g f of the multiplets of Fe I by the numbers of their terms (lower, upper)."""
    path = data / ATOM_FOLDER / "lines.csv"
    try:
        with path.open() as file:
            rows = [row for row in csv.DictReader(file) if row["ion"] == "1"]
        pairs = [(int(row["lower"]), int(row["upper"])) for row in rows]
        return {(a, b): float(terms.weight[a]) * float(row["f"]) for (a, b), row in zip(pairs, rows, strict=True)}
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} is not the list of the multiplets of iron: {error}.") from error


def _lines(
    parts: Any, terms: IronTerms, strengths: dict[tuple[int, int], float], energy: NDArray, weight: NDArray
) -> list[Any]:
    """Lines of Lightweaver between levels, each standing for the lines of its multiplets."""
    from lightweaver.atomic_model import TabulatedQuadrature

    of_levels: dict[tuple[int, int], list[tuple[float, float]]] = {}
    damping = np.zeros(energy.size)
    for (a, b), gf in strengths.items():
        i, j = int(terms.group[a]), int(terms.group[b])
        if energy[j] > energy[i]:
            of_levels.setdefault((i, j), []).append((gf, squared_shares(terms.label[a], terms.label[b])))
            damping[j] += 0.6670 * (energy[j] - energy[i]) ** 2 * gf / weight[j]
    out = []
    for (i, j), multiplets in sorted(of_levels.items()):
        strength = np.array([x for x, _ in multiplets])
        total = float(strength.sum())
        centre = 1e7 / (energy[j] - energy[i])
        if total < WEAKEST_LINE or centre > _FARTHEST_NM:
            continue
        share = float((strength**2 * np.array([x for _, x in multiplets])).sum() / total**2)
        broadening = parts.LineBroadening(
            natural=[parts.RadiativeBroadening(gamma=float(damping[i] + damping[j]))],
            elastic=[parts.VdwUnsold(vals=[1.0, 1.0]), parts.MultiplicativeStarkBroadening(coeff=0.0)],
        )
        doppler = _STRONG_POINTS if total * share > _STRONG else _WEAK_POINTS
        quadrature = TabulatedQuadrature((centre * doppler * 2 / share * _TYPICAL_SPEED / _LIGHT).tolist())
        out.append(
            _shared_line_class()(
                j=j, i=i, f=total / float(weight[i]), type=parts.LineType.CRD, quadrature=quadrature,
                broadening=broadening, share=share,
            )
        )  # fmt: skip
    return out


@cache
def squared_shares(lower: str, upper: str) -> float:
    """Sum of the squared shares of the lines of a multiplet in its strength, by the labels of its terms: 1 over their number.

    LS coupling (`multiplets.components`); a third where the labels name no terms of one multiplicity.
    """
    first, second = (re.search(r"(\d)([SPDFGHIKL])\d?o?$", label) for label in (lower, upper))
    if first is None or second is None or first[1] != second[1]:
        return _UNKNOWN_SHARES
    spin = (int(first[1]) - 1) / 2
    orbital = [LETTERS.index(match[2]) for match in (first, second)]
    if abs(orbital[0] - orbital[1]) > 1 or orbital == [0, 0]:
        return _UNKNOWN_SHARES
    low, high = (
        SplitTerm(int(first[1]), x, dict.fromkeys(np.arange(abs(x - spin), x + spin + 1).tolist(), 0.0))
        for x in orbital
    )
    return float((components(low, high)[1] ** 2).sum())


@cache
def _shared_line_class() -> Any:
    """Class of a line that stands for 1 / share equal lines that do not overlap: their profiles side by side.

    A profile that is 1 / share times as wide and as low absorbs and emits what they do. The wavelengths are on its red
    side only, where it is stretched by another 2. It is normalised on its wavelengths: Lightweaver preconditions as if
    the weights of all transitions were, and otherwise converges to populations that are no equilibrium.
    """
    from lightweaver.atomic_model import LineProfileResult, VoigtLine

    @dataclass(eq=False)
    class SharedLine(VoigtLine):
        share: float = 1.0

        def __hash__(self) -> int:
            return hash((self.i, self.j, self.share))

        def compute_phi(self, state: Any) -> Any:
            width = self.atom.vBroad(state.atmos) if state.vBroad is None else state.vBroad
            damping, elastic = self.damping(state.atmos, state.eqPops, vBroad=width)
            speed = (np.asarray(state.wavelength) / self.lambda0 - 1) * _LIGHT
            phi = wofz(speed[:, None] * 0.5 * self.share / width + 1j * damping).real
            phi /= np.trapezoid(phi, speed, axis=0)
            rays = state.vlosMu.shape[0]
            whole = np.broadcast_to(phi[:, None, None, :], (speed.size, rays, 2, width.size))
            return LineProfileResult(phi=np.ascontiguousarray(whole), aDamp=damping, Qelast=elastic)

    return SharedLine


def _cross_sections(data: Path, terms: IronTerms) -> NDArray:
    """Photoionisation cross-sections (levels of Fe I, cells) [cm2], means over the cells of CELL_EDGES_NM."""
    try:
        with np.load(data / ATOM_FOLDER / "photoionisation.npz") as table:
            where = {int(k): slice(*table["start"][i : i + 2]) for i, k in enumerate(table["fe1_level"])}
            frequency, section = table["frequency_Hz"].astype(float), table["cross_section_cm2"].astype(float)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"The photoionisation of iron in {data / ATOM_FOLDER} cannot be read: {error}.") from error
    edges = _LIGHT / (CELL_EDGES_NM[::-1] * 1e-9)  # Hz, increasing
    fine = np.concatenate([np.linspace(a, b, 12, endpoint=False) for a, b in pairwise(edges)])
    n = int((terms.ion == 0).sum())
    values = np.zeros((n, edges.size - 1))
    for k in range(n):
        threshold = (LIMIT_EV - terms.energy[k]) * _EV_HZ
        if k in where:
            at = np.interp(fine, frequency[where[k]], section[where[k]])
        else:
            at = _KRAMERS_CM2 * np.sqrt(13.6057 / (LIMIT_EV - terms.energy[k])) * (threshold / fine) ** 3
        values[k] = np.where(fine >= threshold, at, np.nan).reshape(-1, 12).mean(1)
        below = np.isnan(values[k])
        values[k][below] = values[k][~below][0] if (~below).any() else 0.0
    out = np.zeros((terms.size, edges.size - 1))
    for k in range(n):
        out[terms.group[k]] += terms.weight[k] * values[k]
    weight = np.bincount(terms.group, terms.weight)
    return (out / weight[:, None])[:, ::-1]


def _continuum(section: NDArray, edge_nm: float) -> tuple[list[float], list[float]]:
    """Wavelengths [nm] of the cells' middles up to the threshold, and cross-sections [m2] there."""
    middle = 0.5 * (CELL_EDGES_NM[1:] + CELL_EDGES_NM[:-1])
    below = middle < edge_nm - 1e-3
    return [*middle[below].tolist(), float(edge_nm)], [
        *(section[below] * 1e-4).tolist(),
        float(section[below][-1] * 1e-4),
    ]


def _collisions(
    data: Path,
    terms: IronTerms,
    energy: NDArray,
    weight: NDArray,
    gf: dict[tuple[int, int], float],
    sections: NDArray,
    between_cores: float | None,
) -> RateMatrix:
    """All collisions: electrons among the levels of each ion and from Fe I to Fe II, hydrogen unless None, and Fe+ + H-."""
    size, n = terms.size, int((terms.ion == 0).sum())
    strength = _electron_strengths(data, terms, gf)
    total = np.zeros((TEMPERATURE.size, size, size))
    for t in range(TEMPERATURE.size):
        np.add.at(total[t], (terms.group[:, None], terms.group[None, :]), strength[t])
    electron = STRENGTH_TO_RATE * total / (weight[None, None, :] * np.sqrt(TEMPERATURE)[:, None, None])
    ground = int(terms.group[n])
    ionising = np.zeros(size)
    for i in range(ground):
        edge = 1e7 / (energy[ground] - energy[i])
        at = min(int(np.searchsorted(CELL_EDGES_NM, edge)) - 1, sections.shape[1] - 1)
        ionising[i] = seaton_ionisation(float(energy[ground] - energy[i]) / _EV_CM, float(sections[i, at]) * 1e-4)
    atoms, anions = np.zeros_like(electron), np.zeros_like(electron)
    if between_cores is not None:
        atoms, anions = _hydrogen(data, terms)
        atoms += _free_electrons(terms, between_cores)
    return RateMatrix(TEMPERATURE, electron, atoms, anions, ionising, ground)


def _electron_strengths(data: Path, terms: IronTerms, gf: dict[tuple[int, int], float]) -> NDArray:
    """Effective collision strengths (t, terms, terms) on TEMPERATURE; 1 for pairs without a table or a g f; 0 between ions."""
    size, n = terms.ion.size, int((terms.ion == 0).sum())
    out = np.where(terms.ion[:, None] == terms.ion[None, :], 1.0, 0.0)[None].repeat(TEMPERATURE.size, 0)
    for (a, b), value in gf.items():
        gap = float(terms.energy[b] - terms.energy[a])
        if gap > 0:
            out[:, a, b] = out[:, b, a] = van_regemorter(gap, value)(TEMPERATURE)
    with np.load(data / ATOM_FOLDER / "electron_collisions.npz") as table:
        log_t = np.log(table["temperature_K"])
        for name, first in (("fe1", 0), ("fe2", n)):
            for pair, values in zip(table[f"{name}_pair"], table[f"{name}_strength"], strict=True):
                a, b = int(pair[0]) + first, int(pair[1]) + first
                if max(a, b) < (n if name == "fe1" else size):
                    out[:, a, b] = out[:, b, a] = np.interp(np.log(TEMPERATURE), log_t, values)
    out[:, np.arange(size), np.arange(size)] = 0.0
    return out


def _hydrogen(data: Path, terms: IronTerms) -> tuple[NDArray, NDArray]:
    """Rate coefficients [m3/s] (t, to, from) with hydrogen atoms, and of mutual neutralisation with H-, on TEMPERATURE."""
    with np.load(data / HYDROGEN_FILE) as table:
        log_t, rates = np.log(table["temperature_K"]), table["rate_cm3_s"].astype(float) * 1e-6
        words = [state.split() for state in table["states"].tolist()]
    at = np.array([_term_of_state(name, float(cm) / _EV_CM, terms) for _, name, cm in words])
    known = np.flatnonzero(at >= 0)
    rates = rates[:, known[:, None], known[None, :]]
    safe = np.log(np.maximum(rates, 1e-50)).reshape(log_t.size, -1)
    wanted = np.clip(np.log(TEMPERATURE), log_t[0], log_t[-1])
    place = np.interp(wanted, log_t, np.arange(log_t.size))
    low = np.minimum(place.astype(int), log_t.size - 2)
    part = (place - low)[:, None]
    on = np.exp((1 - part) * safe[low] + part * safe[low + 1]).reshape(-1, known.size, known.size)
    term, group = at[known], terms.group[at[known]]
    share = terms.weight[term] / np.bincount(terms.group, terms.weight)[group]
    ionic = terms.ion[term] == 1
    atoms, anions = np.zeros((2, TEMPERATURE.size, terms.size, terms.size))
    for t in range(TEMPERATURE.size):
        neutral = on[t] * share[None, :] * ~ionic[:, None] * ~ionic[None, :]
        np.add.at(atoms[t], (group[:, None], group[None, :]), neutral)
        np.add.at(anions[t], (group[:, None], group[None, :]), on[t] * ~ionic[:, None] * ionic[None, :])
    return atoms, anions


def _term_of_state(name: str, energy: float, terms: IronTerms) -> int:
    """Number of the term of a state of the hydrogen rates by ion and energy [eV]; -1 where there is none."""
    same = (terms.ion == 1) if name.startswith("Fe+") else (terms.ion == 0)
    gap = np.where(same, np.abs(terms.energy - energy), np.inf)
    named = [
        k
        for k in np.flatnonzero(gap < 10 * _SAME_STATE_EV)
        if terms.label[k].endswith(name.split(".")[-1].removesuffix("2"))
    ]
    nearest = int(named[0]) if named else int(np.argmin(gap))
    return nearest if named or gap[nearest] < _SAME_STATE_EV else -1


def _free_electrons(terms: IronTerms, between_cores: float) -> NDArray:
    """De-excitation (t, to, from) [m3/s] of Fe I by hydrogen in the free-electron model, a share of it between different cores."""
    n = int((terms.ion == 0).sum())
    core = [core_of(label) for label in terms.label[:n]]
    total = np.bincount(terms.group, terms.weight)
    out = np.zeros((TEMPERATURE.size, terms.size, terms.size))
    for j in range(n):
        for i in range(j):
            share = 1.0 if core[i] is not None and core[i] == core[j] else between_cores
            if not share or terms.energy[i] >= terms.energy[j]:
                continue
            limit, upper, lower = (float(ev) * _EV_CM for ev in (LIMIT_EV, terms.energy[j], terms.energy[i]))
            rate = free_electron_rate(MASSES["Fe"], limit, upper, lower, terms.weight[i], terms.weight[n])
            a, b = terms.group[i], terms.group[j]
            out[:, a, b] += share * rate * terms.weight[j] / total[b]
    return out


def core_of(label: str) -> tuple[str, ...] | None:
    """Core of a term, the shells without the outer electron and the term of 3d: 3d7_4F_4p_y5Fo -> (3d7, 4F); None if unknown."""
    tokens = label.split("_")
    shells = [k for k, token in enumerate(tokens) if re.fullmatch(r"\d[spdfgh]\d?", token)]
    if len(shells) < 2 or re.fullmatch(r"\d[spdfgh]\d", tokens[shells[-1]]):
        return None
    after = tokens[shells[0] + 1 : shells[1]]
    return (tokens[shells[0]], *after, *(tokens[k] for k in shells[1:-1]))
