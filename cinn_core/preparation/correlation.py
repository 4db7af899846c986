"""Correlation of many spectra with the templates: with a few of them at all velocities, with all of them near the peak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy import fft

from .log_grid import PAD, OnLog, sharp
from .templates import Templates

_N_SEARCH = 18
_FFT_SIZE = 1024
_BLOCK = _FFT_SIZE - 2 * PAD  # pixels of a template whose products at all lags fit one transform


@dataclass(frozen=True, eq=False)
class ArmTools:
    """One arm's k templates ready for products.

    depth (k, m) float32: template - 1; sums, square_sums (m + 1, k) float32: running sums of it and of its square;
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
    """What `correlate` and `scores` need of the templates, for each arm."""
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
    """Where each distinct row is first, and which of these each row is: spectra of one instrument share their weights."""
    seen: dict[bytes, int] = {}
    which = [seen.setdefault(row.tobytes(), len(seen)) for row in rows]
    return [which.index(i) for i in range(len(seen))], which


def scores(stars: Sequence[OnLog], lags: NDArray, templates: Templates) -> NDArray:
    """The same correlation (stars, k, lags a star), nothing taken out, for all templates at a few `lags` (stars, lags a star)."""
    tools = search_tools(templates)
    sums = np.zeros((3, len(stars), len(tools[0].depth), lags.shape[1]))
    for a, tool in enumerate(tools):
        here = [i for i, star in enumerate(stars) if star.arms[a].enough]
        if not here:
            continue
        m = tool.depth.shape[1]
        d = np.empty((len(here), lags.shape[1], m), np.float32)
        for row, i in enumerate(here):
            arm = stars[i].arms[a]
            d[row] = sliding_window_view(arm.flux.astype(np.float32), m)[lags[i]]
            n, sum_d, sum_dd = (_window_sums(x, m)[lags[i]] for x in (arm.weight, arm.flux, arm.flux**2))
            n = np.maximum(n, 1.0)
            sum_t, sum_tt = _sums_where(sliding_window_view(arm.weight, m)[lags[i]], tool)
            sums[0, i] -= sum_d * sum_t / n
            sums[1, i] += sum_dd - sum_d**2 / n
            sums[2, i] += sum_tt - sum_t**2 / n
        sum_dt = (tool.depth @ d.reshape(-1, m).T).reshape(-1, *d.shape[:2])
        sums[0, here] += sum_dt.swapaxes(0, 1)
    return sums[0] / np.sqrt(np.maximum(sums[1] * sums[2], 1e-12))


def _window_sums(values: NDArray, m: int) -> NDArray:
    """Sums (..., lags) over windows of m pixels that begin at each pixel of `values` (..., m + lags - 1)."""
    running = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=running[..., 1:])
    return running[..., m:] - running[..., :-m]


def _running_sums(values: NDArray) -> NDArray:
    """Sums (m + 1, k) float32 of the first 0 to m of `values` (k, m); summed in double precision."""
    out = np.zeros((values.shape[1] + 1, len(values)), np.float32)
    out[1:] = np.cumsum(values, axis=1, dtype=float).T
    return out


def _sums_where(weight: NDArray, tool: ArmTools) -> tuple[NDArray, NDArray]:
    """Sums (k, lags) of the templates and of their squares over the pixels where `weight` (lags, m) is 1, not 0.

    Differences of the running sums at the ends of each stretch of good pixels: stretches are few.
    """
    change = -np.diff(weight, axis=1, prepend=0.0, append=0.0).astype(np.float32)
    at = np.flatnonzero(change.any(0))
    sum_t, sum_tt = ((change[:, at] @ sums[at]).T.astype(float) for sums in (tool.sums, tool.square_sums))
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
