"""External knowledge: literature values of a benchmark star by one click, or any target's mean and sigma, as chips."""

from __future__ import annotations

from functools import partial

import panel as pn
import panel_material_ui as pmui

from cinn_core.errors import KielError
from cinn_core.inference.constraints import A_LI, FEW_SAMPLES, Constraint, from_benchmark
from cinn_core.inference.weighted import effective_samples
from cinn_core.literature import benchmarks, literature_for
from cinn_core.targets import TARGETS

from ..context import Visit
from .widgets import card, fill, html, live

_LABELS = {("A(Li)" if t.name == "li_fe" else t.label): (A_LI if t.name == "li_fe" else t.name) for t in TARGETS}
_SMALL = {"fontSize": "12px", "padding": "1px 8px", "minWidth": 0}


def knowledge_card(visit: Visit) -> pn.Column:
    """What is known of the star from elsewhere, and how many effective samples agree with it."""
    state = visit.state
    chips = pn.FlexBox(gap="6px", margin=(6, 0))
    offers = pn.FlexBox(gap="6px", margin=(2, 0))
    told = html()
    told.margin = (0, 0, 12, 0)
    star = pmui.Select(
        label="benchmark star", options=["none", *(b.star for b in benchmarks())], value="none", size="small", margin=0,
        sizing_mode="stretch_width", description="Whose literature values to offer: found by the star's name, or chosen.",
    )  # fmt: skip
    target = pmui.Select(
        label="target", options=list(_LABELS), value="log g", size="small", margin=0, sizing_mode="stretch_width"
    )
    mean, sigma = (
        pmui.TextInput(label=label, placeholder=example, size="small", margin=0, sizing_mode="stretch_width")
        for label, example in (("mean", "4.44"), ("sigma", "0.02"))
    )
    add = pmui.Button(label="add", variant="outlined", size="small", margin=0, sx={"height": "38px", "minWidth": 0})

    def put(constraint: Constraint) -> None:
        others = tuple(c for c in state.constraints if c.target != constraint.target)
        state.constraints = (*others, constraint)

    def drop(constraint: Constraint, _event: object) -> None:
        state.constraints = tuple(c for c in state.constraints if c != constraint)

    def typed(_event: object) -> None:
        try:
            put(Constraint(_LABELS[target.value], _number(mean.value), _number(sigma.value), "given"))
        except KielError as error:
            state.warn(str(error))
        else:
            state.warn("")

    def offer(*_events: object) -> None:
        found = next((b for b in benchmarks() if b.star == star.value), None)
        buttons = []
        for name, value in found.values.items() if found is not None else ():
            if found is None or (name != "feh" and name not in found.errors):
                continue  # a literature value without an error is shown, not offered
            constraint = from_benchmark(found, name)
            label = next(t for t in TARGETS if t.name == name)
            text = f"{label.label} {value:.{label.decimals}f} ± {constraint.sigma:.{label.decimals}f}"
            button = pmui.Button(label=text, variant="outlined", size="small", margin=0, sx=_SMALL)
            button.on_click(lambda _event, c=constraint: put(c))
            buttons.append(button)
        offers.objects = buttons

    def recognise() -> None:
        vector = state.analysis.flux_vector
        found = literature_for(vector.star, vector.file)
        star.value = "none" if found is None else found.star

    def draw() -> None:
        buttons = []
        for c in state.constraints:
            text = f"{_label(c.target)} = {c.mean:g} ± {c.sigma:.3g}  ×"
            chip = pmui.Button(
                label=text, variant="contained", size="small", margin=0, sx=_SMALL, disable_elevation=True
            )
            chip.on_click(partial(drop, c))
            buttons.append(chip)
        chips.objects = buttons
        chosen = state.selection
        n = len(chosen.posterior.labels)
        left = effective_samples(chosen.unbrushed, n)
        text = f"effective samples {left:.0f} of {n} ({100 * left / n:.0f} %)"
        warning = (
            " Too few: the spectrum contradicts what was given, or it is far sharper than the posterior."
            if left < FEW_SAMPLES
            else ""
        )
        told.object = str(fill('<div class="small"><span>{}<b>{}</b></span></div>', text, warning))

    add.on_click(typed)
    star.param.watch(offer, "value")
    styles = {"display": "grid", "grid-template-columns": "1.2fr 1fr 1fr auto", "gap": "6px"}
    entry = pn.Column(target, mean, sigma, add, sizing_mode="stretch_width", margin=(8, 0, 0, 0), styles=styles)
    view = card(chips, told, star, offers, entry, title="External knowledge: reweights samples, bands and lines")
    live(visit, view, ["analysis"], recognise)
    live(visit, view, ["analysis", "selection"], draw)
    return view


def _number(text: str) -> float:
    try:
        return float(text.replace(",", ".").replace("\N{MINUS SIGN}", "-"))
    except ValueError as error:
        raise KielError(f"{text!r} is not a number; give a mean and a sigma, such as 4.44 and 0.02.") from error


def _label(name: str) -> str:
    return next(label for label, known in _LABELS.items() if known == name) if name != "li_fe" else "[Li/Fe]"
