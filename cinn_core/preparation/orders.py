"""Echelle orders left in a spectrum: a ripple that comes back with each order, and the steps where orders were joined.

An order of number m has its middle at K / m with the same K for all, so that a ripple is periodic in K / wavelength: its
period grows with the square of the wavelength. It is sought in what the fitted continuum and its model leave, and where it
explains most of that, it is measured against the model: what comes back in every order at the same place is not a line.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ..instrument import ARMS, N_PIXELS, PIXEL_ANGSTROM, WAVELENGTH, arm_slices
from ..stages import Step
from ..statistics import MAD_TO_SIGMA, median
from .continuum import IGNORED, N_MODES, fit_stars

_CONSTANTS = np.arange(250e3, 1000e3, 5000.0)  # K [Angstrom]: orders of some 36 to 140 Angstrom at 6000 Angstrom
_SEARCH_BIN, _FIT_BIN = 40, 10  # pixels
_HARMONICS = 3
_EXPLAINED = 0.28  # least share of the variance that a ripple explains; rotating giants without one reach 0.34
_SMALLEST = 0.012  # least scatter of what the continuum leaves, below which nothing is sought
_FEWEST_BINS = 50  # of both arms together, while it is sought
_DEPTH_ERROR = 0.08  # of a line that the model has, as a share of its depth
_PIXEL_ERROR = 0.01  # of a pixel without lines
_HUBER = 0.02

_PLACE, _MEMORY = 0.05, 4.0  # orders: how soon a ripple's shape changes along an order, and from order to order
_OWN_SHARE, _OWN_PLACE = 0.2, 0.2  # what an order has for itself, as a share of the ripple, and how soon that changes
_STEP_REACH, _STEP_SIGMA, _SMALLEST_STEP = 8.0, 0.2, 0.04  # Angstrom; prior width of a step; least one
_STEP_PHASE = 0.15  # orders: how far a joint may lie from where the others do
_LEAST_ERROR, _FAR = 0.005, 2.5  # of a bin; times it, from where a bin loses weight
_ROUNDS = 3
_POOR = 0.01  # rms of what is left beyond which the continuum cannot be trusted
_NONE = 0.05  # rms of what is left beyond which no orders made it: bands of molecules, say
_BLURRED = 0.8  # Angstrom on either side of a joint, where a step is smoothed by the instrument


@dataclass(frozen=True, eq=False)
class Ripple:
    """Ripple of a spectrum: K [Angstrom], share of the variance it explains, places of joints [Angstrom], and rms in bins
    of 4 Angstrom of what the continuum left before and after."""

    constant: float
    explained: float
    joints: tuple[float, ...]
    before: float
    after: float

    @property
    def is_poor(self) -> bool:
        """Whether the orders were followed so badly that the continuum cannot be trusted."""
        return self.after > _POOR

    def limited(self, snr: tuple[float, ...]) -> tuple[tuple[float, ...], Step]:
        """S/N per Angstrom of the arms with what is left of the ripple counted as noise, which widens the intervals.

        An error shared by 4 Angstrom weighs as much there as white noise twice its size in 1 Angstrom.
        """
        most = 1 / (self.after * np.sqrt(_SEARCH_BIN * PIXEL_ANGSTROM))
        reason = "what the ripple of the orders left counts as noise"
        return tuple(most if s > most else s for s in snr), Step("signal to noise", reason, {"at_most": float(most)})

    def joined(self) -> NDArray:
        """Pixels (N_PIXELS,) bool at a joint, where the instrument has smoothed its step."""
        return (np.abs(WAVELENGTH - np.array(self.joints)[:, None]) < _BLURRED).any(0)

    def step(self) -> Step:
        """The ledger's entry."""
        middle = [0.5 * (arm.low + arm.high) for arm in ARMS]
        numbers: dict[str, float | str] = {
            **{f"order_{a.name}_angstrom": m * m / self.constant for a, m in zip(ARMS, middle, strict=True)},
            "explained": self.explained,
            "joints": len(self.joints),
            "rms_before": self.before,
            "rms_after": self.after,
        }
        reason = "a ripple comes back with each echelle order; measured against the best model and divided out"
        return Step("order ripple", reason, numbers)


@dataclass(frozen=True, eq=False)
class Continuum:
    """Continuum (N_PIXELS,) of a spectrum at rest, and the ripple of its orders that is part of it, if it has one."""

    level: NDArray
    ripple: Ripple | None = None


def follow_orders(flux: NDArray, good: NDArray, continuum: NDArray, model: NDArray, templates: NDArray) -> Continuum:
    """Continuum of a spectrum at rest that follows its orders; as given where they left no ripple.

    `continuum` and `model` are those of `fit_stars` for this flux (N_PIXELS,). Ripple and continuum are measured in turn,
    three times, each with the other divided out.
    """
    found = find_ripple(*_left(flux, good, continuum, model))
    if found is None:
        return Continuum(continuum)
    constant, explained, before = found
    smooth = continuum
    for _ in range(_ROUNDS):
        factor, joints = _measure(*_left(flux, good, smooth, model), constant)
        smooth, model = (rows[0] for rows in fit_stars((flux / factor)[None], good[None], templates))
    after = _rms(*_left(flux, good, smooth * factor, model))
    if not after <= _NONE:  # also where there is no number, since nothing is left to measure on
        return Continuum(continuum)
    return Continuum(smooth * factor, Ripple(constant, explained, joints, before, after))


def _left(flux: NDArray, good: NDArray, continuum: NDArray, model: NDArray) -> tuple[NDArray, NDArray]:
    """What a continuum and a model leave of ln flux (N_PIXELS,), and the weight of each pixel, 1 where there are no lines."""
    usable = good & (continuum > 0) & (flux > 0.02 * continuum) & (model > 0.05)
    for low, high in IGNORED:
        usable &= (low > WAVELENGTH) | (high < WAVELENGTH)
    left = np.log(np.where(usable, flux / np.where(usable, continuum * model, 1), 1))
    error = _DEPTH_ERROR * (1 - model)
    return left, usable * model**2 * _PIXEL_ERROR**2 / (_PIXEL_ERROR**2 + error**2)


def _binned(left: NDArray, weight: NDArray, part: slice, size: int) -> tuple[NDArray, NDArray, NDArray]:
    """Wavelength, robust mean and weight (0 to 1) of bins of pixels of one arm, all (bins,)."""
    part = slice(part.start, part.start + (part.stop - part.start) // size * size)
    x, y, w = (values[part].reshape(-1, size) for values in (WAVELENGTH, left, weight))
    known = w.sum(1) > 0.1 * size
    mean = (w * y).sum(1) / np.where(known, w.sum(1), 1)
    for _ in range(2):
        own = w / np.maximum(1, np.abs(y - mean[:, None]) / _HUBER)
        mean = (own * y).sum(1) / np.where(known, own.sum(1), 1)
    return x.mean(1), np.where(known, mean, 0.0), np.where(known, w.mean(1), 0.0)


@cache
def _bases() -> tuple[NDArray, ...]:
    """For each arm (K's, 6 + 6, bins): smooth modes, then waves in K / wavelength and their harmonics."""
    out = []
    for part in arm_slices():
        x, *_ = _binned(np.zeros(N_PIXELS), np.ones(N_PIXELS), part, _SEARCH_BIN)
        modes = legendre.legvander(np.linspace(-1, 1, x.size), N_MODES - 1).T
        angle = 2 * np.pi * _CONSTANTS[:, None] / x
        waves = [wave(h * angle) for h in range(1, _HARMONICS + 1) for wave in (np.cos, np.sin)]
        out.append(np.stack([*(np.broadcast_to(m, angle.shape) for m in modes), *waves], 1))
    return tuple(out)


def find_ripple(left: NDArray, weight: NDArray) -> tuple[float, float, float] | None:
    """K [Angstrom], share of the variance explained and rms of a ripple in what a continuum leaves (N_PIXELS,); None without one.

    In each arm waves of one K with two harmonics, beside what six smooth modes can do.
    """
    arms = [_binned(left, weight, part, _SEARCH_BIN) for part in arm_slices()]
    count = sum(w.sum() for _, _, w in arms)
    if (
        sum((w > 0).sum() for _, _, w in arms) < _FEWEST_BINS
        or sum((w * y * y).sum() for _, y, w in arms) < count * _SMALLEST**2
    ):
        return None
    total, gain = 0.0, np.zeros(_CONSTANTS.size)
    for basis, (_, y, w) in zip(_bases(), arms, strict=True):
        if (w > 0).sum() < 3 * basis.shape[1]:
            continue
        weighted = basis * w
        matrix = weighted @ basis.transpose(0, 2, 1) + 1e-6 * np.eye(basis.shape[1])
        vector = weighted @ y
        smooth = vector[0, :N_MODES] @ np.linalg.solve(matrix[0, :N_MODES, :N_MODES], vector[0, :N_MODES])
        gain += (vector * np.linalg.solve(matrix, vector[..., None])[..., 0]).sum(1) - smooth
        total += float((w * y * y).sum() - smooth)
    best = int(gain.argmax())
    rms = float(np.sqrt(total / count))
    if rms < _SMALLEST or gain[best] < _EXPLAINED * total:
        return None
    return float(_CONSTANTS[best]), float(gain[best] / total), rms


def _rms(left: NDArray, weight: NDArray) -> float:
    arms = [_binned(left, weight, part, _SEARCH_BIN) for part in arm_slices()]
    return float(np.sqrt(sum((w * y * y).sum() for _, y, w in arms) / sum(w.sum() for _, _, w in arms)))


def _measure(left: NDArray, weight: NDArray, constant: float) -> tuple[NDArray, tuple[float, ...]]:
    """Factor (N_PIXELS,) of a ripple of known K, and where its orders are joined [Angstrom].

    Mean of a normal process: a shape along the order that changes slowly from order to order, a fifth of it for each order
    alone, a step at each joint, and smooth modes, which are left to the continuum.
    """
    factor, joints = np.ones(N_PIXELS), find_joints(left, weight, constant)
    for part in arm_slices():
        x, y, w = _binned(left, weight, part, _FIT_BIN)
        if (w > 0).sum() < 60:
            continue
        shape, steps = _of_arm(x, y, w, constant, joints)
        here = WAVELENGTH[part]
        factor[part] = np.exp(CubicSpline(x, shape)(here) + steps @ _local_steps(here, joints, constant))
    return factor, joints


def _of_arm(
    x: NDArray, y: NDArray, weight: NDArray, constant: float, joints: tuple[float, ...]
) -> tuple[NDArray, NDArray]:
    """Shape (bins,) of the ripple of one arm at wavelengths x (bins,), and its steps (joints,), from what was left, y (bins,)."""
    modes = legendre.legvander(2 * (x - x[0]) / (x[-1] - x[0]) - 1, N_MODES - 1)
    apart = constant / x[:, None] - constant / x
    place = np.exp(-0.5 * (np.sin(np.pi * apart) / (np.pi * _PLACE)) ** 2 - 0.5 * (apart / _MEMORY) ** 2)
    own = _OWN_SHARE**2 * np.exp(-0.5 * (apart / _OWN_PLACE) ** 2)
    size = float(np.sqrt(np.average(y**2, weights=weight)))
    shape, jumps = size**2 * (place + own), _local_steps(x, joints, constant)
    together = shape + _STEP_SIGMA**2 * jumps.T @ jumps + modes @ modes.T
    used, w, noise = np.flatnonzero(weight > 0), weight[weight > 0], _LEAST_ERROR
    among = together[np.ix_(used, used)]
    for _ in range(_ROUNDS):
        solved = np.linalg.solve(among + np.diag(noise**2 / w), y[used])
        residual = np.abs(y[used] - among @ solved)
        w = weight[used] / np.maximum(1, residual * np.sqrt(weight[used]) / (_FAR * noise))
        noise = max(MAD_TO_SIGMA * median(residual), _LEAST_ERROR)
    return shape[:, used] @ solved, _STEP_SIGMA**2 * jumps[:, used] @ solved


def _local_steps(x: NDArray, joints: tuple[float, ...], constant: float) -> NDArray:
    """For each joint (joints, n) half a step down before it and half a step up behind, fading over half an order."""
    at = np.array(joints)[:, None]
    return 0.5 * np.sign(x - at) * np.maximum(0, 1 - np.abs(x - at) / (0.5 * at**2 / constant))


def find_joints(left: NDArray, weight: NDArray, constant: float) -> tuple[float, ...]:
    """Wavelengths [Angstrom] where what the continuum left (N_PIXELS,) steps, once an order and at like places of all.

    The step is that of least squares beside a straight line within 8 Angstrom on either side.
    """
    reach = round(_STEP_REACH / PIXEL_ANGSTROM)
    place = (np.arange(-reach, reach) + 0.5) / reach
    filters = 8 * np.sign(place) - 12 * place  # twice the factor of the sign: from foot to top
    found: list[tuple[float, float]] = []
    for part in arm_slices():
        y, known = np.where(weight[part] > 0.3, left[part], 0.0), (weight[part] > 0.3).astype(float)
        x = WAVELENGTH[part]
        if known.sum() < 10 * reach:
            continue
        y = np.interp(x, x[known > 0], y[known > 0])
        step = np.zeros(x.size)
        inner = slice(reach, x.size - reach + 1)
        step[inner][: x.size - 2 * reach + 1] = np.convolve(y, filters[::-1], "valid") / (2 * reach)
        order = np.floor(constant / x).astype(int)
        for one in np.unique(order):
            here = np.flatnonzero(order == one)
            best = here[np.abs(step[here]).argmax()]
            if abs(step[best]) > _SMALLEST_STEP:
                found.append((float(x[best] - 0.5 * PIXEL_ANGSTROM), float(step[best])))
    if len(found) < 3:
        return ()
    phase = np.array([constant / x for x, _ in found])
    apart = np.abs((phase[:, None] - phase + 0.5) % 1 - 0.5)
    middle = int((apart < _STEP_PHASE).sum(1).argmax())
    near = apart[middle] < _STEP_PHASE
    if near.sum() < 3:
        return ()
    largest: dict[int, tuple[float, float]] = {}  # the largest step of each order, counted from the middle one's place
    for (joint, size), use, number in zip(found, near, np.round(phase - phase[middle]), strict=True):
        if use and abs(size) > abs(largest.get(int(number), (0.0, 0.0))[1]):
            largest[int(number)] = (joint, size)
    return tuple(sorted(x for x, _ in largest.values()))
