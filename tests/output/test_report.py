"""The JSON of an analysis: its schema, its numbers, and null where a number does not exist."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from cinn_core.output.report import dumps, plain, to_json
from cinn_core.stages import Summary
from cinn_core.targets import TARGET_NAMES, TARGETS

KEYS = {"more", "physics_of_star", "real_stars",
    "schema", "file", "star", "targets", "derived", "correlations", "reliability", "importance", "rejected_fraction",
    "flags", "rv_kms", "snr_per_angstrom", "timings_s", "provenance",
}  # fmt: skip
NUMBERS = {"map", "map_paper", "mean", "median", "lo68", "hi68", "lo95", "hi95", "unit", "status", "limit95"}


def test_document_holds_the_thirteen_targets_in_order_and_unit(made_up):
    document = to_json(made_up)
    assert set(document) == KEYS
    assert document["schema"] == 1
    assert tuple(document["targets"]) == TARGET_NAMES
    for target in TARGETS:
        assert set(document["targets"][target.name]) == NUMBERS
        assert document["targets"][target.name]["unit"] == target.unit


def test_numbers_survive_writing_and_reading(made_up):
    document = json.loads(dumps(to_json(made_up)))
    for name, found in made_up.summary.targets.items():
        assert document["targets"][name] == asdict(found)
    assert document["rv_kms"] == made_up.flux_vector.rv_kms
    assert document["snr_per_angstrom"] == made_up.flux_vector.snr_per_angstrom
    assert document["rejected_fraction"] == made_up.posterior.rejected_fraction
    assert document["flags"] == list(made_up.flags)


def test_a_number_that_does_not_exist_is_null(made_up):
    targets = dict(made_up.summary.targets)
    targets["li_fe"] = replace(targets["li_fe"], map=float("nan"), hi95=float("inf"))
    text = dumps(to_json(replace(made_up, summary=Summary(targets))))
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["targets"]["li_fe"]["map"] is None
    assert json.loads(text)["targets"]["li_fe"]["hi95"] is None


def test_arrays_and_numpy_scalars_become_plain_numbers():
    found = plain({"a": np.float32(0.5), "b": np.array([1.0, np.nan]), "c": (np.int64(3), np.True_), "d": {"y", "x"}})
    assert found == {"a": 0.5, "b": [1.0, None], "c": [3, True], "d": ["x", "y"]}
    assert [type(item) for item in found["c"]] == [int, bool]


def test_a_nan_that_slipped_in_is_never_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps({"a": float("nan")})
