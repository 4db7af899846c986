"""Fields for knowledge as observers have it: nu_max, and a parallax with magnitude, extinction and mass."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import panel_material_ui as pmui

from cinn_core.errors import KielError
from cinn_core.inference.constraints import Constraint, known_of

_GRID = {"display": "grid", "grid-template-columns": "1fr 1fr 1fr 1fr auto", "gap": "6px"}
_FIELDS = {
    "numax": ("ν_max", "3090±10 µHz"),
    "parallax": ("parallax", "47.2±0.1 mas"),
    "magnitude": ("magnitude", "G=8.25 or V=8.4"),
    "extinction": ("extinction", "A_V=0.1 or E(B-V)=0.03"),
    "mass": ("mass", "1.1±0.1 M☉"),
}
_EXPLAINED = (
    "ν_max and each sample's Teff give log g (Sun: 3090 µHz, 5777 K). Parallax and magnitude (Gaia G, or V) give the "
    "luminosity, with the mass (else 1.0 within 0.15 dex) log g; without extinction there is none."
)


def observers_fields(put: Callable[[Constraint], None], complain: Callable[[str], None]) -> pn.Column:
    """The five fields and their button: `put` takes each constraint that they make, `complain` what is wrong with them."""
    fields = {
        name: pmui.TextInput(label=label, placeholder=example, size="small", margin=0, sizing_mode="stretch_width")
        for name, (label, example) in _FIELDS.items()
    }
    fields["numax"].description = _EXPLAINED
    use = pmui.Button(label="use", variant="outlined", size="small", margin=0, sx={"height": "38px", "minWidth": 0})

    def given(_event: object) -> None:
        texts = {name: field.value.strip() or None for name, field in fields.items()}
        try:
            found = known_of((), **texts)
        except KielError as error:
            complain(str(error))
            return
        for constraint in found:
            put(constraint)
        complain("" if found else "Give ν_max, or a parallax and a magnitude.")

    use.on_click(given)
    seismic, *others = fields.values()
    entry = pn.Column(*others, use, sizing_mode="stretch_width", margin=(8, 0, 0, 0), styles=_GRID)
    return pn.Column(seismic, entry, sizing_mode="stretch_width", margin=(8, 0, 0, 0))
