"""Printed figures of evaluations: network, calibration, saliency, emulator, and the trials of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cinn_core.inference.paper import paper_nrmse
from cinn_core.targets import TARGETS
from cinn_core.training.tuning import SLOTS

from .tables import add_numbers, fine, print_pairs, say, wide

_HEADINGS = (
    "σ map", "± ", "bias", "σ median", "NRMSE map", "map_paper", "mean", "median",
    "paper", "68 % width", "limit", "ratio", "68 %", "95 %",
)  # fmt: skip
_TABLES = (("snr", "n", "stars with [Fe/H] > -2.5"), ("snr_all", "n_all", "stars, all metallicities"))


def print_network_figures(
    figures: Mapping[str, Any], details: Mapping[str, Any] | None = None, console: Console | None = None
) -> None:
    """Print the scatter of MAP - truth by S/N; then, for each of the two groups of stars, all figures at each S/N of note."""
    console = wide(console, 150)
    for key, count, words in _TABLES:
        title = f"Standard deviation of map - truth, {figures[count]} {words}, realism {figures['realism']:g}"
        table = Table("S/N per Å", title=title, title_justify="left")
        add_numbers(table, (target.label for target in TARGETS))
        for snr, numbers in figures[key].items():
            table.add_row(snr, *(fine(numbers[target.name]["sigma"], target) for target in TARGETS))
        console.print(table)
        for snr in _of_note(figures[key]):
            spread, points = (details[name][key][snr] if details else {} for name in ("uncertainty", "points"))
            title = f"S/N {snr} per Å, {figures[count]} {words}"
            console.print(_detail(figures[key][snr], spread, points, int(snr), title))


def _of_note(figures: Mapping[str, Any]) -> list[str]:
    """S/N 20, 100 and 250 where they were evaluated, else all (at most three)."""
    return [snr for snr in ("20", "100", "250") if snr in figures] or list(figures)[:3]


def _detail(
    figures: Mapping[str, Any], spread: Mapping[str, Any], points: Mapping[str, Any], snr: int, title: str
) -> Table:
    table = Table("target", title=title, title_justify="left")
    add_numbers(table, _HEADINGS)
    for target in TARGETS:
        f, e, p = figures[target.name], spread.get(target.name, {}), points.get(target.name, {})
        paper = paper_nrmse(target.name, snr)
        table.add_row(
            escape(target.label),
            fine(f["sigma"], target),
            fine(e["sigma"], target) if e else "–",
            fine(f["bias"], target),
            fine(f["sigma_median"], target),
            f"{f['nrmse']:.3f}",
            f"{p['nrmse_map_paper']:.3f}" if p else "–",
            f"{p['nrmse_mean']:.3f}" if p else "–",
            f"{f['nrmse_median']:.3f}",
            "–" if paper is None else f"{paper:.3f}",
            fine(f["width68"], target),
            fine(f["limit68"], target),
            f"{f['width68'] / f['limit68']:.2f}",
            f"{100 * f['coverage68']:.0f}",
            f"{100 * f['coverage95']:.0f}",
        )
    return table


def print_network_details(details: Mapping[str, Any], console: Console | None = None) -> None:
    """Print what the tables leave out: lithium where its line shows, and how compression and the emulator widen the limit."""
    console = console or Console()
    for snr, lithium in details["lithium"].items():
        say(
            console,
            f"S/N {snr}: [Li/Fe] where its line exceeds 15 mÅ and vbroad < 50 km/s, [Fe/H] > -2.5: "
            f"σ map {lithium['sigma']:.3f}, median {lithium['sigma_median']:.3f} dex ({lithium['n']} spectra)",
        )
    losses = (("compression", "compressed spectrum"), ("reachable", "same with the emulator's error in its noise"))
    for key, words in losses:
        for snr, loss in details[key].items():
            every = ", ".join(f"{name} {ratio:.2f}" for name, ratio in loss.items())
            say(console, f"S/N {snr}: limit of the {words} over that of all pixels: {every}")


def print_calibration(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the coverage of the 68 and 95 % intervals of every target, and the verdicts of the tests, by realism and S/N."""
    console = wide(console, 150)
    for realism, by_snr in figures["realism"].items():
        title = f"Coverage of 68 / 95 % intervals [%], {figures['n']} draws of the prior, realism {realism}"
        table = Table("S/N per Å", title=title, title_justify="left")
        add_numbers(table, (target.label for target in TARGETS))
        for snr, numbers in by_snr.items():
            held = (numbers["targets"][target.name] for target in TARGETS)
            table.add_row(snr, *(f"{100 * h['coverage68']:.1f} {100 * h['coverage95']:.1f}" for h in held))
        console.print(table)
        for snr, numbers in by_snr.items():
            limits = numbers["lithium_limits"]
            share = "none" if limits["held"] is None else f"{100 * limits['held']:.1f} % of {limits['n']}"
            say(
                console,
                f"S/N {snr}: ranks rejected at 1 % for {', '.join(numbers['sbc_rejected']) or 'no target'}; "
                f"TARP {'rejected' if numbers['tarp_rejected'] else 'not rejected'} (p {numbers['tarp_p']:.3g}, "
                f"around own samples {numbers['tarp_own_p']:.3g}, area {numbers['tarp_area']:+.3f}); "
                f"lithium below its 95 % upper limit: {share}",
            )
    power = figures["power"]
    say(
        console,
        f"The test of coverage on posteriors that are right by making rejects {power['rejected']} of {power['seeds']} sets of "
        f"{power['n']} at {100 * power['significance']:g} %; narrowed to {power['narrowed']:g} of their width it gives "
        f"p <= {power['narrowed_p']:.2g}",
    )
    if "local" in figures:
        _print_local(figures["local"], console)


def print_elements(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print, for each element beside the targets, what its intervals and limits hold on simulated stars, and their widths."""
    console = wide(console, 150)
    title = f"{figures['n']} stars of the prior, S/N {figures['snr']:g}, realism {figures['realism']:g}"
    table = Table("element", title=title, title_justify="left")
    add_numbers(
        table, ("68 % hold", "95 % hold", "half-width", "bias / half-width", "scatter", "measured", "limits hold")
    )
    for name, f in figures["elements"].items():
        shares = (f"{100 * f[f'coverage{m}']:.1f} ± {100 * f[f'error{m}']:.1f}" for m in (68, 95))
        limits = "–" if f["limits_held"] is None else f"{100 * f['limits_held']:.0f} % of {f['limits']}"
        numbers = (f"{f['half_width']:.2f}", f"{f['bias']:+.2f}", f"{f['scatter']:.2f}", str(f["measured"]), limits)
        table.add_row(f"\\[{name.removesuffix('_fe').capitalize()}/Fe]", *shares, *numbers)
    console.print(table)


def _print_local(local: Mapping[str, Any], console: Console) -> None:
    title = f"Local test of calibration (LC2ST), {local['n']} stars, p in steps of {1 / local['trials']:g}"
    table = Table("spectrum", title=title, title_justify="left")
    everywhere, partly = local["narrowed"], local["narrowed_locally"]
    add_numbers(
        table, ("network", f"{everywhere['width']:g} of the width", f"{partly['width']:g} at low log g", "log g")
    )
    for name, p in local["p"].items():
        low = "low" if partly["among"][name] else "high"
        table.add_row(escape(name), f"{p:.3f}", f"{everywhere['p'][name]:.3f}", f"{partly['p'][name]:.3f}", low)
    console.print(table)
    right = local["right"]
    say(
        console,
        f"Right posteriors have p below 0.01 in {100 * right['rejected']:.1f} % of {right['sets']} sets times spectra",
    )


def print_saliency(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print how the saliency of held-out stars compares with the ideal weights and with each element's own lines."""
    console = console or Console()
    title = f"Saliency of {figures['n']} stars at S/N {figures['snr']} per Å"
    table = Table("target", title=title, title_justify="left")
    add_numbers(table, ("correlation with ideal", "peaks on own pixels", "random pixels"))
    for target in TARGETS:
        numbers = figures["targets"][target.name]
        shares = (f"{100 * numbers[key]:.0f} %" for key in ("peaks_on_own", "random_on_own"))
        table.add_row(escape(target.label), f"{numbers['correlation']:.2f}", *shares)
    console.print(table)
    lithium = figures["lithium"]
    if lithium["n"]:
        say(
            console,
            f"Strongest pixel of [Li/Fe] at 6707.8 Å in {100 * lithium['strongest_at_line']:.0f} % of {lithium['n']} stars "
            "with a line above 10 mÅ",
        )


_TRIED: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "trial": ("trial", str),
    "slot": ("trained", lambda slot: f"{slot}/{SLOTS}"),
    "validation": ("loss", "{:.3f}".format),
    "normal": ("normal", lambda normal: "yes" if normal else "no"),
    "coupling": ("coupling", str),
    "couplings": ("couplings", str),
    "coupling_width": ("width", str),
    "clamp": ("clamp", "{:g}".format),
    "embedding_layers": ("layers", str),
    "embedding_width": ("width", str),
    "batch": ("batch", str),
    "learning_rate": ("rate", "{:.1e}".format),
    "steps": ("steps", str),
    "sampling_seconds": ("4096 samples", lambda seconds: f"{1000 * seconds:.0f} ms"),
}
"""Heading of each entry of a trial, and how its value is written."""


def print_trials(trials: list[dict[str, Any]], console: Console | None = None) -> None:
    """Print the networks that a search tried, those trained longest first, of these the best first."""
    console = wide(console, 130)
    table = Table(title="Validation loss [nat a star, lower is better]", title_justify="left")
    shown = [name for name in _TRIED if any(name in row for row in trials)]
    add_numbers(table, (_TRIED[name][0] for name in shown))
    for row in trials:
        table.add_row(*(_TRIED[name][1](row[name]) if name in row else "–" for name in shown))
    console.print(table)


_LABELS_BY_REGION = ("teff", "logg", "feh", "vmic", "ca_fe", "mg_fe")


def print_emulator_figures(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print errors of the emulator: all core stars in a line, its poorest lines, then flux and label errors by region."""
    console = wide(console, 120)
    percent = {
        name: f"{100 * figures[key]:.2f} %"
        for name, key in (("median |Δflux|", "median_abs"), ("99th percentile", "p99_abs"), ("rms", "rms"))
    }
    within = f"{100 * figures['pairs_within_1pct']:.1f} % of star-line pairs"
    print_pairs({"stars": f"{figures['n']}", **percent, "depth within 1 %": within}, console)
    table = Table("line", title="Lines with the largest errors of depth", title_justify="left")
    add_numbers(table, ("rms", "within 1 %"))
    for name, line in sorted(figures["lines"].items(), key=lambda item: -item[1]["depth_rms"])[:8]:
        table.add_row(name, f"{100 * line['depth_rms']:.2f} %", f"{100 * line['within_1pct']:.1f} %")
    console.print(table)
    shown = [target for target in TARGETS if target.name in _LABELS_BY_REGION]
    title = "Robust scatter of one linear step of a fit to each star, S/N 250, by region of the Kiel diagram"
    table = Table("region", "stars", "median |Δflux|", title=title, title_justify="left")
    add_numbers(table, (target.label for target in shown))
    core = {"name": "4100-7000 K, [Fe/H] > -2.5", **figures}
    for region in (core, *figures["regions"]):
        sigmas = (fine(region["labels"][target.name]["sigma"], target) for target in shown)
        table.add_row(escape(region["name"]), str(region["n"]), f"{100 * region['median_abs']:.2f} %", *sigmas)
    console.print(table)
