"""The page's memory of preparations: the flux vector of a fresh preparation, and nothing measured that a change leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic import labels_of, observed, pixels, spectrum_of, templates

from app.page.cache import Memory, Preparations, _combined
from app.page.visit import Source
from cinn_core.errors import SpectrumError
from cinn_core.overrides import ContinuumChoice, Overrides
from cinn_core.preparation.fourmost import prepare
from cinn_core.readers import read
from cinn_core.stages import Spectrum

WAVE = pixels(step=0.05)


@pytest.fixture(scope="module")
def spectrum() -> Spectrum:
    return spectrum_of(WAVE, observed(labels_of(), WAVE, 12.0, 150.0))


CHANGES = {
    "snr": (Overrides(snr=80.0), 0, 0),
    "degrade": (Overrides(degrade_to_snr=50.0), 0, 0),
    "mask": (Overrides(masked=((5400.0, 5410.0),)), 0, 1),
    "velocity": (Overrides(velocity=10.0), 0, 1),
    "power": (Overrides(resolving_power=40_000.0), 1, 1),
    "continuum as it is": (Overrides(continuum=ContinuumChoice.AS_IS), None, 1),
}
"""Overrides, and how many frames and continua they measure anew (None: either)."""


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_measures_anew_only_what_it_touches_and_gives_the_vector_of_a_fresh_preparation(spectrum, change):
    overrides, frames, continua = CHANGES[change]
    visit = Preparations()
    visit.prepare(spectrum, templates(), Overrides())
    assert (visit.frames.computed, visit.continua.computed) == (1, 1)
    vector, fresh = visit.prepare(spectrum, templates(), overrides), prepare(spectrum, templates(), overrides)
    assert frames in (None, visit.frames.computed - 1)
    assert visit.continua.computed - 1 == continua
    for name in ("flux", "good", "continuum"):
        np.testing.assert_array_equal(getattr(vector, name), getattr(fresh, name))
    assert (repr(vector.steps), vector.flags, vector.snr) == (repr(fresh.steps), fresh.flags, fresh.snr)
    visit.prepare(spectrum, templates(), Overrides())
    assert visit.continua.computed - 1 == continua  # the way back is remembered


def test_a_memory_forgets_the_oldest_of_more_than_32_results():
    memory: Memory[int] = Memory()
    assert [memory.get(bytes([i]), lambda i=i: i) for i in range(33)] == list(range(33))
    assert memory.get(b"\x20", lambda: -1) == 32
    assert memory.get(b"\x00", lambda: -1) == -1
    assert memory.computed == 34


def test_marked_exposures_are_prepared_as_one_sum():
    files = [text_of(seed) for seed in (1, 2)]
    spectra = [read(data, name) for data, name in files]
    others = tuple(Source(*file) for file in files[1:])
    vector = _combined(others, spectra[0], templates(), Overrides())
    assert "combine" in [step.name for step in vector.steps]
    assert vector.file == "1.txt + 2.txt"
    with pytest.raises(SpectrumError, match="counted twice"):
        _combined((Source(*files[0]),), spectra[0], templates(), Overrides())


def text_of(seed: int) -> tuple[bytes, str]:
    flux = observed(labels_of(), WAVE, 12.0, 150.0, seed=seed)
    rows = "\n".join(f"{w:.4f} {f:.6f}" for w, f in zip(WAVE, flux, strict=True))
    return f"# wavelengths in air\n{rows}\n".encode(), f"{seed}.txt"
