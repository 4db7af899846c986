"""The commands `kiel evaluate`: figures of the network, and of the emulator and the engines against physical spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .engines import EngineOption, TurbospectrumOption, engine_opener
from .evaluate_network import (
    GridOption,
    evaluate_calibration,
    evaluate_continuum,
    evaluate_elements,
    evaluate_network,
    evaluate_saliency,
    held_out_grid,
)
from .options import DataOption, JsonOption, data_folder, one_line, require_file, require_folder_of, write_json

if TYPE_CHECKING:
    from cinn_core.synthesis.agreement import FluxAgreement
    from cinn_core.synthesis.grid_file import Grid

evaluate = typer.Typer(no_args_is_help=True, help="Figures on held-out stars.")


@evaluate.command("emulator")
def evaluate_emulator(
    grid: GridOption = None,
    learning_curve: Annotated[
        bool,
        typer.Option(
            "--learning-curve", help="Instead: train afresh on a quarter, half and all of DATA/grid's training stars."
        ),
    ] = False,
    data: DataOption = None,
    json: JsonOption = None,
) -> None:
    """The emulator against physical synthesis: flux errors by line and by region of the Kiel diagram."""
    require_folder_of(json)
    stars = held_out_grid(grid, data)
    if learning_curve:
        write_json(_learning_curve(stars, data), json)
        return
    from cinn_core.evaluation.emulator import emulator_figures
    from cinn_core.forward_model.emulator import load_emulator, without_change
    from cinn_core.forward_model.forward import emulator_path, forward_model

    from .tables_evaluation import print_emulator_figures

    forward = forward_model(without_change(load_emulator(emulator_path())[0]))  # as the grid is
    figures = emulator_figures(forward, stars)
    print_emulator_figures(figures)
    write_json(figures, json)


def _learning_curve(stars: Grid, data: Path | None) -> dict[str, object]:
    """Print how the emulator's error on some stars falls with the number of training stars; the figures by name."""
    from cinn_core.evaluation.emulator import halving, learning_curve
    from cinn_core.synthesis.grid_file import calibrated_files, read_grid

    folder = data_folder(data, "grids")
    typer.echo("  stars  median |Δflux|  99th percentile     rms")
    points = []
    for point in learning_curve(read_grid(calibrated_files(folder)), stars):
        points.append(point)
        figures = f"{100 * point.median_abs:14.3f} % {100 * point.p99_abs:14.2f} % {100 * point.rms:8.3f} %"
        typer.echo(f"{point.stars:7d}{figures}")
    factor = halving(points)
    typer.echo(f"Twice the stars make the median error {factor:.2f} times as large")
    return {"learning_curve": [vars(point) for point in points], "factor_for_twice_the_stars": factor}


evaluate.command("network")(evaluate_network)
evaluate.command("calibration")(evaluate_calibration)
evaluate.command("elements")(evaluate_elements)
evaluate.command("saliency")(evaluate_saliency)


@evaluate.command("synthesis")
def evaluate_synthesis(
    stars: Annotated[int, typer.Option(min=1, help="Test stars to synthesise again, spread evenly.")] = 10,
    engine: EngineOption = "turbospectrum",
    json: JsonOption = None,
    data: DataOption = None,
    turbospectrum: TurbospectrumOption = None,
) -> None:
    """An engine against the test stars of DATA/grid: do their spectra come out the same?"""
    require_folder_of(json)
    from cinn_core.synthesis.agreement import agreements, worst_lines
    from cinn_core.synthesis.grid_file import calibrated_files, read_grid
    from cinn_core.synthesis.pysme import all_lines

    folder = data_folder(data, "synthesis/")
    with engine_opener(engine, data, turbospectrum) as open_engine:
        shared = read_grid(calibrated_files(folder))
        rows = []
        typer.echo("  index  Teff  log g [Fe/H]     rms %  largest %  std % at R = 20 000      s")
        for row in agreements(open_engine(), shared.select(shared.is_test), stars):
            rows.append(row)
            typer.echo(
                f"{row.index:7d} {row.teff:5.0f} {row.logg:6.2f} {row.feh:6.2f} {100 * row.rms:9.4f} "
                f"{100 * row.largest:10.4f} {100 * row.scatter:20.4f} {row.seconds:6.1f}"
            )
    summary = _summary(rows, engine)
    typer.echo(
        f"rms over {summary['n']} stars {100 * summary['rms']:.4f} %, median std of the difference at R = 20 000 "
        f"{100 * summary['median_scatter']:.4f} %, {summary['median_s']:.1f} s a star"
    )
    worst = worst_lines(rows, shared.wavelength, all_lines(folder))
    typer.echo("largest mean |difference| at R = 20 000" + ("" if worst else ": below 0.01 % everywhere"))
    for line in worst:
        typer.echo(f"{line.wavelength:9.2f} Å {100 * line.mean_difference:6.2f} %  {line.species:14s} {line.reason}")
    plain = [{name: value for name, value in vars(row).items() if name != "difference"} for row in rows]
    write_json({**summary, "worst_lines": [vars(line) for line in worst], "stars": plain}, json)


def _summary(rows: Sequence[FluxAgreement], engine: str) -> Mapping[str, Any]:
    import numpy as np

    return {
        "n": len(rows),
        "engine": engine,
        "rms": float(np.sqrt(np.mean([row.rms**2 for row in rows]))),
        "largest": max(row.largest for row in rows),
        "median_scatter": float(np.median([row.scatter for row in rows])),
        "median_s": float(np.median([row.seconds for row in rows])),
    }


@evaluate.command("sun")
def evaluate_sun(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE…]", help="Solar spectra; else those of DATA.")
    ] = None,
    data: DataOption = None,
    json: JsonOption = None,
) -> None:
    """The Sun resimulated at its literature parameters against observed spectra, R = 20 000, outside the mask."""
    require_folder_of(json)
    from cinn_core.benchmark.error_floor import check_sun, development_stars
    from cinn_core.errors import KielError
    from cinn_core.forward_model.forward import load_forward
    from cinn_core.forward_model.model_error import shipped_model_error
    from cinn_core.instrument import ARMS
    from cinn_core.preparation.templates import shipped_templates

    for file in files or ():
        require_file(file)
    if not files:
        folder = data_folder(data, "spectra/", ", or solar spectra") / "spectra"
        files = [folder / star.file for star in development_stars(folder) if star.star == "Sun"]
    forward = load_forward()
    templates, error, rows = shipped_templates(), shipped_model_error(), []
    typer.echo("1.48 MAD (rms) of observed - model, " + ", ".join(arm.name for arm in ARMS))
    for file in files:
        try:
            row = check_sun(file, forward, templates, error)
        except KielError as refusal:
            typer.echo(f"{file.name}: {one_line(refusal)}", err=True)
            continue
        pairs = zip(row.scatter, row.rms, strict=True)
        numbers = "  ".join(f"{100 * scatter:.2f} % ({100 * rms:.2f} %)" for scatter, rms in pairs)
        typer.echo(f"{numbers}  {row.file}, vbroad {row.vbroad:.1f} km/s")
        rows.append(row)
    write_json({"spectra": [vars(row) for row in rows]}, json)


evaluate.command("continuum")(evaluate_continuum)
