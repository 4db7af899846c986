"""The page's tables: what may change in them while a browser draws them."""

from __future__ import annotations

import pandas as pd
import panel as pn
import pytest
from bokeh.document import Document

from app.page.views.stars import frame, hidden, summed
from app.page.visit import Source


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")  # of Panel's own call
def test_a_star_that_arrives_changes_the_rows_and_never_the_columns():
    """New columns would be set before the browser's table has a head, and the whole message with the star be lost."""
    table = pn.widgets.Tabulator(frame([]), disabled=True, show_index=False)
    model = table.get_root(Document())
    changed: list[str] = []
    for name in ("columns", "configuration"):
        model.on_change(name, lambda attribute, _old, _new: changed.append(attribute))
    model.source.on_change("data", lambda attribute, _old, _new: changed.append(attribute))
    row = {name: 1.0 if dtype.kind == "f" else "x" for name, dtype in frame([]).dtypes.items()}
    table.value = frame([row])
    table.value = frame([row, row])
    assert changed == ["data", "data"]
    assert [column.field for column in model.columns] == list(frame([]).columns)


def test_columns_that_are_chosen_are_those_seen_beside_the_name():
    seen = [name for name in frame([]).columns if name not in hidden(["Teff", "flags"])]
    assert seen == ["star", "Teff", "flags"]
    assert hidden([]) == []


def test_empty_cells_of_a_column_of_numbers_stay_numbers():
    """So that the table sorts by value where a star has no literature."""
    row = {name: None for name in frame([]).columns}
    assert all(frame([row]).dtypes == frame([]).dtypes)
    assert pd.isna(frame([row])["Teff"][0])


def test_marked_exposures_become_one_source_and_sums_among_them_are_taken_apart():
    a, b, c = (Source(name.encode(), name) for name in "abc")
    both = summed([a, b])
    assert (both.name, both.others) == ("a", (b,))
    assert summed([both, c]).others == (b, c)
    assert summed([c, both]).others == (a, b)
