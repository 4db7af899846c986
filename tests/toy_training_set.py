"""A toy training set: shards of stars with K coefficients, for tests of training and tuning."""

from __future__ import annotations

import numpy as np

from cinn_core.instrument import N_COVERAGE
from cinn_core.training.training_set import TrainingShard

K = 6


def toy_shard(seed: int, n: int = 64) -> TrainingShard:
    """Stars whose first coefficients are their labels: something that can be learned in seconds."""
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, 13)).astype(np.float32)
    clean = np.ascontiguousarray(z[:, :K])
    root = np.stack([np.eye(K, dtype=np.float32) * 0.7] * 2)
    return TrainingShard(z, clean, clean + 0.1, root, root, np.ones(N_COVERAGE, np.float32))
