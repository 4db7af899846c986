"""Selection of the posterior: its kind, and constraints from the literature of a benchmark star or typed in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import panel as pn
import panel_material_ui as pmui

from cinn_core.errors import KielError
from cinn_core.inference.constraints import A_LI, FEW_SAMPLES, Constraint, from_benchmark, tension
from cinn_core.inference.selection import PosteriorKind, Selection
from cinn_core.inference.trust import TOLD_TENSION, tension_sentence
from cinn_core.inference.weighted import effective_samples
from cinn_core.literature import KnownStar, benchmarks, literature_for
from cinn_core.targets import TARGETS

from .. import theme
from ..session import Session
from ..state import SessionState
from .external import observers_fields
from .widgets import SWITCH, card, fill, html, join, live

_LABELS = {("A(Li)" if t.name == "li_fe" else t.label): (A_LI if t.name == "li_fe" else t.name) for t in TARGETS}
_SMALL = {"fontSize": theme.text(12), "padding": "1px 8px", "minWidth": 0}


def constraints_card(session: Session) -> pn.Column:
    """Constraints on the star from other sources, and how many effective samples agree with them."""
    state = session.state
    chips = pn.FlexBox(gap="6px", margin=(6, 0))
    offers = pn.FlexBox(gap="6px", margin=(2, 0))
    note = html()
    note.margin = (0, 0, 12, 0)
    star, target, mean, sigma, add = _entry_fields()

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
        known = next((b for b in benchmarks() if b.star == star.value), None)
        offers.objects = [] if known is None else _literature_buttons(known, put)

    def recognise() -> None:
        vector = state.analysis.flux_vector
        known = literature_for(vector.star, vector.file)
        star.value = "none" if known is None else known.star

    def draw() -> None:
        buttons = []
        for c in state.constraints:
            text = f"{c.text}  ×"
            chip = pmui.Button(
                label=text, variant="contained", size="small", margin=0, sx=_SMALL, disable_elevation=True
            )
            chip.on_click(partial(drop, c))
            buttons.append(chip)
        chips.objects = buttons
        note.object = _tension_text(state) + _effective_text(state.selection)

    add.on_click(typed)
    star.param.watch(offer, "value")
    styles = {"display": "grid", "grid-template-columns": "1.2fr 1fr 1fr auto", "gap": "6px"}
    entry = pn.Column(target, mean, sigma, add, sizing_mode="stretch_width", margin=(8, 0, 0, 0), styles=styles)
    observed = observers_fields(put, state.warn)
    view = card(
        chips, note, star, offers, entry, observed, title="External knowledge: reweights samples, bands and lines"
    )
    live(session, view, ["analysis"], recognise)
    live(session, view, ["analysis", "selection"], draw)
    return view


def _entry_fields() -> tuple[pmui.Select, pmui.Select, pmui.TextInput, pmui.TextInput, pmui.Button]:
    """The benchmark star to take values from, and the fields of a constraint: target, mean, sigma, and the button that adds it."""
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
    return star, target, mean, sigma, add


def _literature_buttons(star: KnownStar, put: Callable[[Constraint], None]) -> list[pmui.Button]:
    """One button a literature value of a star; a value without an error is shown elsewhere, not offered."""
    buttons = []
    for name, value in star.values.items():
        if name != "feh" and name not in star.errors:
            continue
        constraint = from_benchmark(star, name)
        label = next(t for t in TARGETS if t.name == name)
        text = f"{label.label} {value:.{label.decimals}f} ± {constraint.sigma:.{label.decimals}f}"
        button = pmui.Button(label=text, variant="outlined", size="small", margin=0, sx=_SMALL)
        button.on_click(lambda _event, c=constraint: put(c))
        buttons.append(button)
    return buttons


def _tension_text(state: SessionState) -> str:
    """How far each constraint is from the spectrum's own answer, in sigma; what contradicts it first."""
    own = state.analysis.posterior
    against = [sentence for c in state.constraints if (sentence := tension_sentence(own, c))]
    agreeing = [
        f"{c.text}: {sigmas:.1f} σ from the spectrum's own answer"
        for c in state.constraints
        if (sigmas := tension(own, c)) < TOLD_TENSION
    ]
    alerts = [fill('<div class="trust not" role="alert">{}</div>', sentence) for sentence in against]
    return str(join([*alerts, *(fill('<div class="small">{}</div>', sentence) for sentence in agreeing)]))


def _effective_text(selection: Selection) -> str:
    """Number of effective samples that the constraints leave, and a warning where they are few."""
    n = len(selection.posterior.labels)
    left = effective_samples(selection.unbrushed, n)
    text = f"effective samples {left:.0f} of {n} ({100 * left / n:.0f} %)"
    few = " Too few: the spectrum contradicts what was given, or it is far sharper than the posterior."
    return str(fill('<div class="small"><span>{}<b>{}</b></span></div>', text, few if left < FEW_SAMPLES else ""))


def _number(text: str) -> float:
    try:
        return float(text.replace(",", ".").replace("\N{MINUS SIGN}", "-"))
    except ValueError as error:
        found = f"{text!r} is not a number; give" if text else "Give"
        raise KielError(f"{found} a mean and a sigma, such as 4.44 and 0.02.") from error


_HELP = (
    "flow: the network's samples as they are. weighted: weighed against the likelihood of the spectrum itself, half a minute "
    "to two a star; narrower, and with real stars not better. corrected: less the linear bias in Teff that real stars show."
)


def posterior_switch(session: Session) -> pn.Row:
    """Switch between the kinds of posterior; one that this network does not have is not shown."""
    state, results = session.state, session.results
    shown = [
        kind for kind in PosteriorKind if kind is not PosteriorKind.CORRECTED or state.corrections.bias is not None
    ]
    switch = pmui.RadioButtonGroup(
        options={kind.value: kind for kind in shown}, value=state.kind, size="small", margin=0, description=_HELP,
        css_classes=["tour-whose"], sx=SWITCH,
    )  # fmt: skip
    doing = html(pn.bind(_doing, results.param.working))
    doing.sizing_mode, doing.width, doing.height = "fixed", 88, 32

    def choose(*_events: object) -> None:
        if switch.value is not state.kind:  # param takes equal members of an Enum for different
            state.kind = switch.value

    def follow(*_events: object) -> None:
        if switch.value is not state.kind:
            switch.value = state.kind

    switch.param.watch(choose, "value")
    state.param.watch(follow, "kind")
    return pn.Row(doing, switch, margin=0)


def _doing(working: list[str]) -> str:
    text = "weighing …" if "weights" in working else "posterior"
    return str(fill('<div class="sub" style="text-align:right;padding:7px 6px 0 0">{}</div>', text))
