"""Stars with literature values: the index, the shipped table, differences and z-scores."""

from __future__ import annotations

import re

import numpy as np
import pytest
from fake_benchmark import answer, entry
from missing import missing

from cinn_core.errors import DataError
from cinn_core.literature import KnownStar, benchmarks, differences, literature_for, read_index, z_scores

HEAD = "file,star,category,teff,logg,feh,e_teff,trust"


def index_of(tmp_path, *lines, head=HEAD):
    path = tmp_path / "INDEX.csv"
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def test_an_index_gives_literature_values_and_none_where_it_has_none(tmp_path):
    path = index_of(tmp_path, "a.fits,Sun,main,5772,4.44,0.0,40,fundamental", "b.fits,Nameless,suspect,,, ,,")
    first, second = read_index(path)
    assert (first.file, first.star, first.category, first.trust) == ("a.fits", "Sun", "main", "fundamental")
    assert first.literature == {"teff": 5772.0, "logg": 4.44, "feh": 0.0}
    assert second.literature == {"teff": None, "logg": None, "feh": None}
    assert not second.counts


def test_literature_errors_join_their_floors_in_quadrature(tmp_path):
    (first,) = read_index(index_of(tmp_path, "a.fits,Sun,main,5772,4.44,0.0,40,fundamental"))
    assert first.sigma("teff") == pytest.approx(50.0)  # 30 and 40 K
    assert first.sigma("logg") == pytest.approx(0.03)
    assert first.sigma("feh") == pytest.approx(0.05)


def test_an_index_without_a_column_is_refused_by_its_name(tmp_path):
    with pytest.raises(DataError, match="no column logg, feh"):
        read_index(index_of(tmp_path, head="file,star,category,teff"))


def test_an_index_with_text_for_a_number_names_the_file(tmp_path):
    with pytest.raises(DataError, match=r"a\.fits"):
        read_index(index_of(tmp_path, "a.fits,Sun,main,hot,4.44,0.0,,"))


def test_an_index_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="no index"):
        read_index(tmp_path / "INDEX.csv")


def test_only_fundamental_stars_of_the_domain_count():
    assert entry().counts
    assert not entry(trust="catalogue").counts
    assert not entry(category="suspect").counts
    assert not entry(feh=-1.6).counts
    assert entry(feh=-1.6).corrects  # the paper's correction takes stars above -2
    assert entry(feh=-1.6).is_metal_poor
    assert not entry(teff=4100.0).counts
    assert not entry(teff=6800.0).counts


def test_other_kinds_of_stars_have_to_be_warned_of():
    assert entry(category="out_of_domain").is_foreign
    assert entry(category="suspect").is_foreign
    assert KnownStar("CS", {}, {}, "uncertain", "a value (CEMP-r)", file="c.fits", category="main").is_foreign
    assert not entry().is_foreign


def test_difference_is_map_minus_literature_and_z_is_it_over_both_errors():
    known = entry()
    found = answer({"teff": 5872.0, "logg": 4.40, "feh": 0.03}, half=0.04)
    assert differences(found.summary, known) == pytest.approx({"teff": 100.0, "logg": -0.04, "feh": 0.03})
    assert z_scores(found.summary, known)["teff"] == pytest.approx(
        100.0 / 50.0
    )  # 40 K of the answer, 30 K of the literature
    assert z_scores(found.summary, known)["logg"] == pytest.approx(-0.04 / 0.05)


def test_benchmark_stars_are_found_by_alias_and_by_the_name_of_a_file():
    assert literature_for("HD 61421").star == "Procyon"
    assert literature_for("", "ADP_procyon_snr549_UVES.fits").star == "Procyon"
    assert literature_for("nobody", "nothing.fits") is None


def test_all_192_stars_of_the_third_version_ship_with_fundamental_values():
    third = [star for star in benchmarks() if star.source.startswith("GBSv3")]
    assert len(third) == 192  # Soubiran et al. (2024), table 6
    assert all(star.trust == "fundamental" and set(star.errors) == {"teff", "logg"} for star in third)
    assert all(None not in star.literature.values() for star in third)


def test_no_name_belongs_to_two_stars():
    owners: dict[str, set[str]] = {}
    for star in benchmarks():
        for name in (star.star, *star.aliases):
            owners.setdefault(re.sub(r"[^a-z0-9+]", "", name.lower()), set()).add(star.star)
    assert [name for name, stars in owners.items() if len(stars) > 1] == []


@pytest.mark.parametrize(
    ("name", "file", "star"),
    [
        ("alf Boo", "", "Arcturus"),
        ("", "HARPS.GBOG_betOph_2.fits", "beta Oph"),
        ("HD 62509", "", "Pollux"),
        ("* tet Cyg", "", "theta Cyg"),
        ("HIP57939", "", "HD 103095"),
        ("", "NARVAL_16CygB.txt", "16 Cyg B"),
        ("HD26965", "", "40 Eri A"),
    ],
)
def test_a_star_is_found_by_the_names_in_which_headers_and_files_differ(name, file, star):
    found = literature_for(name, file)
    assert found is not None
    assert found.star == star


def test_shipped_stars_say_what_the_index_says(shared):
    path = shared / "spectra" / "INDEX.csv"
    if not path.is_file():
        missing("no index of real spectra in the data folder")
    entries = [e for e in read_index(path) if e.literature["teff"] is not None and e.category == "main"]
    shipped = {star.star: star for star in benchmarks()}
    assert len(shipped) >= 20
    for e in entries:
        found = literature_for(e.star.split(" (")[0])
        assert found is not None, e.star
        assert found.values == e.literature, e.star
        assert found.trust == e.trust


def test_index_of_real_spectra_has_the_ten_development_stars_and_a_few_more_fundamental_ones(shared):
    path = shared / "spectra" / "INDEX.csv"
    if not path.is_file():
        missing("no index of real spectra in the data folder")
    entries = read_index(path)
    sun = [e.literature["teff"] for e in entries if e.star == "Sun"]
    np.testing.assert_array_equal(sun, 5772.0)
    assert len({e.star for e in entries if e.counts}) == 10
    assert {e.category for e in entries if e.is_foreign} == {"main", "out_of_domain", "suspect"}
