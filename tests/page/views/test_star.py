"""What stands under a star's name, and the tiles: in words, and only what was measured looks measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from fake_analysis import fake_analysis

from app.page.views.posterior import results_table
from app.page.views.star import chips, star_header, velocity_text
from app.page.views.tiles import tile
from cinn_core.inference.quantities import quantities
from cinn_core.inference.selection import PosteriorKind, selection_of
from cinn_core.lines import is_observed, line_windows
from cinn_core.stages import Status
from cinn_core.targets import COLUMN

STAR = fake_analysis(n=500)


def test_sentence_on_what_to_believe_comes_before_any_chip():
    header = str(star_header(STAR, selection_of(STAR, PosteriorKind.FLOW, (), ())))
    assert header.index('class="trust') < header.index('class="chip')


def test_every_chip_and_number_explains_itself_on_hover_and_focus():
    text = str(chips(("metal_poor", "snr_clipped")))
    assert text.count("title=") == text.count('tabindex="0"') == 3
    header = str(star_header(STAR, selection_of(STAR, PosteriorKind.FLOW, (), ())))
    assert header.count('class="term"') == header.count("<dt")


def test_in_domain_is_green_only_where_no_other_flag_speaks_against_the_answer():
    assert 'class="chip ok"' in str(chips(("snr_clipped", "medium_guessed")))
    assert 'class="chip ok"' not in str(chips(("chi2_high",)))
    assert "in domain" in str(chips(("chi2_high",)))


def test_velocity_that_was_not_found_is_said_so():
    assert velocity_text(replace(STAR.flux_vector, rv_kms=0.0, rv_error_kms=float("nan"))) == "not found"
    assert "±" in velocity_text(STAR.flux_vector)


def test_line_that_was_not_observed_gives_no_limit():
    lithium = replace(quantities(STAR)[COLUMN["li_fe"]], status=Status.LIMIT, limit95=3.26)
    assert tile(lithium, observed=True)["value"].startswith(("<", ">"))
    unseen = tile(lithium, observed=False)
    assert (unseen["value"], unseen["spread"], unseen["look"]) == ("not observed", "prior", "prior")


def test_lithium_is_observed_where_its_line_is():
    good = np.ones(STAR.flux_vector.good.size, bool)
    assert is_observed("li_fe", good)
    good[next(w for w in line_windows() if w.species == "Li I").pixels()] = False
    assert not is_observed("li_fe", good)
    assert is_observed("teff", good)


def test_numbers_that_are_no_measurement_look_like_none():
    teff = quantities(STAR)[0]
    assert tile(teff)["look"] == ""
    assert tile(teff, doubtful=True)["look"] == "doubtful"
    assert tile(replace(teff, status=Status.UNCONSTRAINED))["look"] == "prior"


def test_literature_beyond_a_tile_points_outward_with_its_distance():
    teff = quantities(STAR)[0]
    assert tile(teff, literature=teff.map + 1.0)["beyond"] == ""
    assert tile(teff, literature=teff.map + 2000.0)["beyond"] == "2000 ▸"
    assert tile(teff, literature=teff.map - 2000.0)["beyond"] == "◂ 2000"


def test_mode_outside_its_own_interval_is_explained():
    teff = quantities(STAR)[0]
    assert "all thirteen together" in tile(replace(teff, map=teff.hi68 + 50.0))["tip"]
    assert "all thirteen together" not in tile(teff)["tip"]


def test_tile_tells_what_real_stars_miss_by():
    assert "real stars of this kind: ± 31" in tile(quantities(STAR)[0], real=31.0)["tip"]


def test_limit_is_a_limit_in_the_table_of_results():
    lithium = replace(quantities(STAR)[COLUMN["li_fe"]], status=Status.LIMIT, limit95=9.0)
    assert results_table((lithium,))["mode"][0] == "< 9.00"
