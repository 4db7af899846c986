"""A grid of physical spectra over a Ray cluster."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from fake_engine import FakeEngine

from cinn_core.synthesis.grid import make_grid, stars_on_ray


def stored(path):
    with h5py.File(path) as f:
        return {name: f[name][:] for name in ("labels", "flux", "index")}


@pytest.mark.slow
def test_ray_workers_make_the_grid_of_the_plain_run(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # where the workers find the fake
    make_grid(tmp_path / "plain.h5", 8, 12, FakeEngine)
    elsewhere = partial(stars_on_ray, address="local", processes=2)
    final = make_grid(tmp_path / "ray.h5", 8, 12, FakeEngine, elsewhere=elsewhere)
    assert (final.done, final.failed) == (12, 0)
    plain, ray = stored(tmp_path / "plain.h5"), stored(tmp_path / "ray.h5")
    order = np.argsort(ray["index"])  # a cluster's stars are in the order in which they were done
    for name, values in plain.items():
        np.testing.assert_array_equal(values, ray[name][order])


def test_stars_made_elsewhere_join_the_grid_in_any_order(tmp_path):
    def backwards(indices, open_engine):
        from cinn_core.synthesis.grid import synthesise_star

        return (synthesise_star(open_engine(), index) for index in reversed(indices))

    make_grid(tmp_path / "grid.h5", 8, 25, FakeEngine, elsewhere=backwards)
    assert sorted(stored(tmp_path / "grid.h5")["index"].tolist()) == list(range(800_000, 800_025))
