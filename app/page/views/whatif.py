"""The what-if tab: a slider for every label moves the model; its residuals and chi-square follow, and curves can be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import holoviews as hv
import numpy as np
import panel as pn
import panel_material_ui as pmui
import param
from markupsafe import Markup

from cinn_core.explanation.what_if import WhatIf, changed_most, from_sliders, slider_bounds, to_sliders, what_if
from cinn_core.forward_model.nlte_change import has_structure
from cinn_core.inference.predictive import with_nuisances_of_z
from cinn_core.inference.quantities import label_of, value_text
from cinn_core.inference.selection import selected_quantities
from cinn_core.instrument import ARMS
from cinn_core.lines import LineWindow, line_windows
from cinn_core.stages import Analysis
from cinn_core.targets import NUISANCE_BOUNDS, PHYSICS_LABELS, TARGETS, Target

from .. import theme
from ..figures.whatif import Kept, draw_arm_now, draw_line_now, draw_residual_now
from ..jobs import QUICK
from ..session import Session
from .widgets import card, fill, grid, heading, html, live

MOST_KEPT = 6
_STEPS = {"teff": 10.0, "vbroad": 0.5}
_LEGEND = fill(
    '<span><i style="border-top:2px solid {}"></i>observed</span><span><i style="border-top:2px solid {}"></i>mode</span>'
    '<span><i style="border-top:2px dashed {}"></i>what if</span><span><i style="border-top:2px dotted {}"></i>kept</span>',
    theme.css("ink"), theme.css("model"), theme.css("literature"), theme.css("muted"),
)  # fmt: skip


@dataclass(frozen=True)
class Lesson:
    """`steps` are added to the mode (lithium as A(Li)); `line` names the diagnostic line that is shown large."""

    name: str
    line: str
    steps: dict[str, float]
    text: str


LESSONS: tuple[Lesson, ...] = (
    Lesson(
        "lithium", "Li I 6707.8", {"li_fe": 1.5},
        "Thirty times the lithium: one line grows, at 6707.8 Å, and next to nothing else changes. All that this spectrum "
        "knows of lithium is in these few pixels; where the line drowns in the noise, only an upper limit is left.",
    ),
    Lesson(
        "magnesium", "Mg I 5528.4", {"mg_fe": 0.3},
        "Twice the magnesium: the triplet at 5167, 5173 and 5184 Å grows in its wings, for its cores are saturated, while "
        "the weaker lines at 5528 and 5711 Å deepen. Several lines have to agree on one abundance.",
    ),
    Lesson(
        "gravity", "Mg I 5183.6", {"logg": -0.8},
        "A surface gravity six times lower, a subgiant: with less pressure the wings of the strong magnesium and calcium "
        "lines shrink, and lines of ionised iron (Fe II 5234, 6456 Å) deepen against those of neutral iron. No line is that "
        "of gravity alone; move [Mg/Fe] up and the wings return, the Fe II lines stay.",
    ),
)  # fmt: skip
"""In the order in which a class takes them."""


class Play(param.Parameterized):
    """State of the tab: the model of the sliders, the line shown large, and the curves kept."""

    now = param.ClassSelector(class_=WhatIf, doc="The model of the sliders as they stand.")
    window = param.ClassSelector(class_=LineWindow, doc="The line that is shown large.")
    kept = param.ClassSelector(class_=tuple, default=(), doc="Curves that were kept.")
    lesson = param.ClassSelector(class_=Lesson, doc="The lesson that is shown.")


def whatif(session: Session) -> pn.Column:
    """The tab."""
    state, play = session.state, Play()
    sliders = {name: _slider(name, *bounds) for name, bounds in slider_bounds().items()}
    settling = [False]

    def move(*events: param.parameterized.Event) -> None:
        if settling[0] or state.analysis is None:
            return
        analysis, labels = state.analysis, from_sliders({name: s.value for name, s in sliders.items()})

        def show(result: WhatIf) -> None:
            one = len(events) == 1 or play.window is None
            play.param.update(now=result, window=_changed_window(play, analysis, result) if one else play.window)

        session.jobs.start(
            "The model of the sliders", lambda: what_if(labels, analysis.flux_vector, session.model()), show, QUICK
        )

    def put(line: str, steps: Mapping[str, float]) -> None:
        at_map = to_sliders(with_nuisances_of_z(state.analysis.posterior.map_z[None])[0])
        settling[0] = True
        for name, slider in sliders.items():
            at = float(np.clip(at_map[name] + steps.get(name, 0.0), slider.start, slider.end))
            slider.value = at if abs(at) > 1e-9 else 0.0  # 2e-16 is no value of a slider that browsers can read out
        settling[0] = False
        play.window = next(w for w in line_windows() if w.name == line)
        move()

    def to_map(*_events: object) -> None:
        play.lesson = None
        put(state.line, {})

    def teach(lesson: Lesson, _event: object) -> None:
        play.lesson = lesson
        put(lesson.line, lesson.steps)

    def new_star() -> None:
        play.kept = ()
        to_map()

    def mark_intervals() -> None:
        for q in selected_quantities(state.selection):
            sliders[q.name].sx = _rail(sliders[q.name], q.lo68, q.hi68)

    def keep(_event: object) -> None:
        if play.now is not None:
            text = _summary(state.analysis, play.now)
            play.kept = (*play.kept[1 - MOST_KEPT :], Kept(play.now.comparison.flux, text))

    for slider in sliders.values():
        slider.param.watch(move, "value")
    controls, right = _controls(session, sliders, to_map), _right(session, play, keep, teach)
    view = grid(controls, right, columns="minmax(230px, 1fr) minmax(0, 3.2fr)")
    live(session, view, ["analysis"], new_star)
    live(session, view, ["selection"], mark_intervals)
    return view


def _changed_window(play: Play, analysis: Analysis, result: WhatIf) -> LineWindow | None:
    """The line that a slider has changed most; the one shown already where it changed next to nothing."""
    before = play.now.comparison.flux if play.now is not None else analysis.resimulation.map_flux
    if abs(result.comparison.flux - before).max() <= 1e-3:
        return play.window
    return changed_most(analysis.resimulation.map_flux, result.comparison.flux)


def _right(
    session: Session, play: Play, keep: Callable[[object], None], teach: Callable[[Lesson, object], None]
) -> pn.Column:
    """The figures and what is said of them: the large line, the arms, the curves kept and the lessons."""
    buttons = _buttons(keep, lambda _event: setattr(play, "kept", ()), teach)
    return pn.Column(
        card(
            buttons, html(pn.bind(_lesson_text, play.param.lesson)), html(pn.bind(_kept_list, play.param.kept)),
            html(pn.bind(_title, play.param.window)), large(session, play),
        ),
        card(html(pn.bind(partial(_chi2_line, session), play.param.now)), arms(session, play)),
        sizing_mode="stretch_width", margin=0, styles=theme.STACK,
    )  # fmt: skip


def _controls(session: Session, sliders: Mapping[str, pmui.FloatSlider], to_map: Callable[..., None]) -> pn.Column:
    """The card of the sliders: those of the targets, the others folded away, and the way back to the mode."""
    back = pmui.Button(label="Back to the mode", size="small", variant="text", margin=0,
                       description="Put every slider where the answer is.")  # fmt: skip
    back.on_click(to_map)
    others = _folded("13 more elements", (sliders[name] for name in NUISANCE_BOUNDS))
    physics = _folded("structure and departures", (sliders[name] for name in PHYSICS_LABELS))
    physics.visible = False

    def show_physics() -> None:
        analysis = session.state.analysis
        physics.visible = analysis is not None and has_structure(analysis.physics)

    targets = (sliders[t.name] for t in TARGETS)
    return card(
        html(heading("What if …", "shaded: 68 %")), back, *targets, others, physics, css_classes=["tour-whatif"]
    )


def _folded(title: str, sliders: Iterable[pmui.FloatSlider]) -> pmui.Details:
    """Sliders folded away under a title."""
    column = pn.Column(*sliders, sizing_mode="stretch_width", margin=0)
    return pmui.Details(column, title=title, collapsed=True, sizing_mode="stretch_width", margin=0)


def _buttons(
    keep: Callable[[object], None], forget: Callable[[object], None], teach: Callable[[Lesson, object], None]
) -> pn.FlexBox:
    """The row of buttons: keep a curve, forget those kept, and the lessons."""
    keeper = pmui.Button(label="Keep this curve", size="small", variant="outlined", margin=0,
                         description=f"Keep the curve to compare it with others; the last {MOST_KEPT} stay.")  # fmt: skip
    keeper.on_click(keep)
    forgetter = pmui.Button(
        label="Forget the kept", size="small", variant="text", margin=0, description="Take the kept curves off."
    )
    forgetter.on_click(forget)
    lessons_are = html(fill('<span class="sub">lessons:</span>'))
    lessons_are.sizing_mode, lessons_are.width, lessons_are.height = "fixed", 56, 24
    lessons = [pmui.Button(label=lesson.name, size="small", variant="outlined", margin=0) for lesson in LESSONS]
    for button, lesson in zip(lessons, LESSONS, strict=True):
        button.on_click(partial(teach, lesson))
    return pn.FlexBox(keeper, forgetter, lessons_are, *lessons, margin=0, gap="8px", align_items="center")


def large(session: Session, play: Play) -> pn.Column:
    """The line that changes most."""
    place = pn.Column(sizing_mode="stretch_width", margin=0, min_height=330)

    def figure(now: WhatIf, window: LineWindow, kept: tuple) -> hv.Overlay:
        return draw_line_now(session.state.analysis, now, window, kept)

    def draw(*_events: object) -> None:
        if not place.objects and play.now is not None:
            plot = hv.DynamicMap(figure, streams=[hv.streams.Params(play, ["now", "window", "kept"])])
            place.objects = [pn.pane.HoloViews(plot, sizing_mode="stretch_width", margin=0, linked_axes=False)]

    play.param.watch(draw, "now")
    return place


def arms(session: Session, play: Play) -> pn.Column:
    """Both arms with their residuals."""
    place = pn.Column(sizing_mode="stretch_width", margin=0, min_height=240)

    def draw(*_events: object) -> None:
        if place.objects or play.now is None:
            return
        columns = []
        for arm in ARMS:
            stream = [hv.streams.Params(play, ["now"])]
            flux = hv.DynamicMap(lambda now, arm=arm: draw_arm_now(session.state.analysis, now, arm), streams=stream)
            rest = hv.DynamicMap(
                lambda now, arm=arm: draw_residual_now(now, arm), streams=[hv.streams.Params(play, ["now"])]
            )
            panes = [pn.pane.HoloViews(f, sizing_mode="stretch_width", margin=0) for f in (flux, rest)]
            columns.append(pn.Column(*panes, sizing_mode="stretch_width", margin=0))
        place.objects = [grid(*columns, columns="minmax(0, 1fr) minmax(0, 1fr)")]

    play.param.watch(draw, "now")
    return place


def _rail(slider: pmui.FloatSlider, low: float, high: float) -> dict[str, object]:
    """The slider's rail with an interval shaded."""
    a, b = (
        100 * (float(np.clip(x, slider.start, slider.end)) - slider.start) / (slider.end - slider.start)
        for x in (low, high)
    )
    shade = f"linear-gradient(90deg, {theme.css('line')} {a:.1f}%, {theme.css('model')} {a:.1f}% {b:.1f}%, {theme.css('line')} {b:.1f}%)"
    return {"& .MuiSlider-rail": {"opacity": 1, "height": 4, "background": shade}}


def _lesson_text(lesson: Lesson | None) -> str:
    return "" if lesson is None else str(fill("<p><b>{}</b> – {}</p>", lesson.name.capitalize(), lesson.text))


def _format(target: Target | None) -> str:
    decimals = target.decimals if target else 2
    return "0." + "0" * decimals if decimals else "0"


def _slider(name: str, low: float, high: float) -> pmui.FloatSlider:
    target = next((t for t in TARGETS if t.name == name), None)
    unit = f" [{target.unit}]" if target and target.unit != "dex" else ""
    label = label_of(name) if target else PHYSICS_LABELS.get(name, f"[{name.removesuffix('_fe').capitalize()}/Fe]")
    return pmui.FloatSlider(
        name=f"{label}{unit}", start=low, end=high, step=_STEPS.get(name, 0.01), format=_format(target),
        value=low, size="small", margin=(0, 4), track=False,
        sizing_mode="stretch_width", css_classes=[f"slider-{name}"],
    )  # fmt: skip


def _title(window: LineWindow | None) -> str:
    return str(heading(fill("{} Å: the line that changes most", window.name) if window else "", _LEGEND))


def _chi2_line(session: Session, now: WhatIf | None) -> str:
    if now is None or session.state.analysis is None:
        return ""
    before = session.state.analysis.resimulation.chi2_per_pixel
    outside: Markup | str = (
        "" if now.inside else fill('<span class="chip">outside the training: the emulator extrapolates</span>')
    )
    title = "Both arms and their residuals (σ); the continuum is matched to the observation anew"
    after = now.comparison.chi2_per_pixel
    return str(heading(title, fill("{} χ² per pixel {:.2f} → {:.2f}", outside, before, after)))


def _summary(analysis: Analysis, now: WhatIf) -> str:
    """Labels in which a kept curve differs from the mode."""
    at_map = to_sliders(with_nuisances_of_z(analysis.posterior.map_z[None])[0])
    values = to_sliders(now.labels)
    shifted = [
        f"{label_of(t.name)} {value_text(values[t.name], t.decimals)}" for t in TARGETS
        if abs(values[t.name] - at_map[t.name]) > 2 * _STEPS.get(t.name, 0.01)
    ]  # fmt: skip
    return f"{', '.join(shifted) or 'the mode'}: χ² {now.comparison.chi2_per_pixel:.2f}"


def _kept_list(kept: tuple[Kept, ...]) -> str:
    if not kept:
        return str(
            fill('<div class="sub">Kept curves stay in the figure, dotted. Arrow keys move the chosen slider.</div>')
        )
    return str(fill('<div class="sub">{}</div>', fill(" · ").join(fill("{}", k.text) for k in kept)))
