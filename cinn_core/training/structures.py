"""STAGGER's mean structures minus ATLAS9's as one smooth function, its leave-one-out errors, and the second shape.

Both sides are put on the optical depth at 500 nm of `synthesis/gas.py`. What the files of the SIU code say of STAGGER, as
found: the column of gas pressure is the total pressure g m (with m = int dtau / kappa it agrees within 0.3 % where
fluctuations are small), opacity is ten times that in cm2/g, and the density is that of the gas: P_gas = P rho / rho(P, T).
Nominal effective temperatures are off by up to 84 K from those that the models have (listed by Wang et al. 2021), which
are taken where they are listed. [alpha/Fe] = 0.4 from [Fe/H] = -1 down.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..synthesis.atmosphere import Atmospheres
from ..synthesis.gas import gas
from ..synthesis.structure import Structure3D, integrated, is_firm, optical_depth, squared_exponential

LOG_TAU = np.arange(-5.0, 1.01, 0.1)
JUDGED = (LOG_TAU > -3.05) & (LOG_TAU < 0.55)
"""Depths at which the function is judged: log tau from -3 to +0.5."""
_STAGGER, _MAFAGS = Path("atmospheres_siu/stagger_mean3d.npz"), Path("atmospheres_siu/mafags_odf.npz")
_TRUE_TEFF = Path("Li_Breidablik/grids.npz")
_SUN = (5777.0, 4.44)  # listed as log g 4.40
_CENTRE, _SCALE, _LENGTHS = np.array([5600.0, 4.0, -1.0]), np.array([600.0, 0.7, 1.2]), np.array([1.0, 2.0, 0.8])
_NOISE, _MEAN_VARIANCE = 0.03, 30.0  # of the signal's variance: scatter of the models; of the linear mean
_COMPONENTS_T, _COMPONENTS_P = 10, 4
_REACH_TEFF, _REACH = 100.0, 0.02  # within which a listed model is taken to be the same
_LEAST_DENSITY = 0.3  # of that without turbulent pressure
_MAFAGS_BOX = ((4600.0, 6800.0), (2.0, 4.7), (-3.0, 0.4))
_MAFAGS_STEP = 9


@dataclass(frozen=True, eq=False)
class MeanModels:
    """STAGGER's averages: labels (m, 3) Teff, log g, [M/H]; change (m, n) [K] against ATLAS9 and turbulent share (m, n)."""

    labels: NDArray
    change: NDArray
    turbulence: NDArray


@dataclass(frozen=True, eq=False)
class StaggerAverage:
    """One average: Teff [K], log g, [M/H]; column mass [g/cm2], T [K], gas pressure [dyn/cm2], electron pressure (80,)."""

    teff: float
    logg: float
    metallicity: float
    rhox: NDArray
    temperature: NDArray
    pressure: NDArray
    electron_pressure: NDArray

    @property
    def turbulence(self) -> NDArray:
        """Share (80,) of turbulent in total pressure."""
        return 1 - self.pressure / (self.rhox * 10.0**self.logg)


def read_stagger(nlte: Path) -> list[StaggerAverage]:
    """STAGGER's averages from the data folder's nlte/. Raises DataError where a file is missing."""
    parameters, structures = _read(nlte / _STAGGER)
    listed = _listed(nlte)
    return [
        _average((float(row[0]), float(row[1]), float(row[2])), columns, listed)
        for row, columns in zip(parameters, structures, strict=True)
    ]


def _read(path: Path) -> tuple[NDArray, NDArray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["parameters"].astype(float), file["structure"].astype(float)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"The model atmospheres {path} cannot be read: {error}.") from error


def _listed(nlte: Path) -> NDArray:
    """Teff, log g, [Fe/H] (k, 3) of the models as they came out; empty without the list."""
    path = nlte / _TRUE_TEFF
    if not path.is_file():
        return np.zeros((0, 3))
    with np.load(path, allow_pickle=False) as file:
        return file["stagger_teff_logg_feh"].astype(float)


def alpha_metallicity(feh: float, alpha: float) -> float:
    """[M/H] of [Fe/H] and [alpha/Fe] (Salaris et al. 1993), as targets.effective_metallicity."""
    return float(feh + np.log10(0.638 * 10.0**alpha + 0.362))


def _average(nominal: tuple[float, float, float], columns: NDArray, listed: NDArray) -> StaggerAverage:
    teff, logg, feh = nominal
    near = listed[(np.abs(listed[:, 1:] - (logg, feh)) < _REACH).all(1)]
    near = near[np.abs(near[:, 0] - teff) < _REACH_TEFF]
    logg = _SUN[1] if teff == _SUN[0] else logg
    true = float(near[np.argmin(np.abs(near[:, 0] - teff)), 0]) if near.size else teff
    metallicity = alpha_metallicity(feh, 0.4 if feh < -0.99 else 0.0)
    _, log_t, _, log_pe, log_p, log_rho = columns
    temperature, total = 10.0**log_t, 10.0 ** (log_p + 5)
    thermal = gas(temperature, total, metallicity).density
    pressure = total * np.clip(10.0 ** (log_rho - 7) / thermal, _LEAST_DENSITY, 1.0)
    return StaggerAverage(true, logg, metallicity, total / 10.0**logg, temperature, pressure, 10.0 ** (log_pe + 5))


def differences(averages: list[StaggerAverage], atmospheres: Atmospheres) -> MeanModels:
    """STAGGER minus ATLAS9 of the same labels, on LOG_TAU. Raises SynthesisError where ATLAS9 has no model."""
    labels, change, turbulence = [], [], []
    for x in averages:
        opacity = gas(x.temperature, x.pressure, x.metallicity).opacity
        log_tau = np.log10(integrated(opacity * x.rhox, x.rhox))
        labels.append((x.teff, x.logg, x.metallicity))
        change.append(np.interp(LOG_TAU, log_tau, x.temperature) - _atlas_temperature(atmospheres, *labels[-1]))
        turbulence.append(np.interp(LOG_TAU, log_tau, x.turbulence))
    return MeanModels(np.array(labels), np.array(change), np.array(turbulence))


def _atlas_temperature(atmospheres: Atmospheres, teff: float, logg: float, metallicity: float) -> NDArray:
    model = atmospheres.at(teff, logg, metallicity)
    return np.interp(LOG_TAU, np.log10(optical_depth(model)), model.columns[:, 1])


def mafags_differences(nlte: Path, atmospheres: Atmospheres) -> NDArray:
    """MAFAGS-ODF minus ATLAS9 (k, n) [K] on LOG_TAU, for one in nine of the models of the FGK range."""
    parameters, structures = _read(nlte / _MAFAGS)
    box = np.array(_MAFAGS_BOX)
    inside = ((parameters[:, :3] >= box[:, 0]) & (parameters[:, :3] <= box[:, 1])).all(1)
    out = []
    for row, columns in zip(parameters[inside][::_MAFAGS_STEP], structures[inside][::_MAFAGS_STEP], strict=True):
        teff, logg, feh, enhanced = row
        metallicity = alpha_metallicity(feh, 0.4 * enhanced)
        temperature, pressure = 10.0 ** columns[1], 10.0 ** columns[4]
        opacity = gas(temperature, pressure, metallicity).opacity
        rhox = pressure / 10.0**logg
        log_tau = np.log10(integrated(opacity * rhox, rhox))
        out.append(np.interp(LOG_TAU, log_tau, temperature) - _atlas_temperature(atmospheres, teff, logg, metallicity))
    return np.array(out)


def learn_structure(models: MeanModels, mafags: NDArray) -> tuple[Structure3D, NDArray]:
    """The smooth function, and what it leaves (m, n) [K] of each model when it is learned without it.

    Gaussian process with a linear mean on the main components of both quantities. The second shape is the first component
    of what is left, where the models are dense, and of MAFAGS - ATLAS9 (k, n), both with equal weight.
    """
    x = (models.labels - _CENTRE) / _SCALE
    temperature = _components(models.change, _COMPONENTS_T)
    turbulence = _components(models.turbulence, _COMPONENTS_P)
    scores = np.concatenate([models.change @ temperature.T, models.turbulence @ turbulence.T], 1)
    linear = np.column_stack([np.ones(len(x)), x])
    covariance = squared_exponential(x, x, _LENGTHS) + _MEAN_VARIANCE * linear @ linear.T + _NOISE * np.eye(len(x))
    inverse = np.linalg.inv(covariance)
    weights = inverse @ scores
    left_out = scores - weights / np.diag(inverse)[:, None]
    residuals = models.change - left_out[:, :_COMPONENTS_T] @ temperature
    bases = (
        np.concatenate([temperature, np.zeros((_COMPONENTS_P, LOG_TAU.size))]),
        np.concatenate([np.zeros((_COMPONENTS_T, LOG_TAU.size)), turbulence]),
    )
    firm = np.array([is_firm(*row[:2]) for row in models.labels])
    second = second_shape(residuals[firm], mafags)
    mean = _MEAN_VARIANCE * linear.T @ weights
    return Structure3D(LOG_TAU, x, _CENTRE, _SCALE, _LENGTHS, weights, mean, *bases, second), residuals


def _components(values: NDArray, n: int) -> NDArray:
    """The first right singular vectors (n, depths) of values (m, depths)."""
    return np.linalg.svd(values, full_matrices=False)[2][:n]


def second_shape(residuals: NDArray, mafags: NDArray) -> NDArray:
    """First component (n,) [K] of two sets of differences at the depths that are judged, each set with the same weight.

    Its size is the rms of the models' amplitudes; beyond these depths it is held. Positive at log tau = -1.
    """
    sets = [x[:, JUDGED] / np.sqrt(len(x)) for x in (residuals, mafags)]
    shape = np.linalg.svd(np.concatenate([x / np.linalg.norm(x) for x in sets]), full_matrices=False)[2][0]
    shape = shape * np.sign(np.interp(-1.0, LOG_TAU[JUDGED], shape))
    amplitude = np.sqrt(np.mean([((x @ shape) ** 2).sum() for x in sets]))
    return np.interp(LOG_TAU, LOG_TAU[JUDGED], amplitude * shape)


@dataclass(frozen=True)
class LeftOut:
    """Leave-one-out errors of some models at the judged depths: their number, rms [K], share of depths within 40 K, the largest."""

    name: str
    models: int
    rms: float
    within_40: float
    largest: float


def left_out(models: MeanModels, residuals: NDArray) -> list[LeftOut]:
    """Leave-one-out errors where the models are dense, elsewhere (extrapolation), and by [M/H] where dense."""
    firm = np.array([is_firm(*row[:2]) for row in models.labels])
    groups = [("log g >= 3, Teff >= 5000", firm), ("elsewhere: extrapolation", ~firm)]
    for value in np.unique(models.labels[:, 2].round(2)):
        groups.append((f"  [M/H] {value:+.2f}", firm & (models.labels[:, 2].round(2) == value)))
    out = []
    for name, which in groups:
        r = np.abs(residuals[which][:, JUDGED])
        out.append(
            LeftOut(name, int(which.sum()), float(np.sqrt((r**2).mean())), float((r <= 40).mean()), float(r.max()))
        )
    return out


def explained(structure: Structure3D, models: MeanModels, residuals: NDArray, mafags: NDArray) -> list[str]:
    """What the second shape says of the two sets it was made of: rms before and after it, and its amplitudes, in words."""
    shape = structure.second[JUDGED]
    firm = np.array([is_firm(*row[:2]) for row in models.labels])
    out = []
    for name, set_ in (("what is left out", residuals[firm]), ("MAFAGS - ATLAS9", mafags)):
        values = set_[:, JUDGED]
        amplitude = values @ shape / (shape @ shape)
        before, after = (np.sqrt((x**2).mean()) for x in (values, values - np.outer(amplitude, shape)))
        out.append(
            f"second shape, {name}: {len(values)} models, rms {before:.0f} K, {after:.0f} K without it, "
            f"amplitude {amplitude.mean():+.2f} +- {amplitude.std():.2f}"
        )
    at = " ".join(f"{np.interp(x, LOG_TAU, structure.second):+.0f}" for x in (-3, -2, -1, -0.5, 0, 0.5))
    return [*out, f"second shape at log tau500 -3, -2, -1, -0.5, 0, 0.5: {at} K"]
