"""Lithium's line at 6708 in 3D NLTE: synthesised in LTE on ATLAS9 at the abundance that gives its strength.

    A(3D NLTE) = A_LTE + correction(Teff, log g, [Fe/H], A_LTE)

The correction is a small network of Kiel's own, learned by `kiel train lithium` from the published answers of Wang et al.
(2021, MNRAS 500, 2159; 2024, MNRAS 528, 5394). It holds the three-dimensional structure: on a structure other than
ATLAS9's the line is carried over as a ratio of ATLAS9 spectra, so that structure never counts twice. Outside the range of
their models the line has Kiel's own departures, in one dimension.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..files import asset_path, write_arrays
from ..targets import SOLAR_A_LI, SYNTHESIS_NAMES
from .abundances import LOWEST_ABUNDANCE
from .departure_files import read_table
from .engine import NO_INPUTS, OwnInputs
from .line_lists import read_lines
from .turbospectrum import HYDROGEN, Turbospectrum, open_turbospectrum
from .turbospectrum_nlte import NlteElement

RANGE = ((3936.0, 7052.0), (1.5, 5.0), (-4.0, 0.5), (-0.5, 4.0))
"""Teff [K], log g [cgs], [Fe/H] and A_LTE of the published corrections."""
OUTLINE = (
    (3936.0, 2.5), (3999.0, 1.5), (4584.0, 1.5), (5064.0, 2.0), (5525.0, 2.5), (7052.0, 4.5), (5536.0, 5.0), (4441.0, 5.0),
)  # fmt: skip
"""Convex outline in (Teff, log g) of the 195 models of the corrections."""
WINDOW = (6703.0, 6713.0)
"""Air wavelengths [Angstrom] in which the line is carried over."""
_LAYERS = ("w0", "b0", "w1", "b1", "w2", "b2")
_LITHIUM, _FEH = SYNTHESIS_NAMES.index("li_fe"), SYNTHESIS_NAMES.index("feh")
_STEPS = 50
_GONE_DEX = -20.0
_NONE = LOWEST_ABUNDANCE - SOLAR_A_LI  # [Li/H] of a star without lithium


@dataclass(frozen=True, eq=False)
class LithiumCorrection:
    """The correction as layers w0, b0, w1, b1, w2, b2 of a network with tanh between, of inputs scaled from RANGE to -1..1."""

    layers: tuple[NDArray, ...]

    def at(self, x: NDArray) -> NDArray:
        """A(3D NLTE) - A_LTE (n,) [dex] for x (n, 4): Teff, log g, [Fe/H], A_LTE, each held within RANGE."""
        low, high = np.array(RANGE).T
        y = 2 * (np.clip(x, low, high) - low) / (high - low) - 1
        w0, b0, w1, b1, w2, b2 = self.layers
        return (np.tanh(np.tanh(y @ w0.T + b0) @ w1.T + b1) @ w2.T + b2)[:, 0]

    def lte_abundance(self, teff: float, logg: float, feh: float, abundance: float) -> float:
        """A_LTE [dex] at which the LTE line is as strong as the 3D NLTE line at this A(Li); by bisection."""
        low, high = abundance - 2.0, abundance + 2.0
        for _ in range(_STEPS):
            middle = 0.5 * (low + high)
            given = middle + float(self.at(np.array([[teff, logg, feh, middle]]))[0])
            low, high = (middle, high) if given < abundance else (low, middle)
        return 0.5 * (low + high)


def is_covered(teff: float, logg: float, feh: float) -> bool:
    """Whether the published models surround a star of Teff [K], log g [cgs] and [Fe/H]."""
    return bool(are_covered(np.array([[teff, logg, feh]]))[0])


def are_covered(stars: NDArray) -> NDArray:
    """Whether the published models surround stars (n, 3) of Teff [K], log g [cgs] and [Fe/H]; True or False (n,)."""
    corners = np.array(OUTLINE)
    along = np.roll(corners, -1, 0) - corners
    to_star = stars[:, None, :2] - corners
    across = along[:, 0] * to_star[..., 1] - along[:, 1] * to_star[..., 0]
    inside = (across >= -1e-9).all(1) | (across <= 1e-9).all(1)
    return inside & (stars[:, 2] >= RANGE[2][0]) & (stars[:, 2] <= RANGE[2][1])


def load_correction(path: Path | None = None) -> LithiumCorrection:
    """The correction that ships, or that of a file. Raises DataError where the file is none."""
    path = path or asset_path("nlte", "Li_3d.npz")
    try:
        with np.load(path, allow_pickle=False) as file:
            return LithiumCorrection(tuple(file[name].astype(float) for name in _LAYERS))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} does not hold the correction of lithium: {error}.") from error


def save_correction(correction: LithiumCorrection, path: Path) -> None:
    """Write the correction, in single precision, whole or not at all."""
    arrays = {name: layer.astype(np.float32) for name, layer in zip(_LAYERS, correction.layers, strict=True)}
    write_arrays(path, arrays, compressed=True)


@dataclass(frozen=True, eq=False)
class LithiumIn3D:
    """An `Engine` whose line of lithium at 6708 is in 3D NLTE: `engine` makes the spectrum without it, on whatever structure.

    `plain` is LTE on ATLAS9 and `outside` has Kiel's departures on ATLAS9, both for WINDOW alone, with the line. `whole`,
    where `engine` stands on ATLAS9 itself, is that engine with the line in LTE. Lithium's line at 6104 is `engine`'s.
    """

    engine: Turbospectrum
    plain: Turbospectrum
    outside: Turbospectrum
    correction: LithiumCorrection
    whole: Turbospectrum | None = None

    @property
    def linelist(self) -> str:
        """Name of the atomic line list."""
        return self.engine.linelist

    @property
    def provenance(self) -> dict[str, str]:
        """Code, physics and inputs, with lithium's."""
        return {**self.engine.provenance, "lithium": "3D NLTE (Wang et al. 2021, 2024) on ATLAS9"}

    @property
    def in_lte(self) -> tuple[str, ...]:
        """Lines of elements in NLTE that stay in LTE."""
        return self.engine.in_lte

    def synthesise(self, labels: NDArray) -> tuple[NDArray, NDArray]:
        """Air wavelengths (m,) [Angstrom] and flux over continuum (m,) for labels (25,).

        Raises SynthesisError where the code gives no spectrum.
        """
        teff, logg, feh = (float(x) for x in labels[:3])
        covered = is_covered(teff, logg, feh)
        abundance = SOLAR_A_LI + feh + float(labels[_LITHIUM])
        if covered:
            abundance = self.correction.lte_abundance(teff, logg, feh, abundance)
            if self.whole is not None:
                return self.whole.synthesise(with_lithium(labels, abundance))
        wavelength, flux = self.engine.synthesise(labels)
        line = self.plain if covered else self.outside
        near, with_line = line.synthesise(with_lithium(labels, abundance))
        without_wavelength, without = self.plain.synthesise(with_lithium(labels, SOLAR_A_LI + _NONE))
        ratio = with_line / np.interp(near, without_wavelength, without)
        inside = (wavelength >= near[0]) & (wavelength <= near[-1])
        return wavelength, np.where(inside, flux * np.interp(wavelength, near, ratio), flux)


def with_lithium(labels: NDArray, abundance: float) -> NDArray:
    """Labels (25,) with this A(Li)."""
    out = np.array(labels, float)
    out[_LITHIUM] = abundance - SOLAR_A_LI - out[_FEH]
    return out


def open_lithium_3d(
    programs: Path, data: Path, scratch: Path, inputs: OwnInputs, nlte: tuple[NlteElement, ...] = ()
) -> LithiumIn3D:
    """Open Turbospectrum with lithium in 3D NLTE; arguments as those of `open_turbospectrum`.

    Raises DataError for missing files, and where lithium is among the elements of `nlte`.
    """
    if any(element.symbol == "Li" for element in nlte):
        raise DataError("Lithium is in 3D NLTE already; leave out --nlte Li or --lithium 3d.")
    on_atlas9 = inputs.atmosphere is None and inputs.s == 0 and inputs.second == 0
    whole = open_turbospectrum(programs, data, _made(scratch / "lithium-whole"), inputs, nlte) if on_atlas9 else None
    own = replace(inputs, atmosphere=None, s=0.0, second=0.0)
    plain, outside = open_line(programs, data, scratch, own)
    elements = (*nlte, lithium_in_nlte())
    engine = open_turbospectrum(programs, data, scratch, inputs, elements, without_line(plain))
    return LithiumIn3D(engine, plain, outside, load_correction(), whole)


def open_line(
    programs: Path, data: Path, scratch: Path, inputs: OwnInputs = NO_INPUTS
) -> tuple[Turbospectrum, Turbospectrum]:
    """Turbospectrum in WINDOW alone, in LTE and with Kiel's departures of lithium; line lists go to folders in `scratch`."""
    plain = open_turbospectrum(programs, data, _made(scratch / "lithium-lte"), inputs)
    outside = open_turbospectrum(programs, data, _made(scratch / "lithium-nlte"), inputs, (lithium_in_nlte(),))
    return replace(plain, windows=(WINDOW,)), replace(outside, windows=(WINDOW,))


def lithium_in_nlte() -> NlteElement:
    """Lithium with Kiel's departures on ATLAS9."""
    return NlteElement("Li", read_table(asset_path("nlte", "Li.npz")).grid())


def without_line(engine: Turbospectrum) -> dict[tuple[str, float], float]:
    """Shifts of log gf that take lithium's lines within WINDOW out of the line lists of an engine."""
    lists = (read_lines(engine.lines / name) for name in engine.line_files if name != HYDROGEN)
    lithium = np.concatenate([x.wavelength[x.species == "Li 1"] for x in lists])
    return {("Li I", w): _GONE_DEX for w in lithium.tolist() if WINDOW[0] < w < WINDOW[1]}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
