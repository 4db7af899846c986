#!/usr/bin/env bash
# sbi 0.27.0 (with torch 2.13.0).
# Expected: check_tarp's second number is a p-value, below 0.05 for a posterior that is 30 % too narrow, and the smaller
# the more stars were tried. Found: it compares two curves, point by point of the grid, as if each point were a star. With
# 30 bins it is above 0.9 for posteriors 30 % too narrow, with 300 stars and with 30000; the number of bins moves it, the
# number of stars does not. A Kolmogorov-Smirnov test of the stars' own coverage against the uniform distribution finds
# 1e-4 and less.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh sbi==0.27.0 torch==2.13.0 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - <<'PYTHON'
import torch
from sbi.diagnostics.tarp import check_tarp, run_tarp
from scipy.stats import kstest


class Narrow:
    """The posterior of theta given x = theta + noise under a flat prior, its width times `factor`."""

    def __init__(self, factor):
        self.factor = factor

    def sample(self, shape, x, **_):
        return x + self.factor * torch.randn(*shape, x.shape[-1])

    def sample_batched(self, shape, x, **_):
        return x + self.factor * torch.randn(*shape, *x.shape)


def tried(stars, factor, bins):
    torch.manual_seed(1)
    seen = torch.randn(stars, 2)
    truth = seen + torch.randn(stars, 2)
    posterior, reference = Narrow(factor), 8 * torch.rand(stars, 2) - 4
    coverage, levels = run_tarp(truth, seen, posterior, references=reference, num_posterior_samples=200, num_bins=bins,
                                show_progress_bar=False)
    samples = posterior.sample_batched((200,), seen)
    inside = ((samples - reference).norm(dim=-1) < (truth - reference).norm(dim=-1)).float().mean(0)
    return float(check_tarp(coverage, levels)[1]), float(kstest(inside.numpy(), "uniform").pvalue)


few, many, finer = tried(300, 0.7, 30), tried(30000, 0.7, 30), tried(300, 0.7, 200)
for text, found in (("300 stars", few), ("30000 stars", many), ("300 stars, 200 bins", finer)):
    print(f"30 % too narrow, {text}: check_tarp's p = {found[0]:.2g}; of the stars' coverage {found[1]:.2g}")
assert few[0] > 0.5 and many[0] > 0.5, "p depends on the number of stars now"
assert finer[0] < few[0] / 2
assert few[1] < 1e-3 and many[1] < 1e-10
print("holds")
PYTHON
