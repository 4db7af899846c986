"""The command `kiel benchmark`: real stars against the literature and against line fits."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinn_core.errors import DataError, KielError

from .options import (
    DeviceOption,
    JsonOption,
    NetworkOption,
    SamplesOption,
    SeedOption,
    one_line,
    require_folder_of,
    write,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cinn_core.benchmark.ablation import Effect
    from cinn_core.benchmark.measure import Answer, BenchmarkRow
    from cinn_core.benchmark.robustness import Shift
    from cinn_core.inference.bias import BiasCorrection
    from cinn_core.inference.model import Model
    from cinn_core.literature import KnownStar

    Robustness = Mapping[str, Mapping[str, Mapping[str, Shift]]]
    """Shift of each target by disturbance by file."""

CorrectedOption = Annotated[
    bool, typer.Option("--corrected", help="Less the linear bias correction that lies beside the network.")
]


def benchmark(
    index: Annotated[Path, typer.Argument(metavar="INDEX.csv", help="Table of files, categories, literature values.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that holds the files.")],
    every: Annotated[bool, typer.Option("--all", help="All files, not only those of category main.")] = False,
    star: Annotated[list[str] | None, typer.Option("--star", help="Only this star; may be repeated.")] = None,
    degrade: Annotated[
        float | None, typer.Option(min=5.0, max=1000.0, help="Also with noise added down to this S/N per Å.")
    ] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also disturb every spectrum that counts: noise, continuum, …")
    ] = False,
    fit: Annotated[
        bool, typer.Option("--fit", help="Also the maximum-likelihood fit of the forward model, beside the network.")
    ] = False,
    with_steps: Annotated[
        bool, typer.Option("--steps", help="Also what model error, mask, Halpha and bias line bring, by fits.")
    ] = False,
    corrected: CorrectedOption = False,
    fit_bias: Annotated[
        Path | None, typer.Option("--fit-bias", metavar="OUT.json", help="Fit the bias correction and write it here.")
    ] = None,
    regions: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Write what real stars of each kind miss by.")
    ] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option(metavar="DONE.json", help="With --regions: earlier outputs of --json, counted too."),
    ] = None,
    figure: Annotated[Path | None, typer.Option(metavar="OUT.png|.pdf", help="Figure of all comparisons.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="PAGE.html", help="All of it as one page.")] = None,
    json: JsonOption = None,
    samples: SamplesOption = 4096,
    seed: SeedOption = 0,
    network: NetworkOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Real stars against the literature and against line fits: what Kiel finds beside what INDEX.csv says."""
    _require(directory, figure, json, html, fit_bias, regions)
    from cinn_core.benchmark.measure import measure
    from cinn_core.benchmark.report import to_json

    from .tables_benchmark import print_robustness, print_steps

    entries, model = _entries(index, every, star), _model(device, network)
    bias = _bias(model, network) if corrected else None
    one = partial(measure, model=model, n_samples=samples, seed=seed, degrade_to=degrade, bias=bias, with_fit=fit)
    rows = _print_rows(entries, directory, one)
    _print_tables(rows, corrected, degrade)
    robust = _robust(rows, directory, model, samples, seed) if robustness else {}
    print_robustness(robust)
    effects = _steps(index, directory, model) if with_steps else ()
    print_steps(effects)
    write_json(to_json(rows, robust, effects), json)
    if regions is not None:
        _write_regions(to_json(rows), beside or [], model, regions)
    if fit_bias is not None:
        _write_bias(rows, model, fit_bias)
    _write_figures(rows, robust, effects, figure, html)


def _write_regions(document: dict[str, Any], beside: Sequence[Path], model: Model, out: Path) -> None:
    """Write the table of real stars by region, with those of earlier documents."""
    from json import JSONDecodeError, loads

    from cinn_core.inference.trust import make_regions

    stars = list(document["stars"])
    for path in beside:
        try:
            stars += loads(path.read_text(encoding="utf-8"))["stars"]
        except (OSError, JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is no output of kiel benchmark --json ({error}); make one first.") from error
    write_json({"schema": 1, "weights": model.cards["network"]["sha256"], "regions": make_regions(stars)}, out)


def _require(directory: Path, figure: Path | None, *outputs: Path | None) -> None:
    """Refuse a folder of spectra that is not there, and outputs that could not be written."""
    if not directory.is_dir():
        raise DataError(f"{directory} is not a folder; name the folder that holds the files of the index.")
    for out in (figure, *outputs):
        require_folder_of(out)
    if figure is not None:
        from ..page.figures.benchmark import require_suffix

        require_suffix(figure)


def _entries(index: Path, every: bool, stars: Sequence[str] | None) -> list[KnownStar]:
    """Entries of an index: those of category main or all, of these stars where any is named."""
    from cinn_core.literature import read_index

    entries = [entry for entry in read_index(index) if every or entry.category == "main"]
    return [entry for entry in entries if not stars or entry.star in stars]


def _print_rows(
    entries: Sequence[KnownStar], directory: Path, one: Callable[[Path], tuple[Answer, Answer | None]]
) -> list[BenchmarkRow]:
    """Rows of a benchmark, each printed as soon as its spectrum is analysed."""
    from cinn_core.benchmark.measure import run_benchmark

    from .tables_benchmark import BenchmarkPrinter

    printer, rows = BenchmarkPrinter(), []
    for row in run_benchmark(entries, directory, one):
        printer.row(row)
        rows.append(row)
    return rows


def _print_tables(rows: Sequence[BenchmarkRow], corrected: bool, degrade: float | None) -> None:
    """Print the tables over all stars that are known without further computation."""
    from cinn_core.benchmark.figures import figures_of, noisy
    from cinn_core.benchmark.goals import goals
    from cinn_core.benchmark.report import correction_figures

    from . import tables_benchmark as tables

    tables.print_figures(figures_of(rows), "At the S/N of the data" + (", corrected" if corrected else ""))
    if degrade is not None:
        tables.print_figures(figures_of(rows, noisy), f"With noise added to S/N {degrade:.0f}")
    tables.print_fits(rows)
    tables.print_others(rows)
    tables.print_lithium(rows)
    tables.print_all_targets(rows)
    tables.print_corrected(rows)
    tables.print_goals(goals(rows))
    tables.print_correction(correction_figures(rows))


def _model(device: str, network: Path | None) -> Model:
    from .tables import progress

    with progress() as report:
        report("Loading the model")
        from cinn_core.inference.model import load_model

        return load_model(device, network)


def _bias(model: Model, network: Path | None) -> BiasCorrection:
    from cinn_core.inference.bias import bias_path, load_bias
    from cinn_core.inference.model import shipped_network_path

    return load_bias(bias_path(network or shipped_network_path()), model.cards["network"]["sha256"])


def _write_bias(rows: list[BenchmarkRow], model: Model, out: Path) -> None:
    from cinn_core import __version__
    from cinn_core.benchmark.report import correction_figures, known_answers
    from cinn_core.inference.bias import fit_bias, save_bias

    used = [row.entry for row in rows if row.native is not None and row.entry.corrects]
    provenance = {
        "kiel": __version__,
        "network_sha256": model.cards["network"]["sha256"],
        "emulator_sha256": model.cards["emulator"]["sha256"],
        "stars": sorted({entry.star for entry in used}),
        "spectra": [entry.file for entry in used],
        "cross_validation": correction_figures(rows),
    }
    write(lambda: save_bias(fit_bias(known_answers(rows), provenance), out), out)


def _steps(index: Path, directory: Path, model: Model) -> tuple[Effect, ...]:
    from cinn_core.benchmark.ablation import one_a_star, steps
    from cinn_core.benchmark.error_floor import prepared_star
    from cinn_core.literature import read_index

    from .tables import progress

    with progress() as report:
        stars = [star for star in read_index(index) if star.counts]
        prepared = ((star, prepared_star(directory / star.file, model.templates, report)) for star in stars)
        return steps(one_a_star([(star, v) for star, v in prepared if v is not None]), model.forward, report)


def _robust(rows: list[BenchmarkRow], directory: Path, model: Model, samples: int, seed: int) -> Robustness:
    from cinn_core.benchmark.robustness import robustness

    from .tables import progress

    shifts: dict[str, Mapping[str, Mapping[str, Shift]]] = {}
    with progress() as report:
        for row in rows:
            if not row.entry.counts or row.native is None:
                continue
            report(f"Disturbing {row.entry.file}")
            try:
                shifts[row.entry.file] = dict(robustness(directory / row.entry.file, model, samples, seed))
            except KielError as error:
                typer.echo(f"{row.entry.file}: {one_line(error)}", err=True)
    return shifts


def _write_figures(
    rows: Sequence[BenchmarkRow], robust: Robustness, effects: Sequence[Effect], figure: Path | None, html: Path | None
) -> None:
    """Write the figure of the comparisons and the page where they were asked for."""
    if figure is not None:
        from ..page.figures.benchmark import save_figure

        write(lambda: save_figure(rows, figure), figure)
    if html is not None:
        from cinn_core.files import write_text

        from .benchmark_page import page

        write(lambda: write_text(html, page(rows, robust, effects)), html)
