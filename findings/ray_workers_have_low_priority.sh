#!/usr/bin/env bash
# Ray 2.60.0 on Linux.
# Expected: a worker process runs at the priority of the program that started Ray. Found: workers run fifteen steps nicer,
# so anything else on the machine takes the processor from them; a worker pool timed beside other work, or a cluster on
# machines that people use, is slower than the same code in plain processes. RAY_worker_niceness=0 before Ray starts turns
# it off.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh ray==2.60.0
cat > workers.py <<'PYTHON'
import os
import sys

import ray

ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
niceness = ray.get(ray.remote(lambda: os.nice(0)).remote())
print(niceness - os.nice(0))
PYTHON
usual=$(venv/bin/python workers.py 2>/dev/null | tail -1)
without=$(RAY_worker_niceness=0 venv/bin/python workers.py 2>/dev/null | tail -1)
echo "niceness of a worker above the driver's: $usual; with RAY_worker_niceness=0: $without"
[ "$usual" -gt 0 ] && [ "$without" -eq 0 ]
echo "holds"
