"""Rows of a batch: a star's numbers, flags and provenance, or why it was refused; as Parquet and as tables of astronomy's tools."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Column, MaskedColumn, Table, vstack

from ..errors import DataError
from ..files import written
from ..inference.judge import Judgement
from ..inference.summary import derived_values
from ..instrument import ARMS
from ..output.catalogue import votable_bytes
from ..prior import N_TARGETS
from ..stages import FluxVector, PosteriorSamples, Summary, TargetSummary
from ..targets import TARGETS
from .items import Item

_NUMBERS = tuple(f.name for f in fields(TargetSummary) if f.name not in ("unit", "status"))
_DERIVED = ("mean", "median", "lo68", "hi68", "lo95", "hi95")
_FORMATS = {".vot": "votable", ".xml": "votable", ".fits": "fits"}
_LEFT_OUT = ("correlations",)
_UNITS = ("K", "km/s")
"""Units that the standards know; another, such as dex, stands in the column's description."""


def schema() -> pa.Schema:
    """Columns of a partition; units in each field's metadata."""
    columns = [
        pa.field("item", pa.int64(), metadata={"about": "number of the spectrum in this batch"}),
        pa.field("file", pa.string()),
        pa.field("hdu", pa.int32()),
        pa.field("row", pa.int64()),
        pa.field("star", pa.string()),
        pa.field("refused", pa.string(), metadata={"about": "why there is no answer; null where there is one"}),
        pa.field("flags", pa.list_(pa.string())),
        pa.field("rejected_fraction", pa.float32()),
        pa.field("chi2", pa.float32(), metadata={"about": "mean squared misfit at the mode, noise and model error"}),
        pa.field("distance", pa.float32(), metadata={"about": "of the embedding from the training stars"}),
        pa.field("rv_kms", pa.float64(), metadata={"unit": "km/s"}),
        pa.field("rv_error_kms", pa.float64(), metadata={"unit": "km/s"}),
        *(pa.field(f"snr_{a.name}", pa.float32(), metadata={"unit": "per Angstrom"}) for a in ARMS),
        *(pa.field(f"coverage_{a.name}", pa.float32()) for a in ARMS),
        pa.field("native_resolving_power", pa.float32()),
        pa.field("sha256", pa.string()),
    ]
    for target in TARGETS:
        unit = {"unit": target.unit}
        columns += [pa.field(f"{target.name}_{key}", pa.float32(), metadata=unit) for key in _NUMBERS]
        columns.append(pa.field(f"{target.name}_status", pa.string()))
    for name in derived_values(np.zeros((1, N_TARGETS))):
        columns += [pa.field(f"{name}_{key}", pa.float32(), metadata={"unit": "dex"}) for key in _DERIVED]
    columns.append(pa.field("correlations", pa.list_(pa.float32()), metadata={"about": "13 x 13, row by row"}))
    return pa.schema(columns)


def refused_row(number: int, item: Item, reason: str) -> dict[str, Any]:
    """Row of a spectrum without an answer."""
    return {"item": number, **_place(item), "refused": " ".join(reason.split())}


def answer_row(
    number: int,
    item: Item,
    vector: FluxVector,
    posterior: PosteriorSamples,
    summary: Summary,
    judgement: Judgement,
) -> dict[str, Any]:
    """Row of a star that was answered."""
    row: dict[str, Any] = {"item": number, **_place(item), "star": vector.star, "flags": list(judgement.flags)}
    row["rejected_fraction"] = posterior.rejected_fraction
    row |= {"chi2": judgement.misfit, "distance": judgement.distance}
    row |= {"rv_kms": vector.rv_kms, "rv_error_kms": vector.rv_error_kms, "sha256": vector.sha256}
    row |= {f"snr_{arm.name}": snr for arm, snr in zip(ARMS, vector.snr, strict=True)}
    row |= {f"coverage_{arm.name}": share for arm, share in zip(ARMS, vector.coverage, strict=True)}
    row["native_resolving_power"] = vector.native_resolving_power
    for name, target in summary.targets.items():
        row |= {f"{name}_{key}": getattr(target, key) for key in _NUMBERS}
        row[f"{name}_status"] = target.status.value
    for name, quantity in summary.derived.items():
        row |= {f"{name}_{key}": getattr(quantity, key) for key in _DERIVED}
    row["correlations"] = [c for line in summary.correlations for c in line]
    return row


def _place(item: Item) -> dict[str, Any]:
    return {"file": item.file, "hdu": item.hdu, "row": item.row}


def samples_table(numbers: Sequence[int], posteriors: Sequence[PosteriorSamples]) -> pa.Table:
    """Samples as half-precision offsets from each star's MAP in prior coordinates: labels are `prior.from_z(map_z + offset)`."""
    offsets = [(p.z - p.map_z).astype(np.float16).ravel() for p in posteriors]
    return pa.table(
        {
            "item": pa.array(numbers, pa.int64()),
            "map_z": pa.array([p.map_z.astype(np.float32) for p in posteriors], pa.list_(pa.float32())),
            "z_offset": pa.array(offsets, pa.list_(pa.float16())),
            "log_density": pa.array([p.log_prob.astype(np.float32) for p in posteriors], pa.list_(pa.float32())),
        }
    )


def rows_table(rows: Sequence[dict[str, Any]], metadata: dict[str, str]) -> pa.Table:
    """Table of a partition's rows, with what they share in its metadata."""
    return pa.Table.from_pylist(list(rows), schema=schema().with_metadata(metadata))


def write_table(table: pa.Table, path: Path) -> None:
    """Write Parquet whole or not at all: to a file of its own beside, on the disk, then renamed.

    Raises DataError where the disk is full or not writable, and leaves nothing behind.
    """
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    try:
        with written(path) as part, part.open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        raise DataError(
            f"{path} could not be written ({problem.strerror}); what is in the folder is whole. "
            "Make room and run the same command again: it goes on where it stopped."
        ) from problem


def require_table_name(path: Path) -> None:
    """Raise DataError for a file name whose ending is not that of a table's format."""
    if path.suffix not in _FORMATS:
        raise DataError(f"{path.name} does not end like a table; name it .vot, .xml or .fits.")


def all_rows(folder: Path) -> Table:
    """All rows of the batch in `folder`, by item, without the correlations, flags joined by spaces."""
    parts = sorted((folder / "rows").glob("part-*.parquet"))
    table = vstack([_table(part) for part in parts], metadata_conflicts="silent")
    table.sort("item")
    return table


def export_rows(folder: Path, path: Path) -> None:
    """Write all rows of the batch in `folder`, without the correlations, flags joined by spaces, as one VOTable or FITS table.

    The file is written whole or not at all. Raises DataError for a name of another ending or a disk that is full.
    """
    require_table_name(path)
    table = all_rows(folder)
    try:
        with written(path) as part:
            if _FORMATS[path.suffix] == "votable":
                part.write_bytes(votable_bytes(table, binary=True))
            else:
                table.filled().write(part, format="fits", overwrite=True)
    except OSError as problem:
        raise DataError(f"{path} could not be written ({problem.strerror}); the partitions are whole.") from problem


def _table(part: Path) -> Table:
    rows = pq.read_table(part)
    table = Table(meta={k.decode(): v.decode() for k, v in (rows.schema.metadata or {}).items() if len(k) < 9})
    for field in rows.schema:
        if field.name in _LEFT_OUT:
            continue
        values = rows[field.name].to_pylist()
        metadata = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
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
            unit = metadata.get("unit", "")
            about = metadata.get("about") or unit
            table[field.name] = Column(numbers, unit=unit if unit in _UNITS else None, description=about or None)
    return table
