"""The command `kiel batch`: many spectra to Parquet partitions, and with --export to one VOTable or FITS table too."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    DeviceOption,
    ErrorNameOption,
    FluxNameOption,
    NetworkOption,
    OrderNameOption,
    SamplesOption,
    SeedOption,
    WaveNameOption,
)

if TYPE_CHECKING:
    from cinn_core.batch.plan import Plan
    from cinn_core.batch.run import Progress

_AHEAD_S = 0.5


def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT…",
            help="Files, folders, globs, URLs, tables and stacks of many spectra; @LIST names a list of them.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of the partitions; an earlier batch goes on.")
    ],
    samples: SamplesOption = 4096,
    seed: SeedOption = 0,
    processes: Annotated[int, typer.Option(min=1, help="Processes that read and prepare.")] = os.cpu_count() or 1,
    shard: Annotated[int, typer.Option(min=1, max=100_000, help="Spectra a partition.")] = 256,
    fast: Annotated[bool, typer.Option("--fast", help="512 Sobol latents a star instead of random samples.")] = False,
    reduced: Annotated[
        bool, typer.Option("--reduced", help="bfloat16 in the hidden layers, where the hardware has it.")
    ] = False,
    keep_samples: Annotated[
        bool, typer.Option("--keep-samples", help="Write the samples too, in half precision.")
    ] = False,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Over a Ray cluster: ray://HOST:PORT, auto, or local.")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(metavar="TABLE", help="When done, also one table: .vot, .xml or .fits.")
    ] = None,
    network: NetworkOption = None,
    device: DeviceOption = "auto",
    wave: WaveNameOption = None,
    flux: FluxNameOption = None,
    error: ErrorNameOption = None,
    order: OrderNameOption = None,
) -> None:
    """The posterior of every spectrum as a row of Parquet partitions; stopped or killed, the same command goes on."""
    from cinn_core.batch.items import find_items
    from cinn_core.batch.plan import BatchSettings, make_plan
    from cinn_core.batch.rows import export_rows, require_table_name
    from cinn_core.batch.run import parameter_hashes, sole_user

    if export is not None:
        require_table_name(export)
    own = None if network is None else str(network.absolute())
    settings = BatchSettings(
        512 if fast else samples, seed, reduced, fast, keep_samples, own, 1.0, wave, flux, error, order
    )
    items = list(find_items(inputs, settings.naming))
    with sole_user(out):
        plan = make_plan(out, items, settings, parameter_hashes(settings), shard)
        _run(plan, processes, shard, ray, device)
        answered, refused = plan.counts()
        typer.echo(f"Written: {plan.folder / 'rows'} ({answered} stars, {refused} refused, each with its reason)")
        if export is not None:
            export_rows(plan.folder, export)
            typer.echo(f"Written: {export}")


def _run(plan: Plan, processes: int, shard: int, ray: str | None, device: str) -> None:
    """Do what a plan has left to do, here or over a Ray cluster, with a line of progress."""
    from cinn_core.batch.run import run_local, run_on_ray

    todo = plan.n_items - plan.n_done()
    typer.echo(f"{plan.n_items} spectra, {todo} to do, in {plan.folder}")
    report = _Line()
    if todo and ray is not None:
        run_on_ray(plan, ray, None if ray != "local" else processes, report)
    elif todo:
        run_local(plan, device, min(processes, -(-todo // shard)), report)
    report.end()


class _Line:
    """Progress as one line that is written over on a terminal, and as a line a minute elsewhere."""

    def __init__(self) -> None:
        self._terminal, self._last, self._shown = sys.stderr.isatty(), "", 0.0

    def __call__(self, progress: Progress) -> None:
        import time

        hours, rest = divmod(int(progress.seconds_left), 3600)
        left = f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"
        self._last = f"{progress.done} of {progress.total}, {progress.per_second:.2f} a second, {left} left"
        if self._terminal:
            typer.echo(f"\r{self._last}   ", err=True, nl=False)
        elif time.monotonic() - self._shown > 60:
            self._shown = time.monotonic()
            typer.echo(self._last, err=True)

    def end(self) -> None:
        if self._last:
            typer.echo(f"\r{self._last}" if self._terminal else self._last, err=True)
