"""Tiles of the thirteen quantities: value, 68 % and marginal; a click chooses the target of the saliency strip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import param
from numpy.typing import NDArray
from panel.custom import JSComponent

from cinn_core.inference.marginals import central_range, density
from cinn_core.inference.quantities import Quantity, change_note, change_text, quantities_of
from cinn_core.inference.selection import selected_quantities
from cinn_core.inference.trust import real_error, trust_in
from cinn_core.inference.weighted import representatives
from cinn_core.lines import is_observed
from cinn_core.literature import literature_for
from cinn_core.output.glossary import meaning
from cinn_core.stages import Status
from cinn_core.targets import TARGETS

from .. import theme
from ..session import Session, undo
from ..state import SessionState

Moved = Mapping[str, tuple[Quantity, Quantity]]
"""Quantities before and after a change, by the target's name."""
DRAWN = 2048
"""Samples that stand for weighted ones in a tile's drawing."""

WIDTH, HEIGHT = 100.0, 30.0
_BINS = 40
_ROOM = 0.35
"""Room left and right of the central 99 % of the samples, in units of its width."""


class TileRow(JSComponent):
    """A radio group of tiles under a line on what was changed last; every text is set as text, never as HTML.

    It sends {"act": "undo"} or {"act": "redo"}.
    """

    tiles = param.List(
        doc="One dict per tile: name, label, value, spread, change, real, tip, look, curve, inner, mode, known, beyond."
    )
    chosen = param.String(doc="Name of the chosen target.")
    thin = param.Boolean(default=False, doc="Whether the tiles go without their curves.")
    words = param.String(doc="What was changed of the star last; empty where nothing was.")
    can = param.Dict(default={"undo": False, "redo": False}, doc="Whether there is something to undo, to redo.")

    _esm = f"""
    const NS = "http://www.w3.org/2000/svg"
    function path(d, cls) {{
      const p = document.createElementNS(NS, "path"); p.setAttribute("d", d); p.setAttribute("class", cls); return p
    }}
    function tile(model, t) {{
      const b = document.createElement("button")
      b.type = "button"; b.className = t.look; b.dataset.name = t.name; b.title = t.tip; b.setAttribute("role", "radio")
      const moved = t.change ? `, changed ${{t.change}}` : ""
      b.setAttribute("aria-label", `${{t.label}} ${{t.value}} ${{t.spread}} ${{t.look}}${{moved}}`)
      for (const key of ["label", "value", "spread", "real", "change"]) {{
        const s = document.createElement("span"); s.className = key; s.textContent = t[key]; b.append(s)
      }}
      b.children[1].style.fontSize = `min({theme.text(15)}, ${{158 / t.value.length}}cqi)`  // the longest fits its tile
      b.children[2].style.fontSize = `min({theme.text(10.5)}, ${{158 / t.spread.length}}cqi)`
      const svg = document.createElementNS(NS, "svg")
      svg.setAttribute("aria-hidden", "true")
      svg.setAttribute("viewBox", "0 0 {WIDTH:g} {HEIGHT:g}"); svg.setAttribute("preserveAspectRatio", "none")
      svg.append(path(t.curve, "curve"), path(t.inner, "inner"), path(`M${{t.mode}} 0 V{HEIGHT:g}`, "mode"))
      if (t.known !== null) svg.append(path(`M${{t.known}} 0 V{HEIGHT:g}`, "known"))
      b.append(svg)
      if (t.change) b.dataset.change = t.change === "=" ? "none" : "some"
      if (t.beyond) {{
        const s = document.createElement("span")
        s.className = t.known > 50 ? "beyond right" : "beyond"; s.textContent = t.beyond; b.append(s)
      }}
      b.onclick = () => {{ model.chosen = t.name }}
      return b
    }}
    export function render({{ model }}) {{
      const all = document.createElement("div"), bar = document.createElement("div"), root = document.createElement("div")
      const words = document.createElement("span")
      words.setAttribute("role", "status"); bar.className = "bar"; bar.append(words)
      for (const [act, tip] of [["undo", "Take the last change of this star back (key x)"], ["redo", "Make it again (key X)"]]) {{
        const b = document.createElement("button")
        b.type = "button"; b.className = "act"; b.textContent = act; b.title = tip; b.dataset.act = act
        b.onclick = () => model.send_msg({{ act }})
        bar.append(b)
      }}
      const tell = () => {{
        bar.hidden = !model.words && !model.can.undo && !model.can.redo
        words.textContent = model.words ? `Last change: ${{model.words}}` : ""
        for (const b of bar.querySelectorAll("button")) b.disabled = !model.can[b.dataset.act]
      }}
      const thin = () => root.classList.toggle("thin", model.thin)
      all.append(bar, root)
      root.className = "tiles"; root.setAttribute("role", "radiogroup"); root.setAttribute("aria-label", "results")
      const mark = () => {{
        for (const b of root.children) {{
          b.setAttribute("aria-checked", String(b.dataset.name === model.chosen))
          b.tabIndex = b.dataset.name === model.chosen ? 0 : -1
        }}
      }}
      root.onkeydown = (event) => {{  // as radio buttons do: the arrows choose, and the group is one stop
        const by = {{ ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }}[event.key]
        if (!by) return
        event.preventDefault(); event.stopPropagation()
        const all = [...root.children], at = all.findIndex((b) => b.dataset.name === model.chosen)
        const next = all[(at + by + all.length) % all.length]
        model.chosen = next.dataset.name; mark(); next.focus()
      }}
      const draw = () => {{ root.replaceChildren(...model.tiles.map((t) => tile(model, t))); mark() }}
      model.on("tiles", draw); model.on("chosen", mark); model.on(["words", "can"], tell); model.on("thin", thin)
      draw(); tell(); thin()
      return all
    }}
    """

    _stylesheets: ClassVar[list[str]] = [
        f"""
    .tiles {{ display: grid; grid-template-columns: repeat(var(--kiel-columns, 13), minmax(0, 1fr)); gap: 6px; width: 100%;
      font-family: {theme.FONT}; }}
    @media (max-width: 1100px) {{ .tiles {{ grid-template-columns: repeat(7, minmax(0, 1fr)); }} }}
    .bar {{ display: flex; gap: 8px; align-items: center;
      padding: 0 2px 6px; font: {theme.text(13)} {theme.FONT}; color: {theme.css("muted")}; }}
    .bar[hidden] {{ display: none; }}
    .bar span {{ white-space: normal; }}
    .bar .act {{ border: 1px solid {theme.css("line")}; border-radius: 8px; padding: 2px 9px; background: {theme.css("card")};
      color: {theme.css("model")}; cursor: pointer; font: inherit; }}
    .bar .act:disabled {{ opacity: .45; cursor: default; }}
    .tiles button {{ all: unset; box-sizing: border-box; cursor: pointer;
      background: {theme.css("card")}; border: 1px solid {theme.css("line")};
      border-radius: 10px; padding: 7px 5px 6px; display: flex; flex-direction: column; min-width: 0; min-height: 86px;
      container-type: inline-size; font-variant-numeric: tabular-nums; }}
    .tiles button:hover {{ border-color: {theme.css("faint")}; }}
    button:focus-visible {{ outline: 2px solid {theme.css("model")}; outline-offset: 1px; }}
    button[aria-checked="true"] {{ border-color: {theme.css("model")}; box-shadow: inset 0 0 0 1px {theme.css("model")}; }}
    span {{ white-space: nowrap; overflow: hidden; }}
    .label {{ font-size: {theme.text(11)}; font-weight: 600; color: {theme.css("muted")}; }}
    .value {{ font-weight: 700; color: {theme.css("ink")}; line-height: 1.35; }}
    .real, .change {{ font-size: {theme.text(10.5)}; line-height: 1.3; color: {theme.css("muted")}; }}
    .real:empty, .change:empty {{ display: none; }}
    .change {{ font-weight: 600; }}
    [data-change="some"] .change {{ color: {theme.css("model")}; }}
    .tiles.thin svg, .tiles.thin .real, .tiles.thin .beyond {{ display: none; }}
    .tiles.thin button {{ min-height: 0; padding: 4px 5px; }}
    .spread {{ letter-spacing: -0.03em; color: {theme.css("muted")}; line-height: 1.3; }}
    @media (max-width: 1380px) {{ .tiles button {{ padding: 7px 4px 6px; }} .spread {{ letter-spacing: -0.04em; }} }}
    svg {{ width: 100%; height: 24px; margin-top: auto; padding-top: 4px; box-sizing: content-box; overflow: visible; }}
    .tiles .doubtful, .tiles .prior {{
      background-image: repeating-linear-gradient(135deg, transparent 0 6px, {theme.css("line")} 6px 8px); }}
    .prior .value, .doubtful .value {{ color: {theme.css("muted")}; }}
    .prior svg {{ opacity: .6; }}
    .tiles button {{ position: relative; }}
    .beyond {{ position: absolute; bottom: 1px; left: 4px; background: {theme.css("card")}; border-radius: 4px; padding: 0 2px;
      font-size: {theme.text(10)}; color: {theme.css("alert-ink")}; font-weight: 700; }}
    .beyond.right {{ left: auto; right: 4px; }}
    .curve {{ fill: {theme.css("model")}; fill-opacity: .16; stroke: {theme.css("model")}; stroke-width: 1.2;
      vector-effect: non-scaling-stroke; }}
    .inner {{ fill: {theme.css("model")}; fill-opacity: .32; }}
    .mode {{ stroke: {theme.css("ink")}; stroke-width: 1; stroke-dasharray: 2 2; vector-effect: non-scaling-stroke; }}
    .known {{ stroke: {theme.css("literature")}; stroke-width: 1.5; vector-effect: non-scaling-stroke; }}
    """
    ]


def tile(
    quantity: Quantity, weights: NDArray | None = None, literature: float | None = None,
    real: float | None = None, doubtful: bool = False, observed: bool = True,
    changed: tuple[Quantity, Quantity] | None = None,
) -> dict[str, object]:  # fmt: skip
    """Contents of one tile, as plain values.

    real: what real stars of this kind miss by; doubtful: no measurement, whatever the number; observed: whether a line of
    the element was; changed: the quantity before and after the last change.
    """
    q = quantity
    samples = q.samples if weights is None else q.samples[representatives(weights, q.samples.size, DRAWN)]
    drawn = marginal(*(q.on_axis(values) for values in (samples, q.map, q.lo68, q.hi68)))
    known = None if literature is None else drawn.place(float(q.on_axis(literature)))
    unit = f" {q.unit}" if q.unit != "dex" and q.spread_text.startswith("±") else ""  # no room beside two ends
    tip = (
        f"{q.label} [{q.unit}]: mode {q.text(q.map)}, median {q.text(q.median)}\n"
        f"{meaning(q.label)}\n{_mode_note(q)}"
        f"68 %: {q.text(q.lo68)} … {q.text(q.hi68)}\n95 %: {q.text(q.lo95)} … {q.text(q.hi95)}\n"
        f"{'' if real is None else f'real stars of this kind: ± {q.text(real, signed=False)}' + chr(10)}"
        f"{'' if changed is None else change_note(changed[0]) + chr(10)}"
        f"{'' if literature is None else f'literature (orange): {q.text(literature)}' + chr(10)}"
        "Click to see which pixels drive it."
    )
    value, spread = {
        Status.MEASURED: (q.value_text, q.spread_text + unit),
        Status.LIMIT: (q.status_text, "95 % limit"),
        Status.UNCONSTRAINED: (f"({q.value_text})", q.status_text),
    }[q.status]
    if not observed and q.status is not Status.MEASURED:
        value, spread = "not observed", "prior"
    prior = q.status is Status.UNCONSTRAINED or spread == "prior"
    return {
        "look": "doubtful" if doubtful else "prior" if prior else "", "beyond": drawn.beyond(q, literature),
        "name": q.name, "label": q.label, "value": value, "spread": spread, "tip": tip,
        "real": f"real ± {q.text(real, signed=False)}" if real is not None and q.status is Status.MEASURED else "",
        "change": "" if changed is None else change_text(*changed),
        "curve": drawn.curve, "inner": drawn.inner, "mode": drawn.mode, "known": known,
    }  # fmt: skip


def waiting_tiles() -> list[dict[str, object]]:
    """Tiles before there is a star: names without numbers."""
    labels = ["A(Li)" if t.name == "li_fe" else t.label for t in TARGETS]
    empty = {
        "value": "–",
        "spread": "",
        "change": "",
        "real": "",
        "tip": "",
        "look": "",
        "beyond": "",
        "curve": "",
        "inner": "",
        "mode": -9.0,
        "known": None,
    }
    return [{"name": t.name, "label": label, **empty} for t, label in zip(TARGETS, labels, strict=True)]


def tile_row(session: Session) -> TileRow:
    """The tiles of a session's star, tied both ways to the chosen target."""
    state = session.state
    row = TileRow(
        tiles=waiting_tiles(),
        chosen=state.target,
        sizing_mode="stretch_width",
        margin=0,
        css_classes=["tour-tiles", theme.NUMBERS],
    )

    def refresh(*_events: object) -> None:
        words, moved = last_change(session)
        row.param.update(
            tiles=tiles_of(state, moved), words=words,
            can={"undo": bool(words), "redo": state.history.next(state.star) is not None},
        )  # fmt: skip

    def heard(event: Any) -> None:
        if event.data.get("act") == "undo":
            undo(session)
        elif event.data.get("act") == "redo":
            state.redo()

    row.link(state, chosen="target", bidirectional=True)
    row.on_msg(heard)
    state.param.watch(refresh, ["selection", "answer", "history"])
    session.results.param.watch(refresh, "left_out")
    return row


def tiles_of(state: SessionState, moved: Moved) -> list[dict[str, object]]:
    """The tiles of the star shown, or of the answer that is there before its figures."""
    if state.answer is not None:
        vector, rows = state.answer.flux_vector, quantities_of(state.answer.posterior, state.answer.summary)
        return [tile(q, observed=is_observed(q.name, vector.good)) for q in rows]
    if state.selection is None:
        return waiting_tiles()
    vector, chosen = state.analysis.flux_vector, state.selection
    known = literature_for(vector.star, vector.file)
    values = {} if known is None else known.values
    doubtful = trust_in(state.analysis).doubtful
    return [
        tile(
            q, chosen.weights, values.get(q.name), real_error(state.analysis, q.name), q.name in doubtful,
            is_observed(q.name, vector.good), moved.get(q.name),
        )
        for q in selected_quantities(chosen)
    ]  # fmt: skip


def last_change(session: Session) -> tuple[str, Moved]:
    """What was changed of the star shown last, in words, and each quantity before and after it; empty where nothing was.

    A line left out on trial comes first. Where the kind of posterior in use is not known of before, there are words alone.
    """
    state, trial = session.state, session.results.left_out
    if state.selection is None or state.answer is not None:
        return "", {}
    now = state.quantities()
    if trial is not None:
        words = f"without {trial.window.name} Å on trial; the tiles show the answer with it"
        before, after = now, quantities_of(trial.posterior, trial.summary)
    else:
        change = state.history.last(state.star)
        if change is None:
            return "", {}
        words, before, after = change.words, state.quantities(change.before), now
    return words, {a.name: (a, b) for a, b in zip(before, after, strict=False)}


def _mode_note(quantity: Quantity) -> str:
    """A line of the tip where the mode of all thirteen lies outside the interval of one alone."""
    q = quantity
    return (
        ""
        if q.lo68 <= q.map <= q.hi68
        else "The mode is that of all thirteen together, outside this one's own interval.\n"
    )


@dataclass(frozen=True)
class MarginalPaths:
    """SVG paths in a WIDTH x HEIGHT box: the curve, the 68 % interval under it, where the mode stands, and the box's ends."""

    curve: str
    inner: str
    mode: float
    low: float
    high: float

    def place(self, value: float) -> float:
        """Place of a value in the box, at its edge where it lies outside."""
        return float(np.clip(WIDTH * (value - self.low) / (self.high - self.low), 0, WIDTH))

    def beyond(self, quantity: Quantity, literature: float | None) -> str:
        """Where the literature's value lies outside the box: an arrow outward and its distance from the mode; else empty."""
        if literature is None or self.low <= quantity.on_axis(literature) <= self.high:
            return ""
        off = quantity.text(abs(literature - quantity.map), signed=False)
        return f"{off} ▸" if literature > quantity.map else f"◂ {off}"


def marginal(samples: NDArray, mode: float | NDArray, lo68: float | NDArray, hi68: float | NDArray) -> MarginalPaths:
    """The marginal of samples (n,) with its mode and 68 % interval."""
    low, high = central_range(samples, 0.99, _ROOM)
    heights = density(samples, low, high, _BINS)
    centres = (np.arange(_BINS) + 0.5) / _BINS
    x, y = WIDTH * centres, HEIGHT * (1 - 0.92 * heights)
    within = (low + (high - low) * centres >= lo68) & (low + (high - low) * centres <= hi68)
    at = float(np.clip(WIDTH * (mode - low) / (high - low), 0, WIDTH))
    return MarginalPaths(_closed(x, y), _closed(x[within], y[within]), at, low, high)


def _closed(x: NDArray, y: NDArray) -> str:
    if x.size == 0:
        return ""
    points = " ".join(f"L{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return f"M{x[0]:.1f} {HEIGHT:g} {points} L{x[-1]:.1f} {HEIGHT:g} Z"
