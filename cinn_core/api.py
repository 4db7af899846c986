"""Kiel in Python and in notebooks: `import cinn_core.api as kiel`, then `kiel.analyse("star.fits")`.

Everything here stands on the modules below it, which take more and assume less; this one loads the shipped model when it is
first needed, keeps it, and gives results that show, plot and convert themselves.
"""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from astropy.table import Table

from . import analyse as _core
from .errors import DataError, KielError
from .explanation.what_if import WhatIf, from_sliders, slider_bounds, to_sliders
from .explanation.what_if import what_if as _what_if
from .files import example_paths
from .inference.constraints import Constrained, constrain, known_of
from .inference.model import Model, load_model
from .inference.predictive import with_nuisances_of_z
from .inference.quantities import Quantity, quantities
from .inference.trust import trust_in
from .output import exchange, plots
from .output.bundle import SavedStar, posterior_table, results_table, write_bundle
from .output.exchange import from_specutils
from .output.report import to_json
from .readers import Naming, list_spectra
from .readers import read as read_file
from .stages import Analysis, Spectrum, Status

if TYPE_CHECKING:
    import specutils
    import xarray
    from matplotlib.axes import Axes

__all__ = [
    "Star",
    "analyse",
    "batch",
    "examples",
    "from_specutils",
    "list_spectra",
    "load_model",
    "read",
    "read_batch",
    "what_if",
]


@dataclass(frozen=True, eq=False)
class Star(Analysis):
    """An analysis that shows itself in a notebook, plots itself and converts itself to what other libraries take."""

    def __repr__(self) -> str:
        """One line a target, and the sentence on what to believe."""
        lines = [f"{_name(self)} ({self.flux_vector.file}), S/N {self.flux_vector.snr_per_angstrom:.0f} per Å"]
        lines += [f"  {q.label:8s} {_value(q):>8s} {q.unit:5s} 68 %: {q.spread_text}" for q in quantities(self)]
        return "\n".join([*lines, trust_in(self).sentence])

    def _repr_html_(self) -> str:
        """The table that a notebook shows."""
        rows = "".join(
            f"<tr><td>{html.escape(q.label)}</td><td style='text-align:right'>{html.escape(_value(q))}</td>"
            f"<td>{q.unit}</td><td>{html.escape(q.spread_text)}</td></tr>"
            for q in quantities(self)
        )
        vector = self.flux_vector
        facts = [
            f"velocity {vector.rv_kms:+.2f} ± {vector.rv_error_kms:.2f} km/s",
            f"S/N {vector.snr_per_angstrom:.0f} per Å",
            f"χ² per pixel {self.resimulation.chi2_per_pixel:.2f}",
            "flags: " + (", ".join(self.flags) or "none"),
        ]
        return (
            f"<b>{html.escape(_name(self))}</b> <small>{html.escape(vector.file)}</small><br>"
            f"<small>{html.escape(' · '.join(facts))}</small>"
            f"<table><tr><th></th><th>mode</th><th></th><th>68 %</th></tr>{rows}</table>"
            f"<small>{html.escape(trust_in(self).sentence)}</small>"
        )

    def to_table(self) -> Table:
        """One row a target: modes, medians, intervals, status (astropy Table)."""
        return results_table(SavedStar(self))

    def samples(self) -> Table:
        """One row a sample: the thirteen targets, their prior coordinates, ln density (astropy Table)."""
        return posterior_table(self)

    def to_json(self) -> dict[str, Any]:
        """The document of `kiel analyse --json`."""
        return to_json(self)

    def to_arviz(self) -> xarray.DataTree:
        """The samples for ArviZ, one chain; needs the extra `arviz`."""
        return exchange.to_arviz(self.posterior, self.flux_vector.star)

    def to_specutils(self) -> specutils.Spectrum:
        """The spectrum as the network saw it: air, rest frame, continuum 1, with errors and mask."""
        return exchange.to_specutils(self.flux_vector)

    def model_to_specutils(self) -> specutils.Spectrum:
        """The spectrum resimulated at the mode, on the same pixels."""
        return exchange.to_specutils(self.flux_vector, self.resimulation.map_flux)

    def plot(self, region: tuple[float, float] | None = None, models: Mapping[str, WhatIf] | None = None) -> Any:
        """Spectrum and model, both arms or a region in air Angstrom; `models` by name are drawn over it."""
        others = {name: one.comparison.flux for name, one in (models or {}).items()}
        return plots.plot_spectrum(self, region, others=others)

    def plot_line(self, line: str, axis: Axes | None = None) -> Axes:
        """One diagnostic line, say "Li I 6707.8"."""
        return plots.plot_line(self, line, axis)

    def plot_corner(self, *targets: str) -> Any:
        """The corner of all targets, or of those named."""
        return plots.plot_corner(self, targets or None)

    def plot_kiel(self, axis: Axes | None = None) -> Axes:
        """The star in the Kiel diagram."""
        return plots.plot_kiel(self, axis)

    def plot_saliency(self, target: str, axis: Axes | None = None) -> Axes:
        """The pixels that determine a target."""
        return plots.plot_saliency(self, target, axis)

    def given(
        self,
        *constraints: str,
        numax: str | None = None,
        parallax: str | None = None,
        magnitude: str | None = None,
        extinction: str | None = None,
        mass: str | None = None,
    ) -> Constrained:
        """The posterior under what is known from elsewhere, in the words of the command line, with tensions in sigma.

        `star.given("feh=0.1,0.05", numax="3090±10")`; a parallax [mas] goes with a magnitude ("G=8.25"), and with extinction
        ("A_V=0.1" or "E(B-V)=0.03") and mass ("1.1±0.1" solar) where they are known. Raises KielError for what cannot be read.
        """
        known = known_of(constraints, numax, parallax, magnitude, extinction, mass)
        return constrain(self.posterior, known)

    def save(self, path: str | Path) -> None:
        """Write the zip that the page's *take away* gives, without figures; dropped on the page it brings the star back."""
        write_bundle(SavedStar(Analysis(**_parts(self))), Path(path))

    def send(self, to: str | None = None) -> list[str]:
        """Send table, spectrum and samples by SAMP to all programs that take them, or to the one of a name; who took what.

        Needs the extra `archive` and a hub, such as a running TOPCAT.
        """
        from .vo.samp import send_star

        return send_star(self, to)


def analyse(
    source: str | Path | bytes | Spectrum | specutils.Spectrum, model: Model | None = None, **options: Any
) -> Star:
    """The posterior of one star: of a file, its bytes, a Spectrum of `read`, or one of specutils.

    `options` are those of `cinn_core.analyse.analyse`: overrides, n_samples, seed, hdu, row, naming, with_importance, with_more. The
    same file, seed and weights give the same numbers as the command line and the page. Raises SpectrumError, in a sentence,
    for what cannot be used.
    """
    if isinstance(source, str):
        given: Path | bytes | Spectrum = Path(source)
    else:
        given = source if isinstance(source, Path | bytes | Spectrum) else from_specutils(source)
    return Star(**_parts(_core.analyse(given, model or _model(), **options)))


def read(source: str | Path | bytes, name: str | None = None, **choice: Any) -> Spectrum:
    """One spectrum from a file or its bytes; `choice`: hdu, row, naming, as `cinn_core.readers.read` takes them."""
    return read_file(Path(source) if isinstance(source, str) else source, name, **choice)


def examples() -> dict[str, Path]:
    """The simulated spectra that ship, by name."""
    return example_paths()


def what_if(star: Analysis, model: Model | None = None, **labels: float) -> WhatIf:
    """The model of a star with other labels, beside its observation: `what_if(star, teff=6000, a_li=3)`.

    Labels that are not named stay at the star's mode; lithium is A(Li), by either name, `a_li` or `li_fe`. Raises KielError
    for a name that is no label.
    """
    if "a_li" in labels:
        labels["li_fe"] = labels.pop("a_li")
    bounds = slider_bounds()
    if unknown := sorted(set(labels) - set(bounds)):
        raise KielError(f"No label is called {', '.join(unknown)}; there are a_li, {', '.join(bounds)}.")
    at_map = to_sliders(with_nuisances_of_z(star.posterior.map_z[None])[0])
    return _what_if(from_sliders(at_map | labels), star.flux_vector, model or _model())


def batch(
    inputs: Iterable[str | Path],
    out: str | Path,
    *,
    n_samples: int = 4096,
    seed: int = 0,
    processes: int | None = None,
    naming: Naming | None = None,
) -> Table:
    """The posteriors of many spectra, as `kiel batch` computes them into the folder `out`; the rows.

    `naming`: names of wavelengths and flux in every file, as for `read`. A folder of the same settings is taken up where it
    stopped. Raises DataError where it cannot be used.
    """
    from .batch.items import find_items
    from .batch.plan import BatchSettings, make_plan
    from .batch.run import parameter_hashes, run_local, sole_user

    folder = Path(out)
    settings = BatchSettings(n_samples, seed, **vars(naming or Naming()))
    items = list(find_items([str(one) for one in inputs], naming))
    with sole_user(folder):
        plan = make_plan(folder, items, settings, parameter_hashes(settings), 256)
        if plan.n_items > plan.n_done():
            run_local(plan, "auto", min(processes or os.cpu_count() or 1, -(-plan.n_items // 256)), lambda _: None)
    return read_batch(folder)


def read_batch(folder: str | Path) -> Table:
    """All rows of a batch, in the order of its items; DataError where the folder holds none."""
    from .batch.rows import all_rows

    if not any(Path(folder).glob("rows/part-*.parquet")):
        raise DataError(f"{folder} holds no rows of a batch; name the folder that `kiel batch --out` was given.")
    return all_rows(Path(folder))


@lru_cache(maxsize=1)
def _model() -> Model:
    return load_model()


def _parts(analysis: Analysis) -> dict[str, Any]:
    return {field.name: getattr(analysis, field.name) for field in fields(Analysis)}


def _name(star: Analysis) -> str:
    return star.flux_vector.star or "unnamed star"


def _value(quantity: Quantity) -> str:
    """The mode, or the limit, or that the spectrum says nothing."""
    return quantity.value_text if quantity.status is Status.MEASURED else quantity.status_text
