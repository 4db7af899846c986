"""Physical synthesis: atmospheres, abundances, the way on to the grid, grids that resume, and Turbospectrum itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from fake_engine import FakeEngine
from typer.testing import CliRunner

from app.cli import app
from app.commands.synthesis import parse_labels
from cinn_core.errors import DataError, SynthesisError
from cinn_core.forward_model.broadening import MODEL_STEP_KMS
from cinn_core.instrument import MODEL_FWHM_KMS, SPEED_OF_LIGHT_KMS
from cinn_core.prior import MAX_METALLICITY, inside
from cinn_core.readers import read
from cinn_core.stages import Medium
from cinn_core.synthesis.abundances import SOLAR_ABUNDANCES, abundances, metallicity
from cinn_core.synthesis.atmosphere import Atmospheres, Tables, load_atmospheres
from cinn_core.synthesis.engine import GRID_STEP_KMS, grid_wavelength, labels_from, to_grid
from cinn_core.synthesis.grid import failures_of, make_grid, parts_of, read_failures, star_labels
from cinn_core.synthesis.grid_file import all_labels, encode_flux, load_chunk, merge, open_grid, read_grid
from cinn_core.synthesis.output import write_synthesis
from cinn_core.synthesis.turbospectrum import (
    SYNTHESIS_WINDOWS,
    babsma_input,
    bsyn_input,
    find_programs,
    open_turbospectrum,
)
from cinn_core.targets import SYNTHESIS_NAMES

SUN = {"teff": 5777.0, "logg": 4.44}
COOL_STAR_FAILS = 4500.0


def linear_tables(feh, slope_feh):
    """Tables whose log10 columns are linear in everything, so that interpolation between them is exact."""
    feh, teff, logg = np.array(feh), np.array([4000.0, 5000.0, 6000.0]), np.array([2.0, 3.0, 4.0])
    log_tau = np.arange(-6.0, 2.1, 0.5)
    at = np.meshgrid(feh, teff, logg, log_tau, indexing="ij")
    column = slope_feh * at[0] + at[1] / 2000 - 0.3 * at[2] + 0.5 * at[3]
    return Tables(feh, teff, logg, log_tau, np.stack([column + k for k in range(5)], -1))


@pytest.fixture
def atmospheres():
    return Atmospheres(linear_tables([-2.5, -1.0, 0.5], 0.1), linear_tables([-5.0, -4.0, -2.5], 0.4))


@pytest.fixture(scope="module")
def engine(shared, tmp_path_factory):
    """Turbospectrum with the shared line lists; these tests skip where it is not built."""
    try:
        programs = find_programs()
    except DataError:
        pytest.skip("no Turbospectrum: make turbospectrum, or set KIEL_TURBOSPECTRUM")
    return open_turbospectrum(programs, shared, tmp_path_factory.mktemp("lines"))


def stored(path):
    with h5py.File(path) as f:
        return {name: f[name][:] for name in ("labels", "flux", "index")}


# Atmospheres and abundances


def test_atmosphere_at_a_grid_node_is_the_model_there(atmospheres):
    model = atmospheres.at(5000.0, 3.0, -1.0)
    used = (atmospheres.main.log_tau > -5.6) & (atmospheres.main.log_tau < 1.95)
    np.testing.assert_allclose(np.log10(model.columns), atmospheres.main.values[1, 1, 1][used], rtol=1e-12)
    assert model.log_tau.min() == -5.5
    assert model.log_tau.max() == 1.5


def test_atmosphere_is_linear_in_log10_between_nodes(atmospheres):
    found = np.log10(atmospheres.at(4321.0, 2.7, -1.7).columns[:, 0])
    expected = 0.1 * -1.7 + 4321 / 2000 - 0.3 * 2.7 + 0.5 * atmospheres.at(4321.0, 2.7, -1.7).log_tau
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_metal_poor_atmosphere_follows_the_differences_of_the_older_grid(atmospheres):
    at_edge, beyond = (np.log10(atmospheres.at(5100.0, 3.3, m).columns) for m in (-2.5, -3.7))
    np.testing.assert_allclose(beyond - at_edge, 0.4 * -1.2, rtol=1e-9)


def test_metallicity_is_held_inside_the_tables(atmospheres):
    np.testing.assert_array_equal(atmospheres.at(5000, 3, 0.8).columns, atmospheres.at(5000, 3, 0.5).columns)
    assert atmospheres.at(5000, 3, -6.0).metallicity == -5.0


def test_missing_and_distant_models_are_refused_in_words(atmospheres):
    atmospheres.main.values[1, 2, 0] = np.nan
    with pytest.raises(SynthesisError, match=r"no model atmosphere at Teff 6000 K, log g 2\.0"):
        atmospheres.at(5500.0, 2.5, -1.0)
    assert np.isfinite(atmospheres.at(5500.0, 3.0, -1.0).columns).all()  # the missing model has no weight here
    with pytest.raises(SynthesisError, match="Teff 7000 is outside the model atmospheres, which cover 4000 to 6000"):
        atmospheres.at(7000.0, 3.0, -1.0)


def test_atmosphere_files_reproduce_a_published_model(shared):
    model = load_atmospheres(shared / "synthesis").at(5750.0, 4.5, -0.5)
    with np.load(shared / "synthesis" / "atlas9_odfnew.npz") as arrays:
        published = arrays["q"][4, 9, 9]
        used = (arrays["logtauR"] > -5.6) & (arrays["logtauR"] < 1.95)
    np.testing.assert_allclose(model.columns[:, 1], published[used, 1], rtol=1e-6)
    np.testing.assert_allclose(np.log10(model.columns[:, 0]), published[used, 0], rtol=1e-6)


def test_the_sun_has_solar_abundances():
    assert abundances(labels_from(SUN)) == SOLAR_ABUNDANCES


def test_alpha_elements_raise_metallicity_neon_and_sulphur():
    alphas = {"o_fe": 0.4, "mg_fe": 0.4, "si_fe": 0.4}
    plain, raised = labels_from({**SUN, "feh": -1.0}), labels_from({**SUN, "feh": -1.0, **alphas})
    assert metallicity(plain) == pytest.approx(-1.0)
    assert metallicity(raised) == pytest.approx(-1.0 + np.log10(0.638 * 10**0.4 + 0.362))
    for number, ratio in {10: 0.4, 16: 0.4, 12: 0.4, 20: 0.0, 26: 0.0}.items():
        assert abundances(raised)[number] - abundances(plain)[number] == pytest.approx(ratio)
    assert abundances(raised)[1] == 12.0


def test_no_abundance_falls_below_what_turbospectrum_takes():
    assert min(abundances(labels_from({**SUN, "feh": -20.0})).values()) == -9.0


# The grid's wavelengths


def test_grid_wavelengths_are_those_of_the_shared_grid(shared):
    assert GRID_STEP_KMS == MODEL_STEP_KMS
    with h5py.File(shared / "grid" / "grid-3.h5") as f:
        np.testing.assert_array_equal(grid_wavelength(), f["wavelength"][:])


def test_way_to_the_grid_broadens_a_line_by_the_instrument_alone():
    wavelength = np.concatenate([np.arange(low, high, 0.0025) for low, high in SYNTHESIS_WINDOWS])
    sigma_kms = 4.0
    velocity = SPEED_OF_LIGHT_KMS * np.log(wavelength / 5400.0)
    depth = 1 - to_grid(wavelength, 1 - 0.5 * np.exp(-0.5 * (velocity / sigma_kms) ** 2))
    grid_velocity = SPEED_OF_LIGHT_KMS * np.log(grid_wavelength() / 5400.0)
    width = np.sqrt((depth * grid_velocity**2).sum() / depth.sum())
    assert width == pytest.approx(np.hypot(sigma_kms, MODEL_FWHM_KMS / 2.3548), rel=2e-3)
    area = depth.sum() * GRID_STEP_KMS
    assert area == pytest.approx(0.5 * sigma_kms * np.sqrt(2 * np.pi), rel=1e-4)


def test_spectrum_that_misses_a_window_is_refused():
    wavelength = np.arange(5150.0, 5740.0, 0.025)
    with pytest.raises(SynthesisError, match="does not cover 6093-6797"):
        to_grid(wavelength, np.ones_like(wavelength))


def test_flux_that_is_no_spectrum_is_refused_rather_than_clipped():
    with pytest.raises(SynthesisError, match="no spectrum"):
        encode_flux(np.array([1.0, -0.1]))
    with pytest.raises(SynthesisError, match="no spectrum"):
        encode_flux(np.array([1.0, 2.0]))


# Labels and input


def test_missing_labels_take_the_suns_value_and_unknown_ones_are_refused():
    labels = dict(zip(SYNTHESIS_NAMES, labels_from(SUN), strict=True))
    assert (labels["teff"], labels["vmic"], labels["feh"], labels["li_fe"]) == (5777.0, 1.0, 0.0, 0.0)
    with pytest.raises(DataError, match="vbroad is no label of a synthesis"):
        labels_from({**SUN, "vbroad": 5.0})
    with pytest.raises(DataError, match="logg is missing"):
        labels_from({"teff": 5777.0})
    with pytest.raises(DataError, match="feh is not a finite number"):
        labels_from({**SUN, "feh": float("nan")})


def test_labels_of_the_command_line_are_read_or_refused():
    assert parse_labels("teff=5777, logg=4.44,feh=-1e-1") == {"teff": 5777.0, "logg": 4.44, "feh": -0.1}
    for text in ("teff", "teff=hot", "teff=5777,", ""):
        with pytest.raises(DataError, match="no name=number"):
            parse_labels(text)
    with pytest.raises(DataError, match="teff twice"):
        parse_labels("teff=5777,teff=5778")


def test_input_of_turbospectrum_says_what_the_labels_say():
    labels = labels_from({**SUN, "feh": -0.5, "vmic": 1.234, "mg_fe": 0.3})
    opacity, spectrum = babsma_input(labels, 5150.0, 5740.0), bsyn_input(labels, 5150.0, 5740.0)
    assert "'LAMBDA_MIN:' '5149.000'" in opacity
    assert "'LAMBDA_MIN:' '5150.000'" in spectrum
    assert opacity.endswith("'XIFIX:' 'T'\n1.234\n")
    assert "\n12 7.350\n" in spectrum
    assert f"'INDIVIDUAL ABUNDANCES:' '{len(SOLAR_ABUNDANCES)}'" in spectrum


# Grids


def test_grid_stars_are_from_the_prior_and_always_the_same():
    stars = np.stack([star_labels(400_000 + i) for i in range(50)])
    np.testing.assert_array_equal(star_labels(400_007), stars[7])
    assert len(np.unique(stars[:, 0])) == 50
    labels = all_labels(stars)
    labels[:, 4] = 10.0  # vbroad, which a synthesis has not
    assert inside(labels).all()
    assert max(metallicity(star) for star in stars) <= MAX_METALLICITY


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


def test_merging_a_chunk_twice_adds_its_stars_once(tmp_path):
    out = tmp_path / "grid.h5"
    with pytest.raises(KeyboardInterrupt):
        make_grid(out, 8, 20, FakeEngine, report=_stop)
    first = stored(out)["index"].size
    chunk = tmp_path / "again.npz"
    whole = stored(out)
    np.savez(chunk, **whole)
    assert load_chunk(chunk).index.size == first
    merge([chunk], out)
    assert stored(out)["index"].size == first
    assert not chunk.exists()


def _stop(progress):
    raise KeyboardInterrupt


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


def test_grid_of_another_line_list_or_another_file_is_not_added_to(tmp_path):
    out = tmp_path / "grid.h5"
    make_grid(out, 8, 2, FakeEngine)
    with pytest.raises(DataError, match=r"another way .linelist calibrated, not original"):
        open_grid(out, FakeEngine(linelist="original"))
    (tmp_path / "notes.h5").write_text("not HDF5")
    with pytest.raises(DataError, match="is no grid file"):
        open_grid(tmp_path / "notes.h5", FakeEngine())
    with pytest.raises(DataError, match="need further seeds"):
        make_grid(out, 8, 100_001, FakeEngine)


# One star


def test_synthesised_spectrum_is_read_again_as_what_it_is(tmp_path):
    labels, flux = labels_from(SUN), np.linspace(0.5, 1.0, grid_wavelength().size)
    write_synthesis(tmp_path / "sun.fits", labels, grid_wavelength(), flux, {"engine": "fake"})
    found = read(tmp_path / "sun.fits")
    assert found.medium is Medium.AIR
    assert found.resolving_power == pytest.approx(60_000, rel=1e-3)
    np.testing.assert_allclose(found.wavelength, grid_wavelength())
    np.testing.assert_allclose(found.flux, flux)

    write_synthesis(tmp_path / "sun.csv", labels, grid_wavelength(), flux, {})
    table = np.loadtxt(tmp_path / "sun.csv", delimiter=",", skiprows=1)
    np.testing.assert_allclose(table, np.stack([grid_wavelength(), flux], 1), atol=1e-4)


def test_commands_refuse_in_words_and_write_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("KIEL_DATA", str(tmp_path))
    runner, out = CliRunner(), tmp_path / "sun.fits"
    for arguments, said in {
        ("--labels", "teff=5777,logg=4.44", "--out", str(out)): "build it with `make turbospectrum`",
        ("--labels", "teff=5777", "--out", str(out)): "logg is missing",
        ("--labels", "teff=5777,logg=4.44", "--out", str(tmp_path / "sun.txt")): "ends in .fits or .csv",
    }.items():
        result = runner.invoke(app, ["synthesise", *arguments, "--turbospectrum", str(tmp_path)])
        assert result.exit_code == 2
        assert said in result.stderr
    refused = runner.invoke(app, ["grid", str(tmp_path / "g.h5"), "--seed", "4", "--turbospectrum", str(tmp_path)])
    assert refused.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_missing_line_lists_are_named(tmp_path):
    with pytest.raises(DataError, match=r"atlas9_odfnew.npz are missing; name the folder"):
        open_turbospectrum(tmp_path, tmp_path, tmp_path)


# Turbospectrum itself


@pytest.mark.slow
@pytest.mark.parametrize("metal_poor", [False, True])
def test_turbospectrum_reproduces_the_shared_grid(engine, shared, metal_poor):
    with h5py.File(shared / "grid" / "grid-3.h5") as f:
        labels, index = f["labels"][:].astype(float), f["index"][:]
        wanted = (index % 10 == 7) & ((labels[:, 2] < -3.0) if metal_poor else (np.abs(labels[:, 2]) < 0.2))
        row = int(np.flatnonzero(wanted)[0])
        expected = f["flux"][row] / 50_000
    flux = to_grid(*engine.synthesise(labels[row]))
    assert np.sqrt(np.mean((flux - expected) ** 2)) < 5e-4


@pytest.mark.slow
def test_turbospectrum_that_gives_nothing_is_reported_with_the_star(engine):
    with pytest.raises(SynthesisError, match=r"babsma_lu took more than .* for Teff 5777 K, log g 4\.44"):
        type(engine)(**{**vars(engine), "timeout_s": 0.01}).synthesise(labels_from(SUN))
