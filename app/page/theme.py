"""Theme of the page, light and dark: colours that colour-blind eyes tell apart, one type size, cards on a quiet ground.

Sizes of text follow the variable `--kiel-text`, which the switch for a projector makes larger.
Figures are drawn in the light colours; in the dark the browser turns their lightness round and keeps their hues
(`--kiel-figure`). Everything else takes its colours from the CSS variables that `css` names.
"""

from __future__ import annotations

from bokeh.themes import Theme

INK = "#1b2430"
MUTED = "#5b6577"
FAINT = "#98a2b3"
LINE = "#e4e8ee"
GROUND = "#f5f7fa"
CARD = "#ffffff"

OBSERVED = INK
MODEL = "#0072B2"
LITERATURE = "#D55E00"
IN_LTE = "#009E73"
"""The model in LTE beside that in NLTE."""
GOOD = "#1d6b41"
WARN = "#b54708"
QUANTILES = "#8a4f9e"
"""Models at the quantiles of the marginals: those at 16 and 84 % dashed, those at 2.5 and 97.5 % dotted."""
PINNED = "#7a5200"
"""Lines of the reader's own list."""
UNTRUSTED = "#CC79A7"
"""Pixels that the forward model is known to get wrong."""

BAND68_ALPHA = 0.32
BAND95_ALPHA = 0.16

SALIENCY = ("#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#ffffff", "#fddbc7", "#f4a582", "#d6604d", "#b2182b")
"""Diverging blue-white-red: flux that lowers the target, through nothing, to flux that raises it."""

_LIGHT = {
    "ink": INK, "muted": MUTED, "faint": FAINT, "line": LINE, "ground": GROUND, "card": CARD, "model": MODEL,
    "literature": LITERATURE, "in-lte": IN_LTE, "good": GOOD, "warn": WARN, "chosen": "#e6f1f8", "good-ground": "#e6f4ec",
    "warn-ground": "#fdf1e3", "alert-ground": "#fdf1e9", "alert-line": "#f3c1a5", "alert-ink": "#8a3606",
    "figure": "none",
}  # fmt: skip
_DARK = {
    "ink": "#e7ecf3", "muted": "#9aa5b5", "faint": "#8b97a8", "line": "#2b3646", "ground": "#0f1420", "card": "#171f2b",
    "model": "#56b4e9", "literature": "#f0a15e", "in-lte": "#4fc9a3", "good": "#5cc98b", "warn": "#f0a15e", "chosen": "#14304a",
    "good-ground": "#12301f", "warn-ground": "#37250f", "alert-ground": "#3a2313", "alert-line": "#7a4a26",
    "alert-ink": "#f6c396", "figure": "invert(0.93) hue-rotate(180deg)",
}  # fmt: skip


def css(name: str) -> str:
    """A colour of the page by its name, as CSS that follows light and dark."""
    if name not in _LIGHT:
        raise KeyError(f"There is no colour {name!r}; there are {', '.join(_LIGHT)}.")
    return f"var(--kiel-{name})"


def text(px: float) -> str:
    """A size of text, as CSS that follows the switch for a projector."""
    return f"calc({px:g}px * var(--kiel-text, 1))"


def _variables(colours: dict[str, str]) -> str:
    return " ".join(f"--kiel-{name}: {colour};" for name, colour in colours.items())


ROOT_CSS = f"""
:root {{ color-scheme: light; {_variables(_LIGHT)} }}
:root[data-theme="dark"] {{ color-scheme: dark; {_variables(_DARK)} }}
body {{ background: {css("ground")}; }}
"""
"""Goes into the document itself, where every shadow root inherits from."""

BOKEH = Theme(json={"attrs": {name: {} for name in ("Axis", "Title", "Grid", "Legend", "ColorBar", "Plot")}})
"""Set as a document's theme it keeps Material UI's from recolouring the figures, which have their look from here."""

FIGURE_CSS = f".bk-Canvas {{ filter: {css('figure')}; }}"
"""Goes into every Bokeh figure."""

FONT = "Inter, 'Inter Variable', system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

CARD_STYLES = {
    "background": css("card"),
    "border": f"1px solid {css('line')}",
    "border-radius": "12px",
    "padding": "12px 14px",
    "box-sizing": "border-box",
    "max-height": "none",
}

SETTLED = "kiel-settled"
"""Class of what shows a star: dimmed and out of reach from when the star changes until all of it is the new star's.

The page finds its elements and dims each: a variable of the document would have the browser style everything anew."""
NUMBERS = "kiel-numbers"
"""The same of header and tiles, which are there before the figures."""

STACK = {"gap": "12px", "max-height": "none"}
"""Cards one below the other, as tall as they need to be: a Panel column would stop at the height of the window."""

CSS = f"""
:host, .bk-root {{ font-family: {FONT}; font-size: {text(13)}; color: {css("ink")}; }}
.head {{ font-weight: 600; font-size: {text(12)}; color: {css("muted")}; margin: 0; display: flex; gap: 14px; flex-wrap: wrap;
  justify-content: space-between; }}
.legend {{ font-weight: 400; color: {css("muted")}; display: flex; gap: 14px; flex-wrap: wrap; }}
.legend i {{ display: inline-block; width: 16px; margin-right: 5px; vertical-align: middle; }}
.star {{ font-size: {text(18)}; font-weight: 700; overflow-wrap: anywhere; line-height: 1.2; }}
.sub {{ color: {css("muted")}; overflow-wrap: anywhere; }}
.chips {{ display: flex; flex-wrap: wrap; gap: 5px; margin: 8px 0; }}
.chip {{ border-radius: 10px; padding: 2px 9px; font-size: {text(12)}; font-weight: 600;
  background: {css("warn-ground")}; color: {css("warn")}; }}
.chip.bad {{ background: {css("alert-ground")}; color: {css("alert-ink")}; }}
.chip.plain {{ background: {css("ground")}; color: {css("muted")}; font-weight: 400; }}
.trust {{ margin: 8px 0 2px; padding: 7px 10px; border-radius: 8px; line-height: 1.4; overflow-wrap: anywhere; }}
.trust.good {{ background: {css("good-ground")}; color: {css("good")}; }}
.trust.care {{ background: {css("warn-ground")}; color: {css("warn")}; }}
.trust.not {{ background: {css("alert-ground")}; color: {css("alert-ink")}; font-weight: 600; }}
.term {{ text-decoration: underline dotted {css("faint")}; text-underline-offset: 3px; cursor: help; }}
.chip.ok {{ background: {css("good-ground")}; color: {css("good")}; }}
dl {{ margin: 0; }}
dl div {{ display: flex; justify-content: space-between; gap: 8px; padding: 2.5px 0; }}
dt {{ color: {css("muted")}; }}
dd {{ margin: 0; flex: none; max-width: 66%; text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }}
.bar {{ height: 6px; border-radius: 3px; background: {css("line")}; overflow: hidden; margin: 2px 0 6px; }}
.bar i {{ display: block; height: 100%; background: {css("good")}; }}
.bar i.low {{ background: {css("literature")}; }}
.small {{ font-size: {text(12)}; color: {css("muted")}; display: flex; justify-content: space-between; }}
.alert {{ border-radius: 12px; border: 1px solid {css("alert-line")}; background: {css("alert-ground")}; color: {css("alert-ink")};
  padding: 10px 14px; overflow-wrap: anywhere; }}
.progress {{ color: {css("model")}; min-height: 34px; line-height: 1.3; overflow-wrap: anywhere; }}
.stages {{ display: flex; gap: 3px; min-height: 4px; margin: 6px 0 4px; }}
.stages i {{ flex: 1; height: 4px; border-radius: 2px; background: {css("line")}; }}
.stages i.done {{ background: {css("model")}; }}
.stages i.now {{ background: {css("model")}; opacity: .45; }}
.group {{ font-weight: 700; border-top: 1px solid {css("line")}; padding-top: 6px; margin-top: 6px; }}
.bar i.model {{ background: {css("model")}; }}
.head.bad {{ color: {css("alert-ink")}; }}
table.plain {{ width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }}
table.plain th {{ text-align: left; font-weight: 600; color: {css("muted")}; font-size: {text(12)}; }}
table.plain th, table.plain td {{ padding: 4px 6px 4px 0; border-bottom: 1px solid {css("line")}; }}
.caption {{ color: {css("muted")}; font-size: {text(11)}; text-align: center; }}
.empty {{ color: {css("muted")}; padding: 40px 0; text-align: center; }}
ol.ledger {{ list-style: none; margin: 6px 0 0; padding: 0; counter-reset: step; }}
ol.ledger li {{ counter-increment: step; display: grid; grid-template-columns: 22px 1fr; gap: 2px 10px; padding: 10px 0;
  border-bottom: 1px solid {css("line")}; }}
ol.ledger li:last-child {{ border-bottom: 0; }}
ol.ledger li::before {{ content: counter(step); grid-row: 1 / span 3; width: 20px; height: 20px; border-radius: 50%;
  background: {css("chosen")}; color: {css("model")}; font-size: {text(11)}; font-weight: 700; line-height: 20px; text-align: center; }}
ol.ledger b {{ font-weight: 600; overflow-wrap: anywhere; }}
ol.ledger p {{ margin: 0; color: {css("muted")}; overflow-wrap: anywhere; grid-column: 2; }}
ol.ledger .numbers {{ grid-column: 2; display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: {text(12)};
  font-variant-numeric: tabular-nums; }}
.numbers span {{ color: {css("muted")}; }}
"""


def _material(colours: dict[str, str]) -> dict[str, object]:
    """Material UI's theme in one set of colours; it computes shades, so it takes no CSS variables."""
    return {
        "palette": {
            "primary": {"main": colours["model"]},
            "background": {"default": colours["ground"], "paper": colours["card"]},
            "text": {"primary": colours["ink"], "secondary": colours["muted"]},
        },
        "typography": {"fontFamily": FONT, "fontSize": 13, "button": {"textTransform": "none", "fontWeight": 500}},
        "shape": {"borderRadius": 8},
        "components": {
            "MuiAppBar": {
                "styleOverrides": {
                    "root": {
                        "backgroundColor": colours["card"],
                        "backgroundImage": "none",
                        "color": colours["ink"],
                        "boxShadow": "none",
                        "borderBottom": f"1px solid {colours['line']}",
                    }
                }
            },
            "MuiToolbar": {"styleOverrides": {"root": {"minHeight": "52px !important"}}},
            "MuiDrawer": {
                "styleOverrides": {
                    "paper": {"backgroundColor": colours["ground"], "backgroundImage": "none", "borderRight": 0}
                }
            },
        },
    }


MATERIAL = {"light": _material(_LIGHT), "dark": _material(_DARK)}
