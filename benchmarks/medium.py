"""How often air or vacuum is decided, and rightly: `PYTHONPATH=.:tests python benchmarks/medium.py [--stars N] [--spectra DIR...]`.

Simulated stars behind the Earth's air that do not say their medium, half of them in vacuum, with both arms or one
(`tests/made_up_observers.py`). Real spectra, each as it is and turned into the other medium, whole and cut to the red arm,
none of which says its medium: the truth is what an index says (columns file and air_vacuum; air where that is missing).
Beside them how many decisions would be wrong if the odds were right, which tells whether the evidence is weighed too high.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from made_up_observers import Observed

from cinn_core.errors import SpectrumError
from cinn_core.inference.model import load_forward
from cinn_core.preparation.fourmost import begin, measure_frame
from cinn_core.preparation.templates import Templates, make_templates
from cinn_core.readers import read
from cinn_core.refraction import air, vacuum
from cinn_core.stages import Medium, Spectrum

RED = (6080.0, 6810.0)


def verdict(spectrum: Spectrum, truth: Medium, templates: Templates) -> tuple[str, float]:
    """ "right", "wrong" or "undecided", and the log odds of the truth."""
    frame = measure_frame(begin(spectrum), templates)
    numbers = frame.steps[0].numbers
    odds = float(numbers["log_odds_air"]) * (1 if truth is Medium.AIR else -1)
    if numbers["decided"] == "no":
        return "undecided", odds
    return ("right" if frame.medium is truth else "wrong"), odds


def simulated(count: int) -> Iterator[tuple[str, str, Spectrum, Medium]]:
    """Kind, name, spectrum and medium of simulated stars."""
    for number in range(count):
        one = Observed(number)
        yield f"simulated, {one.arms}", str(number), one.spectrum(), one.medium


def real(folder: Path) -> Iterator[tuple[str, str, Spectrum, Medium]]:
    """Kind, name, spectrum and medium of every spectrum of an index, as it is, turned round, and cut to the red arm."""
    for row in csv.DictReader((folder / "INDEX.csv").read_text().splitlines()):
        try:
            spectrum = read(folder / row["file"])
        except SpectrumError:
            continue
        trap = "VACUUM" in " ".join((row.get("air_vacuum") or "", row.get("trap") or "", row.get("notes") or ""))
        own = Medium.VACUUM if trap else Medium.AIR
        in_air = air(spectrum.wavelength, own)
        for medium in (Medium.AIR, Medium.VACUUM):
            wavelength = in_air if medium is Medium.AIR else vacuum(in_air, Medium.AIR)
            whole = replace(spectrum, wavelength=wavelength, medium=Medium.UNKNOWN)
            yield f"{folder.name}, whole", row["file"], whole, medium
            near = (in_air > RED[0]) & (in_air < RED[1])
            if near.sum() > 1000:
                error = None if whole.error is None else whole.error[near]
                cut = replace(
                    whole, wavelength=wavelength[near], flux=whole.flux[near], good=whole.good[near], error=error
                )
                yield f"{folder.name}, red arm", row["file"], cut, medium


def main(stars: int, folders: list[Path]) -> None:
    """Print a line for each kind of spectrum and one for each that came out wrong."""
    templates = make_templates(load_forward())
    ends: defaultdict[str, list[tuple[str, float]]] = defaultdict(list)
    sources = [simulated(stars), *map(real, folders)]
    for source in sources:
        for kind, name, spectrum, medium in source:
            try:
                end = verdict(spectrum, medium, templates)
            except SpectrumError:
                continue
            ends[kind].append(end)
            if end[0] == "wrong":
                print(f"WRONG {kind}: {name}, {medium.value}, log odds {end[1]:.1f}", flush=True)
    print(f"{'':28s}   n  right  wrong  undecided  wrong if the odds are right")
    for kind, found in ends.items():
        said = np.array([e for e, _ in found])
        decided = np.abs([odds for (e, odds) in found if e != "undecided"])
        expected = (1 / (1 + np.exp(decided))).sum()
        counts = [int((said == what).sum()) for what in ("right", "wrong", "undecided")]
        print(f"{kind:28s} {len(found):3d}  {counts[0]:5d}  {counts[1]:5d}  {counts[2]:9d}  {expected:.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stars", type=int, default=400)
    parser.add_argument("--spectra", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    main(options.stars, options.spectra)
