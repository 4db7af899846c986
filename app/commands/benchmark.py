"""The commands `kiel benchmark` and `kiel lines`: real stars against the literature, and abundances line by line."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from cinn_core.errors import KielError

from .options import (
    DataOption,
    DeviceOption,
    FileArgument,
    HduOption,
    JsonOption,
    NetworkOption,
    RowOption,
    SamplesOption,
    SeedOption,
    require_file,
    require_folder_of,
    write,
    write_json,
)
from .synthesis import TurbospectrumOption

if TYPE_CHECKING:
    from cinn_core.benchmark.measure import BenchmarkRow
    from cinn_core.benchmark.robustness import Shift
    from cinn_core.benchmark.steps import Effect
    from cinn_core.inference.model import Model
    from cinn_core.overrides import Overrides

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
    figure: Annotated[Path | None, typer.Option(metavar="OUT.png|.pdf", help="Figure of all comparisons.")] = None,
    html: Annotated[Path | None, typer.Option(metavar="PAGE.html", help="All of it as one page.")] = None,
    json: JsonOption = None,
    samples: SamplesOption = 4096,
    seed: SeedOption = 0,
    network: NetworkOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Real stars against the literature and against line fits: what Kiel finds beside what INDEX.csv says."""
    from cinn_core.benchmark.document import correction_figures, to_json
    from cinn_core.benchmark.figures import figures_of, noisy
    from cinn_core.benchmark.goals import goals
    from cinn_core.benchmark.index import read_index
    from cinn_core.benchmark.measure import measure, run_benchmark

    from . import tables_benchmark as terminal
    from .tables import progress

    entries = [entry for entry in read_index(index) if every or entry.category == "main"]
    entries = [entry for entry in entries if not star or entry.star in star]
    for out in (json, figure, html, fit_bias):
        require_folder_of(out)
    with progress() as report:
        report("Loading the model")
        from cinn_core.inference.model import load_model

        model = load_model(device, network)
    bias = _bias(model, network) if corrected else None
    printer, rows = terminal.BenchmarkPrinter(), []
    one = partial(measure, model=model, n_samples=samples, seed=seed, degrade_to=degrade, bias=bias, with_fit=fit)
    for row in run_benchmark(entries, directory, one):
        printer.row(row)
        rows.append(row)
    terminal.print_figures(figures_of(rows), "At the S/N of the data" + (", corrected" if corrected else ""))
    if degrade is not None:
        terminal.print_figures(figures_of(rows, noisy), f"With noise added to S/N {degrade:.0f}")
    terminal.print_fits(rows)
    terminal.print_others(rows)
    terminal.print_lithium(rows)
    terminal.print_all_targets(rows)
    terminal.print_corrected(rows)
    terminal.print_goals(goals(rows))
    terminal.print_correction(correction_figures(rows))
    robust = _robust(rows, directory, model, samples, seed) if robustness else {}
    terminal.print_robustness(robust)
    effects = _steps(index, directory, model) if with_steps else ()
    terminal.print_steps(effects)
    write_json(to_json(rows, robust, effects), json)
    if fit_bias is not None:
        _write_bias(rows, model, fit_bias)
    if figure is not None:
        from ..page.figures.benchmark import save_figure

        write(lambda: save_figure(rows, figure), figure)
    if html is not None:
        from cinn_core.weights import write_text

        from .benchmark_page import page

        write(lambda: write_text(html, page(rows, robust, effects)), html)


def lines(
    file: FileArgument,
    overrides: Overrides,
    engine: Annotated[
        Literal["emulator", "turbospectrum", "pysme"],
        typer.Option(help="What makes the model spectra; a physical synthesis takes minutes."),
    ] = "emulator",
    turbospectrum: TurbospectrumOption = None,
    data: DataOption = None,
    json: JsonOption = None,
    samples: SamplesOption = 4096,
    seed: SeedOption = 0,
    network: NetworkOption = None,
    device: DeviceOption = "auto",
    hdu: HduOption = None,
    row: RowOption = None,
) -> None:
    """Line-by-line abundances of Fe, Mg, Ca and Li at the star's MAP, the continuum around each line free."""
    require_file(file)
    require_folder_of(json)
    from dataclasses import asdict

    import numpy as np

    from .tables import progress
    from .tables_benchmark import print_line_fits

    with progress() as report:
        report("Loading the model")
        from cinn_core.benchmark.measure import posterior_of
        from cinn_core.explanation.line_fits import fit_lines
        from cinn_core.forward_model.model_error import shipped_model_error
        from cinn_core.forward_model.nlte_change import described
        from cinn_core.inference.model import load_model
        from cinn_core.preparation.fourmost import prepare
        from cinn_core.prior import N_LABELS, N_TARGETS, from_z
        from cinn_core.readers import read
        from cinn_core.synthesis.observed import observed_flux
        from cinn_core.targets import TARGET_NAMES

        from .synthesis import engine_opener

        model = load_model(device, network)
        report(f"Preparing {file.name}")
        vector = prepare(read(file, hdu=hdu, row=row), model.templates, overrides)
        posterior = posterior_of(vector, model, samples, seed)
        z = np.concatenate([posterior.map_z, np.zeros(N_LABELS - N_TARGETS)])
        at = dict(zip(TARGET_NAMES, from_z(posterior.map_z[None])[0].tolist(), strict=True))
        report(f"Fitting the lines by {engine}")
        fit, in_lte = partial(fit_lines, vector, z, model.forward, shipped_model_error()), None
        if engine == "emulator":
            fits = fit(name=f"emulator, {described(model.cards['emulator']['physics'])}")
            if model.forward.emulator.change is not None:
                in_lte = fit(model.forward.flux_in_lte, name="emulator, LTE")
        else:
            with engine_opener(engine, data, turbospectrum) as open_engine:
                physical = partial(observed_flux, open_engine(), model.forward)
                fits = fit(physical, step=0.2, name=f"{engine}, LTE")
    print_line_fits(vector, at, fits, in_lte)
    document = {
        "schema": 1,
        "file": vector.file,
        "star": vector.star,
        "synthesis": fits.synthesis,
        "held": at,
        "abundances": {name: asdict(found) for name, found in fits.abundances.items()},
        "abundances_in_lte": in_lte and {name: asdict(found) for name, found in in_lte.abundances.items()},
        "lines": [
            {
                "line": line.window.name,
                "abundance": line.value,
                "error": line.error,
                "limit": line.limit,
                "left_out": line.left_out,
            }
            for line in fits.lines
        ],
    }
    write_json(document, json)


def _bias(model: Model, network: Path | None) -> Any:
    from cinn_core.inference.bias import bias_path, load_bias
    from cinn_core.inference.model import shipped_network_path

    return load_bias(bias_path(network or shipped_network_path()), model.cards["network"]["sha256"])


def _write_bias(rows: list[BenchmarkRow], model: Model, out: Path) -> None:
    from cinn_core import __version__
    from cinn_core.benchmark.document import correction_figures, known_answers
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
    from cinn_core.benchmark.error_floor import prepared_star, stars_of
    from cinn_core.benchmark.steps import one_a_star, steps

    from .tables import progress

    with progress() as report:
        prepared = ((star, prepared_star(star, model.templates, report)) for star in stars_of(index, directory))
        return steps(one_a_star([(star, v) for star, v in prepared if v is not None]), model.forward, report)


def _robust(
    rows: list[BenchmarkRow], directory: Path, model: Model, samples: int, seed: int
) -> dict[str, dict[str, dict[str, Shift]]]:
    from cinn_core.benchmark.robustness import robustness

    from .tables import progress

    found = {}
    with progress() as report:
        for row in rows:
            if not row.entry.counts or row.native is None:
                continue
            report(f"Disturbing {row.entry.file}")
            try:
                found[row.entry.file] = dict(robustness(directory / row.entry.file, model, samples, seed))
            except KielError as error:
                typer.echo(f"{row.entry.file}: {error}", err=True)
    return found
