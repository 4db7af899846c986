"""The commands `kiel evaluate network`, `calibration`, `saliency` and `continuum`: the network on simulated stars."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinn_core.errors import DataError

from .options import (
    DataOption,
    DeviceOption,
    JsonOption,
    NetworkOption,
    SeedOption,
    data_folder,
    require_file,
    require_folder,
    require_folder_of,
    write,
    write_json,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cinn_core.evaluation.network import Evaluation
    from cinn_core.synthesis.grid_file import Grid

GridOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--grid",
        metavar="FILE.h5",
        help="Grid file all of whose stars are used; may be repeated. Without it: the test stars of DATA/grid.",
    ),
]
RealismOption = Annotated[float, typer.Option(min=0, max=1, help="0: as simulated; 1: as real spectra are.")]

_LABEL_SNR = 100.0


def evaluate_network(
    grid: GridOption = None,
    realism: RealismOption = 0.0,
    snr: Annotated[
        list[int] | None,
        typer.Option(min=5, max=1000, help="S/N per Å to report; may be repeated. Without it: the paper's nineteen."),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Draws of rotation and noise a star.")] = 8,
    quick: Annotated[bool, typer.Option("--quick", help="S/N 20, 50, 100, 250 and two draws a star.")] = False,
    figures: Annotated[
        Path | None,
        typer.Option("--figures", metavar="DIR", help="Folder for the figures of the paper, and details.json."),
    ] = None,
    paper: Annotated[
        Path | None,
        typer.Option(
            "--paper", metavar="WEIGHTS", help="Report on this network of `kiel train network --config paper`."
        ),
    ] = None,
    network: NetworkOption = None,
    data: DataOption = None,
    json: JsonOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """The network on synthetic stars: errors, widths and coverage of every target, beside paper and information limit."""
    require_folder_of(json)
    require_folder(figures)
    if paper is not None and realism > 0:
        raise DataError("The paper's network knows clean simulations alone: leave --realism at 0.")
    from cinn_core.evaluation.network import PAPER_SNR, QUICK_DRAWS, QUICK_SNR, network_figures, uncertainties
    from cinn_core.evaluation.network import evaluate as run
    from cinn_core.inference.model import load_model
    from cinn_core.inference.paper import load_paper_network

    from .tables import progress
    from .tables_evaluation import print_network_details, print_network_figures

    paper_network = load_paper_network(paper) if paper else None
    stars = held_out_grid(grid, data)
    levels = tuple(snr) if snr else (QUICK_SNR if quick else PAPER_SNR)
    with progress() as report:
        report("Loading the model")
        model = load_model(device, network)
        evaluation = run(model, stars, levels, QUICK_DRAWS if quick else draws, realism, seed, report, paper_network)
        report("Uncertainties by bootstrap over stars")
        numbers, spread = network_figures(evaluation), uncertainties(evaluation, seed)
        details = _details(evaluation) | {"uncertainty": spread}
    print_network_figures(numbers, details)
    print_network_details(details)
    write_json(numbers, json)
    if figures is not None:
        from ..page.figures.evaluation import write_figures

        write_json(details, figures / "details.json")
        for path in write_figures(evaluation, figures):
            typer.echo(f"Written: {path}")


def _details(evaluation: Evaluation) -> dict[str, Any]:
    """Figures beside the JSON's: other point estimates, lithium by line strength, what compression and emulator cost, bounds in z."""
    import numpy as np

    from cinn_core.evaluation.network import further_nrmse, lithium_sigma
    from cinn_core.targets import TARGET_NAMES

    def loss(snr: int, limits: dict[int, NDArray]) -> dict[str, float]:
        least, most = (np.median(x[snr][evaluation.rich], (0, 1)) for x in (evaluation.limit68, limits))
        return dict(zip(TARGET_NAMES, (most / least).tolist(), strict=True))

    def points(selected: NDArray) -> dict[str, Any]:
        return {str(snr): further_nrmse(evaluation, snr, selected) for snr in evaluation.answers}

    bounds = evaluation.bound.items()
    return {
        "points": {"snr": points(evaluation.rich), "snr_all": points(np.ones_like(evaluation.rich))},
        "lithium": {str(snr): lithium_sigma(evaluation, snr) for snr in evaluation.answers},
        "compression": {str(snr): loss(snr, evaluation.compressed_limit68) for snr in evaluation.answers},
        "reachable": {str(snr): loss(snr, evaluation.reachable_limit68) for snr in evaluation.answers},
        "van_trees_z": {str(snr): dict(zip(TARGET_NAMES, x.tolist(), strict=True)) for snr, x in bounds},
    }


def evaluate_calibration(
    stars: Annotated[int, typer.Option(min=200, help="Stars drawn from the prior.")] = 4000,
    ranked: Annotated[int, typer.Option(min=100, help="Of these, stars for the ranks and TARP.")] = 4000,
    samples: Annotated[int, typer.Option(min=256, help="Posterior samples a star.")] = 1024,
    at: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Test the posterior at the conditions of this spectrum too (LC2ST); may be repeated."
        ),
    ] = None,
    network: NetworkOption = None,
    json: JsonOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Calibration of the network on stars of its own prior: coverage, ranks, TARP, and whether upper limits hold."""
    require_folder_of(json)
    from cinn_core.evaluation.calibration import calibration_figures, require_sbi
    from cinn_core.inference.model import load_model
    from cinn_core.preparation.fourmost import prepare
    from cinn_core.readers import read

    from .tables import progress
    from .tables_evaluation import print_calibration

    require_sbi()
    for path in at or ():
        require_file(path)
    with progress() as report:
        report("Loading the model")
        model = load_model(device, network)
        vectors = {str(path): prepare(read(path), model.templates) for path in at or ()}
        figures = calibration_figures(model, stars, min(ranked, stars), samples, seed, at=vectors, progress=report)
    print_calibration(figures)
    write_json(figures, json)


def evaluate_elements(
    stars: Annotated[int, typer.Option(min=16, help="Stars drawn from the prior.")] = 200,
    snr: Annotated[float, typer.Option(min=5, max=1000, help="S/N per Å.")] = 100.0,
    realism: RealismOption = 1.0,
    samples: Annotated[int, typer.Option(min=256, help="Posterior samples a star.")] = 512,
    network: NetworkOption = None,
    json: JsonOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """The thirteen elements beside the targets on stars of the prior: do their intervals and limits hold the truth?"""
    require_folder_of(json)
    from cinn_core.evaluation.more import coverage_of_elements
    from cinn_core.inference.model import load_model

    from .tables import progress
    from .tables_evaluation import print_elements

    with progress() as report:
        report("Loading the model")
        model = load_model(device, network)
        figures = coverage_of_elements(model, stars, snr, realism, samples, seed, report)
    print_elements(figures)
    write_json(figures, json)


def evaluate_saliency(
    grid: GridOption = None,
    background: Annotated[
        Path | None,
        typer.Option("--background", metavar="OUT.npz", help="Also write the median map; assets/saliency.npz ships."),
    ] = None,
    network: NetworkOption = None,
    data: DataOption = None,
    json: JsonOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Saliency on synthetic stars at S/N 250, against the ideal weights and each element's own lines."""
    for out in (json, background):
        require_folder_of(out)
    from cinn_core.evaluation.saliency import measure_saliency, saliency_numbers
    from cinn_core.explanation.saliency import save_background
    from cinn_core.inference.model import load_model

    from .tables import progress
    from .tables_evaluation import print_saliency

    stars = held_out_grid(grid, data)
    with progress() as report:
        report("Loading the model")
        model = load_model(device, network)
        saliency = measure_saliency(model, stars, seed, report)
        numbers = saliency_numbers(saliency)
    print_saliency(numbers)
    write_json(numbers, json)
    if background is not None:
        sha256 = model.cards["network"]["sha256"]
        write(lambda: save_background(saliency.background, background, sha256), background)


def evaluate_continuum(
    stars: Annotated[int, typer.Option(min=20, help="Simulated stars, drawn from the prior.")] = 1000,
    snr: Annotated[float, typer.Option(min=5.0, help="S/N per Å of their noise.")] = 50.0,
    label_stars: Annotated[
        int,
        typer.Option(
            "--label-stars", min=0, help="Stars inferred after the fit and after the true continuum; 0: none."
        ),
    ] = 200,
    network: NetworkOption = None,
    json: JsonOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """The continuum on simulated stars of known continuum: rms error over the Kiel diagram, and what it does to the answer."""
    require_folder_of(json)
    from cinn_core.evaluation.continuum import continuum_figures, label_shifts
    from cinn_core.inference.model import load_model

    model = load_model(device, network)
    figures = continuum_figures(model.forward, model.templates, stars, snr, seed)
    named = (("4500-6800 K", "warm"), ("  vbroad < 30", "core"), ("  vbroad >= 30", "core_rotating"), ("all", "all"))
    typer.echo(f"Error of the continuum at S/N {snr:g} per Å: rms, bias, median rms of one star [%]")
    for entry in [{"name": name, **figures[key]} for name, key in named] + figures["regions"]:
        if entry["n"]:
            numbers = "  ".join(f"{100 * entry[key]:+7.3f}" for key in ("rms", "bias", "median_rms"))
            typer.echo(f"{entry['name']:<28}{entry['n']:>6} stars  {numbers}")
    if label_stars:
        shifts = label_shifts(model, label_stars, _LABEL_SNR, seed)
        _print_shifts(shifts, label_stars)
        figures["label_shifts"] = {"n": label_stars, "snr": _LABEL_SNR, "targets": shifts}
    write_json(figures, json)


def _print_shifts(shifts: Mapping[str, float], n: int) -> None:
    typer.echo(
        f"Answer after the fit less answer after the true continuum, {n} stars at S/N {_LABEL_SNR:g}: median size, in sigmas"
    )
    typer.echo("  ".join(f"{name} {shift:.2f}" for name, shift in shifts.items()))


def held_out_grid(files: list[Path] | None, data: Path | None) -> Grid:
    """Stars of the grid files, else the test stars of the data folder's grids with the calibrated line list.

    Raises DataError where a file or the data folder is missing.
    """
    from cinn_core.synthesis.grid_file import calibrated_files, read_grid

    if files:
        missing = [path for path in files if not path.is_file()]
        if missing:
            raise DataError(f"There is no grid file {missing[0]}; check the name and the folder.")
        return read_grid(files)
    grid = read_grid(calibrated_files(data_folder(data, "grids", ", or grid files with --grid")))
    return grid.select(grid.is_test)
