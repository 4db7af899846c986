"""Headers on a spectrum: resolving power, S/N, the name of the star; the table of instruments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..stages import Step

INSTRUMENTS: tuple[tuple[str, str, float], ...] = (
    (r"harpn|harpsn|harps n|harps", "", 115_000.0),
    (r"espresso", "", 140_000.0),
    (r"sophie he|sophiehe", "", 40_000.0),
    (r"sophie", "", 75_000.0),
    (r"narval", "", 80_000.0),
    (r"espadons", "", 80_000.0),
    (r"elodie", "", 42_000.0),
    (r"feros", "", 48_000.0),
    (r"mike blue|mikeblue", "", 35_000.0),
    (r"mike red|mikered|mike", "", 28_000.0),
    (r"fies", r" lowres ", 25_000.0),
    (r"fies", r" medres ", 46_000.0),
    (r"fies", "", 67_000.0),
    (r"hires", "", 60_000.0),
    (r"hrs", r" low resolution ", 14_000.0),
    (r"hrs", r" medium resolution ", 40_000.0),
    (r"hrs", "", 65_000.0),
    (r"uves", "", 80_000.0),
    (r"giraffe", "", 20_000.0),
    (r"galah", "", 28_000.0),
    (r"hermes", r" aat | anglo | siding | galah ", 28_000.0),
    (r"hermes", r" mercator | la palma | roque ", 85_000.0),
    (r"carmenes", "", 94_600.0),
    (r"kpf", "", 98_000.0),
    (r"neid", "", 110_000.0),
    (r"expres", "", 137_000.0),
    (r"maroon x|maroonx", "", 85_000.0),
)
"""Instruments by whole words, words of the telescope or of the mode that have to stand beside, and the usual resolving power."""

_RESOLUTION_KEYS = (
    "SPEC_RES", "RESOLUTN", "RESOLUTION", "SPECRES", "RESOLVE", "RESPOW", "RES_POW", "RESOL", "BSS_ITRP", "BSS_ESRP", "SPE_RPOW",
    "SPEC_RP", "RP", "R", "RPOWER", "RESPOWER", "SPECRP", "RESOLVING_POWER", "SPECTRAL_RESOLUTION", "SPECTRAL RESOLUTION",
    "RESOLVING POWER",
)  # fmt: skip
_REMARK = re.compile(
    r"(?:(?:resolving[ _]power|resolution|spec_?res|resolutn)(?: \(?R\)?)?[\s=~:]+(?:of |is |about |approx )*|(?<![\w.])R ?[=~:] ?)"
    r"(\d{1,3}[ ,']?\d{3})(?![\d.]* ?(?:A|Å|nm|pix))",
    re.IGNORECASE,
)
"""Resolving power in words: a number of four to six digits behind its name."""
_SNR_KEYS = ("SNR", "S_N", "SN", "SNRATIO", "MEANSNR", "HIERARCH ESO DRS SPE EXT SN50")
_INSTRUMENT_KEYS = ("INSTRUME", "INSTRUM", "DETNAM", "BSS_INST", "PYP_SPEC", "SURVEY")
_TELESCOPE_KEYS = ("TELESCOP", "TELESCOPE", "OBSERVAT", "SITE", "SITENAME", "ORIGIN", "OBSMODE", "FIFMSKNM")
_OBJECT_KEYS = ("OBJECT", "OBJNAME", "TARGET", "TARGNAME", "STAR", "OBJ", "TARG_NAM")


def number(header: Any, key: str) -> float | None:
    """A header value as a finite number, also where it is stored as text; None where it is not one."""
    try:
        value = float(str(header.get(key)).strip())
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def words_in(text: str) -> str:
    """A text as its words, in lower case, between single blanks: what patterns of whole words are looked for in."""
    return " " + " ".join(re.findall(r"[a-z]+|\d+", text.lower())) + " "


def resolving_power(
    headers: list[Any], name: str, remarks: Sequence[str] = ()
) -> tuple[float | None, bool, tuple[Step, ...]]:
    """Native resolving power from headers, whether it is only the usual one of the instrument named, and the ledger's entry.

    Keywords come first, then comments in words (those of headers and the `remarks` of a text), then the instrument's name.
    """
    for header in headers:
        for key in _RESOLUTION_KEYS:
            value = _power_of(header.get(key)) if key in header else None
            if value is not None and 300 <= value <= 500_000:
                return value, False, (Step("resolving power", f"header keyword {key}", {"R": value}),)
    for line in (*remarks, *(str(h["COMMENT"])[:2000] for h in headers if "COMMENT" in h)):
        if (said := _REMARK.search(line)) is not None:
            value = float(re.sub(r"\D", "", said.group(1)))
            if 1000 <= value <= 500_000:
                return (
                    value,
                    False,
                    (Step("resolving power", f"a comment says so ({said.group()[:60]})", {"R": value}),),
                )
    telescope = words_in(" ".join(str(h.get(key, "")) for h in headers for key in _TELESCOPE_KEYS))
    instruments = [(str(h.get(key, "")), f"header keyword {key}") for h in headers for key in _INSTRUMENT_KEYS]
    for text, where in [*instruments, (name, "name of the file")]:
        words = words_in(text)
        for pattern, place, value in INSTRUMENTS:
            if re.search(rf" ({pattern}) ", words) and (not place or re.search(place, telescope + words)):
                reason = f"the {where} names the instrument ({text}); its usual value"
                return value, True, (Step("resolving power", reason, {"R": value}),)
    return None, False, ()


def _power_of(value: Any) -> float | None:
    """Number of a keyword's value, which may read R=7500; None where it is none."""
    said = re.fullmatch(r"\s*(?:R\s*[=~]\s*)?(\d+(?:\.\d*)?(?:[eE]\+?\d+)?)\s*", str(value))
    return None if said is None else float(said.group(1))


def snr_header(headers: list[Any]) -> float | None:
    """S/N that a header states, in whatever unit; None where there is none."""
    for header in headers:
        for key in _SNR_KEYS:
            value = number(header, key.removeprefix("HIERARCH ")) if key.removeprefix("HIERARCH ") in header else None
            if value is not None and value > 0:
                return value
    return None


_OBJECT_REMARK = re.compile(
    r"^\W*(?:reduced spectrum of|(?:object|star|target|objname|targname)\s*[=:])\s*(?:'([^']+)'|\"([^\"]+)\"|([^'\"/]+))",
    re.IGNORECASE,
)


def star_in_words(remarks: Sequence[str]) -> str:
    """Name of the star in a text's lines of comment (OBJECT = 'HD 1', Reduced spectrum of 'HD 1'), else empty."""
    for line in remarks:
        if (said := _OBJECT_REMARK.match(line)) is not None:
            return re.sub(r"[^\x20-\x7e]", "", next(g for g in said.groups() if g)).strip()[:80]
    return ""


def star_name(headers: list[Any], name: str) -> str:
    """Name of the star in the header, else the file's name without its endings."""
    for key in _OBJECT_KEYS:
        for header in headers:
            text = re.sub(r"[^\x20-\x7e]", "", str(header.get(key, ""))).strip()
            if text:
                return text[:80]
    endings = r"(\.(fits?|gz|txt|dat|csv|s|ecsv|tbl|vot|xml))+$"
    return re.sub(endings, "", name.rsplit("/", 1)[-1], flags=re.IGNORECASE)
