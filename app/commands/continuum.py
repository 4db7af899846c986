"""The command `kiel evaluate continuum`: errors of the continuum on simulated stars whose continuum is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from .options import DeviceOption, JsonOption, NetworkOption, SeedOption, require_folder_of, write_json

_LABEL_SNR = 100.0


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
