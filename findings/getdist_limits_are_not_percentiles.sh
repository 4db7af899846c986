#!/usr/bin/env bash
# getdist 1.7.7.
# Expected: the two-tailed 68 % limits of getdist's statistics are the 16th and 84th percentiles of the samples, as in
# most tables of this field. Found: where the density differs at the two ends they are limits of equal density, from a
# smoothed density: for a log-normal quantity 0.11 and 1.64 instead of 0.36 and 2.69, and the lower 95 % limit is negative
# although no sample is. For a normal quantity both agree, which is why it is not noticed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh getdist==1.7.7 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W ignore - 2>/dev/null <<'PYTHON'
import numpy as np
from getdist import MCSamples

normal = np.random.default_rng(1).normal(size=20000)
columns = {"normal": normal, "lognormal": np.exp(normal)}
samples = MCSamples(samples=np.column_stack(list(columns.values())), names=list(columns))
limits = {}
for name, values in columns.items():
    told = samples.getMargeStats().parWithName(name).limits
    limits[name] = (told[0].lower, told[0].upper, told[1].lower)
    print(f"{name}: 68 % from {told[0].lower:.2f} to {told[0].upper:.2f}, two tails: {told[0].twotail};",
          "percentiles 16 and 84:", np.percentile(values, [15.87, 84.13]).round(2))
print(f"smallest log-normal sample {columns['lognormal'].min():.3f}, lower 95 % limit {limits['lognormal'][2]:.3f}")
low, high = np.percentile(columns["lognormal"], [15.87, 84.13])
assert limits["lognormal"][0] < low - 0.2 and limits["lognormal"][1] < high - 0.8, "limits are percentiles now"
assert limits["lognormal"][2] < 0, "limits stay among the samples now"
assert abs(limits["normal"][0] + 1) < 0.05
print("holds")
PYTHON
