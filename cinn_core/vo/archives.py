"""Spectra in archives: found by position through SSA or ObsTAP, those that Kiel can use, and fetched."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import numpy as np

from ..errors import KielError
from ..instrument import ARMS
from ..preparation.resample import LOWEST_RESOLVING_POWER
from ..readers import MAX_BYTES
from .network import NetworkError, download, in_words, listed, session

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

SESAME = "https://cds.unistra.fr/cgi-bin/nph-sesame/SNV?"
"""The name resolver of the CDS: it asks SIMBAD, NED and VizieR."""
_LONGEST_NAME = 80
MAX_ROWS = 2000
_ANSWER_BYTES, _ANSWER_S = 30_000_000, 60.0
_EDGE_ANGSTROM = 5.0
"""Missing at the ends of the windows that still counts as covered."""


@dataclass(frozen=True)
class Archive:
    """A service: its name, protocol ("tap" for ObsTAP, "ssa"), address, and the hosts that its spectra come from."""

    name: str
    protocol: str
    url: str
    hosts: frozenset[str]


ARCHIVES: dict[str, Archive] = {
    one.name: one
    for one in (
        Archive(
            "eso", "tap", "https://archive.eso.org/tap_obs", frozenset({"archive.eso.org", "dataportal.eso.org"})
        ),
        Archive(
            "polarbase", "ssa", "http://polarbase.irap.omp.eu/download/ssa_polarbase",
            frozenset({"polarbase.irap.omp.eu", "www.polarbase.ovgso.fr"}),
        ),
    )
}  # fmt: skip
"""The archives that are asked; their addresses are those that they publish."""


@dataclass(frozen=True)
class Found:
    """One spectrum of an archive: target, instrument, limits [Angstrom], resolving power, date [MJD], S/N, where it is."""

    archive: str
    target: str
    instrument: str
    low: float
    high: float
    resolving_power: float
    mjd: float
    snr: float
    url: str
    format: str
    megabytes: float

    @property
    def covers(self) -> bool:
        """Whether it reaches over all windows of the instrument, as far as its limits tell."""
        return self.low <= ARMS[0].low + _EDGE_ANGSTROM and self.high >= ARMS[-1].high - _EDGE_ANGSTROM


@dataclass(frozen=True)
class Search:
    """What the archives answered: spectra that can be used, how many cannot and why, and what went wrong."""

    spectra: tuple[Found, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    complaints: tuple[str, ...] = ()


def archive_of(text: str) -> Archive:
    """The archive of a name, or of "tap:URL" or "ssa:URL"; raises KielError for anything else."""
    if text in ARCHIVES:
        return ARCHIVES[text]
    protocol, _, url = text.partition(":")
    host = re.match(r"https?://\[?([^/:\]]+)", url)
    if protocol not in ("tap", "ssa") or host is None:
        raise KielError(f"{text} is no archive; name one of {listed(ARCHIVES)}, or a service as tap:URL or ssa:URL.")
    return Archive(re.sub(r"https?://", "", text)[:60], protocol, url.rstrip("?&"), frozenset({host.group(1).lower()}))


def position(text: str, resolver: str = SESAME) -> SkyCoord:
    """ICRS position of a star's name, by CDS Sesame, or of coordinates ("14 43 03.6 -10 56 00", "220.76 -9.93", degrees).

    Raises KielError where the name is not known or Sesame cannot be asked.
    """
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    plain = " ".join(text.split())
    if re.fullmatch(r"[\d\s:.,hmsd+-]+", plain) and len(re.findall(r"\d+", plain)) > 1:
        sexagesimal = bool(re.search(r"[:hmsd]", plain)) or len(plain.replace(",", " ").split()) > 2
        try:
            return SkyCoord(plain.replace(",", " "), unit=(u.hourangle if sexagesimal else u.deg, u.deg), frame="icrs")
        except ValueError as problem:
            raise KielError(
                f"{plain} is no position ({in_words(problem)}); write it as 14:43:03.6 -10:56:00, or in degrees."
            ) from problem
    if not 0 < len(plain) <= _LONGEST_NAME:
        raise KielError("Give the name of a star, or its coordinates.")
    instead = 'give its coordinates instead, such as "220.76 -9.93"'
    try:
        host = str(urlsplit(resolver).hostname)
        answer, _ = download(resolver + quote(plain), {host}, max_bytes=1_000_000, seconds=20)
    except NetworkError as problem:
        raise KielError(f"The position of {plain!r} could not be asked for ({problem}); {instead}.") from problem
    found = re.search(rb"%J\s*([0-9.]+)\s*([+-]?[0-9.]+)", answer)
    if found is None:
        raise KielError(f"No catalogue that Sesame asks knows {plain!r}; check the name, or {instead}.")
    return SkyCoord(float(found[1]), float(found[2]), unit="deg", frame="icrs")


def find(where: SkyCoord, archives: Iterable[Archive], radius_arcsec: float = 60.0) -> Search:
    """Spectra within a radius that cover the windows at R >= LOWEST_RESOLVING_POWER, highest S/N and R first.

    An archive that fails leaves a sentence in `complaints`, and so does one whose list was cut.
    """
    if not 0 < radius_arcsec <= 3600:
        raise KielError(f"A radius of {radius_arcsec:g} arcsec makes no sense here; give 1 to 3600.")
    rows: list[Found] = []
    complaints: list[str] = []
    for archive in archives:
        try:
            found, cut = _ask(archive, where, radius_arcsec / 3600)
        except KielError as problem:
            complaints.append(f"{archive.name}: {problem}")
            continue
        rows += found
        if cut:
            complaints.append(
                f"{archive.name}: the list was cut at {len(found)} spectra; a smaller radius shows the rest."
            )
    reasons = [_unusable(one) for one in rows]
    usable = [one for one, reason in zip(rows, reasons, strict=True) if not reason]
    usable.sort(key=lambda one: (-np.nan_to_num(one.snr), -one.resolving_power, one.mjd))
    left_out = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons) if reason}
    return Search(tuple(usable), left_out, tuple(complaints))


def fetch(spectrum: Found, archive: Archive, max_bytes: int = MAX_BYTES) -> tuple[bytes, str]:
    """The file of a spectrum and its name; through the archive's datalink where it gives one. Raises KielError."""
    url = spectrum.url
    if "datalink" in spectrum.format:
        url = _protected(archive, lambda: _linked(archive, url))
    return download(url, archive.hosts, max_bytes=max_bytes)


def _unusable(one: Found) -> str:
    """Why a spectrum cannot be used, empty where it can."""
    if not one.url:
        return "without an address"
    if not np.isfinite(one.resolving_power):
        return "without a resolving power"
    if one.resolving_power < LOWEST_RESOLVING_POWER:
        return f"below R = {LOWEST_RESOLVING_POWER:.0f}"
    return "" if one.covers else f"not from {ARMS[0].low:.0f} to {ARMS[-1].high:.0f} Å"


def _ask(archive: Archive, where: SkyCoord, radius_deg: float) -> tuple[list[Found], bool]:
    """What one archive lists, and whether it cut the list."""
    from pyvo.dal.exceptions import DALOverflowWarning

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        rows, status = _protected(archive, lambda: _query(archive, where, radius_deg))
    cut = status == "OVERFLOW" or any(issubclass(one.category, DALOverflowWarning) for one in said)
    return rows, cut or len(rows) >= MAX_ROWS


def _query(archive: Archive, where: SkyCoord, radius_deg: float) -> tuple[list[Found], str]:
    from astropy import units as u
    from pyvo.dal import SSAService, TAPService

    guarded = session(archive.hosts, _ANSWER_BYTES, _ANSWER_S)
    if archive.protocol == "ssa":
        service = SSAService(archive.url, session=guarded)
        answer = service.search(pos=where, diameter=2 * radius_deg * u.deg, MAXREC=MAX_ROWS)
    else:
        cone = f"CIRCLE('ICRS', {where.ra.deg:.6f}, {where.dec.deg:.6f}, {radius_deg:.6f})"
        query = (
            "SELECT * FROM ivoa.ObsCore WHERE dataproduct_type = 'spectrum' "
            f"AND CONTAINS(POINT('ICRS', s_ra, s_dec), {cone}) = 1 "
            f"AND em_min < {ARMS[0].high * 1e-10:.4e} AND em_max > {ARMS[-1].low * 1e-10:.4e}"
        )
        answer = TAPService(archive.url, session=guarded).run_sync(query, maxrec=MAX_ROWS)
    rows = [_found(archive, row) for row in _rows(answer)]
    return rows, str(answer.query_status[0] if hasattr(answer, "query_status") else "").upper()


def _rows(answer: Any) -> list[_Row]:
    table = answer.votable.get_first_table()
    names = {str(f.name).lower(): f.ID for f in table.fields}
    utypes = {str(f.utype).lower().rpartition(":")[2]: f.ID for f in table.fields if f.utype}
    return [_Row(row, names, utypes) for row in table.array]


@dataclass(frozen=True)
class _Row:
    """A row of an answer, its values by the name of their column or the model's utype, in any case."""

    values: Any
    names: Mapping[str, str]
    utypes: Mapping[str, str]

    def get(self, keys: Sequence[str]) -> Any:
        for key in keys:
            column = self.names.get(key.lower()) or self.utypes.get(key.lower())
            if column is not None and not np.ma.is_masked(value := self.values[column]):
                return value
        return None

    def text(self, *keys: str) -> str:
        value = self.get(keys)
        plain = (
            value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value if value is not None else "")
        )
        return "".join(c for c in plain if c.isprintable())[:500].strip()

    def number(self, *keys: str) -> float:
        try:
            return float(self.get(keys))
        except (TypeError, ValueError):
            return float("nan")


def _found(archive: Archive, row: _Row) -> Found:
    """A row of ObsCore, of the spectrum data model, or of the mixture of both that archives give; wavelengths in metres."""
    low = row.number("em_min", "char.spectralaxis.coverage.bounds.start", "spectral_start")
    high = row.number("em_max", "char.spectralaxis.coverage.bounds.stop", "spectral_stop")
    size = row.number("access_estsize", "access.size")
    return Found(
        archive.name,
        row.text("target_name", "targetname", "target.name"),
        row.text("instrument_name", "instrument", "dataid.instrument", "collection", "obs_collection"),
        1e10 * low,
        1e10 * high,
        row.number("em_res_power", "specrp", "char.spectralaxis.respower"),
        row.number("t_min", "char.timeaxis.coverage.bounds.start"),
        row.number("snr", "derived.snr"),
        row.text("access_url", "acref", "access.reference"),
        row.text("access_format", "access.format", "mime"),
        1e-3 * size,
    )


def _linked(archive: Archive, url: str) -> str:
    """The address of the file itself in the answer of a datalink service."""
    from pyvo.dal.adhoc import DatalinkResults

    links = DatalinkResults.from_result_url(url, session=session(archive.hosts, _ANSWER_BYTES, _ANSWER_S))
    for link in _rows(links):  # pyvo's own choice by semantics fetches a vocabulary from another host
        if link.text("semantics") == "#this" and (address := link.text("access_url")):
            return address
    raise KielError(
        f"The datalink of {archive.name} names no file of the spectrum itself; look at it with another program."
    )


def _protected(archive: Archive, ask: Callable[[], Any]) -> Any:
    """What `ask` returns; every failure of the service or the network as a KielError's sentence."""
    try:
        from pyvo.dal.exceptions import DALAccessError
    except ImportError as problem:
        raise KielError("Archives need pyvo; install it with: pip install 'kiel-spectra[archive]'.") from problem
    try:
        return ask()
    except KielError:
        raise
    except DALAccessError as problem:
        raise KielError(f"the service at {archive.url} refuses or fails ({in_words(problem)})") from problem
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as problem:
        raise KielError(f"the answer of {archive.url} cannot be read ({in_words(problem)})") from problem
