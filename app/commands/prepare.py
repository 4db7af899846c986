"""The command `kiel prepare`: one spectrum as 4MOST would have observed it, as a FITS file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import (
    ErrorNameOption,
    FileArgument,
    FluxNameOption,
    HduOption,
    OrderNameOption,
    RowOption,
    WaveNameOption,
    require_file,
    require_folder_of,
    write,
)

if TYPE_CHECKING:
    from cinn_core.overrides import Overrides


def prepare(
    file: FileArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT.fits", help="Where the prepared spectrum goes.")],
    overrides: Overrides,
    hdu: HduOption = None,
    row: RowOption = None,
    wave: WaveNameOption = None,
    flux: FluxNameOption = None,
    error: ErrorNameOption = None,
    order: OrderNameOption = None,
) -> None:
    """The spectrum as 4MOST would have seen it, alone: R = 20 000, 0.1 Å pixels, at rest, continuum 1."""
    require_file(file)
    require_folder_of(out)
    from .tables import progress
    from .tables_star import print_preparation

    with progress() as report:
        report("Loading the model")
        from cinn_core.preparation.fourmost import prepare as run
        from cinn_core.preparation.prepared import write_prepared
        from cinn_core.preparation.templates import shipped_templates
        from cinn_core.readers import Naming, read

        templates = shipped_templates()
        report(f"Preparing {file.name}")
        vector = run(read(file, hdu=hdu, row=row, naming=Naming(wave, flux, error, order)), templates, overrides)
    print_preparation(vector)
    write(lambda: write_prepared(vector, out), out)
