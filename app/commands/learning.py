"""The commands `kiel train` and `kiel evaluate emulator`: learning, and figures on stars that took no part in it."""

from __future__ import annotations

import os
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinn_core.errors import DataError

from .options import DataOption, DeviceOption, JsonOption, NetworkOption, SeedOption, require_folder_of, write_json
from .synthesis import TurbospectrumOption, data_folder

if TYPE_CHECKING:
    from cinn_core.synthesis.grid_file import Grid
    from cinn_core.training.paper_network import PaperSettings

train = typer.Typer(no_args_is_help=True, help="Learning, resumable.")
evaluate = typer.Typer(no_args_is_help=True, help="Figures on held-out stars.")


class Configuration(Enum):
    """Which network `kiel train network` trains."""

    DEFAULT = "default"
    PAPER = "paper"


GridOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--grid",
        metavar="FILE.h5",
        help="Grid file all of whose stars are used; may be repeated. Without it: the test stars of DATA/grid.",
    ),
]


@train.command("emulator")
def train_emulator(
    out: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="Weights to write; the card goes beside.")],
    data: DataOption = None,
) -> None:
    """Learn the emulator from the synthetic grids of the data folder."""
    require_folder_of(out)
    from cinn_core.files import data_directory
    from cinn_core.forward_model.emulator import save_emulator
    from cinn_core.synthesis.grid_file import calibrated_files, other_files, read_grid
    from cinn_core.training.emulator import EmulatorSettings
    from cinn_core.training.emulator import train_emulator as learn

    folder = data_directory(data)
    if folder is None:
        raise DataError("There is no data folder with grids; name one with --data or KIEL_DATA.")
    own, other, settings = read_grid(calibrated_files(folder)), other_files(folder), EmulatorSettings()
    emulator = learn(own, read_grid(other) if other else None, settings, typer.echo)
    training = {"stars": emulator.n_own, "other_list_stars": len(emulator.anchors) - emulator.n_own}
    card = {"physics": "lte", "training": {**training, "grid_digest": own.digest, "settings": asdict(settings)}}
    save_emulator(emulator, out, card)
    typer.echo(f"Written: {out}")


@train.command("network")
def train_network(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of this training; an earlier one is resumed.")],
    config: Annotated[
        Configuration,
        typer.Option(
            help="The network that ships, or the published one of Ksoll et al. (its stars and rates are fixed)."
        ),
    ] = Configuration.DEFAULT,
    shards: Annotated[int, typer.Option(min=20, help="Training stars, in shards of 512.")] = 430,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the optimiser (default network).")] = 10_000,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of the published network; the paper's 123.")] = 123,
    processes: Annotated[int, typer.Option(min=1, help="Processes that simulate stars.")] = os.cpu_count() or 1,
    start: Annotated[
        Path | None, typer.Option(metavar="WEIGHTS", help="Begin with what this network holds; its projection is kept.")
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Simulate stars with the shipped emulator and train the network on them; needs nothing else."""
    if config is Configuration.PAPER:
        train_paper(run, epochs, seed, device)
        return
    from cinn_core.inference.model import Device, emulator_path, load_network
    from cinn_core.inference.network import Architecture
    from cinn_core.training.bank import BankSettings, fill_bank
    from cinn_core.training.network import NetworkSettings
    from cinn_core.training.network import train_network as learn
    from cinn_core.weights import file_hash

    where = Device(device).resolve()
    bank, settings = BankSettings(seed=seed), NetworkSettings(steps=steps, seed=seed)
    typer.echo(f"Simulating {shards} shards in {run / 'bank'}; those that exist are kept")
    kept, earlier, earlier_card = load_network(start) if start else (None, None, None)
    projection = fill_bank(run / "bank", emulator_path(), shards, bank, processes, kept)
    card: dict[str, object] = {
        "emulator_sha256": file_hash(emulator_path()),
        "bank": {**asdict(bank), "shards": shards},
        "start_sha256": earlier_card["sha256"] if earlier_card else None,
    }
    architecture = Architecture(n_components=projection.n_components)
    weights = learn(run / "bank", projection, architecture, settings, run, card, typer.echo, earlier, where)
    _plot_curve(run / "curve.csv")
    typer.echo(f"Written: {weights} (kiel analyse --network {weights} uses it)")


def train_paper(run: Path, epochs: int, seed: int, device: str) -> None:
    """The published network, on as many stars as the paper had; hours on a processor."""
    from cinn_core.inference.model import Device, emulator_path
    from cinn_core.inference.paper import PaperArchitecture
    from cinn_core.training.paper_network import PaperSettings, train_paper_network
    from cinn_core.weights import file_hash

    settings, where = PaperSettings(epochs=epochs, seed=seed), Device(device).resolve()
    card: dict[str, object] = {"emulator_sha256": file_hash(emulator_path())}
    paths = paper_stars(run, settings)
    weights = train_paper_network(paths, PaperArchitecture(), settings, run, card, typer.echo, where)
    _plot_curve(run / "paper-curve.csv")
    typer.echo(f"Written: {weights} (kiel evaluate network --paper {weights} gives its table)")


def paper_stars(run: Path, settings: PaperSettings) -> list[Path]:
    """The shards of clean spectra that the published network learns from, in a run's folder."""
    from cinn_core.inference.model import load_forward
    from cinn_core.preparation.templates import make_templates
    from cinn_core.training.paper_network import fill_pixel_bank

    typer.echo(f"Simulating {settings.stars} stars in {run / 'pixels'}; those that exist are kept")
    forward = load_forward()
    return fill_pixel_bank(run / "pixels", forward, make_templates(forward), settings, typer.echo)


def _plot_curve(curve: Path) -> None:
    from ..page.figures.evaluation import plot_curve

    typer.echo(f"Written: {plot_curve(curve)}")


@train.command("distance")
def train_distance(network: NetworkOption = None, seed: SeedOption = 0) -> None:
    """What the embeddings of training stars look like, so that a star unlike all of them is told; beside the weights."""
    from cinn_core.inference.distance import save_distance
    from cinn_core.inference.model import load_model, shipped_network_path
    from cinn_core.training.distance import measure_distances

    model = load_model("auto", network)
    found = measure_distances(model, seed, progress=typer.echo)
    path = save_distance(found, network or shipped_network_path(), model.cards["network"]["sha256"])
    typer.echo(f"Written: {path} (1 % of simulated stars lie beyond {found.threshold:.2f})")


@train.command("nlte")
def train_nlte(
    tables: Annotated[
        list[Path], typer.Argument(metavar="TABLE.npz…", help="Tables of departures of Li, Mg, Ca (`kiel nlte table`).")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of this training; stars that it holds are kept.")],
    stars: Annotated[int, typer.Option(min=20, help="Stars drawn from the prior; a fifth is only reported on.")] = 300,
    processes: Annotated[int, typer.Option(min=1, help="Stars synthesised at the same time.")] = 1,
    data: DataOption = None,
    turbospectrum: TurbospectrumOption = None,
    seed: SeedOption = 0,
) -> None:
    """Learn what NLTE changes in the emulator's spectra; writes the change and the shipped emulator with it."""
    from cinn_core.forward_model.emulator import in_lte, load_emulator, save_emulator, with_change
    from cinn_core.forward_model.nlte_change import save_change
    from cinn_core.inference.model import emulator_path
    from cinn_core.nlte.flux_change import calibrated_lines
    from cinn_core.synthesis.turbospectrum import find_programs
    from cinn_core.training.nlte_change import (
        ChangeSettings,
        Sources,
        change_errors,
        described,
        held_out,
        learn_change,
        make_stars,
        shifts_of_run,
    )
    from cinn_core.weights import file_hash

    sources = Sources(tuple(tables), find_programs(turbospectrum), data_folder(data), out)
    elements = tuple(element.symbol for element in sources.elements())
    shifts, laboratory = shifts_of_run(sources), calibrated_lines(sources.data / "synthesis")
    typer.echo("line calibrated on the Sun   log gf  laboratory  in NLTE")
    for line in laboratory:
        shift = shifts.get((line.species, line.wavelength))
        if shift is not None:
            numbers = f"{line.log_gf:11.3f} {line.laboratory:11.3f} {line.log_gf + shift:8.3f}"
            typer.echo(f"{line.species} {line.wavelength:9.3f} Å {numbers}")
    made = make_stars(sources, seed, stars, processes, typer.echo)
    settings = ChangeSettings()
    change = learn_change(made, elements, settings)
    errors = change_errors(change, made)
    n_test = int(held_out(made).sum())
    typer.echo(f"{len(made.index) - n_test} stars learned from, {n_test} held out: rms of the change and of its error")
    for e in errors:
        if e.wavelength != e.wavelength:
            typer.echo(
                f"{e.element}  flux       {100 * e.change:7.3f} %   {100 * e.error:7.3f} %  {e.error / e.change:6.1%}"
            )
        else:
            typer.echo(
                f"{e.element} I {e.wavelength:8.2f} Å {e.change:7.2f} mÅ  {e.error:7.2f} mÅ {e.error / e.change:6.1%}"
            )
    shipped, lte_card = load_emulator(emulator_path())
    emulator = in_lte(shipped)
    training = {"stars": len(made.index) - n_test, "held_out": n_test, "seed": seed, "settings": asdict(settings)}
    card = {
        "physics": change.physics,
        "tables_sha256": sources.digest(),
        "log_gf_shifts": [[*key, shift] for key, shift in shifts.items()],
        "training": training,
        "held_out_errors": described(errors),
    }
    save_change(change, out / "change.safetensors", card)
    both = {
        "physics": change.physics,
        "training": lte_card["training"],
        "lte_sha256": lte_card.get("lte_sha256", lte_card["sha256"]),
    }
    both |= {key: card[key] for key in ("tables_sha256", "log_gf_shifts", "held_out_errors")}
    both["nlte_change_sha256"] = file_hash(out / "change.safetensors")
    save_emulator(with_change(emulator, change), out / "emulator.safetensors", both)
    typer.echo(f"Written: {out / 'change.safetensors'}, {out / 'emulator.safetensors'} ({change.physics})")


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
    if learning_curve:
        write_json(_learning_curve(held_out(grid, data), data), json)
        return
    from cinn_core.evaluation.emulator import emulator_figures
    from cinn_core.forward_model.emulator import in_lte, load_emulator
    from cinn_core.forward_model.forward import forward_model
    from cinn_core.inference.model import emulator_path

    from .tables import print_emulator_figures

    stars = held_out(grid, data)
    forward = forward_model(in_lte(load_emulator(emulator_path())[0]))  # as the grid is
    figures = emulator_figures(forward, stars)
    print_emulator_figures(figures)
    write_json(figures, json)


def _learning_curve(stars: Grid, data: Path | None) -> dict[str, object]:
    """Prints how the emulator's error on some stars falls with the number it learned from; the figures by name."""
    from cinn_core.evaluation.emulator import halving, learning_curve
    from cinn_core.files import data_directory
    from cinn_core.synthesis.grid_file import calibrated_files, read_grid

    folder = data_directory(data)
    if folder is None:
        raise DataError("There is no data folder with grids; name one with --data or KIEL_DATA.")
    typer.echo("  stars  median |Δflux|  99th percentile     rms")
    points = []
    for point in learning_curve(read_grid(calibrated_files(folder)), stars):
        points.append(point)
        figures = f"{100 * point.median_abs:14.3f} % {100 * point.p99_abs:14.2f} % {100 * point.rms:8.3f} %"
        typer.echo(f"{point.stars:7d}{figures}")
    factor = halving(points)
    typer.echo(f"Twice the stars make the median error {factor:.2f} times as large")
    return {"learning_curve": [vars(point) for point in points], "factor_for_twice_the_stars": factor}


def held_out(files: list[Path] | None, data: Path | None) -> Grid:
    """All stars of the files named, else the test stars of the data folder's grids with the calibrated line list."""
    from cinn_core.files import data_directory
    from cinn_core.synthesis.grid_file import calibrated_files, read_grid

    if files:
        missing = [path for path in files if not path.is_file()]
        if missing:
            raise DataError(f"There is no grid file {missing[0]}; check the name and the folder.")
        return read_grid(files)
    folder = data_directory(data)
    if folder is None:
        raise DataError("There is no data folder; name one with --data or KIEL_DATA, or grid files with --grid.")
    grid = read_grid(calibrated_files(folder))
    return grid.select(grid.is_test)
