"""Files in the layouts of pipelines and people: each gives the velocity that its index says, or the question or refusal that is due."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from synthetic import templates

from cinn_core.errors import SpectrumError
from cinn_core.files import data_directory
from cinn_core.preparation.fourmost import prepare
from cinn_core.readers import list_spectra, read
from cinn_core.stages import Medium

DOCUMENTED = ("h17_lscnrs01-fa09-20220101-0001-e92-1d.fits", "h28_Flux-042.fits")
"""Files in air in the layouts of BANZAI-NRES and MAKEE, which write vacuum by their documentation: that wins."""
OTHER_MEDIUM_KMS = 83.2
VELOCITY_KMS = 1.0  # a pixel of these files is 2 to 3 km/s wide, S/N 150: the error is below 0.1


def index() -> list[dict[str, str]]:
    folder = data_directory()
    table = None if folder is None else folder / "cases" / "INDEX.csv"
    if table is None or not table.is_file():
        return []
    return list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


CASES = index()


@pytest.mark.parametrize("case", CASES, ids=[case["file"] for case in CASES])
def test_case_is_read_as_it_is_or_asked_about(case, shared):
    path: Path = shared / "cases" / case["file"]
    if case["expected"].startswith("asks"):
        with pytest.raises(SpectrumError, match=r"--row|--hdu|fibre"):
            read(path)
        assert len(list_spectra(path)) > 1
        return
    if case["expected"].startswith("refused"):
        with pytest.raises(SpectrumError):
            prepare(read(path), templates())
        return
    spectrum = read(path)
    vector = prepare(spectrum, templates())
    true = float(re.match(r"-?\d+(\.\d+)?", case["true_rv_kms"]).group())
    if case["file"] in DOCUMENTED:
        assert spectrum.medium is Medium.VACUUM
        true -= OTHER_MEDIUM_KMS
    assert abs(vector.rv_kms - true) < VELOCITY_KMS


def test_index_has_every_kind(shared):
    assert {case["kind"] for case in CASES} == set("ABCDEFGHIJKLMN")
