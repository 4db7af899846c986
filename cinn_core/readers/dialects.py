"""Dialects of text: what a file's lines are as columns of numbers with names, units and comments; VOTable and MOOG among them."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import SpectrumError
from .columns import by_ucd, by_utype
from .common import DAMAGE, Unnamed, in_words
from .roles import Role, listed, role_of

_MOST_LINES, _LONGEST_LINE = 3_000_000, 10_000
_SAMPLE = 2000  # lines that decide the dialect
_SIGNS_OF_COMMENTS = "#!%\\|"
_BARS = re.compile(r"\s*\|?\s*[-+]?\.?\d[\d.eEdD+-]*\s*\|")
_THOUSANDS = re.compile(r"(?<=\d)\.(?=\d{3}(?!\d))")
_EMPTY_CELL = re.compile(r"[,;][ \t]*(?:[,;]|$)|^[ \t]*[,;]", re.MULTILINE)
_PLAIN = b"0123456789.+-eE \t\r\n"
_MISSING = re.compile(r"(?<![\w.])(?:INDEF|null|none|n/?a|masked|nodata|-{2,}|\*+)(?![\w.])", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of numbers of a text: their names (or none), values (rows,) each, the unit of each, and the comments around them."""

    names: list[str]
    values: list[NDArray]
    units: list[str | None]
    comments: list[str]
    layout: str

    @property
    def shown(self) -> list[str]:
        return self.names or [f"column {i + 1}" for i in range(len(self.values))]


def is_votable(data: bytes) -> bool:
    """Whether the bytes begin as a VOTable."""
    return b"<VOTABLE" in data[:4096]


def decoded(data: bytes) -> str:
    """Text of bytes: UTF-16 by its mark or its zeros, else UTF-8, else Latin-1."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data[: len(data) // 2 * 2].decode("utf-16", "replace")
    for encoding, zeros in (("utf-16-le", data[1:400:2]), ("utf-16-be", data[0:400:2])):
        if len(data) > 3 and zeros and zeros.count(0) > 0.9 * len(zeros):
            return data[: len(data) // 2 * 2].decode(encoding, "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        cut = problem.start >= len(data) - 4  # a character cut at the end
        return data.decode("utf-8-sig", "ignore") if cut else data.decode("latin-1")


def text_columns(text: str, name: str, told: Collection[str] = ()) -> Columns:
    """Columns of a plain text, the names above them and its comments; `told`: names that a person knows to stand there."""
    if text.count("\n") > _MOST_LINES:
        raise SpectrumError(f"{name} is a text of more than {_MOST_LINES} lines; no spectrum of one star is that long.")
    lines = text.splitlines()
    if (synthesis := _moog(lines)) is not None:
        return synthesis
    if sum(bool(_BARS.match(line)) for line in lines[:_SAMPLE]) >= 3:
        lines = [line.replace("|", " ") for line in lines]
    decimal_comma = _has_decimal_commas(lines[:_SAMPLE])
    numeric = [_count(line, decimal_comma) for line in lines[:_SAMPLE]]
    first = next(
        (i for i in range(len(numeric) - 3) if numeric[i] >= 2 and numeric[i : i + 3] == [numeric[i]] * 3), None
    )
    if first is None and (plain := _without_words(lines)) is not None:
        return text_columns("\n".join(plain), name, told)
    if first is None:
        what = (
            "of one number a line, without wavelengths"
            if sum(n == 1 for n in numeric) > 10
            else "without columns of numbers"
        )
        raise SpectrumError(
            f"{name} is text {what}; a text spectrum has wavelength, flux and perhaps an error in each line."
        )
    body = "\n".join(lines[first:])
    if any(sign in body for sign in _SIGNS_OF_COMMENTS):  # loadtxt leaves empty lines out, but knows no signs
        body = "\n".join(line for line in lines[first:] if line.strip() and line.lstrip()[0] not in _SIGNS_OF_COMMENTS)
    if body.count("\t") == (numeric[first] - 1) * (len(lines) - first) and re.search(
        r"\t(?:\t|$)|^\t", body, re.MULTILINE
    ):
        body = re.sub(r"(?:(?<=\t)(?=\t|$)|^(?=\t))", "nan", body, flags=re.MULTILINE)  # empty cells between tabs
    try:
        table = np.loadtxt(io.StringIO(_plain_numbers(body, decimal_comma)), ndmin=2)
    except ValueError as problem:
        row = re.search(r"row (\d+)", str(problem))
        where = f" near line {first + int(row.group(1)) + 1}" if row else ""
        raise SpectrumError(
            f"The columns of {name} stop being {numeric[first]} numbers a line{where}; mend or cut the file there."
        ) from problem
    if len(table) > 1 and table[0, 0] == len(table) - 1 and np.array_equal(table[0], np.round(table[0])):
        table = table[1:]  # a line with the number of lines ahead of them
    names, units = _names_above(lines[:first], lines[first], table.shape[1], {n.strip().lower() for n in told})
    comments = [line.strip("#!%\\| \t")[:200] for line in lines[:first] if line.strip()]
    return Columns(names, list(table.T), units, comments, "text")


def _without_words(lines: list[str]) -> list[str] | None:
    """Lines without those columns that hold words, as a star's name in each; None where that leaves no two columns of numbers."""
    separator = next((s for s in (";", "\t", ",") if sum(s in line for line in lines[-50:]) > 25), None)
    rows = [[c.strip() for c in line.split(separator)] for line in lines]
    width = len(rows[-1]) if rows else 0
    last = [row for row in rows[-50:] if len(row) == width]
    kept = [i for i in range(width) if sum(_count(row[i]) == 1 for row in last) > 0.8 * len(last)]
    if len(last) < 10 or not 2 <= len(kept) < width:
        return None
    joint = separator or " "
    return [joint.join(row[i] for i in kept) if len(row) == width else "#" + joint.join(row) for row in rows]


def _moog(lines: list[str]) -> Columns | None:
    """MOOG's synthesis: depths below the line of start, stop, step and width that follows its MODEL; None for other texts."""
    at = next((i for i, line in enumerate(lines[:100]) if line.lstrip().upper().startswith("MODEL:")), None)
    if at is None or at + 2 >= len(lines) or _count(lines[at + 1]) != 4:
        return None
    start, stop, step, _ = (float(w) for w in _plain_numbers(lines[at + 1], False).split())
    words = " ".join(lines[at + 2 :]).split()
    if not (0 < start < stop and step > 0) or abs(len(words) - (stop - start) / step - 1) > 2:
        return None
    try:
        depth = np.array([float(w) for w in words])
    except ValueError:
        return None
    wave = start + step * np.arange(depth.size)
    return Columns(["wave", "flux"], [wave, 1 - depth], [None, None], ["air"], "MOOG synthesis, depths")


def votable_columns(data: bytes, name: str) -> Columns:
    """Columns of the first table of a VOTable that holds numbers; raises SpectrumError where there is none."""
    from astropy.io.votable import parse

    try:
        tables = [t for t in parse(io.BytesIO(data), verify="ignore").iter_tables() if len(t.array)]
        tables.sort(key=lambda t: not {Role.WAVE, Role.FLUX} <= {role_of(str(f.name or f.ID)) for f in t.fields})
        fields = [(f, t.array[f.ID]) for t in tables[:1] for f in t.fields]
    except (*DAMAGE, ImportError) as problem:
        raise SpectrumError(f"{name} is a damaged VOTable ({in_words(problem)}); fetch it again.") from problem
    numbers = [(f, v) for f, v in fields if v.dtype.kind in "fiu"]
    values = [np.ma.filled(np.ma.asarray(v, float), np.nan).ravel() for _, v in numbers]
    names = [str(f.name or f.ID).lower() for f, _ in numbers]
    if not {Role.WAVE, Role.FLUX} <= {role_of(n) for n in names}:
        told = by_utype([str(f.utype or "") for f, _ in numbers]) or by_ucd([str(f.ucd or "") for f, _ in numbers])
        names = [next((role for role, at in told.items() if at == i), n) for i, n in enumerate(names)]
    if not values or len({v.size for v in values}) > 1 or not {Role.WAVE, Role.FLUX} <= {role_of(n) for n in names}:
        raise Unnamed(
            f"{name} is a VOTable with the columns {listed([str(f.name) for f, _ in fields])}; a spectrum needs one of wavelength and "
            "one of flux, a row for each pixel. Name them with --wave NAME --flux NAME.",
            tuple(names),
        )
    said = [str(f.ucd or "") for f, _ in numbers]
    comments = [
        f"wavelengths in {'air' if 'obs.atmos' in ucd else 'vacuum'} (UCD {ucd})"
        for ucd in said
        if ucd.startswith("em.wl;")
    ]
    return Columns(names, values, [None if f.unit is None else str(f.unit) for f, _ in numbers], comments, "VOTable")


def _plain_numbers(body: str, decimal_comma: bool) -> str:
    """Numbers as Python reads them: D exponents, decimal commas, INDEF and empty cells (nan) put right."""
    if not decimal_comma and body.isascii() and not body.encode().translate(None, _PLAIN) and "--" not in body:
        return body
    if '"' in body:
        body = body.replace('""', "nan").replace('"', "")
    if decimal_comma:
        body = _THOUSANDS.sub("", body).replace(",", ".").replace(";", " ")
    elif "," in body or ";" in body:
        if _EMPTY_CELL.search(body):
            body = re.sub(r"(?:(?<=[,;])[ \t]*(?=[,;]|$)|^[ \t]*(?=[,;]))", "nan", body, flags=re.MULTILINE)
        body = body.replace(",", " ").replace(";", " ")
    if re.search(r"[A-DF-Za-df-z*]|--", body):
        if re.search(r"true|false", body, re.IGNORECASE):
            body = re.sub(r"\bfalse\b", "0", re.sub(r"\btrue\b", "1", body, flags=re.IGNORECASE), flags=re.IGNORECASE)
        body = _MISSING.sub("nan", re.sub(r"(?<=[\d.])[dD](?=[+-]?\d)", "e", body))
    return body


def _count(line: str, decimal_comma: bool = False) -> int:
    """Number of numbers in a line; 0 where it holds anything else."""
    if len(line) >= _LONGEST_LINE or not line.strip() or line.lstrip()[0] in _SIGNS_OF_COMMENTS:
        return 0
    words = _plain_numbers(line.strip(), decimal_comma).split()
    try:
        return len([float(w) for w in words])
    except ValueError:
        return 0


def _has_decimal_commas(lines: list[str]) -> bool:
    """Whether commas are decimal signs: no points among the numbers, and between blanks or semicolons numbers with one comma at most."""
    found = 0
    for line in lines:
        fields = [w.strip('"') for w in re.split(r"[\s;]+", line.strip()) if w]
        if not re.fullmatch(r'[\d\s.,;eEdD"+-]+', line.strip()) or len(fields) < 2:
            continue
        if not all(re.fullmatch(r"[+-]?(\d+|\d{1,3}(\.\d{3})+)(,\d+)?([eEdD][+-]?\d+)?", w) for w in fields):
            return False
        found += any("," in w for w in fields)
    return found >= 3


def _names_above(above: list[str], data_line: str, n: int, told: Collection[str]) -> tuple[list[str], list[str | None]]:
    """Names and units of n columns from the lines above them, where one of the last has n names of which one is known, or told."""
    separator = next((s for s in (";", "\t", ",") if s in data_line), None)
    best: tuple[int, list[str], list[str | None]] = (0, [], [None] * n)
    for back, line in enumerate(reversed([one for one in above if one.strip()][-8:])):
        plain = line.strip().lstrip("#!%; ").strip()
        if plain.startswith("|"):
            cells = [c.strip() for c in plain.strip("|").split("|")]
        elif separator is not None and separator in line and separator != "\t":
            cells = [c.strip().strip('"') for c in line.strip().lstrip("#!%").split(separator)]
        elif "," in plain and plain.count(",") == n - 1:
            cells = [c.strip() for c in plain.split(",")]
        elif "\t" in plain and plain.count("\t") == n - 1:
            cells = [c.strip() for c in plain.split("\t")]
        else:
            cells = re.split(
                r"[\s,;]+", re.sub(r"\s*([\(\[])\s*(.*?)\s*([\)\]])", r"\1\2\3", plain).replace(") ", ")\t").strip()
            )
            cells = [c for c in cells if c]
        cells = [c.strip('"') for c in cells]
        known = [role_of(c) for c in cells]
        if len(cells) == n and any(c.lower() in told for c in cells):
            known += [Role.WAVE, Role.FLUX, Role.FLUX]
        if len(cells) == n and any(r in (Role.WAVE, Role.FLUX) for r in known) and (back == 0 or Role.WAVE in known):
            units = [(m.group(1) if (m := re.search(r"[\(\[](.*?)[\)\]]", c)) else None) for c in cells]
            score = sum(r is not None for r in known) + (Role.WAVE in known) + (Role.FLUX in known)
            if score > best[0]:
                best = score, [c.lower() for c in cells], units
    return best[1], best[2]
