"""Air or vacuum in the words of a file: keywords, names of extensions, comments, and the pipelines and instruments known for one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from astropy.io import fits

from ..errors import printable
from ..stages import Medium, Step

KnownMedium = tuple[Medium, tuple[Step, ...]]
"""Medium that a file states, and the ledger's entry."""


@dataclass(frozen=True)
class Origin:
    """A pipeline or instrument: the header keyword (regular expression) that names it with such a value (another one),
    its medium, and where that is documented."""

    name: str
    keyword: str
    value: str
    medium: Medium
    source: str


_INSTRUMENT = r"INSTRUME?|INSTRUM|INSTRUMENT"
_MAKER = r"PIPELINE|REDUCED|PROCSOFT|SOFTWARE|CREATOR|ORIGIN|HIERARCH PIPELINE"
_ANY = r""

ORIGINS: tuple[Origin, ...] = (
    Origin("PypeIt", r"PYP_SPEC|PYPELINE|VERSPYP", _ANY, Medium.VACUUM,
           "PypeIt documentation, wave_calib: in all cases, the solution is provided in vacuum"),
    Origin("UVES_popler", r"UP_ARR\d+|UP_VERS\w*", _ANY, Medium.VACUUM,
           "UVES_popler, UVES_wFITSfile: vacuum, heliocentric wavelengths"),
    Origin("MAKEE", r"WV_0_01", _ANY, Medium.VACUUM, "MAKEE documentation: vacuum wavelengths unless it is told not to"),
    Origin("CERES", r"\(LAMBDA_BARY / LAMBDA_TOPO\)", _ANY, Medium.VACUUM,
           "CERES (Brahm et al. 2017, PASP 129, 034002): masks brought to vacuum by GLOBALutils.ToVacuum meet plane 0"),
    Origin("CERES", _MAKER, r"\bceres\b", Medium.VACUUM, "CERES, Brahm et al. 2017, PASP 129, 034002"),
    Origin("the EPRV standard", r"EXTNAME", r"^(TRACE\d+_(FLUX|WAVE|VAR)|STITCHED_CORR_\w+)$", Medium.VACUUM,
           "EPRV data standard, units: wavelength solution in vacuum"),
    Origin("CARMENES", _INSTRUMENT, r"\bcarmenes\b", Medium.VACUUM,
           "CARACAL: Caballero et al. 2016, SPIE 9910, 99100E; serval, inst_CARM_VIS"),
    Origin("CARACAL", r"ORIGIN|HIERARCH CARACAL.*|CARACAL.*", r"caracal|carmenes", Medium.VACUUM,
           "CARACAL: Caballero et al. 2016, SPIE 9910, 99100E"),
    Origin("KPF", _INSTRUMENT, r"\bkpf\b", Medium.VACUUM, "KPF pipeline documentation, data format"),
    Origin("NEID", _INSTRUMENT, r"\bneid\b", Medium.VACUUM, "NEID pipeline documentation, data format"),
    Origin("EXPRES", _INSTRUMENT, r"\bexpres\b", Medium.VACUUM,
           "EPRV data standard, translator of EXPRES: as they are; serval, inst_EXPRES, takes them for air"),
    Origin("MAROON-X", _INSTRUMENT, r"\bmaroon-?x\b", Medium.VACUUM,
           "EPRV data standard, translator of MAROON-X; serval, inst_MAROONX: both take them for vacuum"),
    Origin("ESPRESSO", _INSTRUMENT, r"\bespresso\b", Medium.VACUUM,
           "ESPRESSO pipeline manual: wavelengths in vacuum where the name of the column or extension does not say air"),
    Origin("BANZAI-NRES", _INSTRUMENT, r"\bnres\d*\b", Medium.VACUUM,
           "BANZAI-NRES documentation: NRES wavelength calibrations are in vacuum wavelengths"),
    Origin("LAMOST", r"TELESCOP|ORIGIN", r"\blamost\b", Medium.VACUUM,
           "LAMOST, FITS files: given in vacuum wavelengths in the heliocentric frame"),
    Origin("SDSS", r"TELESCOP", r"^sdss\b", Medium.VACUUM, "SDSS, spectroscopic pipelines: vacuum wavelengths, heliocentric"),
    Origin("HARPS", _INSTRUMENT, r"harps|harpn", Medium.AIR, "HARPS pipeline manual: wavelengths in air, barycentric; serval, inst_HARPS"),
    Origin("SOPHIE", _INSTRUMENT, r"\bsophie\b", Medium.AIR,
           "SOPHIE pipeline, adapted from that of HARPS; serval, inst_SOPHIE, brings them to vacuum"),
    Origin("ELODIE", _INSTRUMENT, r"\belodie\b", Medium.AIR,
           "ELODIE archive, Moultaka et al. 2004, PASP 116, 693; serval, inst_ELODIE, brings them to vacuum"),
    Origin("HERMES", _INSTRUMENT, r"\bhermes\b", Medium.AIR,
           "AAT: Kos et al. 2017, MNRAS 464, 1259; Mercator: no document found, and air by the custom of IRAF's line lists"),
    Origin("GALAH", _MAKER, r"\bgalah\b", Medium.AIR, "Kos et al. 2017, MNRAS 464, 1259"),
    Origin("NARVAL", _INSTRUMENT, r"\bnarval\b", Medium.AIR,
           "Libre-ESpRIT: Donati et al. 1997, MNRAS 291, 658; serval, inst_NARVAL, brings them to vacuum"),
    Origin("ESPaDOnS", _INSTRUMENT, r"\bespadons\b", Medium.AIR, "Libre-ESpRIT and Upena: CFHT documentation"),
    Origin("FIES", _INSTRUMENT, r"\bfies\b", Medium.AIR, "FIEStool, which calibrates by IRAF; serval, inst_FIES, brings them to vacuum"),
    Origin("iSpec", r"ORIGIN", r"^ispec$", Medium.AIR, "Blanco-Cuaresma et al. 2014, A&A 569, A111"),
)  # fmt: skip
"""In order of precedence: a pipeline before the instrument whose exposures it reduces."""

_KEYWORDS = (
    "AIRORVAC", "AIR_VAC", "AIRVAC", "VACAIR", "VACORAIR", "VACUUM", "AIR", "WAVEMED", "WAVE_MED", "MEDIUM", "WAVETYPE", "WAVE_TYPE",
    "WAVEREF", "LAMBDTYP",
)  # fmt: skip
_TRUE, _FALSE = ("true", "1", "t", "yes"), ("false", "0", "f", "no")
_ABOUT_WAVELENGTHS = re.compile(
    r"wave|wellenl|lambda|λ|angstrom|wcs|air_?or_?vac|air_?(to|2)_?vac|vac_?(to|2)_?air|^\W*((spectral|refractive)?\W*medium\W*)?(vac(uum)?|air)\W*$",
    re.IGNORECASE,
)
_AXIS = re.compile(
    r"^(CTYPE1|CUNIT1|CNAME1|CRVAL1|CDELT1|CD1_1|WAT1_\d+|(TTYPE|TUNIT|TCOMM|TDESC)\d+|WAVE\w*|LAMBDA\w*)$"
)
_VALUE_TELLS = ("CUNIT", "CNAME", "TUNIT", "TCOMM", "TDESC", "WAT", "WAVE", "LAMBDA")
"""Beginnings of keywords whose value, and not their remark alone, may name air or vacuum."""
_LONGEST = 100_000  # characters of comments that are read


def medium_of(headers: list[Any]) -> KnownMedium:
    """Air or vacuum by keywords, the name of an extension, comments, and the pipeline or instrument; else UNKNOWN.

    A bare CTYPE1 = WAVE comes last: the standard means vacuum by it, and not every writer does.
    """
    for says in (_by_keyword, _by_extension, _by_comments, _by_origin, _by_axis):
        for header in headers:
            found = says(header)
            if found is not None:
                return found[0], (Step("medium", found[1]),)
    return Medium.UNKNOWN, (Step("medium", "the file does not say air or vacuum; the velocities will decide"),)


def medium_in_comments(lines: Iterable[str]) -> KnownMedium | None:
    """Medium that one of a text's lines of comment states, and the ledger's entry."""
    for line in lines:
        medium = _in_words(line) if _ABOUT_WAVELENGTHS.search(line) else None
        if medium is not None:
            shown = " ".join(line.split())[:80]
            return medium, (Step("medium", f"a comment says so ({shown}): {medium.value} wavelengths"),)
    return None


def medium_of_name(name: str, what: str) -> KnownMedium | None:
    """Medium that the name of wavelengths says (WAVE_AIR, WAVEDATA_VAC_BARY), and the ledger's entry; None where it does not."""
    words = re.findall(r"[a-z]+", name.lower())
    for medium, endings in ((Medium.AIR, ("air",)), (Medium.VACUUM, ("vac", "vacuum"))):
        if any(w.endswith(endings) for w in words):
            return medium, (Step("medium", f"the wavelength {what} is called {name.lower()}: {medium.value}"),)
    return None


def _in_words(text: str) -> Medium | None:
    """Medium that words name: "vacuum", "air", "air to vacuum" (vacuum); None where they name both, or deny."""
    low = text.lower()
    if re.search(r"dewar|pump|pressure|torr|mbar|cryo|chamber|tank", low):
        return None  # the vacuum of an instrument
    if re.search(r"air\s*(wavelengths?\s*)?(to|2|->)\s*vac", low):
        return None if re.search(r"\b(no|not|without)\b", low) else Medium.VACUUM
    if re.search(r"vac\w*\s*(wavelengths?\s*)?(to|2|->)\s*air", low):
        return None if re.search(r"\b(no|not|without)\b", low) else Medium.AIR
    vacuum, air = re.search(r"(\b|_)va[ck](uum)?(\b|_)", low), re.search(r"(\b|_)(air|luft)(\b|_)", low)
    if bool(vacuum) == bool(air) or re.search(r"\b(no|not|without)\b", low):
        return None
    return Medium.VACUUM if vacuum else Medium.AIR


def _by_keyword(header: Any) -> tuple[Medium, str] | None:
    if str(header.get("CTYPE1", "")).upper().startswith("AWAV"):
        return Medium.AIR, "header CTYPE1 = AWAV: air wavelengths"
    for key in _KEYWORDS:
        value = _value_of(header, key).lower()
        medium = _in_words(value)
        if key in ("VACUUM", "AIR") and value in (*_TRUE, *_FALSE):
            medium = Medium.VACUUM if (value in _TRUE) is (key == "VACUUM") else Medium.AIR
        if medium is None and value.startswith(("vac", "air")):
            medium = Medium.VACUUM if value.startswith("vac") else Medium.AIR
        if medium is not None:
            return medium, f"header {key} = {_value_of(header, key)[:60]}: {medium.value} wavelengths"
    return None


def _by_extension(header: Any) -> tuple[Medium, str] | None:
    name = str(header.get("EXTNAME", ""))
    medium = _in_words(name) if re.search(r"wave|lambda", name, re.IGNORECASE) else None
    return None if medium is None else (medium, f"the extension is called {name[:40]}: {medium.value} wavelengths")


def _by_comments(header: Any) -> tuple[Medium, str] | None:
    """What the remarks on the wavelength axis, and lines of COMMENT and HISTORY on wavelengths, state."""
    left = _LONGEST
    for card in getattr(header, "cards", ()):
        key = str(card.keyword).upper()
        remark = key in ("COMMENT", "HISTORY")
        text = _text_of(card, remark or key.startswith(_VALUE_TELLS)) if remark or _AXIS.match(key) else ""
        left -= len(text)
        if left < 0:
            return None
        about = _ABOUT_WAVELENGTHS.search(text) if remark else text
        medium = _in_words(text) if about else None
        if medium is not None:
            shown = " ".join(printable(text).split())[:80]
            return medium, f"the header's {key} says so ({shown}): {medium.value} wavelengths"
    return None


def _text_of(card: Any, with_value: bool) -> str:
    """Comment of a card, and its value; empty where the card is damaged."""
    try:
        return f"{card.value} {card.comment}" if with_value else str(card.comment)
    except (fits.VerifyError, ValueError):
        return ""


def _value_of(header: Any, key: str) -> str:
    try:
        return str(header.get(key, "")).strip()
    except (fits.VerifyError, ValueError):
        return ""


def _by_origin(header: Any) -> tuple[Medium, str] | None:
    keys = [str(key) for key in header if key not in ("", "COMMENT", "HISTORY")]
    for origin in ORIGINS:
        named = [key for key in keys if re.fullmatch(origin.keyword, key.upper())]
        if any(re.search(origin.value, _value_of(header, key), re.IGNORECASE) for key in named):
            return origin.medium, f"{origin.name} gives {origin.medium.value} wavelengths ({origin.source})"
    if "CRVAL1" not in keys:
        return None
    instrument = _value_of(header, "INSTRUME")
    if re.search(r"\bferos\b", instrument, re.IGNORECASE):
        return Medium.AIR, "one-dimensional spectra of FEROS have air wavelengths (FEROS pipeline, Kaufer et al. 1999)"
    if re.search(r"\buves\b", instrument, re.IGNORECASE):
        return Medium.AIR, "one-dimensional spectra of UVES have air wavelengths (UVES pipeline manual)"
    return None


def _by_axis(header: Any) -> tuple[Medium, str] | None:
    ctype = str(header.get("CTYPE1", "")).upper().strip()
    if ctype in ("WAVE", "WAVE-LOG", "WAVE-TAB"):
        return Medium.VACUUM, f"header CTYPE1 = {ctype}: vacuum wavelengths (FITS standard)"
    return None
