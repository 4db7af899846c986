"""Line lists in Turbospectrum's format or VALD's, as tables, and from VALD's format to Turbospectrum's."""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError

SYMBOLS: tuple[str, ...] = tuple(
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo "
    "Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl "
    "Pb Bi Po At Rn Fr Ra Ac Th Pa U".split()
)
"""Symbols of the elements from hydrogen on."""

MOLECULES: dict[int, str] = {112: "MgH", 606: "C2", 607: "CN"}
"""Molecules by the code of their atoms in Turbospectrum's lists."""

_SHARES: dict[str, float] = {
    "3.006": 0.0759, "3.007": 0.9241, "29.063": 0.6917, "29.065": 0.3083, "56.134": 0.02417, "56.135": 0.06592,
    "56.136": 0.07854, "56.137": 0.11232, "56.138": 0.71698, "60.142": 0.2713, "60.143": 0.1218, "60.144": 0.2380,
    "60.145": 0.0830, "60.146": 0.1719, "60.148": 0.0576, "60.150": 0.0564, "63.151": 0.4781, "63.153": 0.5219,
    "112.001024": 0.7899, "606.012012": 0.9893**2, "607.012014": 0.9893 * 0.99632,
}  # fmt: skip
"""Terrestrial shares of the isotopes that have lines of their own (Asplund et al. 2009, Table 3)."""


_UNSOELD_FACTOR, _RADIATIVE, _WEIGHT = 2.5, 1e5, 1.0
"""Values of Turbospectrum's lists where a constant is unknown; the upper level's weight matters to its broadening alone."""


@dataclass(frozen=True, eq=False)
class LineTable:
    """A line list in order of wavelength: species (n,) as "Fe 1", number (n,) atomic number, 1 for molecules, ion (n,) from 1.

    wavelength (n,) air Angstrom, excitation (n,) eV, log_gf (n,) with the isotope's share in it, log radiative and Stark
    damping (n,), 0 where unknown, and van der Waals (n,): log gamma_6 at 10 000 K, or sigma.alpha of Barklem et al. (2000)
    above 20, 0 for Unsoeld's approximation.
    """

    species: NDArray
    number: NDArray
    ion: NDArray
    wavelength: NDArray
    excitation: NDArray
    log_gf: NDArray
    radiative: NDArray
    stark: NDArray
    waals: NDArray

    def __len__(self) -> int:
        return len(self.species)

    def between(self, low: float, high: float) -> LineTable:
        """The lines between two air wavelengths [Angstrom]."""
        return self._select((self.wavelength >= low) & (self.wavelength <= high))

    def of(self, numbers: Collection[int]) -> LineTable:
        """The lines of these elements, by atomic number, and of the molecules."""
        return self._select((self.number == 1) | np.isin(self.number, list(numbers)))

    def _select(self, keep: NDArray) -> LineTable:
        return LineTable(*(column[keep] for column in vars(self).values()))


_Row = tuple[str, int, int, float, float, float, float, float, float]


def joined(tables: list[LineTable]) -> LineTable:
    """Several line lists as one, in order of wavelength."""
    whole = LineTable(*(np.concatenate(columns) for columns in zip(*(vars(t).values() for t in tables), strict=True)))
    return whole._select(np.argsort(whole.wavelength, kind="stable"))


def read_lines(path: Path) -> LineTable:
    """Read a line list in Turbospectrum's format or VALD's (short or long), gzipped or not; its first lines decide.

    Hydrogen is left out: engines have profiles of their own for it. Raises DataError for other files.
    """
    text = _text(path)
    header = _vald_header(text)
    try:
        rows = _turbospectrum(text.splitlines()) if header is None else _vald(text.splitlines(), header, path)
    except (ValueError, IndexError) as error:
        raise DataError(f"{path.name} is not a line list of Turbospectrum or VALD: {error}.") from error
    rows = [row for row in rows if row[1] != 1 or row[0].split()[0] in MOLECULES.values()]
    if not rows:
        raise DataError(f"{path.name} holds no lines; needed is a line list of Turbospectrum or VALD.")
    return joined([LineTable(*(np.array(column) for column in zip(*rows, strict=True)))])


def turbospectrum_list(path: Path) -> str:
    """Text of a line list in Turbospectrum's format: as it is, or converted from VALD's. Raises DataError for other files."""
    lines = read_lines(path)
    text = _text(path)
    if _vald_header(text) is None:
        return text
    codes = {name: f"{code:04d}.000000" for code, name in MOLECULES.items()}
    out: list[str] = []
    for species in dict.fromkeys(lines.species.tolist()):
        block = lines._select(lines.species == species)
        symbol, ion = species.split()
        code = codes.get(symbol, f"{SYMBOLS.index(symbol) + 1 if symbol in SYMBOLS else 0:4d}.000")
        out += [f"'{code:<20s}' {ion:>4s} {len(block):8d}", f"'{species}'"]
        for wavelength, excitation, log_gf, radiative, stark, waals in zip(
            block.wavelength, block.excitation, block.log_gf, block.radiative, block.stark, block.waals, strict=True
        ):
            damping = waals or _UNSOELD_FACTOR
            rate = 10**radiative if radiative else _RADIATIVE
            row = f"{wavelength:10.4f} {excitation:7.4f} {log_gf:7.3f} {damping:9.3f} {_WEIGHT:5.1f} {rate:9.2E}"
            out.append(row + (f" {stark:7.3f}" if symbol in SYMBOLS else "") + " 'x' 'x' 0.0 1.0")
    return "\n".join(out) + "\n"


def _vald_header(text: str) -> str | None:
    """The line that names VALD's columns."""
    return next((line for line in text.splitlines()[:5] if "WL_" in line), None)


def _text(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"There is no line list {path}.")
    raw = path.read_bytes()
    return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("latin-1")


def _turbospectrum(lines: list[str]) -> list[_Row]:
    """Blocks of ' Z.isotope ' ion number, a name, and rows: wavelength, eV, log gf, van der Waals, g_up, gamma_rad, [Stark]."""
    rows: list[_Row] = []
    at = 0
    while at < len(lines):
        head = re.match(r"'\s*([\d.]+)\s*'\s+(\d+)\s+(\d+)", lines[at])
        if head is None:
            raise ValueError(f"line {at + 1} opens no block")
        code, ion, n = float(head[1]), int(head[2]), int(head[3])
        name, number = _species(int(code), ion)
        isotope = head[1].lstrip("0")
        share = np.log10(_SHARES.get(isotope, 1.0))
        for line in lines[at + 2 : at + 2 + n]:
            values = [float(word) for word in line.split("'")[0].split()]
            wavelength, excitation, log_gf, waals, _, radiative = values[:6]
            stark = values[6] if len(values) > 6 else 0.0
            log_radiative = np.log10(radiative) if radiative > 1 else 0.0
            known = waals if waals > 20 or waals < 0 else 0.0
            rows.append(
                (name, number, ion, wavelength, excitation, log_gf + share, log_radiative, min(stark, 0.0), known)
            )
        at += n + 2
    return rows


def _species(code: int, ion: int) -> tuple[str, int]:
    if code < 100:
        return f"{SYMBOLS[code - 1]} {ion}", code
    if code not in MOLECULES:
        raise ValueError(f"the molecule {code} is unknown; known are {', '.join(MOLECULES.values())}")
    return f"{MOLECULES[code]} 1", 1


def _vald(lines: list[str], header: str, path: Path) -> list[_Row]:
    """Rows 'Fe 1', wavelength, ...: VALD3's "extract stellar" in short form, or "extract all"; further rows are skipped."""
    if "WL_vac" in header:
        raise DataError(f"{path.name} gives vacuum wavelengths; extract it from VALD again with air wavelengths.")
    stellar = "Vmic" in header or "vmic" in header
    # columns after the species: wavelength, then excitation, vmic, log gf | log gf, excitation, J, E_up, J_up, 3 x Lande
    columns = (1, 3, 4, 5, 6) if stellar else (2, 1, 9, 10, 11)
    rows: list[_Row] = []
    for line in lines:
        found = re.match(r"'([A-Z][A-Za-z0-9]*) (\d+)',(.*)", line)
        if found is None:
            continue
        values = [float(word) for word in found[3].split("'")[0].split(",") if word.strip()]
        symbol, ion = found[1], int(found[2])
        if symbol not in SYMBOLS and symbol not in MOLECULES.values():
            continue
        number = SYMBOLS.index(symbol) + 1 if symbol in SYMBOLS else 1
        excitation, log_gf, radiative, stark, waals = (values[i] for i in columns)
        rows.append((f"{symbol} {ion}", number, ion, values[0], excitation, log_gf, radiative, stark, waals))
    return rows
