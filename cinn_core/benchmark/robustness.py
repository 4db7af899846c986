"""Robustness on real data: one spectrum with more noise, a tilted continuum, a wrong velocity or resolution, pixels missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..inference.model import Model
from ..inference.summary import summarise
from ..instrument import ARMS, arm_slices
from ..overrides import NOTHING_GIVEN, Overrides
from ..preparation.fourmost import prepare
from ..readers import read
from ..stages import FluxVector, Spectrum, Summary
from .measure import posterior_of

SNRS = (20.0, 50.0, 100.0, 250.0, 500.0)
TILT, VELOCITY_KMS, RESOLUTION = 0.005, 0.5, 0.05


@dataclass(frozen=True)
class Perturbation:
    """A change to a spectrum: what the preparation is told, from the undisturbed vector, and a tilt of each arm."""

    name: str
    overrides: Callable[[FluxVector], Overrides] = lambda vector: NOTHING_GIVEN
    tilt: float = 0.0


@dataclass(frozen=True)
class Shift:
    """Effect of a perturbation on one target: shift of the MAP, in its unit and over half the perturbed 68 % interval, and
    that interval over the undisturbed one.
    """

    value: float
    sigmas: float
    widening: float


def perturbations(seed: int = 0) -> tuple[Perturbation, ...]:
    """The changes of the table: noise to S/N 20-500 per Angstrom, tilts of 0.5 % from edge to middle, velocity, resolution, a gap."""
    red = ARMS[-1]
    half = (0.5 * (red.low + red.high), red.high + 1)
    changes = [
        Perturbation(f"S/N {snr:.0f}", lambda vector, snr=snr: Overrides(degrade_to_snr=snr, noise_seed=seed))  # type: ignore[misc]
        for snr in SNRS
    ]
    for sign in (1, -1):
        changes += [
            Perturbation(f"continuum tilted {100 * sign * TILT:+.1f} %", tilt=sign * TILT),
            Perturbation(
                f"velocity {sign * VELOCITY_KMS:+.1f} km/s",
                lambda vector, sign=sign: Overrides(velocity=vector.rv_kms + sign * VELOCITY_KMS),  # type: ignore[misc]
            ),
            Perturbation(
                f"resolving power {100 * sign * RESOLUTION:+.0f} %",
                lambda vector, sign=sign: Overrides(  # type: ignore[misc]
                    resolving_power=vector.native_resolving_power * (1 + sign * RESOLUTION)
                ),
            ),
        ]
    return (*changes, Perturbation("half of the red arm missing", lambda vector: Overrides(masked=(half,))))


def robustness(path: Path, model: Model, n_samples: int, seed: int) -> Iterator[tuple[str, dict[str, Shift]]]:
    """Shift of each target under every perturbation of the spectrum in a file, by the name of the perturbation.

    A S/N above the spectrum's own is left out. Raises KielError for a file that cannot be used.
    """
    spectrum = read(path)
    plain = prepare(spectrum, model.templates)
    before = summarise(posterior_of(plain, model, n_samples, seed))
    for change in perturbations(seed):
        overrides = change.overrides(plain)
        if overrides.degrade_to_snr is not None and overrides.degrade_to_snr >= plain.snr_per_angstrom:
            continue
        after = summarise(posterior_of(_perturbed(spectrum, plain, change, overrides, model), model, n_samples, seed))
        yield change.name, shifts(before, after)


def _perturbed(
    spectrum: Spectrum, plain: FluxVector, change: Perturbation, overrides: Overrides, model: Model
) -> FluxVector:
    if not change.tilt:
        return prepare(spectrum, model.templates, overrides)
    factor = np.ones(plain.flux.shape)
    for part in arm_slices():
        factor[part] += change.tilt * np.linspace(-1, 1, part.stop - part.start)
    return replace(plain, flux=plain.flux * factor)


def shifts(before: Summary, after: Summary) -> dict[str, Shift]:
    """Shift of each target between two summaries."""
    out = {}
    for name, old in before.targets.items():
        new = after.targets[name]
        half, was = (max(t.hi68 - t.lo68, 1e-9) / 2 for t in (new, old))
        out[name] = Shift(new.map - old.map, (new.map - old.map) / half, half / was)
    return out
