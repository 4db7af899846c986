"""Layout of the page: one bar with the tabs, a left column that never changes, and the tab that is open."""

from __future__ import annotations

from dataclasses import replace

import panel as pn
import panel_material_ui as pmui
from panel.viewable import Viewable

from cinn_core.stages import Analysis, Answer

from .. import theme
from ..patches import follow_busy
from ..session import Session
from ..state import MAX_SAMPLES, MIN_SAMPLES, SessionState
from .elsewhere import elsewhere_cards
from .frame import frame
from .posterior_in_use import posterior_switch
from .star import name_of, star_card, time_card
from .stars import stars_card
from .tabs import TABS, Tab
from .take_away import take_away_card
from .tiles import tile_row
from .upload import upload_card
from .widgets import card, fill, html, join

SAMPLES = tuple(MIN_SAMPLES << i for i in range((MAX_SAMPLES // MIN_SAMPLES).bit_length()))


def settings_card(session: Session) -> pn.Column:
    """Three controls; the result says with which of them it was computed."""
    state = session.state
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
        label="device", options=list(session.devices), value=state.settings.device, size="small", margin=0,
        description="Where the network runs; auto takes a GPU where there is one.", sizing_mode="stretch_width",
    )  # fmt: skip

    def changed(*_events: object) -> None:
        settings = replace(state.settings, n_samples=samples.value, seed=seed.value or 0, device=device.value)
        if settings != state.settings:
            session.change_settings(settings)

    def follow(*_events: object) -> None:
        now = state.settings
        samples.value, seed.value, device.value = now.n_samples, now.seed, now.device

    for control in (samples, seed, device):
        control.param.watch(changed, "value")
    state.param.watch(follow, "settings")
    styles = {"display": "grid", "grid-template-columns": "minmax(0, 1fr) minmax(0, 1fr)", "gap": "12px 8px"}
    row = pn.Column(samples, seed, device, sizing_mode="stretch_width", margin=(8, 0, 0, 0), styles=styles)
    return card(row, title="Posterior")


SIDE = (upload_card, star_card, stars_card, take_away_card, settings_card, time_card)
"""The cards of the left column, from the top."""
SIDEBAR_WIDTH = 288
_SLUGS = [tab.slug for tab in TABS]


def page(session: Session) -> pmui.Page:
    """The whole page of one session."""
    state = session.state
    tabs = pmui.TabMenu(items=[tab.name for tab in TABS], active=0, margin=(0, 20), sx=_TABS)
    main = pn.Column(
        alert(state), *body(session), sizing_mode="stretch_width", margin=0,
        styles={**theme.STACK, "padding": "14px 14px 20px 0"},
    )  # fmt: skip
    left = pn.Column(
        *(card(session) for card in (*SIDE, *elsewhere_cards())), sizing_mode="stretch_width", margin=0,
        styles={**theme.STACK, "padding": "14px"},
    )  # fmt: skip

    ends = frame(session)
    bar = pn.Row(
        tabs, pn.HSpacer(), posterior_switch(session), ends, sizing_mode="stretch_width", margin=0,
        styles={"align-items": "center"},
    )  # fmt: skip

    def clicked(*_events: object) -> None:
        session.post(follow)  # a turn later: of clicks that came meanwhile the last counts, and none is sent back

    def follow() -> None:
        state.tab = _SLUGS[tabs.active]

    def shown(slug: str) -> None:
        if state.tab == slug:
            ends.tab = TABS[_SLUGS.index(slug)].name

    def chosen(*_events: object) -> None:
        slug = state.tab
        if slug in _SLUGS:
            if tabs.active != _SLUGS.index(slug):
                tabs.active = _SLUGS.index(slug)
            session.post(lambda: session.post(lambda: shown(slug)))  # when a tab that is new has been built
        else:
            state.tab = _SLUGS[tabs.active]
            state.warn(f"There is no tab {slug}; the tabs are {', '.join(_SLUGS)}.")

    tabs.param.watch(clicked, "active")
    state.param.watch(chosen, "tab")
    chosen()
    layout = pmui.Page(
        title="Kiel", header=[bar], sidebar=[left], main=[main], sidebar_width=SIDEBAR_WIDTH,
        sidebar_resizable=False, theme_config=theme.MATERIAL, sidebar_variant="permanent", sx=_PAGE, theme_toggle=False,
        busy_indicator="linear",
    )  # fmt: skip
    follow_busy(layout, state.param.status.rx() == "working")
    return layout


def body(session: Session) -> list[Viewable]:
    """The tiles, the line that asks for a star, and the tabs, each built when it is first looked at."""
    state, built, seen = session.state, dict[str, Viewable](), dict[str, Analysis | None]()
    place = pn.Column(
        sizing_mode="stretch_width",
        margin=0,
        styles={"max-height": "none", "position": "relative"},
        css_classes=[theme.SETTLED],
    )
    tiles = tile_row(session)
    waiting = html(pn.bind(waiting_line, state.param.status), visible=False)
    drawing = html(fill('<div class="empty" role="status">drawing …</div>'), visible=False)
    follows = html(visible=False)

    def wanted() -> Tab:
        return next((tab for tab in TABS if tab.slug == state.tab), TABS[0])

    def show(*_events: object) -> None:
        tab = wanted()
        ready = state.analysis is not None or not tab.needs_star
        waiting.visible = not ready
        tiles.thin = not tab.tiles
        if seen.get(tab.slug, state.analysis) is not state.analysis:
            state.redraw()  # before the tab is to be seen, still with the star of before
        seen[tab.slug] = state.analysis
        drawing.visible = ready and tab.slug not in built
        for slug, view in built.items():
            view.visible = ready and slug == tab.slug
        if drawing.visible:
            session.post(build)  # a turn later, when nothing of the tab before is to be seen

    def build() -> None:
        tab = wanted()
        if drawing.visible and tab.slug not in built:
            built[tab.slug] = tab.build(session)
            place.append(built[tab.slug])
        drawing.visible = False

    def follow(*_events: object) -> None:
        follows.param.update(object=following_line(state.answer), visible=state.answer is not None)

    state.param.watch(follow, "answer")
    state.param.watch(show, ["analysis", "tab"])
    show()
    return [tiles, follows, waiting, drawing, place]


def following_line(answer: Answer | None) -> str:
    """Line over the dimmed figures while the numbers of a star are there before them."""
    if answer is None:
        return ""
    return str(
        fill(
            '<div class="sub" role="status">The numbers of {}; its figures are being drawn …</div>',
            name_of(answer.flux_vector),
        )
    )


def waiting_line(status: str) -> str:
    """Line that stands in place of the figures before there is a star."""
    text = "The first star is on its way." if status == "working" else "Drop a spectrum or choose an example."
    return str(fill('<div class="empty">{}</div>', text))


def alert(state: SessionState) -> pn.Row:
    """What went wrong, over the page so that nothing moves, until it is closed or its cause is gone."""
    pane = html()
    close = pmui.Button(label="close", variant="text", size="small", margin=0)
    row = pn.Row(pane, close, sizing_mode="fixed", margin=0, visible=False, styles=_ALERT)

    def refresh(*_events: object) -> None:
        sentences = [*([state.message] if state.message else []), *state.complaints]
        row.visible = bool(sentences)
        lines = join(fill("<div>{}</div>", sentence) for sentence in sentences)
        pane.object = str(fill('<div class="alert" role="alert">{}</div>', lines)) if sentences else ""

    close.on_click(lambda _event: state.close_message())
    state.param.watch(refresh, ["message", "complaints"])
    refresh()
    return row


_ALERT = {
    "position": "fixed", "bottom": "14px", "left": "calc(50% - min(380px, 46vw))", "width": "min(760px, 92vw)",
    "z-index": "1300", "max-height": "40vh", "overflow": "auto", "border-radius": "12px", "align-items": "center",
    "background": theme.css("alert-ground"), "box-shadow": "0 6px 24px rgb(10 15 25 / 25%)",
}  # fmt: skip
_PAGE = {
    "& main": {"backgroundColor": theme.css("ground")},
    "& header .MuiToolbar-root": {"paddingLeft": "12px", "paddingRight": "8px"},
    "& header .MuiTypography-root": {
        "color": f"{theme.css('ink')} !important",
        "fontWeight": 700,
        "fontSize": theme.text(18),
    },
}
_TABS = {
    "minHeight": "34px",
    "& .MuiTabs-indicator": {"display": "none"},
    "& .MuiTab-root": {
        "minHeight": "34px", "borderRadius": "8px", "padding": "6px clamp(5px, 0.85vw, 16px)", "minWidth": 0,
        "fontSize": theme.text(13), "textTransform": "none",
        "color": f"{theme.css('muted')} !important",
    },
    "& .MuiTab-root.Mui-selected": {
        "backgroundColor": theme.css("chosen"), "color": f"{theme.css('model')} !important", "fontWeight": 600,
    },
}  # fmt: skip
