"""The command `kiel bench`: how fast this machine samples, prepares and takes spectra from files to rows."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer

from .options import JsonOption, require_folder_of, write_json

_PAPER = {"star": 1.29, "thousand": 1290.0}


def bench(
    samples: Annotated[int, typer.Option(min=64, help="Posterior samples a star.")] = 4096,
    spectra: Annotated[int, typer.Option(min=3, help="Spectra that go through the whole chain.")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements whose median is printed.")] = 5,
    json: JsonOption = None,
) -> None:
    """Seconds of processor a spectrum: FrEIA's own pass beside the fast sampler, preparation, and the whole chain."""
    require_folder_of(json)
    for library in ("OPENBLAS", "MKL", "OMP"):  # one thread, read when they load
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    from .tables import progress

    with progress() as report:
        report("Measuring; other work on this machine makes it slower")
        from cinn_core.batch.speed import bench as measure

        figures = measure(samples, spectra, rounds)
    _print(figures)
    write_json(figures, json)


def _print(figures: dict[str, Any]) -> None:
    where = figures["machine"]
    busy = "" if where["load"] is None else f", load {where['load']:.1f}"
    typer.echo(f"{where['processor']}, {where['cores']} cores, torch {where['torch']}{busy}; one thread\n")
    typer.echo(
        f"GLOW 8x256, random weights, {figures['samples']} samples with density      s a star   a second    FrEIA/"
    )
    _print_sampler(figures)
    if figures["gpu"] is not None:
        typer.echo(f"\nthe same on {figures['gpu']['name']}")
        _print_sampler(figures["gpu"])
    typer.echo(
        f"\nshipped network, one star, warm: {figures['shipped_s']:.3f} s (paper: {_PAPER['star']} s on one core)"
    )
    typer.echo(
        f"\nwhole chain over {figures['chain']['spectra']} files, s a spectrum         read    prepare      infer"
    )
    for name, text in (("exact", f"{figures['samples']} random samples"), ("fast", "512 Sobol latents, reduced")):
        c = figures["chain"][name]
        typer.echo(f"  {text:<44}{c['read_s']:>10.4f} {c['prepare_s']:>10.4f} {c['infer_s']:>10.4f}")
    for key, text in (("thousand_hours", "1000 spectra, min"), ("four_million_hours", "4 million spectra, h")):
        scale = 60 if key == "thousand_hours" else 1
        for name, hours in figures[key].items():
            parts = ", ".join(f"{step} {scale * value:.1f}" for step, value in hours.items())
            typer.echo(f"  {text} on all cores, {name}: {parts}")
    errors = figures["quantile_errors"]
    typer.echo(
        "\nrms error of quantiles against 65 536 random samples, in σ: "
        f"512 Sobol {errors['sobol_512']:.3f}, 512 random {errors['random_512']:.3f}, 4096 random {errors['random_4096']:.3f}"
    )


def _print_sampler(figures: dict[str, Any]) -> None:
    rows = (
        ("freia_s", "FrEIA: reverse pass, forward pass for density"),
        ("single_s", "one star"),
        ("batch_s", "batches of 16"),
        ("reduced_s", "batches of 16, reduced precision"),
        ("floor_s", f"arithmetic alone at {figures['gflops']:.0f} Gflop/s"),
        ("reduced_floor_s", f"the same in bfloat16 at {figures['reduced_gflops']:.0f} Gflop/s"),
    )
    for key, text in rows:
        seconds = figures[key]
        typer.echo(f"  {text:<54}{seconds:>10.4f} {1 / seconds:>10.1f} {figures['freia_s'] / seconds:>8.1f}x")
    typer.echo(
        f"  largest difference from FrEIA's samples {figures['max_abs_difference']:.1e}; importance-weight efficiency of "
        f"the reduced {figures['reduced_ess']:.4f}"
    )
