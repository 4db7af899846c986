"""Many stars as one table: values, intervals, flags, literature with z-scores, and the verdict; as CSV or VOTable."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from astropy.table import Table

from ..instrument import ARMS
from ..literature import FLOOR, literature_for, z_scores
from ..stages import Analysis
from ..targets import SOLAR_A_LI, TARGETS
from .verdicts import Verdict

Row = dict[str, Any]


def catalogue_row(analysis: Analysis, verdict: Verdict | None = None) -> Row:
    """One star: text columns empty and numbers NaN where there is nothing to say."""
    vector, summary = analysis.flux_vector, analysis.summary
    literature = literature_for(vector.star, vector.file)
    row: Row = {"star": vector.star, "file": vector.file, "sha256": vector.sha256}
    for name in ("grade", "reason", "comment", "reviewer"):
        row[name] = "" if verdict is None else str(getattr(verdict, name))
    row["flags"] = " ".join(analysis.flags)
    for target in TARGETS:
        numbers = summary.targets[target.name]
        row[target.name] = numbers.map
        row[f"{target.name}_lo68"], row[f"{target.name}_hi68"] = numbers.lo68, numbers.hi68
        row[f"{target.name}_status"] = str(numbers.status)
    row["a_li"] = summary.targets["li_fe"].map + SOLAR_A_LI + summary.targets["feh"].map
    scores = z_scores(summary, literature) if literature is not None else {}
    for name in FLOOR:
        row[f"{name}_literature"] = np.nan if literature is None else literature.values[name]
        row[f"{name}_difference"] = row[name] - row[f"{name}_literature"]
        row[f"{name}_z"] = scores.get(name, np.nan)
    row["trust"] = "" if literature is None else literature.trust
    row["rv_kms"], row["chi2_per_pixel"] = vector.rv_kms, analysis.resimulation.chi2_per_pixel
    for arm, snr in zip(ARMS, vector.snr, strict=True):
        row[f"snr_{arm.name}"] = snr
    row["rejected_fraction"] = analysis.posterior.rejected_fraction
    return row


def as_csv(rows: Sequence[Row]) -> bytes:
    """Rows with the same keys as a CSV table."""
    buffer = io.StringIO()
    _table(rows).write(buffer, format="ascii.csv")
    return buffer.getvalue().encode()


def as_votable(rows: Sequence[Row]) -> bytes:
    """Rows with the same keys as a VOTable."""
    buffer = io.BytesIO()
    _table(rows).write(buffer, format="votable")
    return buffer.getvalue()


def _table(rows: Iterable[Row]) -> Table:
    listed = list(rows)
    keys = list(listed[0]) if listed else []
    return Table({key: [row[key] for row in listed] for key in keys})
