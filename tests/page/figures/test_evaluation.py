"""The figures of an evaluation: one file for each of the paper's, the same numbers the same file."""

import pytest
from made_up_evaluation import made_up_evaluation

from app.page.figures.evaluation import write_figures


@pytest.mark.nightly
def test_each_of_the_papers_figures_is_written_and_reproducible(tmp_path):
    found = made_up_evaluation(60)
    paths = write_figures(found, tmp_path / "a")
    assert [path.name[:5] for path in paths] == ["fig01", "fig04", "fig05", "fig08", "fig09", "fig10"]
    again = write_figures(found, tmp_path / "b")
    for one, other in zip(paths, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert one.stat().st_size > 10_000
