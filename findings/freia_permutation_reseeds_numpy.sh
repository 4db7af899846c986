#!/usr/bin/env bash
# FrEIA 0.2 (with torch 2.13.0, numpy 2.4.6).
# Expected: PermuteRandom(seed=...) draws its permutation from a generator of its own, as numpy has recommended since 1.17.
# Found: it seeds numpy's global generator and leaves it so. Every later draw of np.random in the program repeats whenever a
# network is built again with the same seed: noise, bootstraps and shuffles of a training loop become copies of each other.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh torch==2.13.0 numpy==2.4.6 scipy==1.17.1 FrEIA==0.2
venv/bin/python -W ignore - <<'PYTHON'
import FrEIA.framework as Ff
import FrEIA.modules as Fm
import numpy as np


def draw_after_building(seed):
    flow = Ff.SequenceINN(4)
    flow.append(Fm.PermuteRandom, seed=seed)
    return np.random.rand()


np.random.seed(12345)
seeded = [draw_after_building(0) for _ in range(3)]
unseeded = [draw_after_building(None) for _ in range(3)]
print("np.random.rand() after building with seed 0:", seeded)
print("np.random.rand() after building without a seed:", unseeded)
assert len(set(seeded)) == 1, "numpy's global generator is left alone now"
assert len(set(unseeded)) == 3
print("holds: three networks built, three times the same random number")
PYTHON
