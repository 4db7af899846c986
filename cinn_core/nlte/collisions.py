"""Collision rates of Li, Mg and Ca with electrons and hydrogen atoms: published tables, and formulas where there are none.

Tables: Barklem's rate coefficients of X + H for Li, Mg and Ca, and effective collision strengths of Mg + e. Formulas: van
Regemorter (1962) and Seaton (1962) for electrons, the free-electron model for hydrogen atoms on excited levels.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

IONIC = "ionic"
"""The state X+ + H- in the tables of hydrogen collisions."""
_LI_FILE, _MG_FILE = Path("inelastic-Li+H/lih_rates.txt"), Path("inelastic-Mg+H/MgH_rates.txt")
_CA_FOLDER, _MG_FOLDER, _MG_ELECTRON_FOLDER = (
    Path(name) for name in ("inelastic-Ca+H", "inelastic-Mg+H/LCAOdata", "inelastic-Mg+e")
)
_OTHERS = "hydrogen_rates"
STRENGTH_TO_RATE = 8.629e-12
"""Downward coefficient [m3/s] = this x effective collision strength / (g_upper sqrt(T)) (Seaton 1962)."""
_BOLTZMANN_EV = 8.617333e-5
_RYDBERG_EV = 13.6057
_HYDROGEN_AFFINITY = 0.754  # eV, of H-
_SAHA = 2.0706e-22  # m3 K^1.5: (h^2 / 2 pi m k)^1.5 / 2 of the Saha equation
_REGEMORTER_X = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
_REGEMORTER_P = np.array([1.160, 0.956, 0.758, 0.493, 0.331, 0.209, 0.100, 0.063, 0.040, 0.023])
TEMPERATURE = np.array([1e3, 2e3, 3e3, 4e3, 5e3, 6e3, 7e3, 8e3, 1e4, 1.2e4, 1.6e4, 2e4])
"""Temperatures (t,) [K] of the free-electron rates."""
_ENERGY, _ENERGY_WEIGHT = np.polynomial.laguerre.laggauss(24)  # of collisions, in kT
_LENGTH_SQUARED = 0.25 * 5.965**2 + 0.75 * 1.769**2  # of scattering of electrons by hydrogen [atomic units]
_ELECTRONS_PER_U, _HYDROGEN_U = 1822.888486, 1.008  # masses: electrons in a mass unit; hydrogen in mass units
_HARTREE_K, _HARTREE_CM = 3.1668116e-6, 219474.63
_ATOMIC_RATE_M3_S = 0.529177e-10**3 / 2.4188843e-17  # atomic unit of a rate coefficient
_SMALLEST_GAP = 0.01  # 1/cm, of levels that coincide


@dataclass(eq=False)
class DownwardRate:
    """A collisional rate j -> i [1/s] = coefficient(T) [m3/s] x density of the partner [1/m3]; upwards by detailed balance.

    It has the methods of Lightweaver's CollisionalRates, `setup` and `compute_rates`.
    """

    j: int
    i: int
    coefficient: Callable[[NDArray], NDArray]
    partner: Callable[[Any, Any], NDArray]
    atom: Any = field(init=False, repr=False)

    def setup(self, atom: Any) -> None:
        """Take note of the atom that the rate belongs to."""
        self.atom = atom

    def compute_rates(self, atmos: Any, eqPops: Any, Cmat: NDArray) -> None:
        """Add the rate and its inverse to Lightweaver's matrix of rates, (levels, levels, depths) as [to, from]."""
        down = self.coefficient(atmos.temperature) * self.partner(atmos, eqPops)
        lte = eqPops.atomicPops[self.atom.element].nStar
        Cmat[self.i, self.j] += down
        Cmat[self.j, self.i] += down * lte[self.j] / lte[self.i]


def electrons(atmos: Any, pops: Any) -> NDArray:
    """Density (n,) of electrons [1/m3]."""
    return atmos.ne


def neutral_hydrogen(atmos: Any, pops: Any) -> NDArray:
    """Density (n,) of hydrogen atoms in the ground state [1/m3]."""
    return pops["H"][0]


def hydrogen_anions(atmos: Any, pops: Any) -> NDArray:
    """Density (n,) of H- in LTE [1/m3]: Saha equation with an affinity of 0.754 eV and weights 1 and 2."""
    t = atmos.temperature
    return pops["H"][0] * atmos.ne * 0.5 * _SAHA * t**-1.5 * np.exp(_HYDROGEN_AFFINITY / (_BOLTZMANN_EV * t))


@dataclass(frozen=True, eq=False)
class RateTable:
    """A table of collisions between states: names states (n,), temperature (t,) [K], values (t, n, n) as [initial, final].

    Values are rate coefficients [cm3/s] for hydrogen, effective collision strengths, symmetric, for electrons.
    """

    states: tuple[str, ...]
    temperature: NDArray
    values: NDArray

    def between(self, initial: int, final: int) -> NDArray:
        """Values (t,) of one transition, by the indices of its states."""
        return self.values[:, initial, final]


def hydrogen_rates(folder: Path, element: str) -> tuple[RateTable, ...]:
    """Rate coefficients of collisions with hydrogen atoms; the last state is IONIC, earlier tables have precedence.

    Li: Barklem, Belyaev & Asplund (2003, A&A 409, L1). Mg: Barklem et al. (2012, A&A 541, A80) among seven states, then
    the asymptotic model of Barklem (2016, PRA 93, 042705) among 17. Ca: the latter (2016; 2017, PRA 95, 069906). Na: Barklem
    et al. (2010, A&A 519, A20). Si: the asymptotic model. `folder` is that of Barklem's public data, with hydrogen_rates/ of
    Na and Si beside it. Raises DataError for other elements and for files that cannot be read.
    """
    if element not in ("Li", "Na", "Mg", "Si", "Ca"):
        raise DataError(f"There are no hydrogen collisions of {element}; there are those of Li, Na, Mg, Si and Ca.")
    try:
        if element == "Na":
            return (_read_blocks((folder.parent / _OTHERS / "NaH_rates.txt").read_text()),)
        if element == "Si":
            return (_read_archive(folder.parent / _OTHERS / "Si_H.npz"),)
        if element == "Ca":
            return (_read_matrices(folder / _CA_FOLDER, "states.dat"),)
        if element == "Li":
            return (_read_blocks((folder / _LI_FILE).read_text()),)
        return (_read_blocks((folder / _MG_FILE).read_text()), _read_matrices(folder / _MG_FOLDER, "states.txt"))
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"The hydrogen collisions of {element} in {folder} cannot be read: {error}.") from error


def magnesium_electron_strengths(folder: Path) -> RateTable:
    """Effective collision strengths of Mg + e between 25 terms, B-spline R-matrix (Barklem et al. 2017, A&A 606, A11).

    `folder` is that of Barklem's public data. Raises DataError for files that cannot be read.
    """
    where = folder / _MG_ELECTRON_FOLDER
    try:
        states = tuple(line.split()[1] for line in (where / "states.dat").read_text().splitlines() if line.strip())
        files = sorted((int(path.name[: -len("k_b.dat")]), path) for path in where.glob("*k_b.dat"))
        values = np.stack([np.loadtxt(path) for _, path in files])
    except (OSError, ValueError, IndexError) as error:
        raise DataError(f"The electron collisions of Mg in {where} cannot be read: {error}.") from error
    return RateTable(states, np.array([t for t, _ in files], float), values)


def _read_blocks(text: str) -> RateTable:
    """Table of a file of blocks: 'T K', a header of states, and rows of initial state and values; blanks in names are removed."""
    temperatures, blocks, states = [], [], []
    for line in text.splitlines():
        heading = re.match(r"\s*(\d+)\s*K\s*$", line) or re.match(r"\s*T =\s*([\d.]+)\s*$", line)
        numbers = re.findall(r"\d\.\d+e[+-]\d+", line)
        if heading:
            temperatures.append(float(heading[1]))
            blocks.append([])
        elif numbers:
            blocks[-1].append([float(number) for number in numbers])
            states.append("".join(re.split(r"\d\.\d+e", line)[0].split()))
    names = [IONIC if "H-" in name or name == IONIC else name for name in states[: len(blocks[0])]]
    return RateTable((*names[:-1], IONIC), np.array(temperatures), np.array(blocks))


def _read_archive(path: Path) -> RateTable:
    """Table of an archive of LCAO rates (temperature, final, initial); only the first ionic state is used."""
    with np.load(path) as file:
        temperature, values = file["temperature_K"].astype(float), file["rate_cm3_s"].astype(float)
        states = [str(row).split()[0] for row in file["states"][-values.shape[1] :]]
    ionic = [i for i, name in enumerate(states) if "II." in name]
    keep = [i for i in range(len(states)) if i not in ionic[1:]]
    names = tuple(IONIC if i in ionic else states[i] for i in keep)
    return RateTable(names, temperature, np.swapaxes(values, 1, 2)[:, keep][:, :, keep])


def _read_matrices(folder: Path, states_file: str) -> RateTable:
    """Table of a folder with one file per temperature: rows are final, columns initial states; only the first ionic state is used."""
    lines = (folder / states_file).read_text().splitlines()
    states = [line.split()[0] for line in lines if line.strip() and line.split()[0] != "State"]
    ionic = [i for i, name in enumerate(states) if "+" in name]
    keep = [i for i in range(len(states)) if i not in ionic[1:]]
    files = sorted((int(path.name[: -len("_K.rates")]), path) for path in folder.glob("*_K.rates"))
    values = np.stack([np.loadtxt(path).T[np.ix_(keep, keep)] for _, path in files])
    names = tuple(IONIC if i in ionic else states[i] for i in keep)
    return RateTable(names, np.array([t for t, _ in files], float), values)


def tabulated(temperature: NDArray, values: NDArray) -> Callable[[NDArray], NDArray]:
    """Function of T [K] that interpolates values (t,), linear in log value and log T and constant beyond the ends.

    Where a value is zero it is linear in value and T.
    """
    if (values <= 0).any():
        return lambda t: np.interp(t, temperature, values)
    return lambda t: np.exp(np.interp(np.log(t), np.log(temperature), np.log(values)))


def from_strength(strength: Callable[[NDArray], NDArray], weight_upper: float) -> Callable[[NDArray], NDArray]:
    """Downward rate coefficient [m3/s] as a function of T [K], from an effective collision strength as a function of T."""
    return lambda t: STRENGTH_TO_RATE * strength(t) / (weight_upper * np.sqrt(t))


def van_regemorter(energy_ev: float, gf: float) -> Callable[[NDArray], NDArray]:
    """Effective collision strength, as a function of T [K], of an allowed transition of a neutral atom by electrons.

    8 pi / sqrt(3) x (13.6 eV / dE) g f P(dE / kT), with P of van Regemorter (1962, ApJ 136, 906), Table 1, neutral
    atoms, and 0.066 / sqrt(x) beyond x = 10.
    """

    def strength(t: NDArray) -> NDArray:
        x = energy_ev / (_BOLTZMANN_EV * t)
        p = np.exp(np.interp(np.log(x), np.log(_REGEMORTER_X), np.log(_REGEMORTER_P)))
        p = np.where(x > _REGEMORTER_X[-1], 0.066 / np.sqrt(x), p)
        return 8 * np.pi / np.sqrt(3) * _RYDBERG_EV / energy_ev * gf * p

    return strength


def seaton_ionisation(energy_ev: float, threshold_m2: float) -> float:
    """Coefficient C [m3 / (s sqrt(K))] of the ionisation of a neutral atom by electrons: rate = n_e C sqrt(T) e^(-E / kT).

    1.55e13 x 0.1 x sigma / (u sqrt(T)) e^-u in cgs, u = E / kT (Seaton 1962; Mihalas 1978, eq. 5-79), from the
    photoionisation cross-section [m2] at threshold: C does not depend on T.
    """
    return 1.55e13 * 0.1 * (threshold_m2 * 1e4) * 1e-6 * _BOLTZMANN_EV / energy_ev


def free_electron_rate(
    mass: float, limit: float, upper: float, lower: float, weight_lower: float, weight_core: float
) -> NDArray:
    """De-excitation coefficient (t,) [m3/s] on TEMPERATURE by hydrogen atoms, in the free-electron model of excited states.

    mass: of the atom [u]; limit, upper, lower: energies [1/cm] of ionisation and of the levels; weights of the lower level
    and of the ion's ground state, to which the electron belongs: a shell n' holds 2 n'^2 states times it.

    The outer electron, free on the scale of a collision, is scattered by the hydrogen atom with the cross-section at zero
    energy (Kaulakys 1991, J. Phys. B 24, L127; Lebedev & Beigman 1998, Physics of Highly Excited Atoms and Ions, ch. 5).
    In a collision at speed V with momentum transfer Q the atom gains Q.V, of which every value within +-QV is equally
    likely; averaged over the momenta of a shell n (Fock 1935, all l alike), in atomic units,

        sigma(n -> n') = 2 pi L^2 / (V^2 n'^3) f(n w / 2V),   f(x) = 32/pi int_x^inf y^2 / (1 + y^2)^4 (1 - x/y) dy,

    with w the energy and n the effective quantum number of the upper state. L^2 is that of singlet and triplet scattering
    by their weights, lengths 5.965 and 1.769. A term takes its share, by weight, of the shell n'.
    """
    shell = np.sqrt(_HARTREE_CM / (2 * (limit - lower)))
    n = np.sqrt(_HARTREE_CM / (2 * (limit - upper)))
    gap = max(upper - lower, _SMALLEST_GAP) / _HARTREE_CM
    reduced = mass * _HYDROGEN_U / (mass + _HYDROGEN_U) * _ELECTRONS_PER_U
    speed = np.sqrt(2 * np.outer(TEMPERATURE * _HARTREE_K, _ENERGY) / reduced)
    section = 2 * np.pi * _LENGTH_SQUARED / (speed**2 * shell**3) * form_factor(n * gap / (2 * speed))
    mean = (2 / np.sqrt(np.pi) * np.sqrt(_ENERGY) * section * speed * _ENERGY_WEIGHT).sum(1)
    return mean * weight_lower / (2 * weight_core * shell**2) * _ATOMIC_RATE_M3_S


def form_factor(x: NDArray) -> NDArray:
    """Form factor f(x) of `free_electron_rate`, in closed form: 1 at 0, falling as x^-5."""
    x = np.asarray(x, float)
    third = np.pi / 2 * 3 / 8 - (x / (4 * (1 + x * x) ** 2) + 3 * x / (8 * (1 + x * x)) + 3 / 8 * np.arctan(x))
    near = third / 6 + x / (6 * (1 + x * x) ** 3)
    return np.maximum(32 / np.pi * (near - x / (6 * (1 + x * x) ** 3)), 0.0)


def interpolated(values: NDArray) -> Callable[[NDArray], NDArray]:
    """Function of T [K] that interpolates coefficients (t,) on TEMPERATURE, in logarithms of both."""
    safe = np.log(np.maximum(values, 1e-40))
    return lambda t: np.exp(np.interp(np.log(t), np.log(TEMPERATURE), safe))


@dataclass(eq=False)
class RateMatrix:
    """All collisions of an atom as one object with the methods of Lightweaver's CollisionalRates.

    temperature (t,) [K]; coefficients (t, levels, levels) [m3/s] as [to, from], of which those from the higher to the
    lower level are used: with electrons, with hydrogen atoms, and of ions with H-; ionising (levels,) coefficients C of
    `seaton_ionisation` into the level `ion`. Inverse rates by detailed balance.
    """

    temperature: NDArray
    electron: NDArray
    hydrogen: NDArray
    anion: NDArray
    ionising: NDArray
    ion: int
    i: int = 0
    j: int = 0

    def setup(self, atom: Any) -> None:
        """Take note of the atom that the rates belong to."""
        self.atom = atom
        energy = np.array([level.E for level in atom.levels])
        self.below, self.above = np.nonzero(energy[:, None] < energy[None, :])
        self.gap_ev = (energy[self.ion] - energy) / 8065.544

    def compute_rates(self, atmos: Any, eqPops: Any, Cmat: NDArray) -> None:
        """Add all rates and their inverse to Lightweaver's matrix of rates, (levels, levels, depths) as [to, from]."""
        lte, t = np.asarray(eqPops.atomicPops[self.atom.element].nStar), np.asarray(atmos.temperature)
        i, j = self.below, self.above
        down = np.zeros((i.size, t.size))
        for table, density in (
            (self.electron, atmos.ne),
            (self.hydrogen, neutral_hydrogen(atmos, eqPops)),
            (self.anion, hydrogen_anions(atmos, eqPops)),
        ):
            down += self._at(table[:, i, j], t) * np.asarray(density)
        Cmat[i, j] += down
        Cmat[j, i] += down * lte[j] / lte[i]
        for k in np.flatnonzero(self.ionising):
            up = atmos.ne * self.ionising[k] * np.sqrt(t) * np.exp(-self.gap_ev[k] / (_BOLTZMANN_EV * t))
            Cmat[self.ion, k] += up
            Cmat[k, self.ion] += up * lte[k] / lte[self.ion]

    def _at(self, values: NDArray, t: NDArray) -> NDArray:
        """Values (t, n) at temperatures (k,) [K] as (n, k), linear in log10 T."""
        place = np.interp(np.log(t), np.log(self.temperature), np.arange(self.temperature.size))
        low = np.minimum(place.astype(int), self.temperature.size - 2)
        part = place - low
        return values[low].T * (1 - part) + values[low + 1].T * part
