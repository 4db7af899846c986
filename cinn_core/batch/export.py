"""All rows of a batch as one VOTable or FITS table for the tools of the Virtual Observatory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from astropy.table import Column, MaskedColumn, Table, vstack

from ..errors import DataError
from .plan import Plan

_FORMATS = {".vot": "votable", ".xml": "votable", ".fits": "fits"}
_LEFT_OUT = ("correlations",)
_UNITS = ("K", "km/s")
"""Units that the standards know; another, such as dex, is told in the column's description."""


def require_table_name(path: Path) -> None:
    """Refuses a name whose ending tells no format."""
    if path.suffix not in _FORMATS:
        raise DataError(f"{path.name} ends in no format of tables; name it .vot, .xml or .fits.")


def export_rows(plan: Plan, path: Path) -> None:
    """Writes all rows but the correlations, flags joined by spaces, whole or not at all."""
    require_table_name(path)
    table = vstack(
        [_table(part) for part in sorted((plan.folder / "rows").glob("part-*.parquet"))], metadata_conflicts="silent"
    )
    table.sort("item")
    beside = path.with_name(path.name + ".part")
    try:
        if _FORMATS[path.suffix] == "votable":
            table.write(beside, format="votable", tabledata_format="binary2", overwrite=True)
        else:
            table.filled().write(beside, format="fits", overwrite=True)
        os.replace(beside, path)
    except OSError as problem:
        beside.unlink(missing_ok=True)
        raise DataError(f"{path} could not be written ({problem.strerror}); the partitions are whole.") from problem


def _table(part: Path) -> Table:
    rows = pq.read_table(part)
    table = Table(meta={k.decode(): v.decode() for k, v in (rows.schema.metadata or {}).items() if len(k) < 9})
    for field in rows.schema:
        if field.name in _LEFT_OUT:
            continue
        values = rows[field.name].to_pylist()
        told = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        if field.name == "flags":
            values = [" ".join(v or ()) for v in values]
        if str(field.type) in ("string", "list<element: string>", "list<item: string>"):
            table[field.name] = Column([v or "" for v in values], dtype=str)
        elif str(field.type).startswith("int"):
            missing = [v is None for v in values]
            filled = np.array([-1 if v is None else v for v in values], np.int64)
            table[field.name] = MaskedColumn(filled, mask=missing, fill_value=-1)
        else:
            numbers = np.array(
                [np.nan if v is None else v for v in values],
                str(field.type)
                .replace("double", "float64")
                .replace("float", "float32")
                .replace("float3264", "float64"),
            )
            unit = told.get("unit", "")
            about = told.get("about") or unit
            table[field.name] = Column(numbers, unit=unit if unit in _UNITS else None, description=about or None)
    return table
