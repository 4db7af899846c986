"""Training of the NLTE change of spectra on stars computed in LTE and NLTE, and its errors on held-out stars."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import DataError, SynthesisError
from ..files import contents_sha256, write_arrays, write_text
from ..forward_model.kernels import emulator_inputs, matern52
from ..forward_model.nlte_change import ChangeBlock, NlteChange
from ..nlte.flux_change import calibrated_lines, flux_change, in_windows, restrict_to_windows, solar_shifts
from ..nlte.lines import LINES
from ..processes import spread
from ..synthesis.departure_files import DepartureTable, read_table
from ..synthesis.engine import grid_wavelength
from ..synthesis.grid import STARS_OF_SEED, star_labels
from ..synthesis.grid_file import are_held_out
from ..synthesis.solar_log_gf import Shifts
from ..synthesis.turbospectrum import Turbospectrum, open_turbospectrum
from ..synthesis.turbospectrum_nlte import NlteElement
from ..targets import SYNTHESIS_NAMES

_FIRST_RATIO = 5  # of SYNTHESIS_NAMES that the emulator's inputs take as they are, from input 6 on
_ATMOSPHERE = (0, 1, 2, 3, 4)  # Teff, log g, [Fe/H], vmic, [alpha/Fe]
_A_LI = 5
_TRIPLET, _WIDE, _NARROW = 5190.0, 4.0, 0.6  # lines below it are the Mg triplet; half widths [Angstrom] of their widths


def _ratio(name: str) -> int:
    return 6 + SYNTHESIS_NAMES.index(name) - _FIRST_RATIO


INPUTS: dict[str, tuple[int, ...]] = {
    "Mg": (*_ATMOSPHERE, _ratio("mg_fe"), _ratio("ca_fe")),
    "Ca": (*_ATMOSPHERE, _ratio("ca_fe")),
    "Li": (*_ATMOSPHERE, _A_LI, _ratio("ca_fe")),
}
"""Columns of the emulator's inputs that the change of each element's windows depends on."""


@dataclass(frozen=True)
class ChangeSettings:
    """Components an element, steps and learning rate of the marginal likelihood."""

    components: int = 12
    steps: int = 150
    learning_rate: float = 0.1


def held_out(stars: ChangedStars) -> NDArray:
    """True (n,) for the test and validation stars, a fifth of all, which take no part in the training."""
    return are_held_out(stars.index)


def learn_change(stars: ChangedStars, elements: tuple[str, ...], settings: ChangeSettings) -> NlteChange:
    """The change of some elements' windows, learned from the stars that are not held out."""
    train = ~held_out(stars)
    x = emulator_inputs(torch.from_numpy(stars.labels[train]).double())
    blocks = {}
    for element in elements:
        pixels = np.flatnonzero(in_windows((element,)))
        blocks[element] = _learn_block(
            x, stars.change[train][:, pixels].astype(float), pixels, INPUTS[element], settings
        )
    return NlteChange(blocks, stars.change.shape[1])


def _learn_block(
    x: Tensor, change: NDArray, pixels: NDArray, inputs: tuple[int, ...], settings: ChangeSettings
) -> ChangeBlock:
    """Components of the change (n, p) and their regression; far from all stars the change goes to 0."""
    _, _, rows = np.linalg.svd(change, full_matrices=False)
    basis = torch.from_numpy(rows[: settings.components].astype(np.float32)).half()
    y = torch.from_numpy(change) @ basis.double().T
    anchors = x[:, list(inputs)]
    scales, noise = _learn_scales(anchors, y, settings)
    matrix = matern52(anchors, anchors, scales) + noise * torch.eye(len(anchors), dtype=torch.float64)
    return ChangeBlock(
        torch.tensor(inputs), scales, anchors, torch.linalg.solve(matrix, y), basis.float(), torch.from_numpy(pixels)
    )


def _learn_scales(anchors: Tensor, y: Tensor, settings: ChangeSettings) -> tuple[Tensor, float]:
    """Inverse lengths (d,) and noise, relative to the signal, of highest marginal likelihood; amplitudes profiled out."""
    logs = [
        torch.nn.Parameter(torch.full((anchors.shape[1],), -0.7, dtype=torch.float64)),
        torch.nn.Parameter(torch.tensor(-6.0, dtype=torch.float64)),
    ]
    optimiser = torch.optim.Adam(logs, lr=settings.learning_rate)
    identity = torch.eye(len(anchors), dtype=torch.float64)
    y = y / y.std(0).clamp_min(1e-12)
    for _ in range(settings.steps):
        factor = torch.linalg.cholesky(matern52(anchors, anchors, logs[0].exp()) + logs[1].exp() * identity)
        amplitude = (y * torch.cholesky_solve(y, factor)).mean(0)
        loss = 0.5 * amplitude.log().mean() + factor.diagonal().log().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return logs[0].detach().exp(), float(logs[1].detach().exp())


@dataclass(frozen=True)
class ChangeError:
    """Held-out stars of an element's windows or of one line: rms of the change and of its error.

    In flux over continuum at R = 60 000 where `wavelength` is NaN, else of the line's equivalent width [mA].
    """

    element: str
    wavelength: float
    change: float
    error: float


def change_errors(change: NlteChange, stars: ChangedStars) -> list[ChangeError]:
    """Errors of the change in the held-out stars: in flux, window by window, and in equivalent width [mA], line by line."""
    test = held_out(stars)
    truth = stars.change[test].astype(float)
    predicted = change.flux(torch.from_numpy(stars.labels[test])).double().numpy()
    wavelength, out = grid_wavelength(), []
    for element in change.blocks:
        inside = in_windows((element,))
        out.append(ChangeError(element, float("nan"), _rms(truth[:, inside]), _rms((predicted - truth)[:, inside])))
    for line in (line for line in LINES if line.element in change.blocks):
        width = _WIDE if line.wavelength < _TRIPLET and line.element == "Mg" else _NARROW
        near = np.abs(wavelength - line.wavelength) < width
        widths = (-1e3 * np.trapezoid(x[:, near], wavelength[near], axis=1) for x in (truth, predicted - truth))
        out.append(ChangeError(line.element, line.wavelength, *(_rms(w) for w in widths)))
    return out


def _rms(x: NDArray) -> float:
    return float(np.sqrt(np.mean(x**2)))


def described(errors: list[ChangeError]) -> Mapping[str, Mapping[str, float]]:
    """The errors by name, for the card."""
    return {
        f"{e.element} I {e.wavelength:.2f} mA" if np.isfinite(e.wavelength) else f"{e.element} flux": {
            "change_rms": e.change,
            "error_rms": e.error,
        }
        for e in errors
    }


_INPUTS_FILE, _STARS_FOLDER = "inputs.json", "stars"


@dataclass(frozen=True)
class Sources:
    """Inputs of a run: tables of departures (one an element), Turbospectrum's programs, data folder, folder of the run."""

    tables: tuple[Path, ...]
    programs: Path
    data: Path
    run: Path

    def elements(self) -> tuple[NlteElement, ...]:
        """The elements of the tables; DataError where two tables are of one element."""
        tables: list[DepartureTable] = [read_table(path) for path in self.tables]
        symbols = [table.element for table in tables]
        if len(set(symbols)) < len(symbols):
            raise DataError(f"Two tables are of the same element among {', '.join(symbols)}; name one of each.")
        return tuple(NlteElement(table.element, table.grid()) for table in tables)

    def digest(self) -> str:
        """SHA-256 of the tables together."""
        return contents_sha256(sorted(self.tables))


@dataclass(frozen=True, eq=False)
class ChangedStars:
    """Stars: index (n,), labels (n, 25), NLTE - LTE flux over continuum (n, m) on the grid's wavelengths."""

    index: NDArray
    labels: NDArray
    change: NDArray


def engines(sources: Sources, shifts: Shifts, lines: Path) -> tuple[Turbospectrum, Turbospectrum]:
    """The engine in LTE and in NLTE, for the windows of the tables' elements; line lists go to a folder within `lines`."""
    elements = sources.elements()
    scratch = lines / str(os.getpid())
    scratch.mkdir(exist_ok=True)
    symbols = tuple(element.symbol for element in elements)
    lte = restrict_to_windows(open_turbospectrum(sources.programs, sources.data, scratch), symbols)
    return lte, restrict_to_windows(_in_nlte(sources, scratch, elements, shifts), symbols)


def _in_nlte(sources: Sources, scratch: Path, elements: tuple[NlteElement, ...], shifts: Shifts) -> Turbospectrum:
    return open_turbospectrum(sources.programs, sources.data, scratch, nlte=elements, log_gf_shift=shifts)


def shifts_of_run(sources: Sources) -> dict[tuple[str, float], float]:
    """The Sun's shifts of log gf, kept in the run's folder. DataError where that folder is of other tables."""
    path, digest = sources.run / _INPUTS_FILE, sources.digest()
    if path.is_file():
        inputs = json.loads(path.read_text())
        if inputs["tables_sha256"] != digest:
            raise DataError(f"{sources.run} holds stars of other tables of departures; name another folder.")
        return {(species, wavelength): shift for species, wavelength, shift in inputs["shifts"]}
    sources.run.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kiel-lines-") as scratch:
        lte, nlte = engines(sources, {}, Path(scratch))
        elements, symbols = nlte.nlte, tuple(element.symbol for element in nlte.nlte)
        lines = calibrated_lines(sources.data / "synthesis", tuple(x for x in symbols if x != "Li"))
        shifts = solar_shifts(
            lines, lte, lambda found: restrict_to_windows(_in_nlte(sources, lte.lines, elements, found), symbols)
        )
    rows = [[*key, shift] for key, shift in shifts.items()]
    write_text(path, json.dumps({"tables_sha256": digest, "shifts": rows}, indent=1))
    return shifts


def make_stars(
    sources: Sources, seed: int, n: int, processes: int = 1, report: Callable[[str], None] = lambda text: None
) -> ChangedStars:
    """Stars 0..n-1 of `seed` as `kiel grid` draws them; those that the run's folder holds are kept.

    Stars without a model atmosphere or departures near are left out and reported.
    """
    shifts = shifts_of_run(sources)
    folder = sources.run / _STARS_FOLDER
    folder.mkdir(exist_ok=True)
    indices = [seed * STARS_OF_SEED + i for i in range(n)]
    missing = [index for index in indices if not _file(folder, index).is_file()]
    report(f"{n - len(missing)} of {n} stars are there already")
    with tempfile.TemporaryDirectory(prefix="kiel-lines-") as lines:
        results = spread(
            partial(_make, folder=folder), missing, processes, partial(_start, sources, shifts, Path(lines))
        )
        for done, (index, reason) in enumerate(results, 1):
            if reason:
                report(f"star {index}: {reason}")
            elif done % 10 == 0:
                report(f"{done} of {len(missing)} stars")
    return read_stars(folder, indices)


def read_stars(folder: Path, indices: list[int]) -> ChangedStars:
    """The stars of these indices that a folder holds; DataError where there is none."""
    index, labels, change = [], [], []
    for i in indices:
        if _file(folder, i).is_file():
            with np.load(_file(folder, i), allow_pickle=False) as file:
                whole = np.zeros(int(file["size"]), np.float32)
                whole[file["pixels"]] = file["change"]
                index.append(i)
                labels.append(file["labels"])
                change.append(whole)
    if not index:
        raise DataError(f"{folder} holds no star.")
    return ChangedStars(np.array(index), np.stack(labels), np.stack(change))


def _file(folder: Path, index: int) -> Path:
    return folder / f"{index:09d}.npz"


_ENGINES: dict[str, tuple[Turbospectrum, Turbospectrum]] = {}
"""The two engines of a process."""


def _start(sources: Sources, shifts: Shifts, lines: Path) -> None:
    _ENGINES["pair"] = engines(sources, shifts, lines)


def _make(index: int, folder: Path) -> tuple[int, str]:
    labels = star_labels(index).astype(float)
    try:
        change = flux_change(labels, *_ENGINES["pair"])
    except SynthesisError as error:
        return index, " ".join(str(error).split())
    pixels = np.flatnonzero(change)
    arrays = {
        "labels": labels,
        "size": change.size,
        "pixels": pixels.astype(np.int32),
        "change": change[pixels].astype("f4"),
    }
    write_arrays(_file(folder, index), arrays, compressed=True)
    return index, ""
