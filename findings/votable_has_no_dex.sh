#!/usr/bin/env bash
# astropy 8.0.2 (VOUnits 1.0).
# Expected: abundances in dex and wavelengths in Angstrom, both units of astropy and the usual ones of this field, make a
# valid VOTable. Found: VOUnits knows no dex at all (W50, written all the same) and has deprecated Angstrom. Readers that
# go by the standard have no unit then: an abundance is best without one, and wavelengths in 0.1nm or nm.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh astropy==8.0.2
venv/bin/python - <<'PYTHON'
import io
import warnings

from astropy import units
from astropy.table import Table


def complaints(unit):
    table = Table({"x": [1.0]})
    table["x"].unit = unit
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table.write(io.BytesIO(), format="votable")
    return [str(warning.message) for warning in caught]


found = {str(unit): complaints(unit) for unit in (units.dex, units.Angstrom, units.nm, units.K)}
for unit, texts in found.items():
    print(f"{unit}: {texts or 'no complaint'}")
assert any("W50" in text for text in found["dex"]), "dex is a unit of VOTables now"
assert any("deprecated" in text for text in found["Angstrom"]), "Angstrom is welcome again"
assert not found["nm"] and not found["K"]
print("holds")
PYTHON
