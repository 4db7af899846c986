"""Turbospectrum 2020 as an engine: writes its input, runs its two programs for both windows and reads the spectrum."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..training.grid_data import CALIBRATED
from .abundances import abundances, metallicity
from .atmosphere import Atmosphere, Atmospheres, load_atmospheres
from .engine import GRID_WINDOWS, MARGIN_ANGSTROM, describe

VARIABLE = "KIEL_TURBOSPECTRUM"
PROGRAMS = ("babsma_lu", "bsyn_lu")
ATOMS = "atoms.list"
LINE_LISTS = (ATOMS, "C2.list", "MgH.list", "CN.list", "Hlinedata")
STEP_ANGSTROM = 0.025
_OPACITY_MARGIN_ANGSTROM = 1.0
_ISOTOPES = {3.006: 0.0759, 3.007: 0.9241, 6.012: 0.9893, 6.013: 0.0107}
_BESIDE_SOURCES = Path(__file__).resolve().parents[2] / "build" / "turbospectrum"


@dataclass(frozen=True, eq=False)
class Turbospectrum:
    """The engine: its programs and DATA, the atmospheres, and a folder that holds the unpacked LINE_LISTS."""

    programs: Path
    atmospheres: Atmospheres
    lines: Path
    provenance: Mapping[str, str]
    timeout_s: float = 600.0
    linelist: str = CALIBRATED

    def synthesise(self, labels: NDArray) -> tuple[NDArray, NDArray]:
        """Air wavelengths [Angstrom] (m,) of both windows with their margins, and flux over continuum (m,).

        labels (25,) in the order of SYNTHESIS_NAMES; 7 s on one core. Raises SynthesisError in words.
        """
        teff, logg = (float(value) for value in labels[:2])
        model = self.atmospheres.at(teff, logg, metallicity(labels))
        with tempfile.TemporaryDirectory(prefix="kiel-turbospectrum-") as name:
            folder = Path(name)
            (folder / "DATA").symlink_to(self.programs / "DATA")
            (folder / "lines").symlink_to(self.lines)  # Fortran holds short paths only
            (folder / "m.mod").write_text(model_text(model))
            windows = [self._window(labels, low, high, folder) for low, high in synthesis_windows()]
        wavelength, flux = np.concatenate(windows, 1)
        return wavelength, flux

    def _window(self, labels: NDArray, low: float, high: float, folder: Path) -> NDArray:
        result = folder / "o.spec"
        result.unlink(missing_ok=True)
        for program, text in zip(
            PROGRAMS, (babsma_input(labels, low, high), bsyn_input(labels, low, high)), strict=True
        ):
            said = self._run(program, text, folder, labels)
        try:
            table = np.loadtxt(result, usecols=(0, 1)).T
        except (OSError, ValueError, IndexError) as error:
            raise SynthesisError(f"bsyn_lu gave no spectrum for {describe(labels)}; its last words: {said}.") from error
        if table.size == 0 or table[0, 0] > low + 1 or table[0, -1] < high - 1:
            raise SynthesisError(f"bsyn_lu gave only part of {low:.0f}-{high:.0f} Å for {describe(labels)}.")
        return table

    def _run(self, program: str, text: str, folder: Path, labels: NDArray) -> str:
        """Runs a program on its input; its last line."""
        try:
            done = subprocess.run(
                [self.programs / program], input=text.encode(), cwd=folder, capture_output=True, timeout=self.timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise SynthesisError(f"{program} took more than {self.timeout_s:g} s for {describe(labels)}.") from error
        except OSError as error:
            raise DataError(f"{self.programs / program} cannot be run: {error.strerror}.") from error
        said = (done.stdout + b"\n" + done.stderr).decode("latin-1").split("\n")
        last = next((" ".join(line.split()) for line in reversed(said) if line.strip()), "none")
        if done.returncode != 0:
            raise SynthesisError(f"{program} failed for {describe(labels)}; its last words: {last}.")
        return last


def synthesis_windows() -> tuple[tuple[float, float], ...]:
    """Air wavelengths [Angstrom] that are synthesised: the windows of the grid with their margins."""
    return tuple((low - MARGIN_ANGSTROM, high + MARGIN_ANGSTROM) for low, high in GRID_WINDOWS)


def model_text(model: Atmosphere) -> str:
    """A model atmosphere in the form that babsma_lu reads: RHOX T P Ne kappa, radiative acceleration, microturbulence."""
    rows = (
        f"{rhox:.8E} {t:9.1f} {p:.4E} {ne:.4E} {kappa:.4E} 0.000E+00 2.000E+05"
        for rhox, t, p, ne, kappa in model.columns
    )
    return "\n".join([f"KURUCZ {len(model.columns)} 5000. {model.logg:.3f} 0 0.", *rows, ""])


def babsma_input(labels: NDArray, low: float, high: float) -> str:
    """Standard input of babsma_lu, which computes the continuous opacity 1 Angstrom beyond low..high [Angstrom]."""
    lines = [
        *_range(low - _OPACITY_MARGIN_ANGSTROM, high + _OPACITY_MARGIN_ANGSTROM),
        "'MODELINPUT:' 'm.mod'",
        "'MARCS-FILE:' '.false.'",
        "'MODELOPAC:' 'o.opac'",
        *_composition(labels),
        "'XIFIX:' 'T'",
        f"{labels[3]:.3f}",
    ]
    return "\n".join(lines) + "\n"


def bsyn_input(labels: NDArray, low: float, high: float) -> str:
    """Standard input of bsyn_lu, which computes the spectrum from low to high [Angstrom]."""
    lines = [
        *_range(low, high),
        "'INTENSITY/FLUX:' 'Flux'",
        "'COS(THETA)    :' '1.00'",
        "'ABFIND        :' '.false.'",
        "'MODELOPAC:' 'o.opac'",
        "'RESULTFILE :' 'o.spec'",
        *_composition(labels),
        f"'ISOTOPES : ' '{len(_ISOTOPES)}'",
        *(f"{isotope:.3f} {share:.4f}" for isotope, share in _ISOTOPES.items()),
        f"'NFILES   :' '{len(LINE_LISTS)}'",
        *(f"lines/{name}" for name in LINE_LISTS),
        "'SPHERICAL:' 'F'",
        *("30", "300.00", "15", "1.30"),
    ]
    return "\n".join(lines) + "\n"


def _range(low: float, high: float) -> list[str]:
    limits = [f"'LAMBDA_MIN:' '{low:.3f}'", f"'LAMBDA_MAX:' '{high:.3f}'", f"'LAMBDA_STEP:' '{STEP_ANGSTROM:.3f}'"]
    return ["'PURE-LTE  :' '.true.'", *limits]


def _composition(labels: NDArray) -> list[str]:
    """[Fe/H] for what is not listed, then every A(X)."""
    listed = abundances(labels)
    return [
        f"'METALLICITY:' '{labels[2]:.3f}'",
        *(f"'{name}:' '0.00'" for name in ("ALPHA/Fe   ", "HELIUM     ", "R-PROCESS  ", "S-PROCESS  ")),
        f"'INDIVIDUAL ABUNDANCES:' '{len(listed)}'",
        *(f"{number} {value:.3f}" for number, value in listed.items()),
    ]


def find_programs(option: Path | None = None) -> Path:
    """The folder that holds babsma_lu, bsyn_lu and DATA: `option`, else $KIEL_TURBOSPECTRUM, else build/turbospectrum.

    Raises DataError where they are not.
    """
    named = option or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else _BESIDE_SOURCES)
    absent = [name for name in (*PROGRAMS, "DATA") if not (named / name).exists()]
    if absent:
        raise DataError(
            f"Turbospectrum is not in {named} ({absent[0]} is missing); build it with `make turbospectrum` "
            f"or name its folder with --turbospectrum or {VARIABLE}."
        )
    return named.resolve()


def open_turbospectrum(programs: Path, data: Path, scratch: Path) -> Turbospectrum:
    """The engine, with the line lists of DATA/synthesis unpacked into the folder `scratch`.

    Raises DataError when a line list or the atmospheres are missing.
    """
    folder = data / "synthesis"
    atmospheres = load_atmospheres(folder)
    for name in LINE_LISTS:
        _unpack(folder, name, scratch)
    digest = hashlib.sha256((scratch / ATOMS).read_bytes()).hexdigest()
    provenance = {"engine": "Turbospectrum 2020 (1.0.2), LTE, plane-parallel, ATLAS9", "atoms_sha256": digest}
    return Turbospectrum(programs, atmospheres, scratch.resolve(), provenance)


def _unpack(folder: Path, name: str, scratch: Path) -> None:
    """Copies a line list, gzipped or not, into `scratch`, whole or not at all."""
    plain, packed, target = folder / name, folder / f"{name}.gz", scratch / name
    part = scratch / f"{name}.{os.getpid()}.part"
    if plain.is_file():
        shutil.copyfile(plain, part)
    elif packed.is_file():
        with gzip.open(packed) as source, part.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    else:
        raise DataError(f"The line list {packed} is missing; name the folder that holds synthesis/ with --data.")
    os.replace(part, target)
