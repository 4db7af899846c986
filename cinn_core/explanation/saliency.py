"""Saliency: which pixels decided each target, as the gradient of the answer with respect to the flux.

Follows Ksoll et al. (2026): the inverse pass at fixed latent, the gradient of each target over the norm of its whole
gradient. It goes through the projection back to pixels; the projection lets no smooth mode of the continuum through,
so to first order what the continuum fit does with a change of flux is in it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..files import assets_directory, write_arrays
from ..forward_model.jacobian import jacobian
from ..inference.flow import read_flow
from ..inference.flow_gradient import FlowGradient
from ..inference.model import Model
from ..inference.network import N_TARGETS, Network, Observation
from ..inference.projection import MaskedProjection
from ..inference.weighted import representatives
from ..instrument import arm_slices, pixel_sigma
from ..prior import N_LABELS, from_z
from ..stages import FluxVector, PosteriorSamples, Saliency

N_SALIENT = 256
"""Samples of a star over which the median is taken; its cosine with that over 1024 others was 0.99 or more (128: 0.965)."""
_STEP = 1e-3
_PATH_STEPS = 24


def saliency(observation: Observation, posterior: PosteriorSamples, model: Model, masked: MaskedProjection) -> Saliency:
    """d target / d flux (13, N_PIXELS), each of unit norm, median over N_SALIENT samples of one star, again of unit norm.

    Missing pixels have none.
    """
    selected = representatives(None, len(posterior.z), min(N_SALIENT, len(posterior.z)))
    return Saliency(_median_of_unit(label_gradients(observation, posterior.z[selected], model), masked))


def _median_of_unit(gradients: NDArray, masked: MaskedProjection) -> NDArray:
    """Median over s of the pixel maps, each of unit norm, of gradients (s, 13, k); (13, N_PIXELS), rows of unit norm."""
    gram = masked.matrix.T @ masked.matrix
    norm = np.sqrt(np.einsum("stk,kl,stl->st", gradients, gram, gradients, optimize=True).clip(1e-30))
    unit = (gradients / norm[..., None]).astype(np.float32)
    out = np.zeros((N_TARGETS, len(masked.matrix)), np.float32)
    seen, half = np.flatnonzero(masked.good), len(unit) // 2
    matrix = np.ascontiguousarray(masked.matrix[seen])
    for target in range(N_TARGETS):
        out[target, seen] = np.sort(matrix @ unit[:, target].T, axis=1)[:, half]  # here sooner than np.partition
    return out / np.linalg.norm(out, axis=1, keepdims=True).clip(1e-30)


def label_gradients(observation: Observation, z: NDArray, model: Model) -> NDArray:
    """d target / d coefficient (n, 13, k) of one observation at the latents of n samples z (n, 13), not normalised."""
    return np.einsum("nij,njk->nik", label_jacobians(z), coordinate_gradients(observation, z, model.network))


def coordinate_gradients(observation: Observation, z: NDArray, network: Network) -> NDArray:
    """d z / d coefficient (n, 13, k) at fixed latent, for samples z (n, 13) of one observation.

    The flow l = f(z, c) at fixed l gives dz/dc = -(df/dz)^-1 df/dc; the embedding gives dc/dx.
    """
    embedding, condition = _embedding_jacobian(observation, network)
    points = torch.tensor(z, dtype=condition.dtype, device=condition.device)
    by_z, by_c = FlowGradient(read_flow(network.flow)).jacobians(points, condition)
    slopes = -torch.linalg.solve(by_z.double(), by_c.double())
    return (slopes @ embedding.double()).cpu().numpy()


def _embedding_jacobian(observation: Observation, network: Network) -> tuple[Tensor, Tensor]:
    """d condition / d coefficient (c, k) of one observation, and the condition (1, c)."""

    with torch.no_grad():
        condition = network.embedding(observation)
    copies = condition.shape[1]  # one for each row: all rows in one pass back
    each = observation.coefficients.detach().repeat(copies, 1).requires_grad_(True)
    told = (x.expand(copies, *x.shape[1:]) for x in (observation.log_snr, observation.coverage, observation.realism))
    diagonal = network.embedding(Observation(each, *told)).diagonal().sum()
    return torch.autograd.grad(diagonal, each)[0], condition


def label_jacobians(z: NDArray) -> NDArray:
    """d label / d z (n, 13, 13) at prior coordinates z (n, 13), by central differences."""
    moved = (z[:, None] + _STEP * np.eye(N_TARGETS)).reshape(-1, N_TARGETS)
    back = (z[:, None] - _STEP * np.eye(N_TARGETS)).reshape(-1, N_TARGETS)
    slopes = (from_z(moved) - from_z(back)) / (2 * _STEP)
    return slopes.reshape(len(z), N_TARGETS, N_TARGETS).transpose(0, 2, 1)


def integrated_gradients(
    observation: Observation, vector: FluxVector, posterior: PosteriorSamples, model: Model, masked: MaskedProjection
) -> NDArray:
    """Contribution of each pixel to each prior coordinate z (13, N_PIXELS), from the mean training spectrum to this one.

    Sundararajan et al. (2017), at the mode's latent, along the straight line of fluxes; the rows' sums are the changes
    of z. A target's own unit would mix in the curvature of the prior's map.
    """
    with torch.no_grad():
        condition = model.network.embedding(observation)
        mode = torch.tensor(posterior.map_z[None], dtype=torch.float32, device=model.device)
        latent, _ = model.network.flow(mode, c=[condition])
    total = np.zeros((N_TARGETS, observation.coefficients.shape[1]))
    nodes, weights = np.polynomial.legendre.leggauss(_PATH_STEPS)
    for node, weight in zip(0.5 * (nodes + 1), 0.5 * weights, strict=True):
        part = replace(observation, coefficients=observation.coefficients * float(node))
        with torch.no_grad():
            z = model.network.sample(latent, model.network.embedding(part))[0].cpu().numpy().astype(float)
        total += weight * coordinate_gradients(part, z, model.network)[0]
    change = np.where(vector.good, np.nan_to_num(vector.flux) - model.projection.mean, 0.0)
    return (total @ masked.matrix.T) * change


@dataclass(frozen=True, eq=False)
class IdealWeights:
    """Pixel weights of an ideal linear estimator: weights (13, N_PIXELS), rows of unit norm; response (N_PIXELS, 29), d flux / d z."""

    weights: NDArray
    response: NDArray


def ideal_weights(map_z: NDArray, snr: tuple[float, ...], good: NDArray, model: Model) -> IdealWeights:
    """(F + I)^-1 J^T C^-1 of the targets at prior coordinates (13,), for white noise of `snr` per Angstrom in each arm.

    Carried to the targets' own units, so that it compares with the saliency.
    """
    z = np.concatenate([map_z, np.zeros(N_LABELS - N_TARGETS)])[None]
    return ideal_from_response(map_z, jacobian(model.forward, z)[0].astype(float), snr, good)


def ideal_from_response(map_z: NDArray, response: NDArray, snr: tuple[float, ...], good: NDArray) -> IdealWeights:
    """Ideal weights from derivatives (N_PIXELS, 29) of the flux to the prior coordinates."""
    inverse = np.zeros(len(response))
    for part, level in zip(arm_slices(), snr, strict=True):
        inverse[part] = np.where(np.isfinite(level), float(pixel_sigma(level)) ** -2, 0.0)
    weighted = response * (inverse * good)[:, None]
    gain = np.linalg.solve(response.T @ weighted + np.eye(N_LABELS), weighted.T)[:N_TARGETS]
    rows = label_jacobians(map_z[None])[0] @ gain
    return IdealWeights(rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-30), response)


def shipped_background_path() -> Path:
    return assets_directory() / "saliency.npz"


def save_background(background: NDArray, path: Path, network_sha256: str) -> None:
    """Write the median saliency of the test stars (13, N_PIXELS) with the network it belongs to, whole or not at all."""
    arrays = {"background": background.astype(np.float16), "network_sha256": np.array(network_sha256)}
    write_arrays(path, arrays, compressed=True)


def load_background(model: Model, path: Path | None = None) -> NDArray | None:
    """The median saliency (13, N_PIXELS) of test stars; None where there is none, or that of another network."""
    path = path or shipped_background_path()
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        if str(stored["network_sha256"]) != model.cards["network"]["sha256"]:
            return None
        return stored["background"].astype(np.float32)


def magnitude(weights: NDArray, percent: float) -> NDArray:
    """Magnitude (...) that `percent` of the weights (..., N_PIXELS) of a target stay below; NaN are left out."""
    return np.asarray(np.nanpercentile(np.abs(weights), percent, axis=-1))
