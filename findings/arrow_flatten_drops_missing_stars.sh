#!/usr/bin/env bash
# pyarrow 26.0.1.
# Expected: in a Parquet file with one fixed-size list of fluxes a star, `flatten()` gives all fluxes in the order of the
# rows, so that reshape(-1, pixels) has one row a star. Found: it leaves out stars without a spectrum (null), so that
# every later spectrum moves up by one and belongs to another star's row. `.values` keeps their places, but of a slice it
# gives all stars, not those of the slice. Neither raises anything.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh pyarrow==26.0.1 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import pyarrow as pa
import pyarrow.parquet as pq

fluxes = pa.array([[1.0, 1.0, 1.0], None, [3.0, 3.0, 3.0]], pa.list_(pa.float64(), 3))
pq.write_table(pa.table({"star": ["one", "two", "three"], "flux": fluxes}), "stars.parquet")
column = pq.read_table("stars.parquet")["flux"].combine_chunks()
flat = column.flatten().to_numpy().reshape(-1, 3)
print("stars:", len(column), "rows after flatten and reshape:", len(flat), "row 1:", flat[1])
last = column.slice(2, 1)
print("values of the slice of one star:", len(last.values), "numbers; flatten:", len(last.flatten()))
assert len(flat) == 2 and flat[1].tolist() == [3.0, 3.0, 3.0], "stars without a spectrum keep their place now"
assert len(last.values) == 9, "values is that of the slice now"
assert len(last.flatten()) == 3
print("holds")
PYTHON
