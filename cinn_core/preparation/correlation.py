"""Correlation of many spectra with the templates: with a few of them at all velocities, with all of them near the peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter1d

from ..instrument import FWHM_PER_SIGMA, SPEED_OF_LIGHT_KMS
from ..rebin import covered, rebin
from .resample import remainder_fwhm, without_gaps
from .templates import LOG_STEP_KMS, Templates

MAX_KMS = 500.0
PAD = int(MAX_KMS / LOG_STEP_KMS) + 10
"""Pixels by which a spectrum reaches beyond its templates on either side."""

_WIDE_PIXELS = 50.0
_WIDE_KERNEL = gaussian_filter1d(np.eye(1, 401, 200)[0], _WIDE_PIXELS, mode="constant")  # to four sigma
_FEWEST_PIXELS = 500
_TELLURIC = (6274.0, 6322.0)


@dataclass(frozen=True, eq=False)
class LogArm:
    """One arm on the templates' log grid widened by 500 km/s: flux - 1 (m,), weight 0/1 (m,)."""

    flux: NDArray
    weight: NDArray

    @cached_property
    def sharp(self) -> NDArray:
        """Flux (m,) without what varies slowly (`sharp`)."""
        return sharp(self.flux, self.weight)

    @cached_property
    def stretches(self) -> NDArray:
        """Ends (2 k,) of the stretches of good pixels: first, one after the last, first, ..."""
        return np.flatnonzero(np.diff(self.weight.astype(np.int8), prepend=0, append=0))

    @cached_property
    def running_sums(self) -> NDArray:
        """Running sums (3, m + 1) of weight, flux and squared flux."""
        running = np.zeros((3, self.flux.size + 1))
        for row, values in zip(running, (self.weight, self.flux, self.flux**2), strict=True):
            np.cumsum(values, out=row[1:])
        return running

    @cached_property
    def enough(self) -> bool:
        """Whether there are enough pixels to measure a velocity."""
        return bool(self.weight.sum() > _FEWEST_PIXELS)


@dataclass(frozen=True, eq=False)
class OnLog:
    """Spectrum with all its arms on a logarithmic scale, smoothed from the resolving power `power` to 20 000."""

    power: float
    arms: tuple[LogArm, ...]


def to_log(
    wavelength: NDArray, flux: NDArray, good: NDArray, native_resolving_power: float, templates: Templates
) -> OnLog:
    """A spectrum (n,) with continuum near 1, wavelengths in air, on the templates' log grid."""
    return to_log_many(wavelength, flux[None], good[None], native_resolving_power, templates)[0]


def to_log_many(
    wavelength: NDArray, flux: NDArray, good: NDArray, native_resolving_power: float, templates: Templates
) -> list[OnLog]:
    """Spectra (stars, n) on the same wavelengths (n,) on the templates' log grid, one `OnLog` for each star."""
    fwhm = remainder_fwhm(native_resolving_power)
    arms = [_on_log(wavelength, flux, good, grid, fwhm) for grid in templates.log_wavelength]
    return [OnLog(native_resolving_power, each) for each in zip(*arms, strict=True)]


def velocity_lags() -> NDArray:
    """Velocity [km/s] of each lag between a widened spectrum and a template, (lags,)."""
    step = np.log1p(LOG_STEP_KMS / SPEED_OF_LIGHT_KMS)
    return SPEED_OF_LIGHT_KMS * np.expm1(step * (np.arange(2 * PAD + 1) - PAD))


def _on_log(wavelength: NDArray, flux: NDArray, good: NDArray, grid: NDArray, fwhm: float) -> list[LogArm]:
    """One arm of spectra (stars, n) on the template's grid, widened on both sides, at R = 20 000."""
    step = np.exp(np.mean(np.diff(np.log(grid))))
    edges = grid[0] * step ** (np.arange(grid.size + 2 * PAD + 1) - PAD - 0.5)
    near = (wavelength > edges[0]) & (wavelength < edges[-1])
    wavelength, flux, good = wavelength[near], flux[:, near], good[:, near]
    some = good.sum(1) >= 100
    on_log, weight = np.zeros((2, len(flux), edges.size - 1))
    if some.any():
        native = without_gaps(wavelength, flux[some], good[some])
        binned = rebin(native.wavelength, native.flux, edges)
        share = covered(native.wavelength, native.good, edges)
        if fwhm > 0:
            sigma = fwhm / FWHM_PER_SIGMA / LOG_STEP_KMS
            binned, share = (gaussian_filter1d(a, sigma, mode="nearest") for a in (binned, share))
        centre = 0.5 * (edges[1:] + edges[:-1])
        known = (share > 0.9) & ~((centre > _TELLURIC[0]) & (centre < _TELLURIC[1])) & np.isfinite(binned)
        on_log[some], weight[some] = np.where(known, np.clip(binned, -0.3, 1.3) - 1, 0.0), known
    return [LogArm(f, w) for f, w in zip(on_log, weight, strict=True)]


def sharp(flux: NDArray, weight: NDArray) -> NDArray:
    """Flux (..., m) without what varies over more than some 200 km/s (wings of Halpha, ripples of the continuum)."""
    return weight * (flux - wide_mean(flux * weight) / np.maximum(_wide_weight(weight.tobytes(), weight.shape), 0.05))


@lru_cache(maxsize=8)
def _wide_weight(weight: bytes, shape: tuple[int, ...]) -> NDArray:
    """Wide mean of weights, which spectra of one instrument share."""
    return wide_mean(np.frombuffer(weight).reshape(shape))


def wide_mean(values: NDArray) -> NDArray:
    """Gaussian means (..., m) over some 200 km/s, end values continued; so wide a kernel is faster by FFT."""
    reach = (_WIDE_KERNEL.size - 1) // 2
    first, last = (np.repeat(end, reach, axis=-1) for end in (values[..., :1], values[..., -1:]))
    wide = np.concatenate([first, values, last], axis=-1, dtype=np.float32)
    size = fft.next_fast_len(wide.shape[-1], real=True)
    product = fft.rfft(wide, size, axis=-1) * _wide_kernel_fft(size)
    return fft.irfft(product, size, axis=-1)[..., 2 * reach : wide.shape[-1]]


@lru_cache(maxsize=8)
def _wide_kernel_fft(size: int) -> NDArray:
    return fft.rfft(_WIDE_KERNEL.astype(np.float32), size)


_N_SEARCH = 18
_N_FINALISTS = 12  # templates whose correlation is looked at at several lags
_FFT_SIZE = 1024
_BLOCK = _FFT_SIZE - 2 * PAD  # pixels of a template whose products at all lags fit one transform


@dataclass(frozen=True, eq=False)
class ArmTools:
    """Templates (k) of one arm, ready for products.

    depth (k, m) float32: template - 1; sums, square_sums (k, m + 1) float32: running sums of it and of its square;
    sought, sought_square (frequencies, 18, blocks) complex64: conjugate transforms of the blocks of the sharp templates
    that are sought with, and of their squares.
    """

    depth: NDArray
    sums: NDArray
    square_sums: NDArray
    sought: NDArray
    sought_square: NDArray


@lru_cache(maxsize=1)
def search_tools(templates: Templates) -> tuple[ArmTools, ...]:
    """Products of the templates that `correlate` and `best_templates` need, for each arm."""
    search = np.unique(np.linspace(0, len(templates.labels) - 1, _N_SEARCH).astype(int))
    tools = []
    for flux in templates.log_flux:
        depth = flux - np.float32(1)
        t = sharp(depth[search].astype(float), np.ones(flux.shape[1]))
        tools.append(ArmTools(depth, _running_sums(depth), _running_sums(depth**2), _kernels(t), _kernels(t**2)))
    return tuple(tools)


def correlate(stars: Sequence[OnLog], templates: Templates) -> NDArray:
    """Normalised correlation (stars, 18, lags) of masked spectra with the templates sought with, all arms together."""
    tools = search_tools(templates)
    sums = np.zeros((3, len(stars), tools[0].sought.shape[1], 2 * PAD + 1))
    for a, tool in enumerate(tools):
        here = [i for i, star in enumerate(stars) if star.arms[a].enough]
        if not here:
            continue
        m = tool.depth.shape[1]
        w = np.stack([stars[i].arms[a].weight for i in here])
        d = np.stack([stars[i].arms[a].sharp for i in here])
        n, sum_d, sum_dd = (_window_sums(x, m)[:, None] for x in (w, d, d**2))
        kind, which = _distinct(w)
        sum_t, sum_tt = (_products(w[kind], kernels)[which] for kernels in (tool.sought, tool.sought_square))
        sum_dt = _products(d, tool.sought)
        enough = n > 0.3 * n.max(-1, keepdims=True)
        n = np.maximum(n, 1.0)
        sums[0, here] += np.where(enough, sum_dt - sum_d * sum_t / n, 0.0)
        sums[1, here] += np.where(enough, sum_dd - sum_d**2 / n, 0.0)
        sums[2, here] += np.where(enough, sum_tt - sum_t**2 / n, 0.0)
    return np.where((sums[1] > 0) & (sums[2] > 0), sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-12)), 0.0)


def _distinct(rows: NDArray) -> tuple[list[int], list[int]]:
    """Index of each distinct row, and which of these each row is: spectra of one instrument share their weights."""
    first: dict[bytes, int] = {}
    which = [first.setdefault(row.tobytes(), len(first)) for row in rows]
    return [which.index(i) for i in range(len(first))], which


def best_templates(stars: Sequence[OnLog], lags: NDArray, templates: Templates) -> tuple[NDArray, NDArray]:
    """Index (stars,) of the template of the highest normalised correlation at a few `lags` (stars, lags a star) about the
    peak, nothing taken out, and that correlation at all of these (stars, lags a star).

    All templates are tried at the middle lag, the 32 best of them at the others.
    """
    k, few = len(search_tools(templates)[0].depth), min(_N_FINALISTS, len(templates.labels))
    middle = lags.shape[1] // 2
    at_middle = _scores(stars, lags[:, middle : middle + 1], templates, np.broadcast_to(np.arange(k), (len(stars), k)))
    finalists = np.sort(np.argpartition(at_middle[..., 0], k - few, axis=1)[:, k - few :], axis=1)
    score = _scores(stars, lags, templates, finalists)
    best, star = score.max(2).argmax(1), np.arange(len(stars))
    return finalists[star, best], score[star, best]


def _scores(stars: Sequence[OnLog], lags: NDArray, templates: Templates, tried: NDArray) -> NDArray:
    """Normalised correlation (stars, k, lags a star) with templates of the indices `tried` (stars, k) at `lags`."""
    tools = search_tools(templates)
    every = tried.shape[1] == len(tools[0].depth)
    sums = np.zeros((3, *tried.shape, lags.shape[1]))
    for a, tool in enumerate(tools):
        here = [i for i, star in enumerate(stars) if star.arms[a].enough]
        if not here:
            continue
        m = tool.depth.shape[1]
        d = np.empty((len(here), lags.shape[1], m), np.float32)
        for row, i in enumerate(here):
            arm, at = stars[i].arms[a], lags[i]
            d[row] = sliding_window_view(arm.flux.astype(np.float32), m)[at]
            running = arm.running_sums
            n, sum_d, sum_dd = running[:, at + m] - running[:, at]
            n = np.maximum(n, 1.0)
            sum_t, sum_tt = _sums_where(arm.stretches, at, tool, slice(None) if every else tried[i])
            sums[0, i] -= sum_d * sum_t / n
            sums[1, i] += sum_dd - sum_d**2 / n
            sums[2, i] += sum_tt - sum_t**2 / n
            if not every:
                sums[0, i] += tool.depth[tried[i]] @ d[row].T
        if every:
            sum_dt = (tool.depth @ d.reshape(-1, m).T).reshape(-1, *d.shape[:2])
            sums[0, here] += sum_dt.swapaxes(0, 1)
    return sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-12))


def _window_sums(values: NDArray, m: int) -> NDArray:
    """Sums (..., lags) over windows of m pixels that begin at each pixel of `values` (..., m + lags - 1)."""
    running = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=running[..., 1:])
    return running[..., m:] - running[..., :-m]


def _running_sums(values: NDArray) -> NDArray:
    """Sums (k, m + 1) float32 of the first 0 to m of `values` (k, m); summed in double precision."""
    out = np.zeros((len(values), values.shape[1] + 1), np.float32)
    for row, each in zip(out, values, strict=True):
        row[1:] = np.cumsum(each, dtype=float)
    return out


def _sums_where(stretches: NDArray, lags: NDArray, tool: ArmTools, tried: NDArray | slice) -> tuple[NDArray, NDArray]:
    """Sums (k, lags) of the templates `tried` (k,) and of their squares over the pixels in stretches (ends,) of an arm.

    Differences of the running sums at the ends of each stretch of good pixels: stretches are few.
    """
    place = np.clip(stretches - lags[:, None], 0, tool.sums.shape[1] - 1)
    rows = np.arange(len(tool.sums))[tried][:, None, None]
    of_all = (running[rows, place] for running in (tool.sums, tool.square_sums))
    sum_t, sum_tt = ((sums[..., 1::2] - sums[..., ::2]).sum(2, dtype=float) for sums in of_all)
    return sum_t, sum_tt


def _kernels(templates: NDArray) -> NDArray:
    """Conjugate transforms (frequencies, k, blocks) complex64 of the blocks of templates (k, m)."""
    blocks = -(-templates.shape[1] // _BLOCK)
    padded = np.zeros((len(templates), blocks * _BLOCK), np.float32)
    padded[:, : templates.shape[1]] = templates
    transformed = fft.rfft(padded.reshape(len(templates), blocks, _BLOCK), _FFT_SIZE, axis=-1)
    return np.ascontiguousarray(np.conj(transformed).transpose(2, 0, 1))


def _products(signals: NDArray, kernels: NDArray) -> NDArray:
    """Sums (stars, k, lags) of the products of each template with each of `signals` (stars, m + lags - 1) at every lag.

    Lags are few against pixels: templates are cut into blocks, whose products are added up before the way back.
    """
    padded = np.zeros((len(signals), kernels.shape[2] * _BLOCK + 2 * PAD), np.float32)
    padded[:, : signals.shape[1]] = signals
    blocks = sliding_window_view(padded, _FFT_SIZE, axis=1)[:, ::_BLOCK]
    transformed = np.ascontiguousarray(fft.rfft(blocks, axis=-1).transpose(2, 1, 0))
    return fft.irfft(kernels @ transformed, _FFT_SIZE, axis=0)[: 2 * PAD + 1].transpose(2, 1, 0).astype(float)
