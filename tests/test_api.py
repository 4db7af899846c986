"""Kiel in Python and notebooks: the numbers of the command line, shown, plotted and converted."""

from __future__ import annotations

import json

import matplotlib
import numpy as np
import pytest

import cinn_core.api as kiel
from cinn_core.analyse import analyse as core_analyse
from cinn_core.errors import DataError, KielError, SpectrumError
from cinn_core.inference.quantities import quantities
from cinn_core.instrument import WAVELENGTH
from cinn_core.output.bundle import read_bundle
from cinn_core.targets import COLUMN, TARGET_NAMES

N = 512


@pytest.fixture(scope="module", autouse=True)
def _no_windows():
    with matplotlib.rc_context():
        matplotlib.use("agg")
        yield
        import matplotlib.pyplot as plt

        plt.close("all")


@pytest.fixture(scope="module")
def star(model, examples):
    return kiel.analyse(str(examples["lithium-rich-dwarf"]), model, n_samples=N)


def test_same_numbers_as_the_core(star, model, examples):
    core = core_analyse(examples["lithium-rich-dwarf"], model, n_samples=N)
    np.testing.assert_array_equal(star.posterior.labels, core.posterior.labels)
    assert star.summary == core.summary


def test_a_star_shows_itself_with_every_quantity(star):
    text, page = repr(star), star._repr_html_()
    for quantity in quantities(star):
        assert quantity.label in text
        assert f"<td>{quantity.label}</td>" in page
    assert quantities(star)[0].value_text in text


def test_what_is_known_from_elsewhere_is_given_in_the_words_of_the_command_line(star):
    found = star.given("feh=-0.1,0.1", numax="2000±100", parallax="20±0.1", magnitude="G=7.5", mass="1.1±0.1")
    assert [one.target for one in found.constraints] == ["feh", "numax", "parallax"]
    assert len(found.tensions) == 3
    with pytest.raises(KielError, match="speak together"):
        star.given(magnitude="G=7.5")


def test_what_a_file_says_is_text_and_never_markup(star):
    from dataclasses import replace

    hostile = replace(star, flux_vector=replace(star.flux_vector, star="<script>alert(1)</script>", file="<b>.fits"))
    assert isinstance(hostile, kiel.Star)
    assert "<script>" not in hostile._repr_html_()
    assert "<b>.fits" not in hostile._repr_html_()


def test_tables_and_json(star):
    table = star.to_table()
    assert list(table["target"]) == list(TARGET_NAMES)
    assert table["map"][COLUMN["teff"]] == star.summary.targets["teff"].map
    assert len(star.samples()) == len(star.posterior.labels)
    assert json.loads(json.dumps(star.to_json()))["targets"]["feh"]["map"] == star.summary.targets["feh"].map


def test_a_saved_star_comes_back(star, tmp_path):
    star.save(tmp_path / "star.zip")
    back = read_bundle((tmp_path / "star.zip").read_bytes(), "star.zip").analysis
    np.testing.assert_array_equal(back.posterior.labels, star.posterior.labels)


def test_plots_show_the_data(star):
    upper, lower = star.plot()
    line = upper.get_lines()[0]
    np.testing.assert_array_equal(line.get_ydata(), star.flux_vector.flux[: len(line.get_ydata())])
    assert lower.get_xlabel().startswith("wavelength in air")
    (axis,) = star.plot((6700.0, 6715.0), {"A(Li) = 1": kiel.what_if(star, a_li=1.0)})
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["A(Li) = 1"]
    assert star.plot_corner("teff", "logg").shape == (2, 2)
    assert star.plot_kiel().get_xlim()[0] > star.plot_kiel().get_xlim()[1]
    assert "Li I 6707.8" in star.plot_line("Li").get_title()
    assert "Mg" in star.plot_saliency("mg_fe").get_ylabel()


def test_what_if_without_changes_is_the_mode_and_less_lithium_a_weaker_line(star, model):
    near = np.abs(WAVELENGTH - 6707.8) < 0.3
    same, less = kiel.what_if(star, model), kiel.what_if(star, model, a_li=1.0)
    np.testing.assert_allclose(same.comparison.flux, star.resimulation.map_flux, atol=2e-4)  # the sliders' rounding
    assert less.comparison.flux[near].min() > same.comparison.flux[near].min() + 0.05
    np.testing.assert_array_equal(kiel.what_if(star, model, li_fe=1.0).labels, less.labels)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda s: s.plot_corner("lithium"), "No target is called lithium"),
        (lambda s: s.plot_saliency("fe"), "No target is called fe"),
        (lambda s: s.plot_line("Xx I"), "There is no diagnostic line 'Xx I'"),
        (lambda s: s.plot((5800.0, 6000.0)), "holds no pixels; the spectrograph sees 5160-5730 and 6100-6790"),
        (lambda s: kiel.what_if(s, iron=1), "No label is called iron"),
    ],
)
def test_what_does_not_exist_is_refused_in_a_sentence(star, call, sentence):
    with pytest.raises(KielError, match=sentence):
        call(star)


def test_batch_gives_the_rows_and_goes_on_where_it_stopped(examples, tmp_path):
    paths = list(examples.values())[:2]
    rows = kiel.batch(paths, tmp_path / "out", n_samples=N, processes=1)
    assert len(rows) == 2
    assert list(kiel.batch(paths, tmp_path / "out", n_samples=N)["teff_map"]) == list(rows["teff_map"])
    with pytest.raises(DataError, match="holds no rows"):
        kiel.read_batch(tmp_path)


def test_what_is_no_spectrum_is_refused(model):
    with pytest.raises(SpectrumError, match="is not a file"):
        kiel.analyse("/nowhere/star.fits", model)
