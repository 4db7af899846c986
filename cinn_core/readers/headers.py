"""What headers say of a spectrum: resolving power, air or vacuum, S/N, the star's name; tables of instruments and pipelines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..stages import Medium, Step

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
    (r"fies", "", 67_000.0),
    (r"hires", "", 60_000.0),
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
"""Instruments by whole words, words of the telescope that have to stand beside, and the usual resolving power."""

VACUUM_PIPELINES: tuple[tuple[str, str], ...] = (
    (r"carmenes|caracal", "CARMENES' pipeline CARACAL (Caballero et al. 2016)"),
    (r"kpf", "the KPF pipeline (KPF-Pipeline documentation, data format)"),
    (r"neid", "the NEID pipeline (neid.ipac.caltech.edu/docs)"),
    (r"expres", "the EXPRES pipeline (Petersburg et al. 2020)"),
    (r"maroon x|maroonx", "the MAROON-X pipeline (Seifahrt et al. 2020)"),
    (r"eprvstandard\S*", "the EPRV standard (RVData, L3-extensions)"),
    (r"pypeit", "PypeIt (its documentation, spec1D output)"),
    (r"uves popler", "UVES_popler (Murphy et al. 2019)"),
    (r"lamost", "the LAMOST pipeline (Luo et al. 2015)"),
    (r"sdss|apogee\w*|eboss|boss", "the SDSS pipelines (data model, spec files)"),
)
"""Pipelines by whole words of a header, whose wavelengths are in vacuum, and where that is said."""

AIR_PIPELINES: tuple[tuple[str, str], ...] = (
    (r"harpn|harpsn|harps n|harps", "the pipelines of HARPS and HARPS-N"),
    (r"espadons|narval|neonarval", "Libre-ESpRIT (Donati et al. 1997)"),
    (r"galah", "GALAH (Buder et al. 2021)"),
    (r"ispec", "iSpec"),
)
"""Pipelines by whole words of a header, whose wavelengths are in air."""

_RESOLUTION_KEYS = (
    "SPEC_RES", "RESOLUTN", "RESOLUTION", "SPECRES", "RESOLVE", "RESPOW", "RES_POW", "RESOL", "BSS_ITRP", "BSS_ESRP", "SPE_RPOW",
    "SPEC_RP", "RP", "R",
)  # fmt: skip
_SNR_KEYS = ("SNR", "S_N", "SN", "SNRATIO", "MEANSNR", "HIERARCH ESO DRS SPE EXT SN50")
_INSTRUMENT_KEYS = ("INSTRUME", "INSTRUM", "DETNAM", "BSS_INST", "PYP_SPEC", "SURVEY")
_TELESCOPE_KEYS = ("TELESCOP", "TELESCOPE", "OBSERVAT", "SITE", "SITENAME", "ORIGIN")
_PIPELINE_KEYS = ("INSTRUME", "ORIGIN", "TELESCOP", "PIPELINE", "VOCLASS", "CREATOR", "SURVEY")
_MEDIUM_KEYS = (
    "AIRORVAC",
    "AIR_VAC",
    "AIRVAC",
    "VACUUM",
    "WAVEMED",
    "MEDIUM",
    "WAVETYPE",
    "WAVE_TYPE",
    "WAVEREF",
    "VACORAIR",
)
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


def resolving_power(headers: list[Any], name: str) -> tuple[float | None, bool, tuple[Step, ...]]:
    """Native resolving power from headers, whether it is only the usual one of the instrument named, and the ledger's entry."""
    for header in headers:
        for key in _RESOLUTION_KEYS:
            value = number(header, key) if key in header else None
            if value is not None and 300 <= value <= 500_000:
                return value, False, (Step("resolving power", f"header keyword {key}", {"R": value}),)
    telescope = words_in(" ".join(str(h.get(key, "")) for h in headers for key in _TELESCOPE_KEYS))
    instruments = [(str(h.get(key, "")), f"header keyword {key}") for h in headers for key in _INSTRUMENT_KEYS]
    for text, where in [*instruments, (name, "name of the file")]:
        words = words_in(text)
        for pattern, place, value in INSTRUMENTS:
            if re.search(rf" ({pattern}) ", words) and (not place or re.search(place, telescope + words)):
                reason = f"the {where} names the instrument ({text}); its usual value"
                return value, True, (Step("resolving power", reason, {"R": value}),)
    return None, False, ()


def snr_header(headers: list[Any]) -> float | None:
    """S/N that a header states, in whatever unit; None where there is none."""
    for header in headers:
        for key in _SNR_KEYS:
            value = number(header, key.removeprefix("HIERARCH ")) if key.removeprefix("HIERARCH ") in header else None
            if value is not None and value > 0:
                return value
    return None


def star_name(headers: list[Any], name: str) -> str:
    """Name of the star in the header, else the file's name without its endings."""
    for key in _OBJECT_KEYS:
        for header in headers:
            text = re.sub(r"[^\x20-\x7e]", "", str(header.get(key, ""))).strip()
            if text:
                return text[:80]
    endings = r"(\.(fits?|gz|txt|dat|csv|s|ecsv|tbl|vot|xml))+$"
    return re.sub(endings, "", name.rsplit("/", 1)[-1], flags=re.IGNORECASE)


def medium_of(headers: list[Any]) -> tuple[Medium, tuple[Step, ...]]:
    """Air or vacuum from CTYPE1 (AWAV, WAVE), AIRORVAC and its like, comments, or a pipeline known for one; else UNKNOWN."""
    for header in headers:
        if (said := _said_by_keyword(header)) is not None:
            return said[0], (Step("medium", said[1]),)
    for header in headers:
        for text in _comments(header):
            if (medium := medium_in_words(text)) is not None:
                return medium, (Step("medium", f'a comment says "{text[:60]}": {medium.value} wavelengths'),)
    for header in headers:
        words = words_in(" , ".join(str(header.get(key, "")) for key in _PIPELINE_KEYS))
        if "PYP_SPEC" in header:
            words += "pypeit "
        if any(re.match(r"UP_ARR\d+$", key) for key in list(header)[:400]):
            words += "uves popler "
        if "WV_0_01" in header:
            reason = "MAKEE writes vacuum wavelengths unless it is told not to (its documentation): vacuum"
            return Medium.VACUUM, (Step("medium", reason),)
        for medium, pipelines in ((Medium.AIR, AIR_PIPELINES), (Medium.VACUUM, VACUUM_PIPELINES)):
            for pattern, who in pipelines:
                if re.search(rf" ({pattern}) ", words):
                    return medium, (Step("medium", f"{medium.value} wavelengths, as {who} writes them"),)
    return Medium.UNKNOWN, (Step("medium", "the file does not say air or vacuum; the velocities will decide"),)


def medium_in_words(text: str) -> Medium | None:
    """Medium that a comment states (wavelengths are in vacuum), None where it states none or speaks of both."""
    low = text.lower()
    if not re.search(r"wave|lambda|\bwl\b|angstrom|spectr", low):
        return None
    vacuum = re.search(r"\bvacuum\b|\bin vac\b|\bvac[ _-]*(wave|wl|lambda)|\(vac\)", low)
    air = re.search(r"\bin (the )?air\b|\bair[ _-]*(wave|wl|lambda)|wavelengths?\W+(\w+\W+)?air\b|\(air\)", low)
    if bool(vacuum) == bool(air) or re.search(r"\bnot\b|\bto\b|convert", low):
        return None
    return Medium.VACUUM if vacuum else Medium.AIR


def _said_by_keyword(header: Any) -> tuple[Medium, str] | None:
    ctype = str(header.get("CTYPE1", "")).upper()
    if ctype.startswith("AWAV"):
        return Medium.AIR, "header CTYPE1 = AWAV: air wavelengths"
    for key in _MEDIUM_KEYS:
        value = str(header.get(key, "")).strip().lower()
        if value.startswith("air") or (key == "VACUUM" and value in ("false", "0", "f")):
            return Medium.AIR, f"header {key} = {header.get(key)}: air wavelengths"
        if value.startswith("vac") or (key == "VACUUM" and value in ("true", "1", "t")):
            return Medium.VACUUM, f"header {key} = {header.get(key)}: vacuum wavelengths"
    if ctype in ("WAVE", "WAVE-LOG", "WAVE-TAB"):
        return Medium.VACUUM, f"header CTYPE1 = {ctype}: vacuum wavelengths (FITS standard)"
    return None


def _comments(header: Any) -> Iterator[str]:
    """Comments of a header: COMMENT cards, and what stands behind values that speak of wavelengths."""
    if not hasattr(header, "cards"):
        yield from [str(header.get("COMMENT", ""))] if header.get("COMMENT") else []
        return
    for card in list(header.cards)[:2000]:
        if card.keyword in ("COMMENT", "HISTORY"):
            yield str(card.value)
        elif re.match(r"CRVAL1|CTYPE1|CUNIT1|WAVE|WAT1_001|LAMBDA|TTYPE", card.keyword):
            yield (
                f"{card.value} {card.comment}" if "vac" in card.comment.lower() or "air" in card.comment.lower() else ""
            )


def medium_of_name(name: str, what: str) -> tuple[Medium, tuple[Step, ...]] | None:
    """Medium that the name of wavelengths says (WAVE_AIR, WAVEDATA_VAC_BARY), and the ledger's entry; None where it does not."""
    words = re.findall(r"[a-z]+", name.lower())
    for medium, endings in ((Medium.AIR, ("air",)), (Medium.VACUUM, ("vac", "vacuum"))):
        if any(w.endswith(endings) for w in words):
            return medium, (Step("medium", f"the wavelength {what} is called {name.lower()}: {medium.value}"),)
    return None
