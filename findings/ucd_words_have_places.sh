#!/usr/bin/env bash
# astropy 8.0.2 (UCD1+ of the IVOA).
# Expected: a UCD names the quantity first and what of it after: phys.abund.Fe;stat.error and phys.abund.Fe;stat.median.
# Found: each word has its place by the list. stat.error, stat.stdev and stat.correlation go first, stat.median, stat.max
# and arith.ratio never do, so that a column and its error have their words in opposite orders. astropy writes the wrong
# order into VOTables all the same, and says so when asked only.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh astropy==8.0.2 numpy==2.4.6
venv/bin/python -W ignore - <<'PYTHON'
import io

from astropy.io.votable.ucd import check_ucd
from astropy.table import Table

EXPECTED = {
    "phys.abund.Fe;stat.median": True, "stat.median;phys.abund.Fe": False, "stat.error;phys.abund.Fe": True,
    "phys.abund.Fe;stat.error": False, "stat.correlation;phys.gravity": True, "arith.ratio;phys.abund": False,
}  # fmt: skip
found = {ucd: check_ucd(ucd, check_controlled_vocabulary=True) for ucd in EXPECTED}
for ucd, valid in found.items():
    print(f"{ucd}: {'valid' if valid else 'not valid'}")
table = Table({"e_feh": [0.1]})
table["e_feh"].meta["ucd"] = "phys.abund.Fe;stat.error"
written = io.BytesIO()
table.write(written, format="votable")
assert found == EXPECTED, "other orders are valid now"
assert b"phys.abund.Fe;stat.error" in written.getvalue()
print("holds")
PYTHON
