"""Names of columns, extensions, planes and rows, and what they say: wavelength, flux, error, flag, or none of these."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

from ..errors import SpectrumError
from .common import Naming


class Role(StrEnum):
    """What an array is to a spectrum."""

    WAVE = "wave"
    FLUX = "flux"
    ERROR = "error"
    VARIANCE = "variance"
    IVAR = "ivar"
    FLAG = "flag"
    GOOD = "good"
    OTHER = "other"


_WORDS: dict[Role, str] = {
    Role.WAVE: "wave wavelength wavelengths wavelen wav wavl wvl wv wl ll lambda lam loglam waveobs awav arg wellenlaenge "
    "wlen wlens lamb wellenlange wellenlänge longueur longitud onde onda wavenumber wavenumbers wavenum wvn lambdas angstrom angstroms",
    Role.FLUX: "flux fluxes flx fx spec spectrum spectra intensity intensities counts count fun flam fnu flambda intensitaet "
    "intensität intensite intensité intensidad intensita flujo flusso fluss fl signal stokes relflux sob",
    Role.ERROR: "err error errors errs errorbar sig sigma sigmas unc uncertainty uncertainties uncert noise stdev std stddev ferr "
    "fehler erreur incertitude errore uob",
    Role.VARIANCE: "var variance variances",
    Role.IVAR: "ivar invvar",
    Role.FLAG: "mask qual quality dq flag flags badpix bpm badmask bad",
    Role.GOOD: "good goodpix gpm usable",
    Role.OTHER: "sky skymodel skyflux cal blaze blz cont continuum snr sn telluric tellurics tell order orders ord pix pixel pixels "
    "col column idx index row resid residual residuals model fit template weight weights npix chisq chi response resp lamp flat "
    "lfc etalon thar drift bary barycorr berv expmeter background bkg bg status id name aperture fiber fibre trans transmission "
    "throughput depth dispersion disp dll lsf fwhm resolution res clip fluctuation time mjd jd ra dec smod mob tellu mag mags magnitude "
    "magnitudes sys",
}
_NEUTRAL = (
    "norm normed normalized normalised normalization merg merged merge opt box green red blue sci science obs observed data air "
    "vac vacuum helio corr corrected stitched trace raw reduced log inv inverse the of and by with per sub subtracted no minus "
    "noss nosky level unit arb rel abs calibrated ff rv rest ccd arm vis nir uvb custom customcorr value values uv n ab stat "
    "ln unnorm unnormalized unnormalised autocorr"
)
_LIST = [(word, role) for role, words in _WORDS.items() for word in words.split()]
_MEANING: dict[str, Role | None] = dict.fromkeys(_NEUTRAL.split(), None) | dict(_LIST)
_BENIGN = frozenset(
    "norm normed normalized normalised normalization merg merged merge opt box sci science obs observed data corr corrected "
    "stitched raw reduced calibrated cal noss nosky rel abs ff blz air vac bary helio log level unit arb rest vacuum stat unnorm "
    "unnormalized unnormalised autocorr".split()
)
"""Words that tell versions of one star's spectrum from each other, not stars."""

_FIBRE = re.compile(r"fibers?|fibres?|fib|fib(er|re)?_?(id|idx|no|num(ber)?)|group|trace|slice|beam|object_?id|objid")
_NUMBERED_ORDER = re.compile(r"(?:^|(?<=[-_ ]))(?:order|ord)[-_ ]?\d+(?=$|[-_ ])", re.IGNORECASE)
_ORDER = re.compile(r"(echelle_?)?ord(er)?s?(_?(n\w*|id|idx|index))?")

_RANK = ("raw", "reduced", "box", "blz", "norm", "normed", "normalized", "normalised", "noss", "nosky")
"""Versions of a spectrum that another one is preferred to, the least liked first."""


@lru_cache(4096)
def words_of(name: str) -> tuple[str, ...]:
    """Words of a name in lower case, those written together apart (SCIFLUX: sci, flux), without what stands in brackets."""
    plain = re.sub(r"[\(\[\{].*?[\)\]\}]", " ", name.lower())
    chunks = re.findall(r"[^\W\d_]+|\d+", plain)
    words = [word for chunk in chunks for word in (_apart(chunk) or (chunk,))]
    for i, (word, after) in enumerate(pairwise(words)):
        if word == "f" and _MEANING.get(after) is Role.WAVE:
            words[i : i + 2] = ["flambda"]  # F_LAMBDA, ERR_F_LAMBDA
            break
    return tuple(words)


@lru_cache(4096)
def _apart(chunk: str) -> tuple[str, ...]:
    """Known words that a chunk of letters is made of, longest first; empty where it is not made of them."""
    if chunk in _MEANING or chunk.isdigit():
        return (chunk,)
    for size in range(len(chunk) - 1, 1, -1):
        if chunk[:size] in _MEANING and (rest := _apart(chunk[size:])):
            return (chunk[:size], *rest)
    if chunk[0] in "eudf" and chunk[1:] in _MEANING and _MEANING[chunk[1:]] is Role.FLUX:
        return chunk[0], chunk[1:]
    return ()


@lru_cache(4096)
def role_of(name: str) -> Role | None:
    """Role of an array by its name; None where the name says nothing."""
    name = _NUMBERED_ORDER.sub(" ", name)
    words = words_of(name)
    roles = [_MEANING.get(word) for word in words]
    if not words or re.search(r"\b(row|plane|column|extension) \d+$", name):
        return None
    if re.fullmatch(r"dispersion|spectral_?axis", name.strip().lower()):
        return Role.WAVE
    if name.strip().lower() in ("w", "f", "e", "s", "l", "i"):
        return {"w": Role.WAVE, "l": Role.WAVE, "f": Role.FLUX, "i": Role.FLUX}.get(name.strip().lower(), Role.ERROR)
    if name.strip().lower() == "stat":
        return Role.VARIANCE  # MUSE: DATA and STAT
    if len(words) > 1 and words[0] in ("f", "e", "u", "d") and (Role.FLUX in roles or Role.WAVE in roles):
        if Role.WAVE in roles and Role.FLUX not in roles:
            return Role.FLUX if words[0] == "f" else Role.OTHER
        return Role.ERROR
    if _is_other(words, roles):
        return Role.OTHER
    for role in (Role.IVAR, Role.VARIANCE, Role.GOOD, Role.FLAG, Role.ERROR):
        if role in roles:
            inverse = role is Role.VARIANCE and {"inv", "inverse"} & set(words)
            apart = role is Role.ERROR and Role.WAVE in roles and Role.FLUX not in roles  # an error of the wavelengths
            return Role.IVAR if inverse else Role.OTHER if apart else role
    for role in (Role.FLUX, Role.WAVE):
        if role in roles:
            return role
    return Role.FLUX if {"sci", "science"} & set(words) else None


def _is_other(words: tuple[str, ...], roles: list[Role | None]) -> bool:
    """Whether a word says that the array is none of the star's: sky (unless it was taken out), lamp, blaze, order, ..."""
    first = next((i for i, role in enumerate(roles) if role not in (None, Role.OTHER)), len(words))
    removed = {"sub", "subtracted", "no", "minus", "corr", "corrected"} & set(words)
    normed = {"norm", "normed", "normalized", "normalised"} & set(words)
    for i, (word, role) in enumerate(zip(words, roles, strict=True)):
        if role is not Role.OTHER:
            continue
        if word == "cal" and i > first:
            continue  # flux_cal is calibrated flux, CALFLUX the lamp
        if word in ("bary", "blz") and (first < len(words) or Role.WAVE in roles):
            continue  # WAVE_BARY, BARY_WAVELENGTH, SPEC_BLZ
        if word in ("pix", "pixel", "pixels") and {Role.FLAG, Role.GOOD} & set(roles):
            continue  # PIXEL_FLAGS, GOOD_PIXEL
        if word in ("sky", "telluric", "tellurics", "tell", "background", "bkg", "bg", "blaze") and removed:
            continue
        if word in ("cont", "continuum") and normed:
            continue
        return True
    return False


def is_known(name: str) -> bool:
    """Whether all words of a name are known ones, numbers left aside: it names a version or an arm and no star."""
    words = [w for w in words_of(name) if not w.isdigit()]
    return bool(words) and all(w in _MEANING for w in words)


def is_sky(name: str) -> bool:
    """Whether a name, of a fibre or row, says that it looked at the sky."""
    return bool({"sky"} & set(words_of(name))) or name.strip().lower().startswith("sky")


def is_fibre(name: str) -> bool:
    """Whether a column of this name tells which fibre, slice or star each row is of."""
    return bool(_FIBRE.fullmatch(name.strip().lower()))


def is_order(name: str) -> bool:
    """Whether a column of this name holds the echelle order of each row."""
    return bool(_ORDER.fullmatch(name.strip().lower()))


def is_lamp(name: str) -> bool:
    """Whether a name, of a fibre or a trace, says that a lamp was in it."""
    return bool({"cal", "lamp", "lfc", "etalon", "thar", "arc"} & set(words_of(name)))


def kind_of(name: str) -> frozenset[str]:
    """Words of a name without those that give its role: what ties the flux of an arm or fibre to its errors."""
    words = words_of(name)
    skip = {"f", "e", "u", "d"} if len(words) > 1 and words[0] in ("f", "e", "u", "d") else set()
    return frozenset(w for w in words if _MEANING.get(w) in (None, Role.OTHER) and w not in skip and w != "data")


def whose(name: str) -> frozenset[str]:
    """Words of a name that tell stars, fibres, arms or slices apart; those of versions of one spectrum left out."""
    return kind_of(name) - _BENIGN


def best_version(names: Sequence[str]) -> int:
    """Index of the version of one spectrum that is liked best: merged, optimal, not divided by a continuum, not raw."""

    def rank(i: int) -> tuple[int, int, int]:
        kind = kind_of(names[i])
        merged = -1 if {"merg", "merged", "merge", "stitched"} & kind else 0
        worst = max((len(_RANK) - _RANK.index(w) for w in kind if w in _RANK), default=0)
        return merged, worst, i

    return min(range(len(names)), key=rank)


@dataclass(frozen=True)
class Roles:
    """Indices of the arrays of one spectrum among those that were named; None where there is none."""

    wave: int
    flux: int
    error: int | None = None
    error_role: Role = Role.ERROR
    flag: int | None = None
    flag_role: Role = Role.FLAG


_FRAME = frozenset("air vac vacuum bary barycentric helio rest obs observed".split())


def wave_partner(flux: str, names: Sequence[str], waves: Sequence[int], *, alone: bool) -> int | None:
    """Index of the wavelengths, among some of the names, that go with a flux.

    Where several do: air ahead of vacuum ahead of those that do not say, barycentric ahead of others, those at rest last.
    """

    def rank(i: int) -> tuple[bool, ...]:
        words = set(words_of(names[i]))
        return (
            bool({"rest", "dispersion"} & words),
            "air" not in words,
            not {"vac", "vacuum"} & words,
            not {"bary", "barycentric"} & words,
        )

    return partner(flux, names, sorted(waves, key=rank), alone=alone, besides=_FRAME)


def partner(
    flux: str, names: Sequence[str], indices: Sequence[int], *, alone: bool, besides: frozenset[str] = frozenset()
) -> int | None:
    """Index of the array, among some of the names, that goes with a flux: of the same words but for some, or of none, or the only one."""
    own = kind_of(flux) - besides
    for test in (
        lambda kind: kind == own,
        lambda kind: kind - _BENIGN == own - _BENIGN and bool(kind & own),
        lambda kind: kind - _BENIGN == own - _BENIGN and not kind,
        lambda kind: not kind - _BENIGN,
    ):
        found = [i for i in indices if test(kind_of(names[i]) - besides)]
        if found:
            return found[0]
    return indices[0] if alone and len(indices) == 1 else None


def arms_apart(fluxes: Sequence[int], names: Sequence[str], waves: Sequence[int]) -> list[tuple[int, int]]:
    """Indices (flux, wave) of arms or orders side by side, as in wave_b, flux_b, wave_r, flux_r; none where there are no two.

    Each flux has to have wavelengths of its own words.
    """
    found = []
    for flux in fluxes:
        own = [i for i in waves if kind_of(names[i]) - _FRAME == kind_of(names[flux]) - _FRAME]
        wave = wave_partner(names[flux], names, own, alone=False)
        if wave is None or not kind_of(names[flux]):
            return []
        found.append((flux, wave))
    return found if len({wave for _, wave in found}) == len(found) > 1 else []


def named_index(wanted: str, names: Sequence[str], where: str) -> int:
    """Index of the array that a person names: its name in any case, or its number from 0. Raises SpectrumError with all names."""
    low = [n.lower() for n in names]
    for test in (
        lambda n: n == wanted.strip().lower(),
        lambda n: n.rsplit(".", 1)[-1] == wanted.strip().lower(),
    ):
        found = [i for i, n in enumerate(low) if test(n)]
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(names[i] for i in found[:6])
            raise SpectrumError(f"{where} holds {wanted} more than once ({several}); name one of them in full.")
    raise SpectrumError(f"{where} holds nothing called {wanted}; it holds {listed(names)}.")


def listed(names: Sequence[str], most: int = 16) -> str:
    """Names in words, the first ones where they are many."""
    shown = ["".join(c for c in n[:40] if c.isprintable()) for n in names[:most]]
    return ", ".join(shown) + (f" and {len(names) - most} more" if len(names) > most else "") if shown else "no arrays"


def require_complete(naming: Naming) -> None:
    """Raise SpectrumError where a person names an error or orders without wavelength and flux."""
    if naming.wave is None or naming.flux is None:
        raise SpectrumError("Name both the wavelengths and the flux: --wave NAME --flux NAME.")
