#!/usr/bin/env bash
# astropy 8.0.2, pyarrow 26.0.1, pandas 3.1.1.
# Expected: a masked entry of an astropy table becomes a null in Parquet, as it becomes an empty cell in a VOTable. Found:
# the column holds the number that stood beneath the mask, as good as any other, and a second column NAME.mask says so.
# astropy puts them together again; pandas, polars, DuckDB and TOPCAT see a measured value.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh astropy==8.0.2 pyarrow==26.0.1 pandas==3.1.1 numpy==2.4.6
venv/bin/python - <<'PYTHON'
import pyarrow.parquet as pq
from astropy.table import MaskedColumn, Table

stars = Table({"star": [1, 2], "teff": MaskedColumn([5772.0, 4000.0], mask=[False, True])})
stars.write("stars.parquet")
read = pq.read_table("stars.parquet")
print("columns of the file:", read.to_pydict())
print("read by astropy:", list(Table.read("stars.parquet")["teff"]))
assert read["teff"].null_count == 0 and read["teff"].to_pylist()[1] == 4000.0, "masked entries are nulls now"
assert "teff.mask" in read.column_names
assert Table.read("stars.parquet")["teff"].mask[1]
print("holds")
PYTHON
