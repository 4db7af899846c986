"""Whitened spectra straight from the emulator's coefficients: rotation, pixels and a spectrum's whitening as one small matrix.

A whitened model is linear in the coefficients, and what the rotation adds is a smooth function of vbroad. The matrices are
made at nodes of vbroad, each when a star first comes near it, and the result is interpolated between six of them. A star
costs the emulator's coefficients alone, not a spectrum.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..forward_model.broadening import transfer_function
from ..forward_model.forward import ForwardModel
from ..instrument import RESOLVING_POWER
from ..targets import COLUMN, EMULATOR_COLUMNS

_STEP_KMS, _RATIO, _LAST_EVEN, _ORDER = 1.0, 1.05, 20.0, 6
_NODES = np.concatenate([np.arange(0.0, _LAST_EVEN, _STEP_KMS), _LAST_EVEN * _RATIO ** np.arange(40.0)])
"""vbroad [km/s] of the nodes, 1 km/s or 5 % apart; the highest frequency of a spectrum, 0.15 per km/s, turns by 0.9 between two."""


class WhitenedModel:
    """Model spectra times an operator (N_PIXELS, r), R = 20 000 and velocity 0, for labels of stars."""

    def __init__(self, forward: ForwardModel, operator: NDArray) -> None:
        self._forward = forward
        self._pulled = _pulled_back(forward, operator)
        self._continuum = torch.from_numpy(operator.sum(0, dtype=float)).float()
        self._maps: dict[int, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def __call__(self, labels: NDArray) -> NDArray:
        """Whitened models (n, r) for labels (n, 29)."""
        given = torch.as_tensor(labels, dtype=torch.float32)
        coefficients = self._forward.emulator.coefficients(given[:, EMULATOR_COLUMNS])
        out = self._continuum.repeat(len(given), 1)
        for node, weight in _interpolation(labels[:, COLUMN["vbroad"]]).items():
            mean, matrix = self._at(node)
            some = torch.from_numpy(np.flatnonzero(weight))
            share = torch.from_numpy(weight[weight != 0]).float()
            out[some] -= share[:, None] * (mean + coefficients[some] @ matrix)
        return out.numpy()

    def _at(self, node: int) -> tuple[Tensor, Tensor]:
        """Whitened depth of the mean (r,), and of each component (k, r), at a node."""
        if node not in self._maps:
            fourier = self._forward.fourier
            vbroad = torch.tensor([max(_NODES[node], 1e-3)], dtype=torch.float64)
            power = vbroad.new_full((1,), RESOLVING_POWER)
            transfer = transfer_function(fourier.frequency.double(), vbroad, power)[0].float()
            twice = transfer.repeat_interleave(2)  # of real and imaginary parts
            mean = sum(
                torch.view_as_real(mean * transfer).flatten() @ pulled
                for mean, pulled in zip(fourier.means, self._pulled, strict=True)
            )
            matrix = sum(basis * twice @ pulled for basis, pulled in zip(fourier.bases, self._pulled, strict=True))
            self._maps[node] = torch.as_tensor(mean), torch.as_tensor(matrix)
        return self._maps[node]


def _pulled_back(forward: ForwardModel, operator: NDArray) -> tuple[Tensor, ...]:
    """For each arm (2 f, r): what real and imaginary parts of a spectrum's Fourier coefficients add to the whitened spectrum."""
    fourier, n = forward.fourier, len(forward.fourier.frequency)
    native = torch.sparse.mm(forward.pixels.t(), torch.as_tensor(operator, dtype=torch.float32))
    out = []
    for arm in forward.arms:
        spectrum = torch.fft.rfft(native[arm], n=fourier.size, dim=0)[:n].conj() / fourier.size
        spectrum[1:] *= 2  # the other half of the frequencies
        out.append(torch.stack([spectrum.real, -spectrum.imag], 1).flatten(0, 1))
    return tuple(out)


def _interpolation(vbroad: NDArray) -> dict[int, NDArray]:
    """Weights (n,) of each node that takes part: Lagrange's of the six nodes about each vbroad (n,)."""
    first = np.clip(np.searchsorted(_NODES, vbroad) - _ORDER // 2, 0, len(_NODES) - _ORDER)
    out: dict[int, NDArray] = {}
    for k in range(_ORDER):
        own = _NODES[first + k]
        weight = np.ones(len(vbroad))
        for j in range(_ORDER):
            if j != k:
                weight *= (vbroad - _NODES[first + j]) / (own - _NODES[first + j])
        for node in np.unique(first + k):
            out.setdefault(int(node), np.zeros(len(vbroad)))[first + k == node] = weight[first + k == node]
    return out
