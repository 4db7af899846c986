"""The one prior: draws, densities, bounds and the coordinates z in which it is a standard normal.

u = CDF(label | labels before it), z = Phi^-1(u), for all 29 labels; the prior is N(0, I) in z, cut and
renormalised where the effective [M/H] exceeds 0.5 (the model atmospheres end there). Of the physics, structures s are about
as STAGGER's, within the range that structures were made for; iron's departures are of the model atom's strength within 40 %.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from .targets import (
    A_LI_HIGH,
    A_LI_LOW,
    COLUMN,
    LABEL_NAMES,
    NUISANCE_BOUNDS,
    PHYSICS_COLUMNS,
    PHYSICS_DEFAULTS,
    SOLAR_A_C,
    SOLAR_A_LI,
    SOLAR_A_O,
    TARGETS,
    effective_metallicity,
)

N_LABELS = len(LABEL_NAMES)
N_TARGETS = len(TARGETS)
MAX_METALLICITY = 0.5
MAX_LOG_C_O = -0.05
"""log10(C/O) from which a cool star is a carbon star, another population."""

# Cool and hot edges of Teff [K] against log g.
_COOL = np.array([[0, 3950], [1, 3950], [2, 4000], [3, 4200], [3.5, 4300], [4.2, 4000], [5, 4000]], float)
_HOT = np.array(
    [[0, 5000], [1, 5300], [2, 5500], [2.5, 5700], [3, 6000], [3.5, 6900], [3.8, 7200], [4.2, 7200], [4.6, 6800], [5, 6400]],
    float,
)  # fmt: skip
_LOGG_CDF = np.array([[0.3, 0.0], [3.3, 0.38 * 3.0 / 3.3], [3.6, 0.38 + 0.62 * 0.3 / 1.7], [5.0, 1.0]])
_FEH_CDF = np.array([[-4.0, 0.0], [-2.5, 0.10], [-1.2, 0.34], [0.5, 1.0]])
_VMIC = (0.4, 2.6)
_C_LOW, _C_HIGH, _C_TURN, _C_EDGE = -0.7, 0.6, -0.12, 0.98
_O_LOW, _O_HIGH = NUISANCE_BOUNDS["o_fe"]
_CO_OFFSET = SOLAR_A_O - SOLAR_A_C + MAX_LOG_C_O  # [O/Fe] >= [C/Fe] - this keeps log(C/O) below the limit
_VB_LOW, _VB_HIGH, _VB_LOG_HIGH = 1.0, 100.0, 30.0
_STRUCTURE = (0.9, 0.35)  # mean and standard deviation, cut to the range below
STRUCTURE_RANGE = (-0.3, 1.4)
_LOG_STRENGTH = 0.35  # standard deviation of ln n
_U_TINY = 1e-12


def teff_bounds(logg: NDArray) -> tuple[NDArray, NDArray]:
    """Cool and hot edge of the prior in Teff [K] at given log g."""
    return np.interp(logg, *_COOL.T), np.interp(logg, *_HOT.T)


def _piecewise_cdf(x: NDArray, table: NDArray) -> tuple[NDArray, NDArray]:
    """CDF and density of a piecewise uniform distribution given as knots (value, CDF); density 0 outside."""
    slope = np.diff(table[:, 1]) / np.diff(table[:, 0])
    piece = np.clip(np.searchsorted(table[:, 0], x, side="right") - 1, 0, slope.size - 1)
    inside = (x >= table[0, 0]) & (x <= table[-1, 0])
    return np.interp(x, *table.T), np.where(inside, slope[piece], 0.0)


def _uniform_cdf(x: NDArray, low: NDArray | float, high: NDArray | float) -> tuple[NDArray, NDArray]:
    inside = (x >= low) & (x <= high)
    return np.clip((x - low) / (high - low), 0, 1), np.where(inside, 1.0 / (high - low), 0.0)


# [C/Fe]: the density that the cut log(C/O) < -0.05 leaves, flat up to -0.12, then falling linearly.
_C_FLAT = _C_TURN - _C_LOW
_C_AREA = _C_FLAT + ((_C_EDGE - _C_TURN) ** 2 - (_C_EDGE - _C_HIGH) ** 2) / (2 * (_C_EDGE - _C_TURN))


def _c_cdf(x: NDArray) -> tuple[NDArray, NDArray]:
    scale = _C_EDGE - _C_TURN
    falling = np.clip(x, _C_TURN, _C_HIGH)
    area = np.clip(x - _C_LOW, 0, _C_FLAT) + ((_C_EDGE - _C_TURN) ** 2 - (_C_EDGE - falling) ** 2) / (2 * scale)
    inside = (x >= _C_LOW) & (x <= _C_HIGH)
    return area / _C_AREA, np.where(inside, np.minimum(1.0, (_C_EDGE - x) / scale) / _C_AREA, 0.0)


def _c_ppf(u: NDArray) -> NDArray:
    area, scale = u * _C_AREA, _C_EDGE - _C_TURN
    falling = _C_EDGE - np.sqrt(np.maximum(scale**2 - 2 * scale * (area - _C_FLAT), 0.0))
    return np.where(area <= _C_FLAT, _C_LOW + area, falling)


def _o_low(c_fe: NDArray) -> NDArray:
    return np.maximum(_O_LOW, c_fe - _CO_OFFSET)


def _vbroad_cdf(x: NDArray) -> tuple[NDArray, NDArray]:
    flat, flat_density = _uniform_cdf(x, _VB_LOW, _VB_HIGH)
    with np.errstate(invalid="ignore", divide="ignore"):
        log_cdf, log_prob = _uniform_cdf(np.log(x), np.log(_VB_LOW), np.log(_VB_LOG_HIGH))
        density = 0.5 * flat_density + 0.5 * np.where(x > 0, log_prob / x, 0.0)
    return 0.5 * flat + 0.5 * log_cdf, density


_VB_GRID = np.geomspace(_VB_LOW, _VB_HIGH, 4001)
_VB_GRID_CDF = _vbroad_cdf(_VB_GRID)[0]


def _vbroad_ppf(u: NDArray) -> NDArray:
    x = np.interp(u, _VB_GRID_CDF, _VB_GRID)
    for _ in range(3):  # Newton from a fine table: exact to rounding
        cdf, density = _vbroad_cdf(x)
        x = np.clip(x - (cdf - u) / density, _VB_LOW, _VB_HIGH)
    return x


_STRUCTURE_CDF = ndtr((np.array(STRUCTURE_RANGE) - _STRUCTURE[0]) / _STRUCTURE[1])


def _structure_cdf(x: NDArray) -> tuple[NDArray, NDArray]:
    inside, kept = (x >= STRUCTURE_RANGE[0]) & (x <= STRUCTURE_RANGE[1]), np.ptp(_STRUCTURE_CDF)
    t = (x - _STRUCTURE[0]) / _STRUCTURE[1]
    return np.clip((ndtr(t) - _STRUCTURE_CDF[0]) / kept, 0, 1), np.where(inside, _normal(t) / _STRUCTURE[1] / kept, 0.0)


def _strength_cdf(x: NDArray) -> tuple[NDArray, NDArray]:
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.log(x) / _LOG_STRENGTH
        return np.where(x > 0, ndtr(t), 0.0), np.where(x > 0, _normal(t) / (x * _LOG_STRENGTH), 0.0)


def _normal(t: NDArray) -> NDArray:
    return np.exp(-0.5 * t**2) / np.sqrt(2 * np.pi)


def _cdf_and_density(labels: NDArray) -> tuple[NDArray, NDArray]:
    """u and conditional density of labels (n, k), k = 13 targets or all 29, both (n, k)."""
    u, p = np.empty_like(labels), np.empty_like(labels)
    every = labels.shape[1] == N_LABELS

    def put(name: str, pair: tuple[NDArray, NDArray]) -> None:
        u[:, COLUMN[name]], p[:, COLUMN[name]] = pair

    def col(name: str) -> NDArray:
        return labels[:, COLUMN[name]]

    put("logg", _piecewise_cdf(col("logg"), _LOGG_CDF))
    put("teff", _uniform_cdf(col("teff"), *teff_bounds(col("logg"))))
    put("feh", _piecewise_cdf(col("feh"), _FEH_CDF))
    put("vmic", _uniform_cdf(col("vmic"), *_VMIC))
    put("vbroad", _vbroad_cdf(col("vbroad")))
    put("li_fe", _uniform_cdf(col("li_fe") + SOLAR_A_LI + col("feh"), A_LI_LOW, A_LI_HIGH))
    put("c_fe", _c_cdf(col("c_fe")))
    if every:
        put("o_fe", _uniform_cdf(col("o_fe"), _o_low(col("c_fe")), _O_HIGH))
        put("structure", _structure_cdf(col("structure")))
        put("second_shape", (ndtr(col("second_shape")), _normal(col("second_shape"))))
        put("iron_strength", _strength_cdf(col("iron_strength")))
    for name, low, high in _uniform_labels(every):
        put(name, _uniform_cdf(col(name), low, high))
    return u, p


def _uniform_labels(every: bool) -> list[tuple[str, float, float]]:
    """The targets, or of every label those, whose prior is uniform and depends on nothing else."""
    ratios = [
        (t.name, t.low, t.high) for t in TARGETS if t.name in ("ca_fe", "mg_fe", "mn_fe", "n_fe", "si_fe", "ti_fe")
    ]
    if not every:
        return ratios
    return ratios + [(name, *bounds) for name, bounds in NUISANCE_BOUNDS.items() if name != "o_fe"]


def to_z(labels: NDArray) -> NDArray:
    """Prior coordinates (n, k) of labels (n, k), k = 13 targets or all 29; +-inf on or beyond a bound."""
    with np.errstate(divide="ignore"):
        return ndtri(_cdf_and_density(np.asarray(labels, float))[0])


def from_z(z: NDArray) -> NDArray:
    """Labels (n, k) from prior coordinates (n, k), k = 13 targets or all 29."""
    z = np.asarray(z, float)
    every = z.shape[1] == N_LABELS
    u = np.clip(ndtr(z), _U_TINY, 1 - _U_TINY)
    labels = np.empty_like(u)

    def put(name: str, values: NDArray) -> None:
        labels[:, COLUMN[name]] = values

    def at(name: str) -> NDArray:
        return u[:, COLUMN[name]]

    put("logg", np.interp(at("logg"), _LOGG_CDF[:, 1], _LOGG_CDF[:, 0]))
    cool, hot = teff_bounds(labels[:, COLUMN["logg"]])
    put("teff", cool + at("teff") * (hot - cool))
    put("feh", np.interp(at("feh"), _FEH_CDF[:, 1], _FEH_CDF[:, 0]))
    put("vmic", _VMIC[0] + at("vmic") * (_VMIC[1] - _VMIC[0]))
    put("vbroad", _vbroad_ppf(at("vbroad")))
    put("li_fe", A_LI_LOW + at("li_fe") * (A_LI_HIGH - A_LI_LOW) - SOLAR_A_LI - labels[:, COLUMN["feh"]])
    put("c_fe", _c_ppf(at("c_fe")))
    if every:
        low = _o_low(labels[:, COLUMN["c_fe"]])
        put("o_fe", low + at("o_fe") * (_O_HIGH - low))
        cut = _STRUCTURE_CDF[0] + at("structure") * np.ptp(_STRUCTURE_CDF)
        put("structure", np.clip(_STRUCTURE[0] + _STRUCTURE[1] * ndtri(cut), *STRUCTURE_RANGE))
        put("second_shape", ndtri(at("second_shape")))
        put("iron_strength", np.exp(_LOG_STRENGTH * ndtri(at("iron_strength"))))
    for name, lower, upper in _uniform_labels(every):
        put(name, lower + at(name) * (upper - lower))
    return labels


def inside(labels: NDArray) -> NDArray:
    """True where labels (n, k), k = 13 or 29, have positive prior density, shape (n,)."""
    return np.isfinite(log_prob(labels))


def log_prob(labels: NDArray) -> NDArray:
    """Log prior density of labels (n, k), k = 13 or 29, per natural unit of each label; -inf outside, shape (n,)."""
    labels = np.asarray(labels, float)
    with np.errstate(divide="ignore"):
        total = np.log(_cdf_and_density(labels)[1]).sum(1)
    return np.where(effective_metallicity(labels) <= MAX_METALLICITY, total - LOG_ACCEPTED, -np.inf)


def log_dz_dlabel(labels: NDArray) -> NDArray:
    """Log |dz/dlabel| summed over the columns of labels (n, k), shape (n,): density in labels = density in z x this."""
    u, p = _cdf_and_density(np.asarray(labels, float))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = ndtri(u)
        return (np.log(p) + 0.5 * z**2 + 0.5 * np.log(2 * np.pi)).sum(1)


def draw(n: int, rng: np.random.Generator) -> NDArray:
    """Draw n stars from the prior: all 29 labels, shape (n, 29); those of the physics last, so that none depends on them."""
    kept: list[NDArray] = []
    physics = np.zeros((n, len(PHYSICS_DEFAULTS)))
    while sum(len(k) for k in kept) < n:
        z = np.concatenate([rng.standard_normal((n, N_LABELS - len(PHYSICS_DEFAULTS))), physics], 1)
        kept.append(z[effective_metallicity(from_z(z)) <= MAX_METALLICITY])
    z = np.concatenate(kept)[:n]
    z[:, PHYSICS_COLUMNS] = rng.standard_normal(physics.shape)
    return from_z(z)


def _log_accepted_fraction() -> float:
    """Log of the share of N(0, I) that the cut at effective [M/H] 0.5 keeps, by quadrature over [Fe/H], Mg, Si."""
    u = (np.arange(400) + 0.5) / 400
    feh = np.interp(u, _FEH_CDF[:, 1], _FEH_CDF[:, 0])
    grid = np.zeros((u.size, u.size, N_LABELS))
    grid[..., COLUMN["feh"]] = feh[:, None]
    mean = -0.5 + 1.3 * u  # mean of two uniforms in -0.5..0.8 is triangular
    weight = np.minimum(u, 1 - u)
    grid[..., COLUMN["mg_fe"]] = grid[..., COLUMN["si_fe"]] = mean[None]
    kept = effective_metallicity(grid) <= MAX_METALLICITY
    return float(np.log((kept * weight).sum() / (u.size * weight.sum())))


LOG_ACCEPTED = _log_accepted_fraction()
