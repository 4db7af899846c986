"""Benchmark rows with made-up numbers, so that what sums them up can be tested without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from fake_analysis import fake_analysis

from cinn_core.benchmark.measure import MODELS, Answer, BenchmarkRow, ResimulationCheck
from cinn_core.explanation.line_fits import ELEMENTS, Abundance, LineFits
from cinn_core.inference.summary import derive
from cinn_core.instrument import N_PIXELS
from cinn_core.literature import KnownStar
from cinn_core.stages import Summary
from cinn_core.targets import TARGET_NAMES

SUN = {"teff": 5772.0, "logg": 4.44, "feh": 0.0}


def entry(star: str = "Sun", *, category: str = "main", trust: str = "fundamental", **literature: float) -> KnownStar:
    """An entry with the Sun's literature values, or those given."""
    return KnownStar(star, {**SUN, **literature}, trust=trust, file=f"{star}.fits", category=category)


def answer(
    targets: Mapping[str, float],
    *,
    half: float = 0.05,
    flags: tuple[str, ...] = (),
    snr: tuple[float, float] = (300.0, 300.0),
    lines: Mapping[str, float] | None = None,
) -> Answer:
    """An answer with these values at its MAP and intervals of +-`half` (Teff: 1000 times that), lines as given or none."""
    made_up = fake_analysis(n=64)
    summary = made_up.summary.targets
    values = {**{name: found.map for name, found in summary.items()}, **targets}
    widths = {name: half * (1000 if name == "teff" else 1) for name in values}
    shown = {
        name: replace(found, map=values[name], lo68=values[name] - widths[name], hi68=values[name] + widths[name])
        for name, found in summary.items()
    }
    samples = np.repeat(np.array([[values[name] for name in TARGET_NAMES]]), 16, 0)
    found = {
        name: Abundance(name, (lines or {}).get(name, np.nan), 0.03, 0.02, 3 if name in (lines or {}) else 0, np.nan)
        for name in ELEMENTS
    }
    check = ResimulationCheck(dict.fromkeys(MODELS, 0.006), {}, 0.003, np.zeros(N_PIXELS, np.float32))
    return Answer(
        Summary(shown, derive(samples)),
        samples[0],
        samples,
        snr,
        (1.0, 0.95),
        0.0,
        flags,
        check,
        LineFits((), found, "emulator"),
    )


def row(star: str = "Sun", off: Mapping[str, float] | None = None, **literature: float) -> BenchmarkRow:
    """A row whose MAP is the literature's values plus `off`."""
    known = entry(star, **literature)
    return BenchmarkRow(known, answer(shifted(known, off or {})))


def shifted(known: KnownStar, off: Mapping[str, float]) -> dict[str, float]:
    """The literature's values plus `off`."""
    return {name: float(x or 0) + off.get(name, 0.0) for name, x in known.literature.items()}
