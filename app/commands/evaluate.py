"""The commands `kiel evaluate network`, `calibration` and `saliency`: what the network gets right, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinn_core.errors import DataError

from .learning import GridOption, held_out
from .options import (
    DataOption,
    DeviceOption,
    JsonOption,
    NetworkOption,
    SeedOption,
    require_folder,
    require_folder_of,
    write,
    write_json,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cinn_core.evaluation.network import Evaluation

RealismOption = Annotated[float, typer.Option(min=0, max=1, help="0: as simulated; 1: as real spectra are.")]


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
    from cinn_core.evaluation.network import PAPER_SNR, QUICK_DRAWS, QUICK_SNR, network_figures, uncertainties
    from cinn_core.evaluation.network import evaluate as run
    from cinn_core.inference.model import load_model
    from cinn_core.inference.paper import load_paper_network

    from .tables import progress
    from .tables_network import print_network_details, print_network_figures

    if paper is not None and realism > 0:
        raise DataError("The paper's network knows clean simulations alone: leave --realism at 0.")
    theirs = load_paper_network(paper) if paper else None
    stars = held_out(grid, data)
    levels = tuple(snr) if snr else (QUICK_SNR if quick else PAPER_SNR)
    with progress() as report:
        report("Loading the model")
        model = load_model(device, network)
        found = run(model, stars, levels, QUICK_DRAWS if quick else draws, realism, seed, report, theirs)
        report("Uncertainties by bootstrap over stars")
        numbers, spread = network_figures(found), uncertainties(found, seed)
        details = _details(found) | {"uncertainty": spread}
    print_network_figures(numbers, details)
    print_network_details(details)
    write_json(numbers, json)
    if figures is not None:
        from ..page.figures.evaluation import write_figures

        write_json(details, figures / "details.json")
        for path in write_figures(found, figures):
            typer.echo(f"Written: {path}")


def _details(found: Evaluation) -> dict[str, Any]:
    """Figures beside the JSON's: other point estimates, lithium by line strength, what compression and emulator cost, bounds in z."""
    import numpy as np

    from cinn_core.evaluation.network import further_nrmse, lithium_sigma
    from cinn_core.targets import TARGET_NAMES

    def loss(snr: int, limits: dict[int, NDArray]) -> dict[str, float]:
        least, most = (np.median(x[snr][found.rich], (0, 1)) for x in (found.limit68, limits))
        return dict(zip(TARGET_NAMES, (most / least).tolist(), strict=True))

    def points(chosen: NDArray) -> dict[str, Any]:
        return {str(snr): further_nrmse(found, snr, chosen) for snr in found.answers}

    return {
        "points": {"snr": points(found.rich), "snr_all": points(np.ones_like(found.rich))},
        "lithium": {str(snr): lithium_sigma(found, snr) for snr in found.answers},
        "compression": {str(snr): loss(snr, found.compressed_limit68) for snr in found.answers},
        "reachable": {str(snr): loss(snr, found.reachable_limit68) for snr in found.answers},
        "van_trees_z": {str(snr): dict(zip(TARGET_NAMES, x.tolist(), strict=True)) for snr, x in found.bound.items()},
    }


def evaluate_calibration(
    stars: Annotated[int, typer.Option(min=200, help="Stars drawn from the prior.")] = 4000,
    ranked: Annotated[int, typer.Option(min=100, help="Of these, stars for the ranks and TARP.")] = 1000,
    samples: Annotated[int, typer.Option(min=256, help="Posterior samples a star.")] = 1024,
    network: NetworkOption = None,
    json: JsonOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Is the network calibrated? Coverage, ranks and TARP on stars of its own prior, and whether upper limits hold."""
    require_folder_of(json)
    from cinn_core.evaluation.calibration import calibration_figures, require_sbi
    from cinn_core.inference.model import load_model

    from .tables import progress
    from .tables_network import print_calibration

    require_sbi()
    with progress() as report:
        report("Loading the model")
        figures = calibration_figures(
            load_model(device, network), stars, min(ranked, stars), samples, seed, progress=report
        )
    print_calibration(figures)
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
    """Which pixels decide, on synthetic stars at S/N 250: against the ideal weights and each element's own lines."""
    for out in (json, background):
        require_folder_of(out)
    from cinn_core.evaluation.saliency import measure_saliency, saliency_numbers
    from cinn_core.explanation.saliency import save_background
    from cinn_core.inference.model import load_model

    from .tables import progress
    from .tables_network import print_saliency

    stars = held_out(grid, data)
    with progress() as report:
        report("Loading the model")
        model = load_model(device, network)
        found = measure_saliency(model, stars, seed, report)
        numbers = saliency_numbers(found)
    print_saliency(numbers)
    write_json(numbers, json)
    if background is not None:
        sha256 = model.cards["network"]["sha256"]
        write(lambda: save_background(found.background, background, sha256), background)
