"""Synthesis engine of a command, opened with its programs, line lists and data."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import data_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from cinn_core.synthesis.engine import Engine, OwnInputs
    from cinn_core.synthesis.turbospectrum_nlte import NlteElement

EngineOption = Annotated[
    Literal["turbospectrum", "pysme"],
    typer.Option(help="The synthesis code: Turbospectrum, or PySME from `pip install pysme-astro`."),
]
TurbospectrumOption = Annotated[
    Path | None,
    typer.Option(
        "--turbospectrum",
        metavar="DIR",
        help="Folder with babsma_lu, bsyn_lu and DATA; else $KIEL_TURBOSPECTRUM, else build/turbospectrum.",
    ),
]


@contextmanager
def engine_opener(
    engine: str,
    data: Path | None,
    programs: Path | None,
    inputs: OwnInputs | None = None,
    scratch_in: Path | None = None,
    nlte: tuple[NlteElement, ...] = (),
    lithium_in_3d: bool = False,
) -> Iterator[Callable[[], Engine]]:
    """Give a function that opens the engine, here and in other processes; unpacked line lists last as long as the context."""
    folder = data_folder(data, "synthesis/")
    from cinn_core.synthesis.engine import NO_INPUTS

    inputs = inputs or NO_INPUTS
    if engine == "pysme":
        from cinn_core.synthesis.pysme import open_pysme

        yield partial(open_pysme, folder, inputs)
        return
    from cinn_core.synthesis.turbospectrum import find_programs, open_turbospectrum

    turbospectrum = find_programs(programs)
    with tempfile.TemporaryDirectory(prefix="kiel-lines-", dir=scratch_in) as scratch:
        if lithium_in_3d:
            from cinn_core.synthesis.lithium import open_lithium_3d

            yield partial(open_lithium_3d, turbospectrum, folder, Path(scratch), inputs, nlte)
            return
        yield partial(open_turbospectrum, turbospectrum, folder, Path(scratch), inputs, nlte)
