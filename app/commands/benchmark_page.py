"""The benchmark as one HTML page that needs nothing else: tables and figures."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence

from rich.console import Console

from cinn_core import __version__
from cinn_core.benchmark.ablation import Effect
from cinn_core.benchmark.figures import figures_of, noisy
from cinn_core.benchmark.goals import goals
from cinn_core.benchmark.measure import BenchmarkRow
from cinn_core.benchmark.report import corrected_maps, correction_figures
from cinn_core.benchmark.robustness import Shift

from ..page import theme
from ..page.figures.benchmark import as_bytes, comparison_figure, residual_figure
from . import tables_benchmark as tables

_WIDTH = 170
_STYLE = f"""
body {{ font: 15px/1.5 system-ui, sans-serif; color: {theme.INK}; background: {theme.GROUND}; margin: 2rem auto; max-width: 90rem; }}
section {{ background: {theme.CARD}; border: 1px solid {theme.LINE}; border-radius: 8px; padding: 1rem 1.5rem; margin: 1rem 0; }}
pre {{ font: 12px/1.35 ui-monospace, monospace; overflow-x: auto; }}
img {{ max-width: 100%; }}
"""


def page(
    rows: Sequence[BenchmarkRow],
    robust: Mapping[str, Mapping[str, Mapping[str, Shift]]],
    effects: Sequence[Effect] = (),
) -> str:
    """The page as HTML; every text from outside is escaped, nothing is loaded from elsewhere."""
    sections = [
        ("Spectra", _printed(lambda console: _rows(rows, console))),
        ("At the S/N of the data", _printed(lambda c: tables.print_figures(figures_of(rows), "Stars that count", c))),
    ]
    if any(row.degraded for row in rows):
        degraded = figures_of(rows, noisy)
        sections.append(("With noise added", _printed(lambda c: tables.print_figures(degraded, "Noise added", c))))
    sections += [
        ("Goals", _printed(lambda c: tables.print_goals(goals(rows), c))),
        ("Metal-poor stars, and what is outside the domain", _printed(lambda c: tables.print_others(rows, c))),
        ("All targets", _printed(lambda c: tables.print_all_targets(rows, c))),
        ("Corrected", _printed(lambda c: tables.print_corrected(rows, c))),
        ("Lithium", _printed(lambda c: tables.print_lithium(rows, c))),
        ("Bias correction", _printed(lambda c: tables.print_correction(correction_figures(rows), c))),
    ]
    if robust:
        sections.append(("Robustness", _printed(lambda c: tables.print_robustness(robust, c))))
    if any(row.native is not None and row.native.fitted is not None for row in rows):
        sections.append(("Maximum-likelihood fits", _printed(lambda c: tables.print_fits(rows, c))))
    if effects:
        sections.append(("Step by step", _printed(lambda c: tables.print_steps(effects, c))))
    figures = [
        ("Found against reference", _image(as_bytes(comparison_figure(rows), "png"))),
        *(
            ("Less the bias that other stars gave", _image(as_bytes(comparison_figure(rows, c), "png")))
            for c in filter(None, (corrected_maps(rows),))
        ),
        ("Residual spectra", _image(as_bytes(residual_figure(rows), "png"))),
    ]
    body = "".join(f"<section><h2>{title}</h2>{content}</section>\n" for title, content in (*figures, *sections))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Kiel: benchmark stars</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>Benchmark stars</h1><p>Kiel {__version__}</p>\n{body}</body></html>\n"
    )


def _rows(rows: Sequence[BenchmarkRow], console: Console) -> None:
    printer = tables.BenchmarkPrinter(console)
    for row in rows:
        printer.row(row)


def _printed(draw: Callable[[Console], None]) -> str:
    """Output of a function that prints, as preformatted HTML; rich escapes it."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), color_system=None)
    draw(console)
    return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def _image(png: bytes) -> str:
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
