"""The table of many stars: limits are limits in every file, and a VOTable says what its columns are."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from astropy.io.votable import parse_single_table, ucd
from astropy.table import Table
from fake_analysis import fake_analysis, fake_more

from cinn_core.inference.quantities import quantities
from cinn_core.inference.summary import summarise
from cinn_core.output.catalogue import as_csv, as_votable, catalogue_row
from cinn_core.stages import Status
from cinn_core.targets import COLUMN, TARGETS


@pytest.fixture(scope="module")
def without_lithium():
    """A star whose lithium line is not there: its coordinate follows the prior from a bound downwards."""
    star = fake_analysis(n=4000)
    rng = np.random.default_rng(1)
    z = star.posterior.z.copy()
    z[:, COLUMN["li_fe"]] = -0.5 - np.abs(rng.standard_normal(4000))
    labels = star.posterior.labels.copy()
    labels[:, COLUMN["li_fe"]] = -0.5 + z[:, COLUMN["li_fe"]]
    posterior = replace(star.posterior, z=z, labels=labels)
    return replace(star, posterior=posterior, summary=summarise(posterior))


def test_limit_is_a_limit_in_csv(without_lithium):
    lithium = quantities(without_lithium)[COLUMN["li_fe"]]
    assert lithium.status is Status.LIMIT
    (row,) = Table.read(io.BytesIO(as_csv([catalogue_row(without_lithium)])), format="ascii.csv")
    assert row["a_li_status"] == row["li_fe_status"] == "limit"
    assert row["a_li_limit95"] == pytest.approx(lithium.limit95)
    assert row["a_li_median"] < row["a_li_limit95"]
    assert np.ma.is_masked(row["teff_limit95"]) or np.isnan(row["teff_limit95"])


def test_every_target_has_mode_interval_median_status_and_limit(without_lithium):
    row = catalogue_row(without_lithium)
    parts = ("", "_lo68", "_hi68", "_median", "_status", "_limit95")
    assert all(f"{name}{part}" in row for name in (*(t.name for t in TARGETS), "a_li") for part in parts)


def test_error_of_real_stars_and_the_sentence_stand_in_the_table(without_lithium):
    row = catalogue_row(without_lithium)
    assert row["teff_real_stars"] > 0
    assert row["trust_level"] in ("good", "care", "not")
    assert row["trust_sentence"].endswith(".")


def test_votable_has_units_valid_ucds_and_descriptions(without_lithium):
    table = parse_single_table(io.BytesIO(as_votable([catalogue_row(without_lithium)])))
    fields = {field.name: field for field in table.fields}
    assert all(field.description for field in fields.values())
    for field in fields.values():
        ucd.parse_ucd(field.ucd, check_controlled_vocabulary=True)
    assert str(fields["teff"].unit) == "K"
    assert str(fields["rv_kms"].unit) == "km / s"


def test_elements_beside_the_targets_are_columns_where_a_star_has_them():
    plain = fake_analysis()
    more = replace(fake_analysis(seed=1), more=fake_more())
    rows = [catalogue_row(plain), catalogue_row(more)]
    for order in (rows, rows[::-1]):
        table = Table.read(io.BytesIO(as_csv(order)), format="ascii.csv")
        named = {len(row["ba_fe_status"]) > 0 if row["ba_fe_status"] is not np.ma.masked else False for row in table}
        assert named == {True, False}
        columns = parse_single_table(io.BytesIO(as_votable(order)))
        assert columns.get_field_by_id_or_name("eu_fe_limit95").description.startswith("[Eu/Fe]")
    assert "ba_fe_median" not in Table.read(io.BytesIO(as_csv([rows[0]])), format="ascii.csv").colnames
