#!/usr/bin/env bash
# breidablik 1.5.1 (3D NLTE lithium, Wang et al. 2021).
# Expected: the centre of the line is given in Angstrom, as the docstrings of find_abund and nlte_correction say, so 6709.659
# for the line at 6708. Found: it is compared with wavelengths in nm, and every centre in Angstrom means the line at 8126: the
# abundance from the same width is a dex or more too high, without a warning. Give the centre in nm, or leave it out.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/environment.bash"
fresh breidablik==1.5.1 numpy==2.4.6 scipy==1.17.1
venv/bin/python -W error::UserWarning - <<'PYTHON'
import inspect

from breidablik.interpolate.nlte import Nlte
from breidablik.interpolate.rew import Rew

widths, corrections = Rew(), Nlte()
for where in (Rew.find_abund, Nlte.nlte_correction):
    assert "angstroms" in inspect.getdoc(where), "the documentation has another unit now"
star, width, abundance = (5777.0, 4.44, 0.0), -6.3, 1.0
found = {}
for centre in (670.9659, 6709.659, 812.8606):
    found[centre] = (
        float(widths.find_abund(*star, width, center=centre)),
        float(corrections.nlte_correction(*star, abundance, center=centre)),
    )
    print(f"centre {centre}: A(Li) {found[centre][0]:.3f} from log(W/lambda) {width}, correction {found[centre][1]:+.3f}")
assert found[6709.659] == found[812.8606], "a centre in Angstrom is understood now"
assert found[6709.659][0] - found[670.9659][0] > 1
print("holds")
PYTHON
