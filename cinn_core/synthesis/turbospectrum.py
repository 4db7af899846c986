"""Turbospectrum 2020 as a synthesis code: its input files, a run of its two programs per window, and the spectrum.

Plez (2012); NLTE: Gerber et al. (2023, A&A 669, A43).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError, SynthesisError
from ..files import write_text, written
from .abundances import abundances, metallicity
from .atmosphere import Atmosphere, AtmosphereSource, MarcsModel
from .engine import GRID_WINDOWS, MARGIN_ANGSTROM, NO_INPUTS, OwnInputs, describe
from .grid_file import CALIBRATED
from .line_lists import turbospectrum_list
from .structure import open_atmospheres
from .turbospectrum_nlte import INFO_FILE, NlteElement, optical_depths, with_level_numbers, write_nlte_inputs

VARIABLE = "KIEL_TURBOSPECTRUM"
"""Environment variable that names the folder of the programs."""
PROGRAMS = ("babsma_lu", "bsyn_lu")
ATOMS = "atoms.list"
HYDROGEN = "Hlinedata"
LINE_LISTS = (ATOMS, "C2.list", "MgH.list", "CN.list", HYDROGEN)
STEP_ANGSTROM = 0.025
OPACITY, SEGMENTS = "o.opac", "segments"
SYNTHESIS_WINDOWS = tuple((low - MARGIN_ANGSTROM, high + MARGIN_ANGSTROM) for low, high in GRID_WINDOWS)
"""Air wavelengths [Angstrom] that are synthesised: the windows of the grid with their margins."""
_OPACITY_MARGIN_ANGSTROM = 1.0
_ISOTOPES = {3.006: 0.0759, 3.007: 0.9241, 6.012: 0.9893, 6.013: 0.0107}
_BESIDE_SOURCES = Path(__file__).resolve().parents[2] / "build" / "turbospectrum"


@dataclass(frozen=True, eq=False)
class Turbospectrum:
    """Turbospectrum as an `Engine`: folder of its programs and DATA, atmospheres, and folder of the unpacked line lists.

    `windows` and `segments` are air wavelengths [Angstrom]: segments are the parts of a single window that are computed,
    in one run at R = 500 000; without them the whole window is. Elements of `nlte` are in NLTE, in lines for which the
    line lists number the levels; `in_lte` names their other lines.
    """

    programs: Path
    atmospheres: AtmosphereSource
    lines: Path
    provenance: Mapping[str, str]
    timeout_s: float = 600.0
    linelist: str = CALIBRATED
    line_files: tuple[str, ...] = LINE_LISTS
    nlte: tuple[NlteElement, ...] = ()
    in_lte: tuple[str, ...] = ()
    windows: tuple[tuple[float, float], ...] = SYNTHESIS_WINDOWS
    segments: tuple[tuple[float, float], ...] = ()

    def synthesise(self, labels: NDArray) -> tuple[NDArray, NDArray]:
        """Air wavelengths [Angstrom] (m,) of all windows with their margins, and flux over continuum (m,).

        labels (25,) in the order of SYNTHESIS_NAMES; 7 s on one core. Raises SynthesisError where a program fails or takes
        too long, DataError where it cannot be run.
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
            further = [f"'SEGMENTSFILE:' '{SEGMENTS}'"] if self.segments else []
            (folder / SEGMENTS).write_text("".join(f"{low:.3f} {high:.3f}\n" for low, high in self.segments))
            further += ["'NLTE :' '.true.'", f"'NLTEINFOFILE:' '{INFO_FILE}'"] if self.nlte else []
            windows = [
                self._window(
                    babsma_input(labels, low, high, marcs),
                    bsyn_input(labels, low, high, self.line_files, model.sphere is not None, further),
                    (low, high),
                    folder,
                    labels,
                )
                for low, high in self.windows
            ]
        wavelength, flux = np.concatenate(windows, 1)
        return wavelength, flux

    def _window(
        self, opacity: str, spectrum: str, window: tuple[float, float], folder: Path, labels: NDArray
    ) -> NDArray:
        """Wavelength [Angstrom] and flux (2, m) of one window from the inputs of the two programs."""
        low, high = window
        result = folder / "o.spec"
        result.unlink(missing_ok=True)
        self._run(PROGRAMS[0], opacity, folder, labels)
        if self.nlte:
            depths = optical_depths((folder / OPACITY).read_text(encoding="latin-1"))
            write_nlte_inputs(self.nlte, labels, depths, folder)
        last_words = self._run(PROGRAMS[1], spectrum, folder, labels)
        try:
            table = np.loadtxt(result, usecols=(0, 1)).T
        except (OSError, ValueError, IndexError) as error:
            raise SynthesisError(
                f"bsyn_lu gave no spectrum for {describe(labels)}; its last words: {last_words}."
            ) from error
        if table.size == 0 or table[0, 0] > low + 1 or table[0, -1] < high - 1:
            raise SynthesisError(f"bsyn_lu gave only part of {low:.0f}-{high:.0f} Å for {describe(labels)}.")
        return table

    def _run(self, program: str, text: str, folder: Path, labels: NDArray) -> str:
        """Run a program on its input; returns the last line that it printed."""
        try:
            done = subprocess.run(
                [self.programs / program], input=text.encode(), cwd=folder, capture_output=True, timeout=self.timeout_s
            )
        except subprocess.TimeoutExpired as error:
            raise SynthesisError(f"{program} took more than {self.timeout_s:g} s for {describe(labels)}.") from error
        except OSError as error:
            raise DataError(f"{self.programs / program} cannot be run: {error.strerror}.") from error
        printed = (done.stdout + b"\n" + done.stderr).decode("latin-1").split("\n")
        last = next((" ".join(line.split()) for line in reversed(printed) if line.strip()), "none")
        if done.returncode != 0:
            raise SynthesisError(f"{program} failed for {describe(labels)}; its last words: {last}.")
        return last


def model_text(model: Atmosphere) -> str:
    """Text of a model atmosphere as babsma_lu reads it: RHOX T P Ne kappa, radiative acceleration, microturbulence."""
    rows = (
        f"{rhox:.8E} {t:9.1f} {p:.4E} {ne:.4E} {kappa:.4E} 0.000E+00 2.000E+05"
        for rhox, t, p, ne, kappa in model.columns
    )
    return "\n".join([f"KURUCZ {len(model.columns)} 5000. {model.logg:.3f} 0 0.", *rows, ""])


def babsma_input(labels: NDArray, low: float, high: float, marcs: bool = False) -> str:
    """Standard input of babsma_lu, which computes the continuous opacity 1 Angstrom beyond low..high [Angstrom].

    labels (25,); `marcs` says that the model is a file of MARCS, unchanged.
    """
    lines = [
        *_range(low - _OPACITY_MARGIN_ANGSTROM, high + _OPACITY_MARGIN_ANGSTROM),
        "'MODELINPUT:' 'm.mod'",
        f"'MARCS-FILE:' '{'.true.' if marcs else '.false.'}'",
        f"'MODELOPAC:' '{OPACITY}'",
        *_composition(labels),
        "'XIFIX:' 'T'",
        f"{labels[3]:.3f}",
    ]
    return "\n".join(lines) + "\n"


def bsyn_input(
    labels: NDArray,
    low: float,
    high: float,
    line_files: tuple[str, ...] = LINE_LISTS,
    spherical: bool = False,
    further: Sequence[str] = (),
) -> str:
    """Standard input of bsyn_lu, which computes the spectrum from low to high [Angstrom], for labels (25,).

    `further` are lines of keywords, added unchanged.
    """
    lines = [
        *_range(low, high),
        *further,
        "'INTENSITY/FLUX:' 'Flux'",
        "'COS(THETA)    :' '1.00'",
        "'ABFIND        :' '.false.'",
        f"'MODELOPAC:' '{OPACITY}'",
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
    """[Fe/H] of elements that are not listed, then A(X) of those that are."""
    listed = abundances(labels)
    return [
        f"'METALLICITY:' '{labels[2]:.3f}'",
        *(f"'{name}:' '0.00'" for name in ("ALPHA/Fe   ", "HELIUM     ", "R-PROCESS  ", "S-PROCESS  ")),
        f"'INDIVIDUAL ABUNDANCES:' '{len(listed)}'",
        *(f"{number} {value:.3f}" for number, value in listed.items()),
    ]


def find_programs(option: Path | None = None) -> Path:
    """Folder of babsma_lu, bsyn_lu and DATA: `option`, else $KIEL_TURBOSPECTRUM, else build/turbospectrum.

    Raises DataError where one of them is missing there.
    """
    named = option or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else _BESIDE_SOURCES)
    absent = [name for name in (*PROGRAMS, "DATA") if not (named / name).exists()]
    if absent:
        raise DataError(
            f"Turbospectrum is not in {named} ({absent[0]} is missing); build it with `make turbospectrum` "
            f"or name its folder with --turbospectrum or {VARIABLE}."
        )
    return named.resolve()


def open_turbospectrum(
    programs: Path,
    data: Path,
    scratch: Path,
    inputs: OwnInputs = NO_INPUTS,
    nlte: Sequence[NlteElement] = (),
    log_gf_shift: Mapping[tuple[str, float], float] | None = None,
) -> Turbospectrum:
    """Open Turbospectrum with the line lists of DATA/synthesis, or those of `inputs`, unpacked in the folder `scratch`.

    Elements of `nlte` are in NLTE; `log_gf_shift` [dex] as in `with_level_numbers`. Raises DataError where a line list or
    the atmospheres are missing, or where no line joins two levels of the departure coefficients.
    """
    engine = _open_lte(programs, data, scratch, inputs)
    return _in_nlte(engine, tuple(nlte), log_gf_shift) if nlte or log_gf_shift else engine


def _in_nlte(
    engine: Turbospectrum, nlte: tuple[NlteElement, ...], log_gf_shift: Mapping[tuple[str, float], float] | None
) -> Turbospectrum:
    """The engine with line lists that carry level numbers, in further files of the same folder."""
    names, in_lte, n = [], [], 0
    for name in engine.line_files:
        if name == HYDROGEN:
            names.append(name)
            continue
        numbered = with_level_numbers((engine.lines / name).read_text(encoding="latin-1"), nlte, log_gf_shift)
        names.append(f"nlte-{name}")
        write_text(engine.lines / names[-1], numbered.text, "latin-1")
        in_lte += numbered.in_lte
        n += numbered.in_nlte
    if nlte and not n:
        raise DataError("No line of the line lists joins two levels of the departure coefficients.")
    provenance = {**engine.provenance, "nlte": " ".join(element.symbol for element in nlte) or "none"}
    return replace(engine, line_files=tuple(names), nlte=nlte, in_lte=tuple(in_lte), provenance=provenance)


def _open_lte(programs: Path, data: Path, scratch: Path, inputs: OwnInputs) -> Turbospectrum:
    folder = data / "synthesis"
    atmospheres = open_atmospheres(folder, inputs)
    code = f"Turbospectrum 2020 (1.0.2), LTE, {inputs.describe_atmospheres(atmospheres)}"
    if not inputs.lines:
        for name in LINE_LISTS:
            _unpack(folder, name, scratch)
        digest = hashlib.sha256((scratch / ATOMS).read_bytes()).hexdigest()
        return Turbospectrum(programs, atmospheres, scratch.resolve(), {"engine": code, "atoms_sha256": digest})
    _unpack(folder, HYDROGEN, scratch)
    names = tuple(f"own-{i}.list" for i in range(len(inputs.lines)))
    for name, path in zip(names, inputs.lines, strict=True):
        write_text(scratch / name, turbospectrum_list(path), "latin-1")
    provenance = {"engine": code, "lines_sha256": inputs.digest()}
    return Turbospectrum(
        programs, atmospheres, scratch.resolve(), provenance, linelist=inputs.line_names, line_files=(*names, HYDROGEN)
    )


def _unpack(folder: Path, name: str, scratch: Path) -> None:
    """Copy a line list, unpacked, into `scratch`, whole or not at all."""
    plain, packed, target = folder / name, folder / f"{name}.gz", scratch / name
    with written(target) as part:
        if plain.is_file():
            shutil.copyfile(plain, part)
        elif packed.is_file():
            with gzip.open(packed) as source, part.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        else:
            raise DataError(f"The line list {packed} is missing; name the folder that holds synthesis/ with --data.")
