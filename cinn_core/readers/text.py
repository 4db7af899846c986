"""Spectra stored as text: columns in the dialects of programs and people, echelle orders one under the other, VOTable."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from ..errors import SpectrumError
from ..stages import Medium, Step
from .common import (
    DAMAGE,
    Contents,
    KnownMedium,
    Naming,
    Pixels,
    Unnamed,
    contents_of,
    in_words,
    missing_pixels,
    to_angstrom,
)
from .headers import medium_in_words
from .orders import merge_orders
from .planes import as_error, wave_like
from .roles import Role, best_version, listed, named_index, partner, role_of, whose
from .table import good_by_flags, medium_of_name

_MOST_LINES, _LONGEST_LINE = 3_000_000, 10_000
_SMOOTHED = 31  # pixels over which rounded wavelengths are smoothed
_SAMPLE = 2000  # lines that decide the dialect
_SIGNS_OF_COMMENTS = "#!%\\|"
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


def is_text(data: bytes) -> bool:
    """Whether the bytes are readable text in UTF-8, UTF-16 or a one-byte encoding (the first 4 kB decide)."""
    head = _decoded(data[:4096])
    if not head or "\x00" in head:
        return False
    return sum(c in "\t\n\r\f" or c.isprintable() for c in head) > 0.95 * len(head) and (
        sum(c.isascii() for c in head) > 0.7 * len(head)
    )


def _decoded(data: bytes) -> str:
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


def is_votable(data: bytes) -> bool:
    """Whether the bytes begin as a VOTable."""
    return b"<VOTABLE" in data[:4096]


def read_text(data: bytes, name: str, naming: Naming | None = None) -> Contents:
    """Read one spectrum from columns of numbers; names of columns are used where the text gives them.

    Raises Unnamed where the names do not tell which column is the flux.
    """
    columns = _votable(data, name) if is_votable(data) else _columns(_decoded(data), name)
    roles, order, reason = _named_roles(columns, naming, name) if naming else _roles(columns, name)
    wave, flux = columns.values[roles["wave"]], columns.values[roles["flux"]]
    error = as_error(columns.values[roles["error"]], roles["error_role"]) if "error" in roles else None
    wavelength, medium, unit_step = _wavelengths(columns, roles["wave"], wave)
    steps = [
        Step("format", f"{columns.layout} with {len(columns.values)} columns: {reason}", {"rows": wave.size}),
        unit_step,
    ]
    good = ~missing_pixels(flux)
    if "flag" in roles:
        clear, step = good_by_flags(
            columns.values[roles["flag"]], roles["flag_role"], columns.shown[roles["flag"]], flux, error
        )
        good &= clear
        steps.append(step)
    pixels = Pixels(wavelength, flux, error, good)
    if order is not None and np.unique(order[np.isfinite(order)]).size > 1:
        pixels, step = merge_orders(_by_order(pixels, order))
        steps.append(step)
        kind = f"{columns.layout}, echelle orders"
    else:
        kind = columns.layout
        rising = np.diff(wavelength)
        if rising.size and np.all(rising <= 0):
            steps.append(Step("order of pixels", "wavelengths decrease; turned round"))
            pixels = Pixels(wavelength[::-1], flux[::-1], None if error is None else error[::-1], good[::-1])
        if np.all(np.diff(pixels.wavelength) >= 0):
            pixels, rounding = _distinct(pixels)
            steps += rounding
    error_from = "the third column" if not columns.names else f"column {columns.shown[roles.get('error', 0)]}"
    return contents_of(pixels, kind, [], name, steps, error_from=error_from, medium=medium)


def _by_order(pixels: Pixels, order: NDArray) -> list[Pixels]:
    """Pixels of each order, in time that grows with the text alone; negative flux, as at many ends of orders, is missing."""
    place = np.argsort(order, kind="stable")
    cuts = np.flatnonzero(np.diff(order[place]) != 0) + 1
    if cuts.size > 1000:
        raise SpectrumError(
            f"The column of orders in this text names {cuts.size + 1} orders, which no echelle has; leave it out."
        )
    return [
        Pixels(
            pixels.wavelength[p], pixels.flux[p], None if pixels.error is None else pixels.error[p],
            pixels.good[p] & (pixels.flux[p] > 0),
        )
        for p in np.split(place, cuts)
    ]  # fmt: skip


def _wavelengths(columns: Columns, at: int, wave: NDArray) -> tuple[NDArray, KnownMedium | None, Step]:
    """Wavelengths [Angstrom] of the wave column, which may hold wavenumbers or logarithms, their medium as told, and the ledger's entry."""
    name, unit = columns.shown[at], columns.units[at]
    said = " ".join([name, unit or "", *columns.comments])
    if re.search(r"wave ?num|cm ?(\^|\*\*)? ?-1|kayser|1/cm", said, re.IGNORECASE) and np.nanmin(wave) > 0:
        step = Step(
            "wavelength unit", "the text says wavenumbers (cm-1): 1e8 over them are vacuum wavelengths in Angstrom"
        )
        return 1e8 / wave, (Medium.VACUUM, (Step("medium", "wavenumbers are those of vacuum"),)), step
    if re.match(r"log", name.lower()) and 3.3 < np.nanmin(wave) < 4.45:
        wave, unit = 10.0**wave, None
    wavelength, step = to_angstrom(wave, unit, "the text")
    if "waveobs" in name.lower():
        return wavelength, (Medium.AIR, (Step("medium", "iSpec text (column waveobs) holds air wavelengths"),)), step
    medium = medium_of_name(name, "column") if columns.names else None
    for comment in columns.comments if medium is None else []:
        found = medium_in_words(comment)
        if found is not None:
            return (
                wavelength,
                (found, (Step("medium", f'a comment says "{comment.strip()[:60]}": {found.value}'),)),
                step,
            )
    return wavelength, medium, step


def _columns(text: str, name: str) -> Columns:
    """Columns of a plain text, the names above them and its comments."""
    if text.count("\n") > _MOST_LINES:
        raise SpectrumError(f"{name} is a text of more than {_MOST_LINES} lines; no spectrum of one star is that long.")
    lines = text.splitlines()
    if (synthesis := _moog(lines)) is not None:
        return synthesis
    decimal_comma = _has_decimal_commas(lines[:_SAMPLE])
    numeric = [_count(line, decimal_comma) for line in lines[:_SAMPLE]]
    first = next(
        (i for i in range(len(numeric) - 3) if numeric[i] >= 2 and numeric[i : i + 3] == [numeric[i]] * 3), None
    )
    if first is None:
        raise SpectrumError(
            f"{name} is text without columns of numbers; a text spectrum has wavelength, flux and perhaps an error in each line."
        )
    body = "\n".join(line for line in lines[first:] if line.strip() and line.lstrip()[0] not in _SIGNS_OF_COMMENTS)
    try:
        table = np.loadtxt(io.StringIO(_plain_numbers(body, decimal_comma)), ndmin=2)
    except ValueError as problem:
        row = re.search(r"row (\d+)", str(problem))
        where = f" near line {first + int(row.group(1)) + 1}" if row else ""
        raise SpectrumError(
            f"The columns of {name} stop being {numeric[first]} numbers a line{where}; mend or cut the file there."
        ) from problem
    names, units = _names_above(lines[:first], lines[first], table.shape[1])
    comments = [line.strip("#!%\\| \t")[:200] for line in lines[:first] if line.strip()]
    return Columns(names, list(table.T), units, comments, "text")


def _plain_numbers(body: str, decimal_comma: bool) -> str:
    """Numbers as Python reads them: D exponents, decimal commas, INDEF and empty cells (nan) put right."""
    if decimal_comma:
        body = body.replace(",", ".").replace(";", " ")
    elif "," in body or ";" in body:
        if re.search(r"[,;][ \t]*(?:[,;]|$)", body, re.MULTILINE):
            body = re.sub(r"(?<=[,;])[ \t]*(?=[,;]|$)", "nan", body, flags=re.MULTILINE)
        body = body.replace(",", " ").replace(";", " ")
    if re.search(r"[A-DF-Za-df-z*]|--", body):
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
        fields = [w for w in re.split(r"[\s;]+", line.strip()) if w]
        if not re.fullmatch(r"[\d\s.,;eEdD+-]+", line.strip()) or len(fields) < 2:
            continue
        if not all(re.fullmatch(r"[+-]?\d+(,\d+)?([eEdD][+-]?\d+)?", w) for w in fields):
            return False
        found += any("," in w for w in fields)
    return found >= 3


def _names_above(above: list[str], data_line: str, n: int) -> tuple[list[str], list[str | None]]:
    """Names and units of n columns from the lines above them, where one of the last has n names of which one is known."""
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
        known = [role_of(c) for c in cells]
        if len(cells) == n and any(r in (Role.WAVE, Role.FLUX) for r in known) and (back == 0 or Role.WAVE in known):
            units = [(m.group(1) if (m := re.search(r"[\(\[](.*?)[\)\]]", c)) else None) for c in cells]
            score = sum(r is not None for r in known) + (Role.WAVE in known) + (Role.FLUX in known)
            if score > best[0]:
                best = score, [c.lower() for c in cells], units
    return best[1], best[2]


def _roles(columns: Columns, name: str) -> tuple[dict[str, Any], NDArray | None, str]:
    """Index of wave, flux, error and flag, order number of each row, and by what the columns were recognised."""
    if not columns.names:
        return _roles_by_place(columns.values)
    known: list[Role | None] = [role_of(n) for n in columns.names]
    for i, (label, values) in enumerate(zip(columns.names, columns.values, strict=True)):
        if known[i] is None and (not label or label.startswith("unnamed")) and _counts(values):
            known[i] = Role.OTHER
    waves = [i for i, r in enumerate(known) if r is Role.WAVE] or [
        i for i, r in enumerate(known) if r is None and wave_like(columns.values[i])
    ]
    fluxes = [i for i, r in enumerate(known) if r is Role.FLUX] or [
        i for i, r in enumerate(known) if r is None and i not in waves
    ]
    stars: dict[frozenset[str], list[int]] = {}
    for i in fluxes:
        stars.setdefault(whose(columns.names[i]), []).append(i)
    plain = [i for i in fluxes if not whose(columns.names[i])]
    if not waves or not fluxes or (len(stars) > 1 and len(plain) != 1):
        what = (
            "no column that is called a flux"
            if waves and not fluxes
            else "several columns that could be the star's flux"
        )
        what = what if waves else "no column that is called wavelength"
        raise Unnamed(
            f"{name} has the columns {listed(columns.names)}: {what}; name them with --wave NAME --flux NAME.",
            tuple(columns.names),
        )
    same = plain if len(stars) > 1 else fluxes
    flux = same[best_version([columns.names[i] for i in same])]
    wave = partner(columns.names[flux], columns.names, waves, alone=True)
    roles: dict[str, Any] = {"wave": waves[0] if wave is None else wave, "flux": flux}
    _add_partners(roles, columns.names, known, flux)
    order = next(
        (
            v
            for n, v in zip(columns.names, columns.values, strict=True)
            if re.fullmatch(r"(echelle_?)?ord(er)?(_?n\w*)?", n)
        ),
        None,
    )
    return roles, order, f"named {', '.join(columns.names)}"


def _add_partners(roles: dict[str, Any], names: list[str], known: list[Role | None], flux: int) -> None:
    """Add the indices of the errors and flags that go with a flux by their names."""
    alone = sum(r is Role.FLUX for r in known) <= 1
    for role in (Role.ERROR, Role.IVAR, Role.VARIANCE):
        at = partner(names[flux], names, [i for i, r in enumerate(known) if r is role], alone=alone)
        if at is not None and "error" not in roles:
            roles |= {"error": at, "error_role": role}
    for role in (Role.FLAG, Role.GOOD):
        at = partner(names[flux], names, [i for i, r in enumerate(known) if r is role], alone=True)
        if at is not None:
            roles |= {"flag": at, "flag_role": role}


def _named_roles(columns: Columns, naming: Naming, name: str) -> tuple[dict[str, Any], NDArray | None, str]:
    """Roles as a person names the columns. Raises SpectrumError, with all names, for one that is not there."""
    shown = columns.shown
    assert naming.wave is not None
    assert naming.flux is not None
    roles: dict[str, Any] = {
        "wave": named_index(naming.wave, shown, name),
        "flux": named_index(naming.flux, shown, name),
    }
    if naming.error is not None:
        at = named_index(naming.error, shown, name)
        role = role_of(shown[at])
        roles |= {"error": at, "error_role": role if role in (Role.IVAR, Role.VARIANCE) else Role.ERROR}
    order = None if naming.order is None else columns.values[named_index(naming.order, shown, name)]
    return roles, order, f"wavelength {naming.wave} and flux {naming.flux}, as told"


def _counts(values: NDArray) -> bool:
    """Whether a column counts its rows, from 0 or 1: an index."""
    return values.size > 200 and values[0] in (0, 1) and bool(np.all(np.diff(values) == 1))


def _roles_by_place(values: list[NDArray]) -> tuple[dict[str, Any], NDArray | None, str]:
    """Roles of columns without names: order number or an index ahead, wavelength, flux, and an error if it can be one."""
    n, first = len(values), values[0]
    if n >= 3 and _counts(first) and wave_like(values[1]):
        roles, order, reason = _roles_by_place(values[1:])
        moved = {k: v + 1 if k in ("wave", "flux", "error") else v for k, v in roles.items()}
        return moved, order, f"an index, {reason}"
    whole = np.isfinite(first).all() and np.all(first == np.round(first))
    if n >= 3 and whole and np.abs(np.diff(first)).max() <= 1 and np.unique(first).size < 200:
        error = {"error": 3, "error_role": Role.ERROR} if n >= 4 else {}
        return {"wave": 1, "flux": 2} | error, first, "order number, wavelength, flux"
    if n == 2:
        return {"wave": 0, "flux": 1}, None, "wavelength, flux"
    third = values[2]
    if np.nanmin(third) >= 0 and np.nanmedian(third) < 0.5 * np.nanmedian(values[1]):
        return {"wave": 0, "flux": 1, "error": 2, "error_role": Role.ERROR}, None, "wavelength, flux, error"
    return {"wave": 0, "flux": 1}, None, f"wavelength, flux, and {n - 2} that cannot be errors"


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


def _votable(data: bytes, name: str) -> Columns:
    """Columns of the first table of a VOTable that holds numbers; raises SpectrumError where there is none."""
    from astropy.io.votable import parse

    try:
        tables = [t for t in parse(io.BytesIO(data), verify="ignore").iter_tables() if len(t.array)]
        fields = [(f, t.array[f.ID]) for t in tables[:1] for f in t.fields]
    except (*DAMAGE, ImportError) as problem:
        raise SpectrumError(f"{name} is a damaged VOTable ({in_words(problem)}); fetch it again.") from problem
    numbers = [(f, v) for f, v in fields if v.dtype.kind in "fiu"]
    values = [np.ma.filled(np.ma.asarray(v, float), np.nan).ravel() for _, v in numbers]
    names = [str(f.name or f.ID).lower() for f, _ in numbers]
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


def _distinct(pixels: Pixels) -> tuple[Pixels, list[Step]]:
    """Increasing wavelengths: where rounding made neighbours equal, the smooth wavelength scale is restored or they are averaged."""
    wavelength, flux, error, good = pixels.wavelength, pixels.flux, pixels.error, pixels.good
    step = np.diff(wavelength)
    if np.all(step > 0):
        return pixels, []
    quantum = float(np.median(step[step > 0]))
    decimals = next((d for d in range(6) if np.allclose(wavelength, np.round(wavelength, d), atol=1e-9)), None)
    if decimals is not None and wavelength.size > 2 * _SMOOTHED:
        mean = savgol_filter(wavelength, _SMOOTHED, 1)
        smooth = np.where(np.abs(mean - wavelength) <= 0.75 * 10.0**-decimals, mean, wavelength)
        if np.all(np.diff(smooth) > 0):
            reason = f"wavelengths are rounded to {decimals} decimals, some equal; straight lines through {_SMOOTHED} pixels restore them"
            shift = float(np.abs(smooth - wavelength).max())
            return Pixels(smooth, flux, error, good), [Step("wavelength rounding", reason, {"moved_at_most": shift})]
    unique, index = np.unique(wavelength, return_inverse=True)
    count = np.bincount(index, weights=good)
    mean = np.bincount(index, weights=np.where(good, flux, 0.0)) / np.maximum(count, 1)
    out_error = None
    if error is not None:
        out_error = np.sqrt(np.bincount(index, weights=np.where(good, error, 0.0) ** 2)) / np.maximum(count, 1)
    note = Step(
        "wavelength rounding",
        "pixels of equal wavelength are averaged",
        {"pixels": wavelength.size - unique.size, "step": quantum},
    )
    return Pixels(unique, mean, out_error, count > 0), [note]
