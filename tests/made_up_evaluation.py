"""An evaluation whose scatter, bias and coverage were put in, for tests of what is made of it."""

from __future__ import annotations

import numpy as np

from cinn_core.evaluation.held_out import HeldOutStars
from cinn_core.evaluation.network import Evaluation
from cinn_core.inference.point_estimates import PointEstimates
from cinn_core.prior import N_TARGETS, draw
from cinn_core.targets import COLUMN, TARGETS


def made_up_evaluation(n: int = 400, draws: int = 3) -> Evaluation:
    """Stars whose answers are off by Gaussian errors of half the claimed 68 % width, [Fe/H] alone biased by 0.1."""
    rng = np.random.default_rng(2)
    labels = np.repeat(draw(n, rng)[:, None], draws + 1, 1)
    truth = labels[:, :, :N_TARGETS].reshape(-1, N_TARGETS)
    sigma = np.array([0.01 * (t.high - t.low) for t in TARGETS])
    answer = truth + sigma * rng.standard_normal(truth.shape)
    answer[:, COLUMN["feh"]] += 0.1
    half = np.ones_like(answer) * sigma
    centre = answer.copy()
    centre[:, COLUMN["feh"]] -= 0.1
    interval68 = np.stack([centre - 0.9945 * half, centre + 0.9945 * half], -1)
    interval95 = np.stack([centre - 1.96 * half, centre + 1.96 * half], -1)
    everything = PointEstimates(answer, answer, truth, truth, interval68, interval95, 6 * half)
    is_last = np.arange(len(truth)) % (draws + 1) == draws
    limit = np.broadcast_to(sigma, (n, draws, N_TARGETS))
    stars = HeldOutStars(labels, np.zeros((n, draws + 1, 1)), np.zeros((2, 1, 1)), 0.0)
    bound = {100: np.ones(N_TARGETS)}
    rows = {100: everything.rows(~is_last)}, {100: everything.rows(is_last)}
    return Evaluation(stars, *rows, {100: limit}, {100: limit}, {100: limit}, bound, np.full(n, 20.0))
