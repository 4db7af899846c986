"""What the paper's network answers to the held-out stars: the same table, by its own rules.

Its mode is the sample of highest density in its own coordinates; samples outside the prior's box are left out.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..inference.answers import Answers, answers_of
from ..inference.paper_network import PaperNetwork
from ..instrument import pixel_sigma

_BATCH = 16


@torch.no_grad()
def paper_answers(network: PaperNetwork, flux: NDArray, snr: float, latent: Tensor, seed: int) -> Answers:
    """Answers to complete spectra (n, N_PIXELS) with white noise of one S/N per Angstrom, from latents (m, 13)."""
    generator = torch.Generator().manual_seed(seed * 1009 + int(snr))
    labels, densities = [], []
    for clean in torch.as_tensor(flux).split(_BATCH):
        noise = float(pixel_sigma(snr)) * torch.randn(clean.shape, generator=generator)
        condition = network.condition(clean + noise, torch.full((len(clean),), float(snr)))
        rows = condition.repeat_interleave(len(latent), 0)
        samples, density = network.sample(latent.repeat(len(clean), 1), rows)
        labels.append(network.labels(samples).reshape(len(clean), len(latent), -1))
        densities.append(density.reshape(len(clean), len(latent)).numpy())
    return answers_of(np.concatenate(labels), np.concatenate(densities))
