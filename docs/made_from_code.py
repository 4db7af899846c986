"""Tables and figures of the documentation that follow from the code and the shipped weights: they cannot go out of date."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from cinn_core.files import asset_path
from cinn_core.inference.trust import regions
from cinn_core.output.glossary import markdown
from cinn_core.prior import draw, teff_bounds
from cinn_core.targets import COLUMN, NUISANCE_BOUNDS, TARGETS

matplotlib.use("agg")


def make_all(folder: Path) -> None:
    """Writes every table and figure to a folder, which is made where it is missing."""
    folder.mkdir(exist_ok=True)
    (folder / "targets.md").write_text(targets_table(), encoding="utf-8")
    (folder / "weights.md").write_text(weights_table(), encoding="utf-8")
    (folder / "glossary.md").write_text(markdown(), encoding="utf-8")
    (folder / "real-stars.md").write_text(real_stars_table(), encoding="utf-8")
    prior_figure().savefig(folder / "prior.svg", metadata={"Date": None})


def targets_table() -> str:
    """The thirteen targets with unit and bounds, and the elements that are free but not reported."""
    rows = [(t.label, f"`{t.name}`", t.unit, f"{t.low:g} … {t.high:g}") for t in TARGETS]
    rows += [
        (f"[{name[:-3].title()}/Fe]", "not reported", "dex", f"{a:g} … {b:g}")
        for name, (a, b) in NUISANCE_BOUNDS.items()
    ]
    return _table(("label", "name", "unit", "prior's bounds"), rows)


def weights_table() -> str:
    """What ships, from the cards beside the weights."""
    rows = []
    for kind in ("emulator", "network"):
        card = json.loads(asset_path("weights", f"{kind}.json").read_text(encoding="utf-8"))
        sizes = card.get("architecture", {"blocks": card.get("blocks")})
        told = ", ".join(f"{name} {value}" for name, value in sizes.items())
        rows.append((kind, str(card["training"]["stars"]), told, f"`{card['sha256'][:12]}…`"))
    return _table(("weights", "training stars", "sizes", "sha256"), rows)


def real_stars_table() -> str:
    """What real stars of each kind miss by, from the shipped table."""
    rows = []
    for region in regions().values():
        for name, e in region.errors.items():
            target = TARGETS[COLUMN[name]]
            off = [f"{x:+.{target.decimals}f}" for x in (e.median, e.low, e.high)]
            rows.append(
                (
                    region.words,
                    target.label,
                    str(e.n),
                    *off,
                    f"{e.within68:.{target.decimals}f}",
                    f"{e.held_left_out} of {e.n}",
                )
            )
    return _table(
        ("answer", "quantity", "stars", "median Δ", "lowest", "highest", "68 % within", "left out, held"), rows
    )


def prior_figure(n: int = 4000) -> Figure:
    """Stars drawn from the prior in the Kiel diagram and in [Fe/H], with the prior's edges in Teff."""
    stars = draw(n, np.random.default_rng(0))
    teff, logg, feh = (stars[:, COLUMN[name]] for name in ("teff", "logg", "feh"))
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot(teff, logg, ".", ms=1.5, alpha=0.4, color="#4466aa")
    edge = np.linspace(0.3, 5.0, 100)
    for bound in teff_bounds(edge):
        left.plot(bound, edge, color="#cc3311")
    left.set(xlabel="Teff [K]", ylabel="log g [dex]", xlim=(7400, 3800), ylim=(5.1, 0.0))
    right.hist(feh, bins=45, color="#4466aa")
    right.set(xlabel="[Fe/H] [dex]", ylabel=f"stars of {n}")
    return figure


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
