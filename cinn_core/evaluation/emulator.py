"""Held-out figures of the emulator: its errors against physical synthesis, by line and by region of the Kiel diagram."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ..forward_model.broadening import broaden
from ..forward_model.forward import ForwardModel, forward_model
from ..forward_model.jacobian import jacobian, label_jacobian
from ..instrument import N_PIXELS, RESOLVING_POWER, WAVELENGTH, pixel_sigma
from ..lines import diagnostic_lines
from ..prior import N_LABELS, to_z
from ..statistics import robust_sigma
from ..synthesis.grid_file import Grid
from ..targets import COLUMN, TARGET_NAMES
from ..training.emulator import EmulatorSettings, train_emulator

VBROAD_KMS = 5.0
LABEL_SNR = 250.0
"""S/N per Angstrom whose white noise weighs the pixels of the fit that turns flux errors into label errors."""
_BATCH = 64
_LARGEST_Z = 4.0


def emulator_figures(forward: ForwardModel, grid: Grid) -> dict[str, object]:
    """Flux errors of the emulator at R = 20 000, vbroad 5 km/s, in the JSON of `kiel evaluate emulator`."""
    labels, error = at_vbroad(grid), flux_errors(forward, grid)
    steps = label_steps(forward, labels, -error)
    core = well_covered(labels)
    lines = [(f"{line.species} {line.wavelength:.3f}", line.wavelength) for line in diagnostic_lines()]
    pixels = {name: int(np.argmin(np.abs(WAVELENGTH - at))) for name, at in lines}

    def figures(selected: NDArray) -> dict[str, object]:
        picked = error[selected]
        depth = {name: picked[:, pixel] for name, pixel in pixels.items()}
        return {
            "n": int(selected.sum()),
            "median_abs": float(np.median(np.abs(picked))),
            "p99_abs": float(np.percentile(np.abs(picked), 99)),
            "rms": float(np.sqrt(np.mean(picked**2))),
            "pairs_within_1pct": float(np.mean(np.abs(np.stack(list(depth.values()))) < 0.01)),
            "labels": {name: {"sigma": robust_sigma(steps[selected, COLUMN[name]])} for name in TARGET_NAMES},
            "lines": {
                name: {"depth_rms": float(np.sqrt(np.mean(d**2))), "within_1pct": float(np.mean(np.abs(d) < 0.01))}
                for name, d in depth.items()
            },
        }

    regions = []
    for name, selected in _regions(labels).items():
        if selected.sum() >= 3:
            regions.append({"name": name, **figures(selected)})
    return {**figures(core), "regions": regions}


def at_vbroad(grid: Grid) -> NDArray:
    """Labels (n, 29) of a grid's stars with the vbroad at which the emulator is judged."""
    labels = grid.labels.copy()
    labels[:, COLUMN["vbroad"]] = VBROAD_KMS
    return labels


def flux_errors(forward: ForwardModel, grid: Grid) -> NDArray:
    """Emulator - synthesis (n, N_PIXELS) as fractions of the continuum at R = 20 000, vbroad 5 km/s."""
    labels = at_vbroad(grid)
    error = np.empty((len(grid), N_PIXELS), np.float32)
    for i in range(0, len(grid), _BATCH):
        part = slice(i, i + _BATCH)
        truth = synthesis_at_instrument(forward, grid.select(np.arange(len(grid))[part]), labels[part])
        error[part] = forward.flux(labels[part]) - truth
    return error


def well_covered(labels: NDArray) -> NDArray:
    """The stars (n,) that the headline figures count: 4100-7000 K, [Fe/H] > -2.5."""
    teff, feh = labels[:, COLUMN["teff"]], labels[:, COLUMN["feh"]]
    return (teff > 4100) & (teff < 7000) & (feh > -2.5)


def label_steps(forward: ForwardModel, labels: NDArray, missing: NDArray) -> NDArray:
    """Change of each label (n, 29) in one linear step of a fit when the emulator lacks `missing` (n, N_PIXELS) of flux.

    All 29 labels are free, weighted by the white noise of S/N 250, with the prior N(0, I) in prior coordinates around
    the star: dz = (J^T J / sigma² + I)^-1 J^T missing / sigma².
    """
    weight = 1 / float(pixel_sigma(LABEL_SNR)) ** 2
    steps = np.empty(labels.shape)
    for i in range(0, len(labels), _BATCH):
        part = slice(i, i + _BATCH)
        z = np.clip(to_z(labels[part]), -_LARGEST_Z, _LARGEST_Z)
        slopes = jacobian(forward, z).astype(float)
        normal = weight * slopes.transpose(0, 2, 1) @ slopes + np.eye(N_LABELS)
        pull = weight * slopes.transpose(0, 2, 1) @ missing[part, :, None]
        steps[part] = (label_jacobian(z) @ np.linalg.solve(normal, pull))[..., 0]
    return steps


def _regions(labels: NDArray) -> dict[str, NDArray]:
    """Parts of the Kiel diagram by Teff, gravity and metallicity: True (n,) for the stars of each."""
    teff, logg, feh = (labels[:, COLUMN[name]] for name in ("teff", "logg", "feh"))
    out = {}
    for cool, hot in ((3900, 4100), (4100, 4500), (4500, 5500), (5500, 6300), (6300, 7000), (7000, 7300)):
        for kind, gravity in (("giants", logg < 3.5), ("dwarfs", logg >= 3.5)):
            for low, high in ((-4.0, -2.5), (-2.5, -1.0), (-1.0, 0.6)):
                selected = (teff >= cool) & (teff < hot) & gravity & (feh >= low) & (feh < high)
                out[f"{cool}-{hot} K {kind} [Fe/H] {low}..{high}"] = selected
    return out


@torch.no_grad()
def synthesis_at_instrument(forward: ForwardModel, grid: Grid, labels: NDArray) -> NDArray:
    """Grid spectra (n, N_PIXELS) with the rotation of `labels` (n, 29), at R = 20 000 on the instrument's pixels."""
    vbroad = torch.as_tensor(labels[:, COLUMN["vbroad"]], dtype=torch.float32)
    flux = torch.from_numpy(grid.normalised())
    broadened = broaden(flux, forward.arms, vbroad, torch.full((len(flux),), RESOLVING_POWER))
    return forward.to_pixels(broadened).numpy()


SHARES = (0.25, 0.5, 1.0)
QUICK = EmulatorSettings(likelihood_stars=300, steps=40)
"""Kernels from fewer stars in fewer steps than what ships: a little worse, a good deal faster, and alike at every size."""


@dataclass(frozen=True)
class CurvePoint:
    """Stars learned from, and |flux error| on the held-out stars as fractions of the continuum at R = 20 000."""

    stars: int
    median_abs: float
    p99_abs: float
    rms: float


def learning_curve(
    own: Grid,
    held_out: Grid,
    settings: EmulatorSettings = QUICK,
    shares: Sequence[float] = SHARES,
    progress: Callable[[str], None] = lambda text: None,
) -> Iterator[CurvePoint]:
    """Errors on `held_out` of emulators of growing shares of the training stars of `own`, each holding those before it.

    The line list of `own` alone, so that the number of stars is all that changes. A share needs more training stars than
    the emulator has components.
    """
    train = np.flatnonzero(~(own.is_test | own.is_validation))
    order = np.random.default_rng(settings.seed).permutation(train)
    core = well_covered(held_out.labels)
    for share in shares:
        selected = np.sort(order[: round(share * train.size)])
        emulator = train_emulator(own.select(selected), None, settings, progress)
        error = np.abs(flux_errors(forward_model(emulator), held_out.select(core)))
        yield CurvePoint(
            emulator.n_own, float(np.median(error)), float(np.percentile(error, 99)), float(np.sqrt(np.mean(error**2)))
        )


def halving(points: Sequence[CurvePoint]) -> float:
    """Factor by which the median error falls when the number of stars doubles: a power law through all points."""
    stars, error = (np.log2([getattr(point, name) for point in points]) for name in ("stars", "median_abs"))
    return float(2 ** np.polyfit(stars, error, 1)[0])
