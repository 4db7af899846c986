"""The look of the page: colours that colour-blind eyes tell apart, one type size, cards on a quiet ground."""

from __future__ import annotations

INK = "#1b2430"
MUTED = "#667085"
FAINT = "#98a2b3"
LINE = "#e4e8ee"
GROUND = "#f5f7fa"
CARD = "#ffffff"

OBSERVED = INK
MODEL = "#0072B2"
LITERATURE = "#D55E00"
GOOD = "#2e8b57"
WARN = "#b54708"

BAND68_ALPHA = 0.32
BAND95_ALPHA = 0.16

SALIENCY = ("#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#ffffff", "#fddbc7", "#f4a582", "#d6604d", "#b2182b")
"""Diverging blue-white-red: flux that lowers the target, through nothing, to flux that raises it."""

FONT = "Inter, 'Inter Variable', system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

CARD_STYLES = {
    "background": CARD,
    "border": f"1px solid {LINE}",
    "border-radius": "12px",
    "padding": "12px 14px",
    "box-sizing": "border-box",
    "max-height": "none",
}

STACK = {"gap": "12px", "max-height": "none"}
"""Cards one below the other, as tall as they need to be: a Panel column would stop at the height of the window."""

CSS = f"""
:host, .bk-root {{ font-family: {FONT}; font-size: 13px; color: {INK}; }}
.head {{ font-weight: 600; font-size: 12px; color: {MUTED}; margin: 0; display: flex; gap: 14px; flex-wrap: wrap;
  justify-content: space-between; }}
.legend {{ font-weight: 400; color: {MUTED}; display: flex; gap: 14px; flex-wrap: wrap; }}
.legend i {{ display: inline-block; width: 16px; margin-right: 5px; vertical-align: middle; }}
.star {{ font-size: 18px; font-weight: 700; overflow-wrap: anywhere; line-height: 1.2; }}
.sub {{ color: {MUTED}; overflow-wrap: anywhere; }}
.chips {{ display: flex; flex-wrap: wrap; gap: 5px; margin: 8px 0; }}
.chip {{ border-radius: 10px; padding: 2px 9px; font-size: 12px; font-weight: 600; background: #fdf1e3; color: {WARN}; }}
.chip.ok {{ background: #e6f4ec; color: {GOOD}; }}
dl {{ margin: 0; }}
dl div {{ display: flex; justify-content: space-between; gap: 8px; padding: 2.5px 0; }}
dt {{ color: {MUTED}; white-space: nowrap; }}
dd {{ margin: 0; text-align: right; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }}
.bar {{ height: 6px; border-radius: 3px; background: {LINE}; overflow: hidden; margin: 2px 0 6px; }}
.bar i {{ display: block; height: 100%; background: {GOOD}; }}
.bar i.low {{ background: {LITERATURE}; }}
.small {{ font-size: 12px; color: {MUTED}; display: flex; justify-content: space-between; }}
.alert {{ border-radius: 12px; border: 1px solid #f3c1a5; background: #fdf1e9; color: #8a3606; padding: 10px 14px;
  overflow-wrap: anywhere; }}
.progress {{ color: {MODEL}; min-height: 34px; line-height: 17px; overflow-wrap: anywhere; }}
.caption {{ color: {FAINT}; font-size: 11px; text-align: center; }}
.empty {{ color: {MUTED}; padding: 40px 0; text-align: center; }}
ol.ledger {{ list-style: none; margin: 6px 0 0; padding: 0; counter-reset: step; }}
ol.ledger li {{ counter-increment: step; display: grid; grid-template-columns: 22px 1fr; gap: 2px 10px; padding: 10px 0;
  border-bottom: 1px solid {LINE}; }}
ol.ledger li:last-child {{ border-bottom: 0; }}
ol.ledger li::before {{ content: counter(step); grid-row: 1 / span 3; width: 20px; height: 20px; border-radius: 50%;
  background: #e6f1f8; color: {MODEL}; font-size: 11px; font-weight: 700; line-height: 20px; text-align: center; }}
ol.ledger b {{ font-weight: 600; overflow-wrap: anywhere; }}
ol.ledger p {{ margin: 0; color: {MUTED}; overflow-wrap: anywhere; grid-column: 2; }}
ol.ledger .numbers {{ grid-column: 2; display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px;
  font-variant-numeric: tabular-nums; }}
.numbers span {{ color: {MUTED}; }}
"""

MATERIAL = {
    "palette": {
        "primary": {"main": MODEL},
        "background": {"default": GROUND, "paper": CARD},
        "text": {"primary": INK, "secondary": MUTED},
    },
    "typography": {"fontFamily": FONT, "fontSize": 13, "button": {"textTransform": "none", "fontWeight": 500}},
    "shape": {"borderRadius": 8},
    "components": {
        "MuiAppBar": {
            "styleOverrides": {
                "root": {
                    "backgroundColor": CARD,
                    "color": INK,
                    "boxShadow": "none",
                    "borderBottom": f"1px solid {LINE}",
                }
            }
        },
        "MuiToolbar": {"styleOverrides": {"root": {"minHeight": "52px !important"}}},
        "MuiDrawer": {"styleOverrides": {"paper": {"backgroundColor": GROUND, "borderRight": 0}}},
    },
}
