"""Synthesis of a grid: stars of the prior, resumed after any end, in processes and on a Ray cluster."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from fake_engine import FakeEngine, stored
from missing import needed

from cinn_core.errors import SynthesisError
from cinn_core.prior import MAX_METALLICITY, inside
from cinn_core.synthesis.abundances import metallicity
from cinn_core.synthesis.grid import failures_of, make_grid, parts_of, read_failures, star_labels, stars_on_ray
from cinn_core.synthesis.grid_file import all_labels

COOL_STAR_FAILS = 4500.0


def test_grid_stars_are_from_the_prior_and_always_the_same():
    stars = np.stack([star_labels(400_000 + i) for i in range(50)])
    np.testing.assert_array_equal(star_labels(400_007), stars[7])
    assert len(np.unique(stars[:, 0])) == 50
    labels = all_labels(stars)
    labels[:, 4] = 10.0  # vbroad, which a synthesis has not
    assert inside(labels).all()
    assert max(metallicity(star) for star in stars) <= MAX_METALLICITY


def test_killed_grid_goes_on_with_nothing_twice_and_nothing_missing(tmp_path):
    out = tmp_path / "grid.h5"
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); from fake_engine import run_until_death\n"
    )
    done = subprocess.run([sys.executable, "-c", f"{code}run_until_death({str(out)!r})"], check=False)
    assert done.returncode == 9
    assert len(list(parts_of(out).glob("*.npz"))) == 2  # 25 stars were made, 20 of them kept

    again = FakeEngine()
    make_grid(out, 8, 40, lambda: again)
    assert len(again.calls) == 20
    resumed = stored(out)
    assert resumed["index"].tolist() == list(range(800_000, 800_040))
    assert not parts_of(out).exists()

    make_grid(tmp_path / "whole.h5", 8, 40, FakeEngine)
    for name, values in stored(tmp_path / "whole.h5").items():
        np.testing.assert_array_equal(values, resumed[name])


def test_interrupted_grid_holds_what_was_made(tmp_path):
    def interrupt(progress):
        if progress.done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_grid(tmp_path / "grid.h5", 8, 40, FakeEngine, report=interrupt)
    assert stored(tmp_path / "grid.h5")["index"].size == 20


def test_grid_grows_when_more_stars_are_asked_for(tmp_path):
    out, engine = tmp_path / "grid.h5", FakeEngine()
    make_grid(out, 8, 5, lambda: engine)
    make_grid(out, 8, 13, lambda: engine)
    make_grid(out, 8, 13, lambda: engine)
    assert len(engine.calls) == 13
    assert stored(out)["index"].tolist() == list(range(800_000, 800_013))


def test_failed_stars_are_listed_with_their_labels_and_not_tried_again(tmp_path):
    out, engine = tmp_path / "grid.h5", FakeEngine(fails_below=COOL_STAR_FAILS)
    final = make_grid(out, 8, 30, lambda: engine)
    failed = [i for i in range(800_000, 800_030) if star_labels(i)[0] < COOL_STAR_FAILS]
    assert 0 < len(failed) < 30
    assert final.failed == len(failed)
    listed = read_failures(failures_of(out))
    assert sorted(listed) == failed
    assert listed[failed[0]].reason == "This star is too cool for a fake."
    np.testing.assert_allclose(listed[failed[0]].labels, star_labels(failed[0]), rtol=1e-5)
    assert not np.isin(failed, stored(out)["index"]).any()
    assert make_grid(out, 8, 30, lambda: engine).done == 30
    assert len(engine.calls) == 30


def test_grid_without_any_spectrum_is_given_up(tmp_path):
    with pytest.raises(SynthesisError, match="None of the first 10 stars could be synthesised: This star is too cool"):
        make_grid(tmp_path / "grid.h5", 8, 30, lambda: FakeEngine(fails_below=1e5))
    assert not failures_of(tmp_path / "grid.h5").exists()


def test_several_processes_make_the_same_grid(tmp_path):
    seen = []
    make_grid(tmp_path / "one.h5", 8, 12, FakeEngine)
    make_grid(tmp_path / "two.h5", 8, 12, FakeEngine, processes=2, report=seen.append)
    for name, values in stored(tmp_path / "one.h5").items():
        np.testing.assert_array_equal(values, stored(tmp_path / "two.h5")[name])
    assert [(p.done, p.total) for p in seen] == [(10, 12), (12, 12)]
    assert seen[-1].left_s == 0


@pytest.mark.slow
def test_ray_workers_make_the_grid_of_the_plain_run(tmp_path, monkeypatch):
    needed("ray", "batch")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # where the workers find the fake
    make_grid(tmp_path / "plain.h5", 8, 12, FakeEngine)
    remote = partial(stars_on_ray, address="local", processes=2)
    final = make_grid(tmp_path / "ray.h5", 8, 12, FakeEngine, remote=remote)
    assert (final.done, final.failed) == (12, 0)
    plain, ray = stored(tmp_path / "plain.h5"), stored(tmp_path / "ray.h5")
    order = np.argsort(ray["index"])  # a cluster's stars are in the order in which they were done
    for name, values in plain.items():
        np.testing.assert_array_equal(values, ray[name][order])


def test_stars_made_elsewhere_join_the_grid_in_any_order(tmp_path):
    def backwards(indices, open_engine):
        from cinn_core.synthesis.grid import synthesise_star

        return (synthesise_star(open_engine(), index) for index in reversed(indices))

    make_grid(tmp_path / "grid.h5", 8, 25, FakeEngine, remote=backwards)
    assert sorted(stored(tmp_path / "grid.h5")["index"].tolist()) == list(range(800_000, 800_025))
