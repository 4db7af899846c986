"""Statistical equilibrium of an atom whose lines and continua overlap: accelerated lambda iteration, fully preconditioned.

Lightweaver preconditions only pairs of levels that a transition joins. Where many lines and continua of one atom overlap,
as iron's do, it settles on populations that its own rates do not keep: Fe I of a giant came out 5 to 10 % too abundant.
Here all pairs are preconditioned (Rybicki & Hummer 1992, A&A 262, 209, eq. 2.25), with Feautrier's formal solution and the
diagonal of its inverse (Rybicki & Hummer 1991, A&A 245, 171). Atmosphere, profiles, collisions and the other opacity are
Lightweaver's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from .opacity import layer_means, planck

_LIGHT, _PLANCK, _BOLTZMANN = 2.99792458e8, 6.62607015e-34, 1.380649e-23
_CLASSICAL = 2.6540089e-6  # m2 Hz: pi e^2 / (4 pi eps0 m c)
_ANGLES = 3
_NG_PERIOD, _NG_BELOW = 4, 0.3
_SCATTERING_ITERATIONS = 3


@dataclass(frozen=True, eq=False)
class Points:
    """Transitions at their wavelengths, p in all: lower, upper (p,) levels, at (p,) place in the grid of wavelengths.

    section (p, n) [m2] at each depth, emitted (p, n) the ratio (n_i/n_j)* exp(-h nu / k T), weight (p,) 4 pi dnu / (h nu).
    """

    lower: NDArray
    upper: NDArray
    at: NDArray
    section: NDArray
    emitted: NDArray
    weight: NDArray


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over points: sparse matrices to wavelengths, to pairs of levels, and to the pairs (level, wavelength) that occur.

    `levels` sums with a minus sign for upper levels, `uppers` over upper levels only; the pairs are in the order of rows.
    """

    grid: csr_matrix
    pairs: csr_matrix
    levels: csr_matrix
    level_rows: tuple[NDArray, NDArray]
    uppers: csr_matrix
    upper_rows: tuple[NDArray, NDArray]


def _sums(points: Points, size: int, grid: int) -> _Sums:
    count = points.at.size
    every, one = np.arange(count), np.ones(count)
    keys = np.concatenate([points.lower, points.upper]) * grid + np.concatenate([points.at, points.at])
    pairs, place = np.unique(keys, return_inverse=True)
    signs = np.concatenate([one, -one])
    ups, up_place = np.unique(points.upper * grid + points.at, return_inverse=True)
    return _Sums(
        grid=csr_matrix((one, (points.at, every)), (grid, count)),
        pairs=csr_matrix((one, (points.lower * size + points.upper, every)), (size * size, count)),
        levels=csr_matrix((signs, (place, np.concatenate([every, every]))), (pairs.size, count)),
        level_rows=(pairs % grid, np.searchsorted(pairs, np.arange(size + 1) * grid)),
        uppers=csr_matrix((one, (up_place, every)), (ups.size, count)),
        upper_rows=(ups % grid, np.searchsorted(ups, np.arange(size + 1) * grid)),
    )


def transition_points(context: Any) -> tuple[Points, NDArray]:
    """Points of all transitions of the active atom of a Lightweaver Context, and its opacity (m, n) in LTE by continua elsewhere.

    Continua are sampled at the wavelengths of their own tables; the wavelengths of lines see them as in LTE.
    """
    atom = context.activeAtoms[0]
    wavelength, lte = np.asarray(context.spect.wavelength), np.asarray(atom.nStar)
    temperature = np.asarray(context.kwargs["atmos"].temperature)
    weights = [level.g for level in atom.atomicModel.levels]
    continua = atom.atomicModel.continua
    sampled = np.isin(wavelength, np.concatenate([model.wavelength() for model in continua]))
    elsewhere = np.zeros((wavelength.size, temperature.size))
    parts = []
    for t, model in zip(atom.trans, [*atom.atomicModel.lines, *continua], strict=True):
        grid = np.asarray(t.wavelength)
        at = int(np.searchsorted(wavelength, grid[0])) + np.arange(grid.size)
        if hasattr(model, "f"):
            width = _trapezoid(grid / model.lambda0 * _LIGHT) / (model.lambda0 * 1e-9)
            section = _CLASSICAL * model.f * np.asarray(t.phi)[:, 0, 0] * model.lambda0 * 1e-9
            emitted = np.full_like(section, weights[t.i] / weights[t.j])
        else:
            section, stimulated = np.asarray(t.alpha)[:, None], _boltzmann(grid, temperature)
            elsewhere[at] += ~sampled[at, None] * section * lte[t.i] * (1 - stimulated)
            own = sampled[at]
            grid, at, section = grid[own], at[own], np.repeat(section[own], temperature.size, 1)
            width = _trapezoid(-_LIGHT / (grid * 1e-9))
            emitted = lte[t.i] / lte[t.j] * stimulated[own]
        full = np.full(grid.size, 1)
        weight = 4 * np.pi * width * grid * 1e-9 / (_PLANCK * _LIGHT)
        parts.append((t.i * full, t.j * full, at, section, emitted, weight))
    return Points(*(np.concatenate(columns) for columns in zip(*parts, strict=True))), elsewhere


def _boltzmann(wavelength_nm: NDArray, temperature: NDArray) -> NDArray:
    """exp(-h nu / k T) (m, n)."""
    return np.exp(-_PLANCK * _LIGHT / (wavelength_nm[:, None] * 1e-9 * _BOLTZMANN * temperature))


def _trapezoid(x: NDArray) -> NDArray:
    """Weights (n,) of the trapezoidal rule on increasing x (n,)."""
    out = np.zeros_like(x)
    step = 0.5 * np.diff(x)
    out[:-1] += step
    out[1:] += step
    return out


def iterate(context: Any, most: int, largest_change: float) -> tuple[int, bool]:
    """Iterate the populations of the active atom in place until none changes by more than a fraction in a step.

    Returns the number of iterations and whether it converged.
    """
    atom = context.activeAtoms[0]
    context.formal_sol_gamma_matrices()  # computes the rates of collisions
    n, lte = np.asarray(atom.n), np.asarray(atom.nStar)
    total, collisions = n.sum(0), np.array(atom.C)
    height = np.asarray(context.kwargs["atmos"].z)
    wavelength = np.asarray(context.spect.wavelength)
    points, elsewhere = transition_points(context)
    chi, eta, scattering = (
        np.array(x) for x in (context.background.chi, context.background.eta, context.background.sca)
    )
    sums = _sums(points, len(lte), wavelength.size)
    spontaneous = 2 * _PLANCK * (_LIGHT / (wavelength * 1e-9)) ** 3 / _LIGHT**2
    mean = planck(wavelength, np.asarray(context.kwargs["atmos"].temperature))
    chi, eta = chi + elsewhere, eta + elsewhere * mean
    history: list[NDArray] = []
    for iteration in range(most):
        for _ in range(1 if iteration else 1 + _SCATTERING_ITERATIONS):
            net = points.section * (n[points.lower] - points.emitted * n[points.upper])
            emission = (sums.grid @ (points.section * points.emitted * n[points.upper])) * spontaneous[:, None]
            opacity = np.maximum(chi + sums.grid @ net, 0.1 * chi)
            mean, diagonal = mean_intensity(opacity, (eta + emission + scattering * mean) / opacity, height)
        psi = diagonal / opacity
        new = _equilibrium(points, sums, net, mean, psi, emission, spontaneous, collisions, lte, total)
        change = float(np.abs(new / n - 1).max())
        if not np.isfinite(change):
            return iteration + 1, False
        if change < largest_change:
            n[:] = new
            return iteration + 1, True
        history.append(np.log(new / lte))
        if len(history) >= 4 and change < _NG_BELOW and iteration % _NG_PERIOD == 0:
            new = np.exp(_accelerated(history[-4:])) * lte
            new *= total / new.sum(0)
            history.clear()
        n[:] = new
    return most, False


def _equilibrium(
    points: Points, sums: _Sums, net: NDArray, mean: NDArray, psi: NDArray, emission: NDArray, spontaneous: NDArray,
    collisions: NDArray, lte: NDArray, total: NDArray,
) -> NDArray:  # fmt: skip
    """Populations (levels, n) that the preconditioned rates keep."""
    size, depths = lte.shape
    grid = spontaneous.size
    out = np.empty_like(lte)
    section = points.weight[:, None] * points.section
    outside = mean - psi * emission  # what does not come from the atom at the same depth
    up = sums.pairs @ (section * outside[points.at])
    down = sums.pairs @ (section * points.emitted * (outside + spontaneous[:, None])[points.at])
    lost = sums.levels @ (points.weight[:, None] * net * psi[points.at])
    photons = sums.uppers @ (points.section * points.emitted * spontaneous[points.at, None])
    for k in range(depths):
        rates = collisions[:, :, k] + up[:, k].reshape(size, size).T + down[:, k].reshape(size, size)
        np.fill_diagonal(rates, 0.0)
        rates -= np.diag(rates.sum(0))
        absorbed = csr_matrix((lost[:, k], *sums.level_rows), (size, grid))
        emitted = csr_matrix((photons[:, k], *sums.upper_rows), (size, grid))
        rates -= (absorbed @ emitted.T).toarray()
        matrix = rates * lte[:, k]
        matrix /= np.abs(matrix).max(1, keepdims=True)
        most = int(np.argmax(lte[:, k]))
        matrix[most] = lte[:, k] / total[k]
        right = np.zeros(size)
        right[most] = 1.0
        out[:, k] = np.linalg.solve(matrix, right) * lte[:, k]
    return np.maximum(out, 1e-6 * lte)


def mean_intensity(opacity: NDArray, source: NDArray, height: NDArray) -> tuple[NDArray, NDArray]:
    """Mean intensity (m, n) and the diagonal (m, n) of the lambda operator, from opacity [1/m] and source function (m, n).

    Feautrier's equations in three angles, no light from above, thermal below; heights (n,) [m] go downwards.
    """
    cosines, weights = np.polynomial.legendre.leggauss(_ANGLES)
    step = layer_means(opacity) * (height[:-1] - height[1:])
    mean, diagonal = np.zeros_like(source), np.zeros_like(source)
    for cosine, weight in zip(0.5 * (cosines + 1), 0.5 * weights, strict=True):
        intensity, inverse = _feautrier(step / cosine, source)
        mean += weight * intensity
        diagonal += weight * inverse
    return mean, np.clip(diagonal, 0.0, 1.0 - 1e-10)


def _feautrier(step: NDArray, source: NDArray) -> tuple[NDArray, NDArray]:
    """Feautrier's u (m, n) and the diagonal of its inverse along one angle, for steps (m, n - 1) of optical depth."""
    m, n = source.shape
    below, above, middle = np.zeros((m, n)), np.zeros((m, n)), np.ones((m, n))
    width = 0.5 * (step[:, 1:] + step[:, :-1])
    above[:, 1:-1], below[:, 1:-1] = 1 / (width * step[:, :-1]), 1 / (width * step[:, 1:])
    # Second order at the top (Auer 1967); at the bottom the diffusion limit u = S.
    below[:, 0] = 2 / step[:, 0] ** 2
    middle[:, 0] += 2 / step[:, 0]
    # Elimination in F, which loses no digits where steps are small (Rybicki & Hummer 1991, appendix A).
    f = np.empty((m, n))
    z = np.empty((m, n))
    f[:, 0] = middle[:, 0] / np.maximum(below[:, 0], 1e-300)
    z[:, 0] = source[:, 0] / (middle[:, 0] + below[:, 0])
    for k in range(1, n - 1):
        f[:, k] = (1 + above[:, k] * f[:, k - 1] / (1 + f[:, k - 1])) / below[:, k]
        z[:, k] = (source[:, k] + above[:, k] * z[:, k - 1]) / (below[:, k] * (1 + f[:, k]))
    u = np.empty((m, n))
    u[:, -1] = source[:, -1]
    for k in range(n - 2, -1, -1):
        u[:, k] = u[:, k + 1] / (1 + f[:, k]) + z[:, k]
    # From below: g plays the part of f for the elimination upwards.
    g = np.empty((m, n))
    diagonal = np.ones((m, n))
    g[:, -1] = np.inf
    for k in range(n - 2, -1, -1):
        ratio = np.where(np.isinf(g[:, k + 1]), 1.0, g[:, k + 1] / (1 + g[:, k + 1])) if k < n - 2 else np.ones(m)
        first = middle[:, k] if k == 0 else 1.0
        g[:, k] = (first + below[:, k] * ratio) / np.maximum(above[:, k], 1e-300)
        over = 0.0 if k == 0 else above[:, k] * f[:, k - 1] / (1 + f[:, k - 1])
        diagonal[:, k] = 1 / (first + over + below[:, k] * ratio)
    return u, diagonal


def _accelerated(history: list[NDArray]) -> NDArray:
    """Ng's extrapolation of second order (Ng 1974) of four states (levels, n), depth by depth."""
    a, b, c, d = (history[k] for k in (-1, -2, -3, -4))
    first, second = (a - b) - (b - c), (a - b) - (c - d)
    step = a - b
    a11, a12, a22 = (first * first).sum(0), (first * second).sum(0), (second * second).sum(0)
    b1, b2 = (step * first).sum(0), (step * second).sum(0)
    det = a11 * a22 - a12**2
    safe = det > 1e-12 * np.maximum(a11 * a22, 1e-300)
    x, y = (np.where(safe, top / np.where(safe, det, 1), 0.0) for top in (b1 * a22 - b2 * a12, b2 * a11 - b1 * a12))
    x, y = np.clip(x, -3, 3), np.clip(y, -3, 3)
    return (1 - x - y) * a + x * b + y * c
