"""How the posterior is drawn: samples, seed and device, each with a word of help; a change draws it anew."""

from __future__ import annotations

from dataclasses import replace

import panel as pn
import panel_material_ui as pmui

from .. import theme
from ..context import Visit
from ..state import MAX_SAMPLES, MIN_SAMPLES
from .widgets import card

SAMPLES = tuple(MIN_SAMPLES << i for i in range((MAX_SAMPLES // MIN_SAMPLES).bit_length()))


def settings_card(visit: Visit) -> pn.Column:
    """Three controls; the result says with which of them it was made."""
    state = visit.state
    samples = pmui.Select(
        label="samples", options=list(SAMPLES), value=state.settings.n_samples, size="small", margin=0,
        description="Draws from the posterior: more make its edges smoother and take longer.", sizing_mode="stretch_width",
    )  # fmt: skip
    seed = pmui.IntInput(
        label="seed", value=state.settings.seed, start=0, end=2**31 - 1, size="small", margin=0,
        description="The same seed gives the same samples, here, on the command line and in a notebook.",
        sizing_mode="stretch_width", sx={"& .MuiIconButton-root": {"color": theme.css("muted")}},
    )  # fmt: skip
    device = pmui.Select(
        label="device", options=list(visit.devices), value=state.settings.device, size="small", margin=0,
        description="Where the network runs; auto takes a GPU where there is one.", sizing_mode="stretch_width",
    )  # fmt: skip

    def changed(*_events: object) -> None:
        wanted = replace(state.settings, n_samples=samples.value, seed=seed.value or 0, device=device.value)
        if wanted != state.settings:
            visit.set_up(wanted)

    def follow(*_events: object) -> None:
        now = state.settings
        samples.value, seed.value, device.value = now.n_samples, now.seed, now.device

    for control in (samples, seed, device):
        control.param.watch(changed, "value")
    state.param.watch(follow, "settings")
    styles = {"display": "grid", "grid-template-columns": "minmax(0, 1fr) minmax(0, 1fr)", "gap": "12px 8px"}
    row = pn.Column(samples, seed, device, sizing_mode="stretch_width", margin=(8, 0, 0, 0), styles=styles)
    return card(row, title="Posterior")
