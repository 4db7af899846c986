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
from .inputs import NO_INPUTS, OwnInputs, write_text
from .line_lists import turbospectrum_list
from .marcs import MarcsModel, read_marcs

VARIABLE = "KIEL_TURBOSPECTRUM"
PROGRAMS = ("babsma_lu", "bsyn_lu")
ATOMS = "atoms.list"
HYDROGEN = "Hlinedata"
LINE_LISTS = (ATOMS, "C2.list", "MgH.list", "CN.list", HYDROGEN)
STEP_ANGSTROM = 0.025
_OPACITY_MARGIN_ANGSTROM = 1.0
_ISOTOPES = {3.006: 0.0759, 3.007: 0.9241, 6.012: 0.9893, 6.013: 0.0107}
_BESIDE_SOURCES = Path(__file__).resolve().parents[2] / "build" / "turbospectrum"


@dataclass(frozen=True, eq=False)
class Turbospectrum:
    """The engine: its programs and DATA, the atmospheres, and a folder that holds the unpacked line lists."""

    programs: Path
    atmospheres: Atmospheres | MarcsModel
    lines: Path
    provenance: Mapping[str, str]
    timeout_s: float = 600.0
    linelist: str = CALIBRATED
    line_files: tuple[str, ...] = LINE_LISTS

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
            marcs = isinstance(self.atmospheres, MarcsModel)
            text = self.atmospheres.text if isinstance(self.atmospheres, MarcsModel) else model_text(model)
            (folder / "m.mod").write_text(text, encoding="latin-1")
            windows = [
                self._window(
                    babsma_input(labels, low, high, marcs),
                    bsyn_input(labels, low, high, self.line_files, model.sphere is not None),
                    (low, high),
                    folder,
                    labels,
                )
                for low, high in synthesis_windows()
            ]
        wavelength, flux = np.concatenate(windows, 1)
        return wavelength, flux

    def _window(
        self, opacity: str, spectrum: str, window: tuple[float, float], folder: Path, labels: NDArray
    ) -> NDArray:
        """Wavelength and flux (2, m) of one window from the inputs of the two programs."""
        low, high = window
        result = folder / "o.spec"
        result.unlink(missing_ok=True)
        for program, text in zip(PROGRAMS, (opacity, spectrum), strict=True):
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


def babsma_input(labels: NDArray, low: float, high: float, marcs: bool = False) -> str:
    """Standard input of babsma_lu, which computes the continuous opacity 1 Angstrom beyond low..high [Angstrom].

    marcs: the model is a file of MARCS as it is.
    """
    lines = [
        *_range(low - _OPACITY_MARGIN_ANGSTROM, high + _OPACITY_MARGIN_ANGSTROM),
        "'MODELINPUT:' 'm.mod'",
        f"'MARCS-FILE:' '{'.true.' if marcs else '.false.'}'",
        "'MODELOPAC:' 'o.opac'",
        *_composition(labels),
        "'XIFIX:' 'T'",
        f"{labels[3]:.3f}",
    ]
    return "\n".join(lines) + "\n"


def bsyn_input(
    labels: NDArray, low: float, high: float, line_files: tuple[str, ...] = LINE_LISTS, spherical: bool = False
) -> str:
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
        f"'NFILES   :' '{len(line_files)}'",
        *(f"lines/{name}" for name in line_files),
        f"'SPHERICAL:' '{'T' if spherical else 'F'}'",
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


def open_turbospectrum(programs: Path, data: Path, scratch: Path, inputs: OwnInputs = NO_INPUTS) -> Turbospectrum:
    """The engine, with the line lists of DATA/synthesis, or those of `inputs`, in the folder `scratch`.

    Raises DataError when a line list or the atmospheres are missing.
    """
    folder = data / "synthesis"
    atmospheres = read_marcs(inputs.atmosphere) if inputs.atmosphere else load_atmospheres(folder)
    code = f"Turbospectrum 2020 (1.0.2), LTE, {inputs.described(atmospheres)}"
    if not inputs.lines:
        for name in LINE_LISTS:
            _unpack(folder, name, scratch)
        digest = hashlib.sha256((scratch / ATOMS).read_bytes()).hexdigest()
        return Turbospectrum(programs, atmospheres, scratch.resolve(), {"engine": code, "atoms_sha256": digest})
    _unpack(folder, HYDROGEN, scratch)
    names = tuple(f"own-{i}.list" for i in range(len(inputs.lines)))
    for name, path in zip(names, inputs.lines, strict=True):
        write_text(scratch / name, turbospectrum_list(path))
    provenance = {"engine": code, "lines_sha256": inputs.digest()}
    return Turbospectrum(
        programs, atmospheres, scratch.resolve(), provenance, linelist=inputs.line_names, line_files=(*names, HYDROGEN)
    )


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
