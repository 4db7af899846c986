"""PySME as a synthesis code: the SME library of the package `pysme-astro`, with Turbospectrum's atmospheres and lines.

Valenti & Piskunov (1996), Wehrhahn et al. (2023). LTE. SME's equation of state computes the electron density for the
abundances of the star. Hydrogen has SME's own Stark profiles.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from .abundances import SOLAR_ABUNDANCES, abundances, metallicity
from .atmosphere import Atmosphere, AtmosphereSource
from .engine import GRID_WINDOWS, MARGIN_ANGSTROM, NO_INPUTS, OwnInputs, describe
from .grid_file import CALIBRATED
from .line_lists import LineTable, joined, read_lines
from .structure import open_atmospheres

LINE_LISTS = ("atoms.list", "C2.list", "MgH.list", "CN.list")
STEP_ANGSTROM = 0.025
_LINE_MARGIN_ANGSTROM = 5.0
_OPACITY_RATIO = 1e-3  # of a line's to the continuum's opacity, down to which the line is followed
_N_ANGLES = 7
_BOLTZMANN, _ATOMIC_MASS = 1.380649e-16, 1.66053907e-24  # cgs
_MEAN_WEIGHT = 1.29  # atomic masses a nucleus of solar composition; hydrogen and helium make it
_OPACITIES = np.array([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0])  # ATLAS9's switches
_USE_ALL_OF_THE_EQUATION_OF_STATE = 7
_OTHER_ELECTRONS = r"\w*Ionization \(call external\)"  # as SME's wrapper begins the warning
_HALPHA = ("H 1", 1, 1, 6562.797, 10.1988, 0.710, 8.766, 2.0, 3.0)  # damping columns hold the two levels


@dataclass(frozen=True, eq=False)
class PySME:
    """PySME as an `Engine`: handle of the library, atmospheres, and lines with Halpha."""

    library: Any
    atmospheres: AtmosphereSource
    lines: LineTable
    provenance: Mapping[str, str]
    linelist: str = CALIBRATED

    def synthesise(self, labels: NDArray) -> tuple[NDArray, NDArray]:
        """Air wavelengths [Angstrom] (m,) of all windows with their margins, and flux over continuum (m,).

        labels (25,) in the order of SYNTHESIS_NAMES. Raises SynthesisError where the library gives no spectrum.
        """
        teff, logg, vmic = (float(labels[i]) for i in (0, 1, 3))
        model = self.atmospheres.at(teff, logg, metallicity(labels))
        cosines, weights = np.polynomial.legendre.leggauss(_N_ANGLES)
        cosines, weights = 0.5 * (cosines + 1), 0.5 * weights * 0.5 * (cosines + 1)
        pieces = []
        with _scratch_folder(), self.library.session() as library:
            for low, high in GRID_WINDOWS:
                first, last = low - MARGIN_ANGSTROM, high + MARGIN_ANGSTROM
                wavelength = np.arange(first, last + STEP_ANGSTROM / 2, STEP_ANGSTROM)
                near = self.lines.between(first - _LINE_MARGIN_ANGSTROM, last + _LINE_MARGIN_ANGSTROM)
                library.InputWaveRange(first - 2.0, last + 2.0)
                library.InputLineList(_as_sme(near))
                library.InputModel(teff, logg, vmic, atmosphere_for_sme(model))
                library.InputAbund(lambda *_, **__: abundances_for_sme(labels))
                library.Ionization(_USE_ALL_OF_THE_EQUATION_OF_STATE)
                library.SetVWscale(1.0)
                library.SetH2broad(True)
                library.Opacity()
                _, wavelength, lines, continuum = library.Transf(cosines, wave=wavelength, accrt=_OPACITY_RATIO)
                flux, level = weights @ lines, weights @ continuum
                if not (np.isfinite(flux).all() and (level > 0).all() and flux.any()):
                    raise SynthesisError(f"SME gave no spectrum of {low:.0f}-{high:.0f} Å for {describe(labels)}.")
                pieces.append((wavelength, flux / level))
        wavelengths, fluxes = zip(*pieces, strict=True)
        return np.concatenate(wavelengths), np.concatenate(fluxes)


def atmosphere_for_sme(model: Atmosphere) -> dict[str, Any]:
    """Columns of a model atmosphere by SME's names: particle densities [1/cm3], density [g/cm3]."""
    rhox, temperature, pressure, electrons, _ = model.columns.T
    nuclei = pressure / (_BOLTZMANN * temperature) - electrons
    sphere = model.sphere
    shape = {"geom": "SPH", "radius": sphere.radius, "height": sphere.height} if sphere else {"geom": "PP"}
    return {
        "depth": "RHOX",
        "RHOX": rhox,
        "temp": temperature,
        "xne": electrons,
        "xna": nuclei,
        "rho": nuclei * _MEAN_WEIGHT * _ATOMIC_MASS,
        "wlstd": 5000.0,
        "opflag": _OPACITIES,
        **shape,
    }


def abundances_for_sme(labels: NDArray) -> NDArray:
    """Number fractions (99,) of all nuclei by atomic number for labels (25,): hydrogen linear, others log10, -99 where absent."""
    share = np.zeros(99)
    for number, value in abundances(labels).items():
        share[number - 1] = 10.0 ** (value - 12.0)
    share /= share.sum()
    with np.errstate(divide="ignore"):
        out = np.where(share > 0, np.log10(share), -99.0)
    out[0] = share[0]
    return out


class _SmeLines(dict[str, Any]):
    """Columns of a line list by name; its length is the number of lines, as SME's wrapper requires."""

    def __len__(self) -> int:
        return len(self["species"])


def _as_sme(lines: LineTable) -> _SmeLines:
    numbers = (lines.number, lines.ion, lines.wavelength, lines.excitation, lines.log_gf)
    atomic = np.stack([*numbers, lines.radiative, lines.stark, lines.waals], 1).astype(float)
    return _SmeLines(species=lines.species, ionization=lines.ion, atomic=atomic)


@contextmanager
def _scratch_folder() -> Iterator[None]:
    """A temporary working directory, where SME lists the lines that it leaves out; without one of its warnings.

    It says that the electron density of its equation of state differs from that of the model, which is intended.
    """
    with tempfile.TemporaryDirectory(prefix="kiel-pysme-") as name, chdir(name), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=_OTHER_ELECTRONS)
        yield


def open_pysme(data: Path, inputs: OwnInputs = NO_INPUTS) -> PySME:
    """Open PySME with the atmospheres and line lists of DATA/synthesis, or those of `inputs`.

    Raises DataError where a file or the package is missing.
    """
    try:
        from pysme.sme_synth import SME_DLL
    except ImportError as error:
        raise DataError(
            "PySME is not installed; `pip install -e '.[synthesis]'` in the checkout brings it, or choose Turbospectrum."
        ) from error
    halpha = LineTable(*(np.array([value]) for value in _HALPHA))
    library = SME_DLL()
    atmospheres = open_atmospheres(data / "synthesis", inputs)
    lines = joined([read_lines(path) for path in inputs.lines]) if inputs.lines else all_lines(data)
    provenance = {"engine": f"{library.SMELibraryVersion()}, LTE, {inputs.describe_atmospheres(atmospheres)}"}
    if inputs.lines:
        provenance["lines_sha256"] = inputs.digest()
    return PySME(
        library,
        atmospheres,
        joined([lines.of(SOLAR_ABUNDANCES), halpha]),
        provenance,
        inputs.line_names or CALIBRATED,
    )


def all_lines(data: Path) -> LineTable:
    """Lines of atoms and molecules of DATA/synthesis. Raises DataError where a list is missing."""
    return joined([read_lines(_present(data / "synthesis", name)) for name in LINE_LISTS])


def _present(folder: Path, name: str) -> Path:
    plain = folder / name
    return plain if plain.is_file() else folder / f"{name}.gz"
