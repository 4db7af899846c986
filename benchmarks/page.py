"""The page's times and memory beside their targets, with the example star on this machine.

PYTHONPATH=.:tests python benchmarks/page.py                    # everything; some minutes
PYTHONPATH=.:tests python benchmarks/page.py --without-browser  # the server's own work alone; half a minute
PYTHONPATH=.:tests python benchmarks/page.py --sessions 0       # without the memory of the server

CPU seconds count work, whatever else the machine does; wall seconds are what a visitor waits.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import holoviews as hv
from serving import Server, served
from visitor import Visitor

from app.page.figures.lines import draw_lines
from app.page.figures.posterior import Corner, draw_kiel
from app.page.figures.spectrum import Shown, draw_flux, draw_residual, draw_saliency
from app.page.figures.whatif import draw_arm_now, draw_line_now, draw_residual_now
from app.page.views.tiles import tile
from app.server.serve import MAIN
from cinn_core.analyse import Model, analyse, load_model
from cinn_core.explanation.line_by_line import line_by_line
from cinn_core.explanation.what_if import what_if
from cinn_core.files import example_paths
from cinn_core.inference.predictive import bands, with_nuisances_of_z
from cinn_core.inference.selection import PosteriorKind, Range, selected_quantities, selection_of
from cinn_core.instrument import ARMS
from cinn_core.lines import five, line_windows
from cinn_core.stages import Analysis

REPEATS = 3
TICKS = os.sysconf("SC_CLK_TCK")
CHROMIUM = "/usr/bin/chromium"


def line(name: str, cpu: float, wall: float, target: str = "") -> None:
    print(f"{name:58s} {cpu:8.3f} {wall:8.3f}   {target}", flush=True)


def timed(name: str, call: Callable[[], object], target: str = "") -> None:
    """The best of some repeats, after one to warm up."""
    call()
    times = []
    for _ in range(REPEATS):
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    line(name, *min(times), target)


def star_of(model: Model) -> Analysis:
    """The solar twin; its stages' times, the best of some repeats."""
    runs = [(time.process_time(), analyse(example_paths()["solar-twin"], model), time.process_time()) for _ in range(4)]
    cpu, found = min((after - before, i) for i, (before, _, after) in enumerate(runs))
    best = runs[found][1]
    line("a file analysed, all stages", cpu, best.timings_s["total"])
    for stage, target in (("prepare", "1.0"), ("infer", "0.3"), ("resimulate", ""), ("saliency", "0.3")):
        seconds = min(run[1].timings_s[stage] for run in runs)
        line(f"  {stage}", float("nan"), seconds, target)
    return best


def draw_everything(analysis: Analysis, model: Model) -> Callable[[], object]:
    """The overview's figures as Bokeh models."""
    chosen = selection_of(analysis, PosteriorKind.FLOW, (), ())
    found = bands(analysis.flux_vector, analysis.posterior, None, model)
    lines = line_by_line(analysis, model)

    def draw() -> None:
        for arm in ARMS:
            hv.render(draw_flux(Shown(analysis, found), arm))
            hv.render(draw_residual(analysis.resimulation.residual, arm))
            hv.render(draw_saliency(analysis.saliency.weights[0], arm, arm.low, arm.high))
        hv.render(draw_lines(analysis, found, lines, five(), 5, 215, ""))
        hv.render(draw_kiel(analysis, chosen))
        for quantity in selected_quantities(chosen):
            tile(quantity)

    return draw


def brush(analysis: Analysis) -> Callable[[], object]:
    """A brush and what is redrawn of the corner, the table's numbers included; another region each time."""
    corner = Corner(selected_quantities(selection_of(analysis, PosteriorKind.FLOW, (), ())), {})
    teff = analysis.summary.targets["teff"]
    shift = [0.0]

    def redraw() -> None:
        shift[0] += 1.0
        cut = (Range("teff", teff.lo68 + shift[0], teff.hi68 + shift[0]),)
        chosen = selection_of(analysis, PosteriorKind.FLOW, (), cut)
        corner.show(selected_quantities(chosen), chosen.weights, cut)

    return redraw


def step(analysis: Analysis, model: Model) -> Callable[[], object]:
    """A slider moved: the model, its residuals, and the figures' data."""
    labels = with_nuisances_of_z(analysis.posterior.map_z[None])[0]

    def move() -> None:
        labels[-1] += 0.01
        now = what_if(labels.copy(), analysis.flux_vector, model)
        draw_line_now(analysis, now, line_windows()[0], ())
        for arm in ARMS:
            draw_arm_now(analysis, now, arm)
            draw_residual_now(now, arm)

    return move


def in_process() -> None:
    model = load_model("cpu")
    analysis = star_of(model)
    timed("bands from 512 samples", lambda: bands(analysis.flux_vector, analysis.posterior, None, model), "0.4")
    timed("verdicts on the lines", lambda: line_by_line(analysis, model))
    timed("overview drawn, on the server", draw_everything(analysis, model), "1.0")
    timed("corner redrawn after a brush", brush(analysis), "0.3")
    timed("what-if step", step(analysis, model), "0.1")


def cpu_of(server: Server) -> float:
    """CPU seconds of the server so far."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@contextmanager
def measured(server: Server, name: str, target: str = "") -> Iterator[None]:
    cpu, wall = cpu_of(server), time.perf_counter()
    yield
    line(name, cpu_of(server) - cpu, time.perf_counter() - wall, target)


def in_browser(server: Server) -> None:
    """What a visitor waits for in Chromium; CPU seconds are the server's, the browser's come on top."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as runner:
        browser = runner.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        for warm in (False, True):
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.set_default_timeout(600_000)
            with measured(server, f"page interactive{', warm' if warm else ', first visit'}", "2.0" if warm else ""):
                page.goto(server.address)
                page.get_by_text("Drop spectra").or_(page.get_by_role("radio").first).first.wait_for()
            page.get_by_text("Diagnostic lines").wait_for()
            page.wait_for_timeout(5000)
        content = example_paths()["metal-poor-giant"].read_bytes()
        for i in (1, 2):
            tiles = page.get_by_role("radio").all_inner_texts()
            with measured(server, f"file dropped to full page, {'warm' if i > 1 else 'first'}", "3.0" if i > 1 else ""):
                given = content if i > 1 else example_paths()["lithium-rich-dwarf"].read_bytes()
                page.locator("input[type=file]").set_input_files({"name": f"{i}.fits", "mimeType": "", "buffer": given})
                page.locator(".tour-star .sub", has_text=f"{i}.fits").wait_for()
                while page.get_by_role("radio").all_inner_texts() == tiles:
                    page.wait_for_timeout(20)
            page.wait_for_timeout(3000)
        browser.close()


async def visits(server: Server, n: int) -> None:
    """So many sessions one after the other, each until it has its star."""
    for _ in range(n):
        async with Visitor(server.address) as visitor:
            await visitor.wait_for("Simulated solar twin", 600)


def memory(server: Server, sessions: int) -> None:
    """Resident memory after five sessions and after many, all of them ended; sessions end a minute after they are left."""
    sizes = []
    for n in (5, sessions - 5):
        asyncio.run(visits(server, n))
        while server.get("health")[1]["sessions"]:
            time.sleep(5)
        sizes.append(server.memory() / 1e6)
    print(
        f"memory after 5 sessions {sizes[0]:.0f} MB, after {sessions} {sizes[1]:.0f} MB: {100 * (sizes[1] / sizes[0] - 1):+.1f} %"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50, help="sessions for the memory; 0 leaves it out")
    parser.add_argument("--without-browser", action="store_true", help="the server's own work alone")
    asked = parser.parse_args()
    print(f"{'':58s} {'CPU s':>8s} {'wall s':>8s}   target")
    in_process()
    if asked.without_browser:
        return
    with tempfile.TemporaryDirectory() as folder, served(MAIN, Path(folder), threads=2) as server:
        while server.get("health")[0] != 200:
            time.sleep(1)
        in_browser(server)
        if asked.sessions:
            memory(server, asked.sessions)


if __name__ == "__main__":
    main()
