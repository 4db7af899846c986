"""The commands `kiel train emulator`, `network`, `distance`, `nlte`, `physics`, `structure` and `lithium`: what Kiel learns."""

from __future__ import annotations

import math
import os
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .engines import TurbospectrumOption
from .options import DataOption, DeviceOption, NetworkOption, SeedOption, data_folder, require_folder, require_folder_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cinn_core.forward_model.nlte_change import NlteChange
    from cinn_core.forward_model.physics_change import PhysicsChange
    from cinn_core.nlte.flux_change import CalibratedLine
    from cinn_core.training.nlte_change import ChangeError
    from cinn_core.training.paper_network import PaperSettings
    from cinn_core.training.physics_stars import PhysicsSources, PhysicsStars

train = typer.Typer(no_args_is_help=True, help="Learning, resumable.")


class Configuration(Enum):
    """Choice of network that `kiel train network` trains."""

    DEFAULT = "default"
    PAPER = "paper"


@train.command("emulator")
def train_emulator(
    out: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="File to write; the card goes beside it.")],
    data: DataOption = None,
) -> None:
    """Learn the emulator from the synthetic grids of the data folder."""
    require_folder_of(out)
    from cinn_core.forward_model.emulator import save_emulator
    from cinn_core.synthesis.grid_file import calibrated_files, other_files, read_grid
    from cinn_core.training.emulator import EmulatorSettings
    from cinn_core.training.emulator import train_emulator as learn

    folder = data_folder(data, "grids")
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
    emulator: Annotated[
        Path | None, typer.Option(metavar="WEIGHTS", help="Simulate with this emulator in place of the shipped one.")
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
) -> None:
    """Simulate stars with the shipped emulator, or with another, and train the network on them; needs nothing else."""
    if config is Configuration.PAPER:
        train_paper(run, epochs, seed, device)
        return
    from cinn_core.forward_model.emulator import load_emulator
    from cinn_core.forward_model.forward import emulator_path
    from cinn_core.inference.model import Device, load_network
    from cinn_core.inference.network import Architecture
    from cinn_core.parameters import file_hash
    from cinn_core.training.network import NetworkSettings
    from cinn_core.training.network import train_network as learn
    from cinn_core.training.training_set import TrainingSetSettings, fill_training_set

    where, simulator = Device(device).resolve(), emulator or emulator_path()
    training_set, settings = TrainingSetSettings(seed=seed), NetworkSettings(steps=steps, seed=seed)
    given, earlier, earlier_card = load_network(start) if start else (None, None, None)
    require_folder(run)
    typer.echo(f"Simulating {shards} shards in {run / 'bank'}; those that exist are kept")
    projection = fill_training_set(run / "bank", simulator, shards, training_set, processes, given)
    card: dict[str, object] = {
        "physics": load_emulator(simulator)[1]["physics"],
        "emulator_sha256": file_hash(simulator),
        "bank": {**asdict(training_set), "shards": shards},
        "start_sha256": earlier_card["sha256"] if earlier_card else None,
    }
    architecture = Architecture(n_components=projection.n_components)
    path = learn(run / "bank", projection, architecture, settings, run, card, typer.echo, earlier, where)
    _plot_curve(run / "curve.csv")
    typer.echo(f"Written: {path} (kiel analyse --network {path} uses it)")


def train_paper(run: Path, epochs: int, seed: int, device: str) -> None:
    """The published network, on as many stars as the paper had; hours on a processor."""
    from cinn_core.forward_model.forward import emulator_path
    from cinn_core.inference.model import Device
    from cinn_core.inference.paper import PaperArchitecture
    from cinn_core.parameters import file_hash
    from cinn_core.training.paper_network import PaperSettings, train_paper_network

    settings, where = PaperSettings(epochs=epochs, seed=seed), Device(device).resolve()
    card: dict[str, object] = {"emulator_sha256": file_hash(emulator_path())}
    paths = paper_stars(run, settings)
    path = train_paper_network(paths, PaperArchitecture(), settings, run, card, typer.echo, where)
    _plot_curve(run / "paper-curve.csv")
    typer.echo(f"Written: {path} (kiel evaluate network --paper {path} gives its table)")


def paper_stars(run: Path, settings: PaperSettings) -> list[Path]:
    """The shards of clean spectra that the published network learns from, in a run's folder."""
    from cinn_core.forward_model.forward import load_forward
    from cinn_core.preparation.templates import shipped_templates
    from cinn_core.training.paper_network import fill_pixel_shards

    require_folder(run)
    typer.echo(f"Simulating {settings.stars} stars in {run / 'pixels'}; those that exist are kept")
    forward = load_forward()
    return fill_pixel_shards(run / "pixels", forward, shipped_templates(), settings, typer.echo)


def _plot_curve(curve: Path) -> None:
    from ..page.figures.evaluation import plot_curve

    typer.echo(f"Written: {plot_curve(curve)}")


@train.command("distance")
def train_distance(network: NetworkOption = None, seed: SeedOption = 0) -> None:
    """Statistics of the embeddings of training stars, to recognise a star unlike all of them; written beside the network."""
    from cinn_core.inference.distance import save_distance
    from cinn_core.inference.model import load_model, shipped_network_path
    from cinn_core.training.network import measure_distances

    model = load_model("auto", network)
    statistics = measure_distances(model, seed, progress=typer.echo)
    path = save_distance(statistics, network or shipped_network_path(), model.cards["network"]["sha256"])
    typer.echo(f"Written: {path} (1 % of simulated stars lie beyond {statistics.threshold:.2f})")


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
    from cinn_core.forward_model.nlte_change import save_change
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

    sources = Sources(tuple(tables), find_programs(turbospectrum), data_folder(data, "synthesis/"), out)
    require_folder(out)
    elements = tuple(element.symbol for element in sources.elements())
    shifts = shifts_of_run(sources)
    _print_shifts(calibrated_lines(sources.data / "synthesis"), shifts)
    training_set = make_stars(sources, seed, stars, processes, typer.echo)
    settings = ChangeSettings()
    change = learn_change(training_set, elements, settings)
    errors = change_errors(change, training_set)
    n_test = int(held_out(training_set).sum())
    n_training = len(training_set.index) - n_test
    typer.echo(f"{n_training} stars learned from, {n_test} held out: rms of the change and of its error")
    _print_errors(errors)
    training = {"stars": n_training, "held_out": n_test, "seed": seed, "settings": asdict(settings)}
    card = {
        "physics": change.physics,
        "tables_sha256": sources.digest(),
        "log_gf_shifts": [[*key, shift] for key, shift in shifts.items()],
        "training": training,
        "held_out_errors": described(errors),
    }
    save_change(change, out / "change.safetensors", card)
    _save_emulator_with(change, card, out)
    typer.echo(f"Written: {out / 'change.safetensors'}, {out / 'emulator.safetensors'} ({change.physics})")


@train.command("physics")
def train_physics(
    tables: Annotated[
        list[Path], typer.Argument(metavar="TABLE.npz…", help="Tables of departures of Fe, Mg, Ca at s = 0 and 1.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of this training; stars that it holds are kept.")],
    stars: Annotated[
        int, typer.Option(min=20, help="Stars of the grid, synthesised in a physics drawn for each.")
    ] = 300,
    processes: Annotated[int, typer.Option(min=1, help="Stars synthesised at the same time.")] = 1,
    data: DataOption = None,
    turbospectrum: TurbospectrumOption = None,
) -> None:
    """Synthesise stars of the grid with structures of their own and iron in NLTE, and learn what changes in their spectra.

    Stars that ship are not made again. Prints the errors on held-out stars and with fewer stars; writes the change, the shipped
    emulator with it, and this run's own stars as they would ship.
    """
    from cinn_core.forward_model.physics_change import save_physics_change
    from cinn_core.synthesis.grid_file import calibrated_files, read_grid
    from cinn_core.synthesis.turbospectrum import find_programs
    from cinn_core.training.physics_change import (
        PhysicsChangeSettings,
        learn_physics_change,
        learning_curve,
        physics_change_errors,
    )
    from cinn_core.training.physics_stars import (
        PhysicsSources,
        make_physics_stars,
        shifts_of_run,
    )

    folder = data_folder(data, "grids and synthesis/")
    sources = PhysicsSources(tuple(tables), find_programs(turbospectrum), folder, out)
    require_folder(out)
    made = make_physics_stars(sources, read_grid(calibrated_files(folder)), stars, processes, typer.echo)
    settings = PhysicsChangeSettings()
    change = learn_physics_change(made, settings)
    errors = physics_change_errors(change, made)
    typer.echo(
        "flux over continuum: rms and median of the change; rms, median and 99th percentile of its error, held out"
    )
    typer.echo("  ".join(f"{name} {value:.5f}" for name, value in errors.items() if name != "held_out"))
    for n, error in learning_curve(made, settings):
        typer.echo(f"  {n:5d} stars learned from: rms of the error {error:.5f}")
    card = {
        "physics": change.physics,
        "training": {"stars": len(made.index), "settings": asdict(settings)},
        "tables_sha256": sources.digest(),
        "log_gf_shifts": [[*key, shift] for key, shift in shifts_of_run(sources).items()],
        "held_out_errors": errors,
    }
    _pack_own(made, sources)
    save_physics_change(change, out / "change.safetensors", card)
    _save_emulator_with(change, card, out)
    typer.echo(f"Written: {out / 'change.safetensors'}, {out / 'emulator.safetensors'} ({change.physics})")


def _pack_own(made: PhysicsStars, sources: PhysicsSources) -> None:
    """Write the stars that do not ship yet as they would ship."""
    from cinn_core.training.physics_stars import not_shipped, pack_stars, shifts_of_run

    own, path = not_shipped(made, sources.digest()), sources.run / "stars.npz"
    if len(own.index):
        pack_stars(own, sources.digest(), shifts_of_run(sources), path)
        typer.echo(f"Written: {path}, {len(own.index)} stars that do not ship yet (assets/physics_stars)")


@train.command("structure")
def train_structure(
    out: Annotated[Path, typer.Argument(metavar="OUT.npz", help="File to write; the one that ships is structure.npz.")],
    data: DataOption = None,
) -> None:
    """Learn STAGGER's mean structures minus ATLAS9's; prints the leave-one-out errors and the second shape."""
    from cinn_core.synthesis.atmosphere import load_atmospheres
    from cinn_core.synthesis.structure import save_structure
    from cinn_core.training.structures import (
        differences,
        explained,
        learn_structure,
        left_out,
        mafags_differences,
        read_stagger,
    )

    require_folder_of(out)
    where = data_folder(data, "synthesis/ and nlte/")
    atmospheres = load_atmospheres(where / "synthesis")
    models, mafags = (
        differences(read_stagger(where / "nlte"), atmospheres),
        mafags_differences(where / "nlte", atmospheres),
    )
    structure, residuals = learn_structure(models, mafags)
    typer.echo("left out, log tau500 -3 to +0.5   models  rms K  within 40 K  largest K")
    for row in left_out(models, residuals):
        typer.echo(f"{row.name:32s} {row.models:7d} {row.rms:6.1f} {row.within_40:11.1%} {row.largest:10.0f}")
    for line in explained(structure, models, residuals, mafags):
        typer.echo(line)
    save_structure(structure, out)
    typer.echo(f"Written: {out}")


@train.command("lithium")
def train_lithium(
    out: Annotated[
        Path, typer.Argument(metavar="OUT.npz", help="File to write; the one that ships is nlte/Li_3d.npz.")
    ],
    steps: Annotated[int, typer.Option(min=100, help="Steps of the optimiser.")] = 12_000,
    data: DataOption = None,
    seed: SeedOption = 0,
) -> None:
    """Learn lithium's 3D NLTE - 1D LTE correction from the published network; prints how far it is from it."""
    from cinn_core.nlte.lithium import CORRECTION_3D, read_network
    from cinn_core.synthesis.lithium import save_correction
    from cinn_core.training.lithium import learn_correction

    require_folder_of(out)
    published = read_network(data_folder(data, "nlte/") / "nlte", CORRECTION_3D)
    correction, errors = learn_correction(published, steps, seed, typer.echo)
    typer.echo(f"{errors.stars} stars held out: {errors.within_001:.2%} within 0.01 dex, rms {errors.rms:.4f}")
    save_correction(correction, out)
    typer.echo(f"Written: {out}")


def _print_shifts(lines: Sequence[CalibratedLine], shifts: Mapping[tuple[str, float], float]) -> None:
    typer.echo("line calibrated on the Sun   log gf  laboratory  in NLTE")
    for line in lines:
        shift = shifts.get((line.species, line.wavelength))
        if shift is not None:
            numbers = f"{line.log_gf:11.3f} {line.laboratory:11.3f} {line.log_gf + shift:8.3f}"
            typer.echo(f"{line.species} {line.wavelength:9.3f} Å {numbers}")


def _print_errors(errors: Sequence[ChangeError]) -> None:
    for e in errors:
        if math.isnan(e.wavelength):
            name, numbers = f"{e.element}  flux      ", f"{100 * e.change:7.3f} %   {100 * e.error:7.3f} % "
        else:
            name, numbers = f"{e.element} I {e.wavelength:8.2f} Å", f"{e.change:7.2f} mÅ  {e.error:7.2f} mÅ"
        typer.echo(f"{name} {numbers} {e.error / e.change:6.1%}")


def _save_emulator_with(change: NlteChange | PhysicsChange, card: Mapping[str, Any], out: Path) -> None:
    """Write the shipped emulator with a change that `out` holds; its card takes over what that of the change says."""
    from cinn_core.forward_model.emulator import load_emulator, save_emulator, with_change, without_change
    from cinn_core.forward_model.forward import emulator_path
    from cinn_core.parameters import file_hash

    shipped, shipped_card = load_emulator(emulator_path())
    both = {
        "physics": change.physics,
        "training": shipped_card["training"],
        "lte_sha256": shipped_card.get("lte_sha256", shipped_card["sha256"]),
        **{key: card[key] for key in ("tables_sha256", "log_gf_shifts", "held_out_errors")},
        "nlte_change_sha256": file_hash(out / "change.safetensors"),
    }
    save_emulator(with_change(without_change(shipped), change), out / "emulator.safetensors", both)
