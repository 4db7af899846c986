"""Iron against published results: departures of two giants, 3D NLTE of dwarfs line by line, Fe I - Fe II of real stars.

The published results: two files of departures of Turbospectrum's with their MARCS models (TS_NLTE, marcs), the networks of
Amarsi et al. (2022, A&A 668, A68), published equivalent widths at the parameters of benchmark stars.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..synthesis.abundances import metallicity
from ..synthesis.atmosphere import Atmosphere, load_atmospheres
from ..synthesis.departure_files import read_turbospectrum_text
from ..synthesis.engine import labels_from
from ..synthesis.structure import StructuredAtmospheres, load_structure
from ..targets import SYNTHESIS_NAMES
from .equilibrium import Solution
from .iron import solve_iron
from .iron_lines import IronLine, abundance_of, growth, read_iron_lines, widths
from .runs import NlteStar, load_solution, save_solution

_BOLTZMANN_CGS = 1.380649e-16


@dataclass(frozen=True, eq=False)
class AmarsiNetworks:
    """The three networks: weights by name; Fe I below and above 2 eV, Fe II."""

    low: dict[str, NDArray]
    high: dict[str, NDArray]
    ion: dict[str, NDArray]

    def error(self, teff: float, logg: float, abundance: float, vmic: float, line: IronLine) -> float:
        """A(1D LTE) - A(3D NLTE) [dex] of a line in a star whose A(Fe) is `abundance` in 3D NLTE."""
        net = self.ion if line.ion else self.low if line.low_ev < 2 else self.high
        x = np.array([teff, logg, abundance, vmic, line.low_ev, line.high_ev, line.log_gf])
        x = (x - net["mean"]) / net["scale"]
        for k in range(3):
            x = np.maximum(x @ net[f"W{k}"] + net[f"b{k}"], 0.0)
        return float((x @ net["W3"] + net["b3"])[0])


def read_amarsi(nlte: Path) -> AmarsiNetworks:
    """Read the networks of Fe_Amarsi2022/ in the folder `nlte`. Raises DataError where they are missing."""
    folder, out = nlte / "Fe_Amarsi2022", []
    try:
        for name in ("fe1_model_lt02", "fe1_model_gt02", "fe2_model"):
            with np.load(folder / f"{name}.npz") as table:
                out.append({key: table[key] for key in table.files})
    except (OSError, ValueError) as error:
        raise DataError(f"The networks of 3D NLTE iron in {folder} cannot be read: {error}.") from error
    return AmarsiNetworks(*out)


def read_marcs_model(path: Path, teff: float, logg: float, feh: float) -> Atmosphere:
    """Read a MARCS model in the six columns of a `.alt` file."""
    rows = [line.split() for line in path.read_text().splitlines()[2:]]
    _, log_tau, temperature, log_pe, log_pg, rhox = np.array([row for row in rows if len(row) == 6], float).T
    electrons = 10**log_pe / (_BOLTZMANN_CGS * temperature)
    columns = np.c_[rhox, temperature, 10**log_pg, electrons, np.ones_like(rhox)]
    return Atmosphere(teff, logg, feh, log_tau, columns)


GIANTS = ((4500.0, 2.5, 0.0, "0.00"), (4500.0, 2.5, -2.0, "-2.00"))
"""Published departures: Teff, log g, [Fe/H], and the name of their files."""
DWARFS = (
    (5777, 4.44, 0.0), (6000, 4.0, -2.0), (5500, 4.0, -2.0), (5000, 4.5, -1.0), (6500, 4.5, -1.0), (6000, 4.5, -3.0),
    (5500, 4.5, 0.0), (5000, 4.0, -3.0),
)  # fmt: skip
"""Stars within the networks' range, Teff, log g, [Fe/H]."""
_WINDOWS = ((5160.0, 5730.0), (6100.0, 6790.0))
_FURTHER = (5450.0, 6450.0)
_FEWEST_MA, _MOST_MA = 8.0, 90.0
_OF_ION = {0: (20, -6.2, -4.2), 1: (5, -9.0, -3.0)}
_CANDIDATES = 6  # per line wanted
_WITHIN = 0.10


def _labels(teff: float, logg: float, feh: float, vmic: float = 1.0) -> NDArray:
    return labels_from(
        {
            **dict(zip(SYNTHESIS_NAMES, NlteStar("Fe", teff, logg, feh, 0.0).labels().tolist(), strict=True)),
            "vmic": vmic,
        }
    )


def _kept(path: Path, solve: Callable[[], Solution]) -> Solution:
    """The solution in a file, solved and written first where there is none."""
    if not path.is_file():
        save_solution(solve(), path)
    return load_solution(path)


def giants_b(folder: Path, data: Path) -> dict[str, tuple[float, float]]:
    """b of the ground term at log tau -1, ours and published, in the MARCS models of the published departures."""
    out = {}
    for teff, logg, feh, name in GIANTS:
        path = data / "nlte" / "marcs" / f"4500g+2.50z{name}.alt"
        labels = _labels(teff, logg, feh)
        ours = _kept(
            folder / f"Fe-marcs-4500-2.50-{name}.npz",
            partial(solve_iron, labels, read_marcs_model(path, teff, logg, feh), data / "nlte", further=_FURTHER),
        )
        theirs = read_turbospectrum_text(data / "nlte" / "TS_NLTE" / f"4500g+2.50z{name}_coef.dat", "Fe")
        b = float(theirs.on(np.array([-1.0]))[0, 0])
        out[f"4500/2.5/{feh:g}"] = (float(ours.departures.on(np.array([-1.0]))[0, 0]), b)
    return out


@dataclass(frozen=True)
class ComparedLine:
    """A line in a dwarf: star, ion, excitation [eV], width [mA], A(1D LTE) - A(3D NLTE) of ours and published [dex]."""

    star: tuple[float, float, float]
    ion: int
    low_ev: float
    width: float
    ours: float
    published: float


def compare_dwarfs(folder: Path, data: Path, report: Callable[[str], None] = lambda text: None) -> list[ComparedLine]:
    """Compare lines of the windows in DWARFS on structures of s = 1 with the networks; solutions are kept in `folder`.

    Electrons are those of the mean temperature, as in every structure; the pressure that STAGGER lists for its averages
    has up to twenty times as many in the upper layers of metal-poor stars.
    """
    networks, lines, out = read_amarsi(data / "nlte"), _window_lines(data / "synthesis"), []
    for star in DWARFS:
        three, one = solved_on(1.0, star, folder, data), solved_on(0.0, star, folder, data, in_lte=True)
        name = _name(star)
        rows = []
        for line, width in chosen_lines(three, lines, star):
            ours = abundance_of(growth(one, line, three.vmic, in_lte=True), width)
            theirs = networks.error(star[0], star[1], three.abundance, three.vmic, line)
            rows.append(ComparedLine(star, line.ion, line.low_ev, width, ours, theirs))
        report(f"  {name}  {_described(rows)}")
        out += rows
    return out


def solved_on(s: float, star: tuple[float, float, float], folder: Path, data: Path, in_lte: bool = False) -> Solution:
    """Iron of a star of Teff, log g, [Fe/H] solved on the structure s, with the opacities that lines need; kept in `folder`."""

    def solve() -> Solution:
        labels, atmospheres = _labels(*star), load_atmospheres(data / "synthesis")
        source = StructuredAtmospheres(atmospheres, load_structure(), s) if s else atmospheres
        model = source.at(star[0], star[1], metallicity(labels))
        return solve_iron(labels, model, data / "nlte", further=_FURTHER, in_lte=in_lte)

    return _kept(folder / f"Fe-{'lte' if in_lte else f's{s:g}'}-{_name(star)}.npz", solve)


def _name(star: tuple[float, float, float]) -> str:
    return "{:.0f}-{:.2f}-{:+.2f}".format(*star)


def _window_lines(synthesis: Path) -> list[IronLine]:
    return [x for x in read_iron_lines(synthesis) if any(low < x.wavelength < high for low, high in _WINDOWS)]


def chosen_lines(
    solution: Solution, lines: Sequence[IronLine], star: tuple[float, float, float]
) -> list[tuple[IronLine, float]]:
    """Lines of a solution between 8 and 90 mA with their widths: 20 of Fe I, 5 of Fe II, evenly through the excitation energies."""
    out = []
    for ion, (wanted, weakest, strongest) in _OF_ION.items():
        strength = {x: x.log_gf - 5040 / (0.87 * star[0]) * x.low_ev + 0.75 * star[2] for x in lines if x.ion == ion}
        fit = sorted(
            (x for x, s in strength.items() if weakest < s < strongest), key=lambda x: (x.low_ev, x.wavelength)
        )
        some = [fit[int(k)] for k in np.linspace(0, len(fit) - 1, min(len(fit), _CANDIDATES * wanted))]
        good = [(x, float(widths(solution, x, solution.vmic, [0.0])[0])) for x in some]
        good = [pair for pair in good if _FEWEST_MA < pair[1] < _MOST_MA]
        out += [good[int(k)] for k in np.unique(np.linspace(0, len(good) - 1, wanted).astype(int))] if good else []
    return out


def _parts(rows: Sequence[ComparedLine]) -> tuple[float, float]:
    """Slope with excitation [dex/eV] of Fe I, ours minus published, and Fe I - Fe II [dex] likewise."""
    off = np.array([row.ours - row.published for row in rows])
    first = np.array([row.ion == 0 for row in rows]) & np.isfinite(off)
    second = np.array([row.ion == 1 for row in rows]) & np.isfinite(off)
    slope = np.polyfit(np.array([row.low_ev for row in rows])[first], off[first], 1)[0]
    return float(slope), float(off[first].mean() - off[second].mean()) if second.any() else float("nan")


def _described(rows: Sequence[ComparedLine]) -> str:
    slope, balance = _parts(rows)
    off = np.abs([row.ours - row.published for row in rows])
    means = [
        np.nanmean([getattr(r, which) for r in rows if r.ion == ion])
        for ion in (0, 1)
        for which in ("ours", "published")
    ]
    return (
        "Fe I {:+.3f} published {:+.3f}  Fe II {:+.3f} published {:+.3f}".format(*means)
        + f"  slope off by {slope:+.3f}  Fe I - Fe II off by {balance:+.3f}  {(off < _WITHIN).sum()} of {off.size} within 0.10"
    )


def agreement(rows: Sequence[ComparedLine]) -> dict[str, float]:
    """Number of lines, of those within 0.10 dex, and rms over stars of the slopes and of Fe I - Fe II, ours minus published."""
    parts = np.array(
        [_parts([row for row in rows if row.star == star]) for star in dict.fromkeys(row.star for row in rows)]
    )
    within = sum(abs(row.ours - row.published) < _WITHIN for row in rows)
    slope, balance = np.sqrt(np.nanmean(parts**2, axis=0))
    return {
        "n": len(rows),
        "within_010": int(within),
        "slope_rms": round(float(slope), 3),
        "balance_rms": round(float(balance), 3),
    }


@dataclass(frozen=True)
class RealStar:
    """A star with published widths: name, Teff [K], log g, [Fe/H] as in the benchmark stars, names of source and star in the list."""

    name: str
    teff: float
    logg: float
    feh: float
    listed: tuple[str, str]


REAL_STARS = (
    RealStar("HD 140283", 5788, 3.75, -2.48, ("Roederer2018", "HD140283")),
    RealStar("HD 122563", 4642, 1.32, -2.67, ("Heiter2015", "HD122563_BOL")),
    RealStar("HD 103095", 5235, 4.72, -1.33, ("Karo2020", "HD103095")),
    RealStar("Sun", 5777, 4.44, 0.0, ("Heiter2015", "Sun_BOL")),
    RealStar("Alpha Cen A", 5804, 4.29, 0.20, ("Heiter2015", "alfCenA_BOL")),
    RealStar("Beta Hyi", 5917, 3.97, -0.12, ("Heiter2015", "betHyi_BOL")),
)
_VMIC = np.array([0.6, 1.0, 1.4, 1.8, 2.2])
_SAME_LINE_ANGSTROM, _SAME_LINE_EV = 0.06, 0.06
_SUN, _FEWEST_SHARED = "Sun", 5


@dataclass(frozen=True)
class Balance:
    """Iron of a real star: numbers of lines; vmic [km/s], Fe I - Fe II [dex], slope with excitation [dex/eV]; so in 1D LTE.

    Beside them the same of abundances relative to the Sun's, line by line: log gf do not matter there.
    """

    name: str
    lines: tuple[int, int]
    vmic: float
    balance: float
    slope: float
    lte_vmic: float
    lte_balance: float
    lte_slope: float
    shared_with_sun: tuple[int, int] = (0, 0)
    balance_to_sun: float = float("nan")
    slope_to_sun: float = float("nan")


def real_stars(
    folder: Path, data: Path, s: float = 0.0, report: Callable[[str], None] = lambda text: None
) -> list[Balance]:
    """Fe I - Fe II and slope of REAL_STARS from published widths of lines in the windows, at benchmark parameters.

    On atmospheres of structure s, 0 for ATLAS9; where s is not 0, what LTE gives is still that of ATLAS9.
    """
    lines, out = _window_lines(data / "synthesis"), []
    sun: dict[IronLine, float] = {}
    atlas = load_atmospheres(data / "synthesis")
    atmospheres = StructuredAtmospheres(atlas, load_structure(), s)
    for star in sorted(REAL_STARS, key=lambda star: star.name != _SUN):
        labels, name = _labels(star.teff, star.logg, star.feh), star.name.replace(" ", "")
        solution, lte = (
            _kept(
                folder / f"Fe-{kind}-{name}.npz",
                partial(
                    solve_iron, labels, source.at(star.teff, star.logg, metallicity(labels)), data / "nlte",
                    further=_FURTHER, in_lte=kind == "lte",
                ),
            )
            for kind, source in (("star" if s == 0 else f"star-s{s:g}", atmospheres), ("lte", atlas))
        )  # fmt: skip
        measured = measured_lines(data / "nlte", star.listed, lines)
        found = balance_of(star.name, solution, lte, measured)
        own = dict(zip((line for line, _ in measured), line_abundances(solution, measured, found.vmic), strict=True))
        sun = sun or own
        found = to_sun(found, own, sun)
        report(
            f"  {found.name:12s} Fe I - Fe II {found.balance:+.3f} (1D LTE {found.lte_balance:+.3f})  slope {found.slope:+.3f} "
            f"(1D LTE {found.lte_slope:+.3f})  vmic {found.vmic:.2f} ({found.lte_vmic:.2f})  "
            f"{found.lines[0]} + {found.lines[1]} lines; relative to the Sun {found.balance_to_sun:+.3f}, "
            f"{found.slope_to_sun:+.3f}, {found.shared_with_sun[0]} + {found.shared_with_sun[1]} lines"
        )
        out.append(found)
    return out


def measured_lines(nlte: Path, listed: tuple[str, str], lines: Sequence[IronLine]) -> list[tuple[IronLine, float]]:
    """Lines with their published widths [mA] between 8 and 90; those that two lines of the list could be are left out."""
    path, out = nlte / "Fe_equivalent_widths" / "ew.csv.gz", []
    try:
        with gzip.open(path, "rt") as file:
            rows = [row for row in csv.DictReader(file) if (row["source"], row["star"]) == listed]
    except (OSError, KeyError) as error:
        raise DataError(f"The published widths of iron in {path} cannot be read: {error}.") from error
    for row in rows:
        ion, at, low, width = int(row["species"] == "FeII"), *(float(row[x]) for x in ("air_A", "e_low_eV", "ew_mA"))
        same = [
            x for x in lines
            if x.ion == ion and abs(x.wavelength - at) < _SAME_LINE_ANGSTROM and abs(x.low_ev - low) < _SAME_LINE_EV
        ]  # fmt: skip
        if len(same) == 1 and _FEWEST_MA < width < _MOST_MA:
            out.append((same[0], width))
    return out


def balance_of(name: str, solution: Solution, lte: Solution, measured: Sequence[tuple[IronLine, float]]) -> Balance:
    """Balance of a star from a solution, and from one in LTE; vmic is where strong and weak lines of Fe I agree in each."""
    parts = [_balance(solution, measured, False), _balance(lte, measured, True)]
    ions = [line.ion for line, _ in measured]
    (vmic, balance, slope), (lte_vmic, lte_balance, lte_slope) = parts
    return Balance(name, (ions.count(0), ions.count(1)), vmic, balance, slope, lte_vmic, lte_balance, lte_slope)


def _balance(
    solution: Solution, measured: Sequence[tuple[IronLine, float]], in_lte: bool
) -> tuple[float, float, float]:
    """vmic [km/s], Fe I - Fe II [dex], and slope of Fe I with excitation [dex/eV]."""
    lines = [line for line, _ in measured]
    strength = np.array([np.log10(width / line.wavelength) for line, width in measured])
    trends = np.array([_slope(lines, line_abundances(solution, measured, vmic, in_lte), strength) for vmic in _VMIC])
    vmic = float(np.interp(0.0, -trends, _VMIC)) if trends[0] > trends[-1] else 1.0
    return vmic, *_summed(lines, line_abundances(solution, measured, vmic, in_lte))


def line_abundances(
    solution: Solution, measured: Sequence[tuple[IronLine, float]], vmic: float, in_lte: bool = False
) -> NDArray:
    """Enhancement (n,) [dex] of iron that gives each line its measured width [mA] at vmic [km/s]."""
    return np.array([abundance_of(growth(solution, line, vmic, in_lte), width) for line, width in measured])


def to_sun(balance: Balance, own: Mapping[IronLine, float], sun: Mapping[IronLine, float]) -> Balance:
    """A balance with that of abundances by line relative to the Sun's, where both ions have lines that both stars have."""
    lines = [line for line in own if np.isfinite(own[line] - sun.get(line, np.nan))]
    shared = (sum(line.ion == 0 for line in lines), sum(line.ion == 1 for line in lines))
    if shared[0] < _FEWEST_SHARED or not shared[1]:
        return balance
    difference, slope = _summed(lines, np.array([own[line] - sun[line] for line in lines]))
    return replace(balance, shared_with_sun=shared, balance_to_sun=difference, slope_to_sun=slope)


def _summed(lines: Sequence[IronLine], values: NDArray) -> tuple[float, float]:
    """Fe I - Fe II [dex] and slope of Fe I with excitation [dex/eV] of abundances (n,)."""
    first = np.array([line.ion == 0 for line in lines])
    low = np.array([line.low_ev for line in lines])
    return float(np.nanmedian(values[first]) - np.nanmedian(values[~first])), _slope(lines, values, low)


def _slope(lines: Sequence[IronLine], values: NDArray, x: NDArray) -> float:
    """Slope of the abundances (n,) of Fe I with x (n,), without those 0.3 dex off."""
    use = np.array([line.ion == 0 for line in lines]) & np.isfinite(values)
    use[use] = np.abs(values[use] - np.median(values[use])) < 0.3
    return float(np.polyfit(x[use], values[use], 1)[0])
