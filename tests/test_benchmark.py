"""Real stars against the literature: the index, the differences, the refusals and what sums them up."""

from __future__ import annotations

import numpy as np
import pytest

from cinn_core.benchmark import BenchmarkRow, IndexEntry, read_index, run_benchmark, summarise_benchmark, to_json
from cinn_core.errors import DataError, SpectrumError

HEAD = "file,star,category,teff,logg,feh,trust"


def index_of(tmp_path, *lines, head=HEAD):
    path = tmp_path / "INDEX.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def entry(category="main", teff=5772.0):
    return IndexEntry("sun.fits", "Sun", category, "", {"teff": teff, "logg": 4.44, "feh": 0.0})


def test_an_index_gives_literature_values_and_none_where_it_has_none(tmp_path):
    path = index_of(tmp_path, "a.fits,Sun,main,5772,4.44,0.0,fundamental", "b.fits,Nameless,suspect,, ,,")
    first, second = read_index(path)
    assert (first.file, first.star, first.category, first.trust) == ("a.fits", "Sun", "main", "fundamental")
    assert first.literature == {"teff": 5772.0, "logg": 4.44, "feh": 0.0}
    assert second.literature == {"teff": None, "logg": None, "feh": None}


def test_an_index_without_a_column_is_refused_by_its_name(tmp_path):
    with pytest.raises(DataError, match="no column logg, feh"):
        read_index(index_of(tmp_path, head="file,star,category,teff"))


def test_an_index_with_text_for_a_number_names_the_file(tmp_path):
    with pytest.raises(DataError, match=r"a\.fits"):
        read_index(index_of(tmp_path, "a.fits,Sun,main,hot,4.44,0.0,"))


def test_an_index_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="no index"):
        read_index(tmp_path / "INDEX.csv")


def test_difference_is_map_minus_literature(tmp_path, made_up):
    (tmp_path / "sun.fits").touch()
    (row,) = run_benchmark([entry(teff=5700.0)], tmp_path, lambda path: made_up)
    assert row.refusal is None
    assert row.differences["teff"] == pytest.approx(made_up.summary.targets["teff"].map - 5700.0)
    assert row.flags == made_up.flags


def test_a_refused_file_keeps_its_reason_and_the_others_go_on(tmp_path, made_up):
    (tmp_path / "sun.fits").touch()
    answers = iter([SpectrumError("This is an image of a cat."), made_up])

    def analyse(path):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    missing = IndexEntry("nothing.fits", "", "main", "", dict.fromkeys(("teff", "logg", "feh")))
    rows = list(run_benchmark([entry(), missing, entry()], tmp_path, analyse))
    assert rows[0].refusal == "This is an image of a cat."
    assert "not in" in rows[1].refusal
    assert rows[2].refusal is None
    document = to_json(rows)
    assert document["stars"][0]["map"] is None
    assert document["stars"][0]["difference"] is None
    assert document["stars"][2]["map"]["teff"] == made_up.summary.targets["teff"].map


def test_summary_is_median_and_mad_of_the_main_spectra(tmp_path):
    differences = [-30.0, -10.0, 0.0, 20.0, 500.0]
    rows = [BenchmarkRow(entry(), {"teff": 5772.0 + d, "logg": 4.44, "feh": 0.0}) for d in differences]
    rows.append(BenchmarkRow(entry("suspect"), {"teff": 9000.0, "logg": 1.0, "feh": -3.0}))
    rows.append(BenchmarkRow(entry(), {}, refusal="no"))
    found = summarise_benchmark(rows)["teff"]
    assert (found.n, found.median) == (5, 0.0)
    assert found.scatter == pytest.approx(1.48 * 20.0)


def test_summary_of_nothing_is_null_in_json(tmp_path):
    summary = to_json([])["summary"]["teff"]
    assert summary == {"n": 0, "median": None, "scatter": None}


def test_index_of_real_spectra_is_read(shared):
    path = shared / "spectra" / "INDEX.csv"
    if not path.is_file():
        pytest.skip("no index of real spectra in the data folder")
    entries = read_index(path)
    sun = [e.literature["teff"] for e in entries if e.star == "Sun"]
    np.testing.assert_array_equal(sun, 5772.0)
