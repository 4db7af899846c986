"""The command `kiel evaluate continuum`: errors of the continuum on simulated stars whose continuum is known."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import JsonOption, SeedOption, require_folder_of, write_json


def evaluate_continuum(
    stars: Annotated[int, typer.Option(min=20, help="Simulated stars, drawn from the prior.")] = 1000,
    snr: Annotated[float, typer.Option(min=5.0, help="S/N per Å of their noise.")] = 50.0,
    json: JsonOption = None,
    seed: SeedOption = 0,
) -> None:
    """The continuum on simulated stars of known continuum: rms error over the Kiel diagram."""
    require_folder_of(json)
    from cinn_core.model import load_forward
    from cinn_core.preparation.continuum_error import continuum_figures
    from cinn_core.preparation.templates import make_templates

    forward = load_forward()
    figures = continuum_figures(forward, make_templates(forward), stars, snr, seed)
    named = (("4500-6800 K, vbroad < 30", "core"), ("4500-6800 K, vbroad >= 30", "core_rotating"), ("all", "all"))
    typer.echo(f"Error of the continuum at S/N {snr:g} per Å: rms, bias, median rms of one star [%]")
    for entry in [{"name": name, **figures[key]} for name, key in named] + figures["regions"]:
        if entry["n"]:
            numbers = "  ".join(f"{100 * entry[key]:+7.3f}" for key in ("rms", "bias", "median_rms"))
            typer.echo(f"{entry['name']:<28}{entry['n']:>6} stars  {numbers}")
    write_json(figures, json)
