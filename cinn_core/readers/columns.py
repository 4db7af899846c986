"""Columns of FITS tables by what they are to a spectrum, and the arrays of a file, whether images or columns hold them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ..errors import SpectrumError
from .common import Unnamed, repeats, wavelength_range
from .orders import MOST_ORDERS
from .planes import FEWEST_PIXELS, Array, arrays_in
from .roles import (
    Role,
    arms_apart,
    best_version,
    is_lamp,
    is_order,
    is_sky,
    listed,
    partner,
    role_of,
    wave_partner,
    whose,
)

_PLAIN_FLUX = re.compile(
    r"(flux|spec|flx|intensity|norm_flux|flux_norm|normalized_flux|normalised_flux|nflux|spectrum|counts)$"
)
"""Names of fluxes that stand for themselves where versions of it stand beside."""


def star_tables(hdus: list[Any]) -> list[tuple[int, dict[str, int]]]:
    """Places of the tables with wavelength and flux, and their columns by role, without those called sky or lamp where others are."""
    found = [(i, roles) for i, hdu in enumerate(hdus) if (roles := table_columns(hdu)) is not None]
    stars = [t for t in found if not is_sky(hdus[t[0]].name or "") and not is_lamp(hdus[t[0]].name or "")]
    return stars or found


def _numeric(hdu: Any, i: int) -> bool:
    kind = re.sub(r"^\d+", "", str(hdu.columns[i].format))[:2].upper()
    return bool(kind) and (kind[0] in "LBIJKEDF" or (kind[0] in "PQ" and kind[1:] in ("B", "I", "J", "K", "E", "D")))


def column_names(hdu: Any) -> list[str]:
    """Names of the numeric columns of a table."""
    return [str(c.name or f"column {i}") for i, c in enumerate(hdu.columns) if _numeric(hdu, i)]


def table_columns(hdu: Any) -> dict[str, int] | None:
    """Column index of wave, flux and, where present, error, ivar, variance, flag, good; by TUTYPE where given, else by name."""
    if not isinstance(hdu, fits.BinTableHDU | fits.TableHDU) or hdu.data is None:
        return None
    n = len(hdu.columns)
    types = [str(hdu.header.get(f"TUTYP{i + 1}", "")) for i in range(n)]
    roles = by_utype(types)
    names = [str(c.name or "") for c in hdu.columns]
    named = {i: role_of(names[i]) for i in range(n) if _numeric(hdu, i)}
    if "flux" not in roles:
        candidates = flux_columns(hdu) or _only_unknown(hdu, named)
        roles = (
            {"flux": candidates[0]}
            if candidates
            else by_ucd([str(hdu.header.get(f"TUCD{i + 1}", "")) for i in range(n)])
        )
        if not roles:
            return None
    flux = names[roles["flux"]]
    if "wave" not in roles:
        waves = [i for i, role in named.items() if role is Role.WAVE]
        same = [i for i in waves if hdu.columns[i].format == hdu.columns[roles["flux"]].format] or [
            i for i in waves if cells_in(hdu, i) == cells_in(hdu, roles["flux"])
        ]
        at = wave_partner(flux, names, same, alone=True)
        if at is None:
            return None
        roles["wave"] = at
    at = next((i for i in named if is_order(names[i]) and cells_in(hdu, i) == cells_in(hdu, roles["flux"]) == 1), None)
    if at is not None and 1 < np.unique(hdu.data.field(at)).size <= MOST_ORDERS:
        roles["order"] = at
    return roles | _companions(hdu, roles, named, alone=len(flux_columns(hdu)) == 1, by_type=any(types))


def arms_in(hdu: Any) -> list[dict[str, int]]:
    """Columns by role of each arm or order where a table holds them side by side (wave_b, flux_b, wave_r, flux_r); none for any other.

    Spectra side by side that repeat each other's wavelengths are no arms.
    """
    names = [str(c.name or "") for c in hdu.columns]
    named = {i: role_of(names[i]) for i in range(len(names)) if _numeric(hdu, i)}
    if any(hdu.header.get(f"TUTYP{i + 1}") for i in range(len(names))):
        return []
    pairs = arms_apart(flux_columns(hdu), names, [i for i, r in named.items() if r is Role.WAVE])
    if any(cells_in(hdu, f) != cells_in(hdu, w) for f, w in pairs) or repeats(
        [wavelength_range(hdu.data.field(w)) for _, w in pairs if cells_in(hdu, w) > 0]
    ):
        return []
    arms = [{"flux": f, "wave": w} for f, w in pairs]
    return [arm | _companions(hdu, arm, named, alone=False, by_type=False) for arm in arms]


def _companions(
    hdu: Any, roles: dict[str, int], named: dict[int, Role | None], *, alone: bool, by_type: bool
) -> dict[str, int]:
    """Columns of errors and flags that go with a flux by their names, as long as it; by_type: the errors were given by TUTYPE."""
    names, found = [str(c.name or "") for c in hdu.columns], dict[str, int]()
    for key, role in (
        ("error", Role.ERROR),
        ("ivar", Role.IVAR),
        ("variance", Role.VARIANCE),
        ("flag", Role.FLAG),
        ("good", Role.GOOD),
    ):
        if key in roles or (key in ("error", "ivar", "variance") and by_type):
            continue
        like = [i for i, r in named.items() if r is role and cells_in(hdu, i) == cells_in(hdu, roles["flux"])]
        like = [i for i in like if key in ("flag", "good") or _lit(hdu.data.field(i))]
        at = partner(names[roles["flux"]], names, like, alone=alone or key in ("flag", "good"))
        if at is not None:
            found[_kind_by_unit(hdu, at) if key == "error" else key] = at
    return found


def _kind_by_unit(hdu: Any, error: int) -> str:
    """What a column that is called an error holds by its unit: an inverse variance (1 / Jy2), a variance (Jy2), else an error."""
    unit = str(hdu.columns[error].unit or "").lower().replace(" ", "")
    if re.fullmatch(rf"1/\(?{_UNITS}(\*\*|\^)?2\)?|{_UNITS}(\*\*|\^)?-2", unit):
        return "ivar"
    return "variance" if re.fullmatch(rf"{_UNITS}(\*\*|\^)?2", unit) else "error"


_UNITS = r"([mu]?jy|adu|dn|electrons?|photons?|counts?|ct)"


def _only_unknown(hdu: Any, named: dict[int, Role | None]) -> list[int]:
    """The only column whose name says nothing, of as many values as the only one of wavelengths: the flux of a plain table."""
    waves, unknown = ([i for i, r in named.items() if r is wanted] for wanted in (Role.WAVE, None))
    alike = [i for i in unknown if waves and cells_in(hdu, i) == cells_in(hdu, waves[0])]
    return alike if len(waves) == 1 and len(alike) == 1 else []


def cells_in(hdu: Any, i: int) -> int:
    """Values in each cell of a column; -1 where it varies from row to row."""
    column = hdu.columns[i]
    if str(column.format).lstrip("0123456789")[:1] in ("P", "Q"):
        return -1
    count = re.match(r"\d+", str(column.format))
    return int(count.group()) if count and isinstance(hdu, fits.BinTableHDU) else 1


def flux_columns(hdu: Any) -> list[int]:
    """Columns that could be the star's flux, the likeliest version of each first; one where they are versions of one spectrum."""
    names = [str(c.name or "") for c in hdu.columns]
    fluxes = [i for i in range(len(names)) if _numeric(hdu, i) and role_of(names[i]) is Role.FLUX]
    fluxes = [i for i in fluxes if len(fluxes) < 2 or _lit(hdu.data.field(i))] or fluxes
    plain = [i for i in fluxes if _PLAIN_FLUX.match(names[i].lower().replace(" ", "_"))]
    if plain:
        return plain[:1]
    stars: dict[frozenset[str], list[int]] = {}
    for i in fluxes:
        stars.setdefault(whose(names[i]), []).append(i)
    return [same[best_version([names[i] for i in same])] for same in stars.values()]


def _lit(field: Any) -> bool:
    """Whether a column holds any value but zero and NaN: calibrated fluxes that nobody calibrated hold none."""
    return field.dtype == object or bool(np.any(np.nan_to_num(field)))


def by_ucd(ucds: list[str]) -> dict[str, int]:
    """Roles by the UCDs of columns: wavelength em.wl, flux phot.flux, and its error; empty where they do not tell both."""
    low = [u.lower().replace(" ", "") for u in ucds]
    patterns = {
        "wave": r"em\.wl(;|$)",
        "flux": r"(arith\.ratio;)?phot\.flux",
        "error": r"stat\.error;(arith\.ratio;)?phot\.flux",
    }
    found = {role: [i for i, u in enumerate(low) if re.match(pattern, u)] for role, pattern in patterns.items()}
    if len(found["wave"]) != 1 or len(found["flux"]) != 1:
        return {}
    return {role: at[0] for role, at in found.items() if at}


def by_utype(types: list[str]) -> dict[str, int]:
    """Roles by VO data model (TUTYPn): wavelength, flux, and the error of the flux's own namespace; `spec:` first."""
    low = [t.lower() if ":" in t or not t else f"spec:{t.lower()}" for t in types]

    def find(ending: str, namespace: str | None = None) -> int | None:
        hits = [
            i for i, t in enumerate(low) if t.endswith(ending) and (namespace is None or t.split(":")[0] == namespace)
        ]
        return min(hits, key=lambda i: not low[i].startswith("spec:")) if hits else None

    wave, flux = find("data.spectralaxis.value"), find("data.fluxaxis.value")
    if wave is None or flux is None:
        return {}
    roles = {"wave": wave, "flux": flux}
    namespace = low[flux].split(":")[0]
    for role, ending in (
        ("error", "data.fluxaxis.accuracy.staterror"),
        ("flag", "data.fluxaxis.accuracy.qualitystatus"),
    ):
        column = find(ending, namespace)
        if column is not None:
            roles[role] = column
    return roles


def all_arrays(hdus: list[Any]) -> list[Array]:
    """Arrays of the images of a file and of those tables that hold no spectrum of their own: its wavelengths, say, or its flux."""
    found = arrays_in(hdus)
    for place, hdu in enumerate(hdus):
        if hdu.is_image or hdu.data is None or table_columns(hdu) is not None or not len(hdu.data):
            continue
        columns = [(c, role_of(c)) for c in column_names(hdu)]
        for column, role in columns:
            if role not in (None, Role.OTHER) and hdu.data.field(column).dtype != object:
                values = np.asarray(hdu.data.field(column), float).squeeze()
                if values.size >= FEWEST_PIXELS and values.ndim in (1, 2):
                    found.append(Array(column, values, place))
    return found


def values_by_name(hdus: list[Any]) -> dict[str, NDArray]:
    """Values of each of `every_name`: of several orders the middle one."""
    found: dict[str, NDArray] = {a.name: np.asarray(a.values, float) for a in arrays_in(hdus)}
    tables = [h for h in hdus if not h.is_image and h.data is not None and len(h.data)]
    for hdu in tables[:20]:
        for column in column_names(hdu):
            field = hdu.data.field(column)
            values = np.asarray(field[len(field) // 2] if field.dtype == object else field, float)
            found[column if len(tables) == 1 else f"{hdu.name or hdus.index(hdu)}.{column}"] = values.squeeze()
    return {
        n: v if v.ndim < 2 else v.reshape(-1, v.shape[-1])[v.size // v.shape[-1] // 2]
        for n, v in found.items()
        if v.size
    }


def every_name(hdus: list[Any]) -> list[str]:
    """Names of all columns, extensions, planes and rows of a FITS file that hold numbers."""
    tables = [h for h in hdus if not h.is_image and h.data is not None]
    columns = [
        c if len(tables) == 1 else f"{h.name or hdus.index(h)}.{c}" for h in tables[:20] for c in column_names(h)
    ]
    return list(dict.fromkeys([*columns, *(a.name for a in arrays_in(hdus))]))


def nothing_found(hdus: list[Any], name: str) -> SpectrumError:
    """The sentence on a FITS file in which no extension, plane, row or column gave wavelengths and flux together."""
    names = every_name(hdus)
    images = [h for h in hdus if h.is_image and h.data is not None and h.data.size >= FEWEST_PIXELS]
    held = listed([n[:24] for n in names], 8)
    if not names:
        return SpectrumError(
            f"{name} is a FITS file without arrays or columns of numbers; load the file that holds the spectrum."
        )
    if images and len(names) == 1:
        shape = images[0].data.shape
        what = (
            f"{shape[0]} fluxes but no wavelengths"
            if len(shape) == 1
            else f"an image of {' x '.join(map(str, shape))} without wavelengths"
        )
        said = "its CRVAL1 counts pixels" if "CRVAL1" in images[0].header else "no CRVAL1 with CDELT1 or CD1_1"
        return SpectrumError(
            f"{name} holds {what}: none in its header ({said}) and no other extension, plane or row; load a "
            "version that carries the wavelengths."
        )
    return Unnamed(
        f"{name} holds {held}, of which none is known as wavelengths and flux that belong together; name them: --wave NAME --flux NAME.",
        tuple(names),
    )
