"""Many stars as one table: values, intervals, flags, literature with z-scores, and the verdict; as CSV or VOTable."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from astropy.table import Column, Table

from ..inference.quantities import quantities
from ..inference.trust import real_error, trust_in
from ..instrument import ARMS
from ..literature import FLOOR, literature_for, z_scores
from ..stages import Analysis
from ..targets import COLUMN, NUISANCE_BOUNDS, SOLAR_A_LI, TARGETS
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
        row[f"{target.name}_median"], row[f"{target.name}_limit95"] = numbers.median, _number(numbers.limit95)
    row["a_li"] = summary.targets["li_fe"].map + SOLAR_A_LI + summary.targets["feh"].map
    lithium = quantities(analysis)[COLUMN["li_fe"]]
    row["a_li_lo68"], row["a_li_hi68"], row["a_li_median"] = lithium.lo68, lithium.hi68, lithium.median
    row["a_li_status"], row["a_li_limit95"] = str(lithium.status), _number(lithium.limit95)
    for name in FLOOR:
        row[f"{name}_real_stars"] = _number(real_error(analysis, name))
    trust = trust_in(analysis)
    row["trust_level"], row["trust_sentence"] = trust.level.value, trust.sentence
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
    for name, element in {} if analysis.more is None else analysis.more.elements.items():
        row[f"{name}_median"], row[f"{name}_limit95"] = element.median, _number(element.limit95)
        row[f"{name}_lo68"], row[f"{name}_hi68"] = element.lo68, element.hi68
        row[f"{name}_status"] = str(element.status)
    return row


def as_csv(rows: Sequence[Row]) -> bytes:
    """Rows as a CSV table; what a star has no number for is empty."""
    buffer = io.StringIO()
    _table(rows).write(buffer, format="ascii.csv")
    return buffer.getvalue().encode()


def as_votable(rows: Sequence[Row]) -> bytes:
    """Rows as a VOTable; what a star has no number for is NaN or empty."""
    return votable_bytes(_table(rows))


def votable_bytes(table: Table, binary: bool = False) -> bytes:
    """A table as a VOTable; texts of any length, since astropy's of one length are not what validators accept."""
    plain = table.copy(copy_data=False)
    for name in plain.colnames:
        if plain[name].dtype.kind == "U":
            plain[name] = Column(
                np.ma.filled(plain[name], "").astype(object), description=plain[name].description, meta=plain[name].meta
            )
    buffer = io.BytesIO()
    plain.write(buffer, format="votable", **({"tabledata_format": "binary2"} if binary else {}))
    return buffer.getvalue()


def _table(rows: Iterable[Row]) -> Table:
    listed = list(rows)
    first = {key: value for row in reversed(listed) for key, value in row.items()}
    keys = sorted(first, key=lambda key: min(list(row).index(key) for row in listed if key in row))
    nothing = {key: "" if isinstance(value, str) else np.nan for key, value in first.items()}
    table = Table({key: [row.get(key, nothing[key]) for row in listed] for key in keys})
    for key in keys:
        unit, ucd, description = column_meaning(key)
        table[key].unit, table[key].description = unit or None, description
        table[key].meta["ucd"] = ucd
    return table


_WHOLE = {
    "star": ("", "meta.id", "Name of the star, from the file's header"),
    "file": ("", "meta.id;meta.file", "Name of the file"),
    "sha256": ("", "meta.id", "Hash of the file"),
    "grade": ("", "meta.code.qual", "Verdict of a person on the result"),
    "reason": ("", "meta.note", "Reason of the verdict"),
    "comment": ("", "meta.note", "Comment on the verdict"),
    "reviewer": ("", "meta.id", "Who gave the verdict"),
    "flags": ("", "meta.code", "Warnings about the answer"),
    "trust": ("", "meta.note", "Where the literature values come from"),
    "trust_level": ("", "meta.code.qual", "How far the numbers can be believed: good, care or not"),
    "trust_sentence": ("", "meta.note", "What to believe of the numbers, by how much and why"),
    "rv_kms": ("km/s", "spect.dopplerVeloc", "Velocity by cross-correlation"),
    "chi2_per_pixel": ("", "stat.fit.chi2", "Mean squared residual in units of the noise"),
    "rejected_fraction": ("", "stat.value", "Share of samples outside the prior"),
}
_UCD = {"teff": "phys.temperature.effective", "logg": "phys.gravity", "feh": "phys.abund.Fe", "vmic": "phys.veloc.microTurb",
        "vbroad": "phys.veloc.rotat"}  # fmt: skip
_PARTS = {
    "": ("", "mode of the posterior"),
    "_lo68": ("stat.min", "lower end of the shortest 68 % interval"),
    "_hi68": ("stat.max", "upper end of the shortest 68 % interval"),
    "_median": ("stat.median", "median of the posterior"),
    "_limit95": (
        "stat.max",
        "95 % limit, upper where it is above the median, else lower; only where the status is limit",
    ),
    "_status": ("meta.code", "measured, limit or unconstrained"),
    "_real_stars": ("stat.error", "what 68 % of real stars of this kind miss the literature by"),
    "_literature": ("", "value of the literature"),
    "_difference": ("arith.diff", "mode less the literature's value"),
    "_z": ("arith.ratio", "difference from the literature in units of both errors"),
}

_FIRST_WORDS = ("meta.code", "stat.error")
"""UCD words that stand before the quantity's; the others qualify it, after it."""


def column_meaning(key: str) -> tuple[str, str, str]:
    """Unit, UCD and description of a column."""
    if key in _WHOLE:
        return _WHOLE[key]
    if key.startswith("snr_"):
        return "", "stat.snr;em.opt", f"S/N per Angstrom of the {key[4:]} arm"
    labels = {t.name: (t.label, t.unit) for t in TARGETS} | {"a_li": ("A(Li)", "dex")}
    labels |= {name: (f"[{name.removesuffix('_fe').capitalize()}/Fe]", "dex") for name in NUISANCE_BOUNDS}
    name = max((name for name in labels if key.startswith(name)), key=len)
    part = key.removeprefix(name)
    ucd, words = _PARTS[part]
    quantity = _UCD.get(name, "phys.abund")
    unit = "" if part in ("_status", "_z") else {"dex": "", "K": "K"}.get(labels[name][1], "km/s")
    ucds = f"{ucd};{quantity}" if ucd in _FIRST_WORDS else f"{quantity};{ucd}" if ucd else quantity
    dex = ", in dex" if labels[name][1] == "dex" and part not in ("_status", "_z") else ""  # no unit of VOUnits
    return unit, ucds, f"{labels[name][0]}: {words}{dex}"


def _number(value: float | None) -> float:
    return np.nan if value is None else value
