#!/usr/bin/env bash
# corner 2.3.0 (with numpy 2.4.6).
# Expected: the weighted quantile that corner prints above its panels sees every weight: where one sample holds nearly all
# the weight, the median is that sample. Found: the weight of the largest value plays no part. A sample with 99.8 % of the
# weight, being the largest, leaves the median at the value before it, and the same weights mirrored give another answer.
# It shows where importance weights are few and large, at the edge of a prior for instance.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh corner==2.3.0 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import corner

values = [5000.0, 5100.0, 5200.0]
last = corner.quantile(values, 0.5, weights=[1.0, 1.0, 998.0])[0]
even = corner.quantile(values, 0.5, weights=[1.0, 1.0, 1.0])[0]
first = corner.quantile(values, 0.5, weights=[998.0, 1.0, 1.0])[0]
print(f"median of 5000, 5100, 5200 with 99.8 % of the weight on 5200: {last}; with even weights: {even}")
print(f"with 99.8 % of the weight on 5000: {first:.1f}")
assert last == even == 5100.0, "the largest value's weight counts now"
assert first < 5060, "the smallest value's weight no longer counts"
print("holds")
PYTHON
