"""Grid files: stars are encoded, merged once and read for training; other files are not added to."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from fake_engine import FakeEngine, stored

from cinn_core.errors import DataError, SynthesisError
from cinn_core.synthesis.engine import grid_wavelength
from cinn_core.synthesis.grid import make_grid, star_labels
from cinn_core.synthesis.grid_file import (
    encode_flux,
    load_chunk,
    merge_chunks,
    open_grid_file,
    read_grid,
    same_wavelengths,
)
from cinn_core.targets import SYNTHESIS_NAMES


def _stop(progress):
    raise KeyboardInterrupt


def test_flux_that_is_no_spectrum_is_refused_rather_than_clipped():
    with pytest.raises(SynthesisError, match="not a spectrum"):
        encode_flux(np.array([1.0, -0.1]))
    with pytest.raises(SynthesisError, match="not a spectrum"):
        encode_flux(np.array([1.0, 2.0]))


def test_grid_is_readable_by_the_training(tmp_path):
    out = tmp_path / "grid-8.h5"
    final = make_grid(out, 8, 12, FakeEngine)
    assert (final.done, final.failed) == (12, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid-8.h5"]
    grid = read_grid([out])
    assert grid.index.tolist() == list(range(800_000, 800_012))
    np.testing.assert_array_equal(grid.wavelength, grid_wavelength())
    with h5py.File(out) as f:
        assert f.attrs["linelist"] == "calibrated"
        assert tuple(f["labels"].attrs["names"]) == SYNTHESIS_NAMES
    _, flux = FakeEngine().synthesise(star_labels(800_003).astype(float))
    np.testing.assert_allclose(grid.normalised()[3].min(), flux.min(), atol=1e-3)


def test_merging_a_chunk_twice_adds_its_stars_once(tmp_path):
    out = tmp_path / "grid.h5"
    with pytest.raises(KeyboardInterrupt):
        make_grid(out, 8, 20, FakeEngine, report=_stop)
    first = stored(out)["index"].size
    chunk = tmp_path / "again.npz"
    whole = stored(out)
    np.savez(chunk, **whole)
    assert load_chunk(chunk).index.size == first
    merge_chunks([chunk], out)
    assert stored(out)["index"].size == first
    assert not chunk.exists()


def test_grid_of_another_line_list_or_another_file_is_not_added_to(tmp_path):
    out = tmp_path / "grid.h5"
    make_grid(out, 8, 2, FakeEngine)
    with pytest.raises(DataError, match=r"another way .linelist calibrated, not original"):
        open_grid_file(out, FakeEngine(linelist="original"))
    (tmp_path / "notes.h5").write_text("not HDF5")
    with pytest.raises(DataError, match="is not a grid file"):
        open_grid_file(tmp_path / "notes.h5", FakeEngine())
    with pytest.raises(DataError, match="need further seeds"):
        make_grid(out, 8, 100_001, FakeEngine)


def test_grid_files_of_another_processor_are_the_same_grid():
    wavelength = grid_wavelength()
    assert same_wavelengths(np.nextafter(wavelength, np.inf), wavelength)
    assert not same_wavelengths(wavelength * (1 + 1e-9), wavelength)
    assert not same_wavelengths(wavelength[:-1], wavelength)
