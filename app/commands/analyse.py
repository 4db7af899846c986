"""`kiel analyse`: the posterior of one spectrum or of several, with what is known from elsewhere, and the zip to take away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinn_core.errors import DataError, KielError

from .options import (
    DeviceOption,
    HduOption,
    NetworkOption,
    RowOption,
    SamplesOption,
    SeedOption,
    require_file,
    require_folder_of,
    write,
    write_json,
)

if TYPE_CHECKING:
    from cinn_core.overrides import Overrides

Files = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="Spectra, one star each: FITS, its .gz, or a text table.")
]
Json = Annotated[
    Path | None,
    typer.Option("--json", metavar="OUT", help="Also write the result as JSON here; a folder for several files."),
]
Bundle = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="ZIP", help="Also write everything as one zip here; a folder for several files."),
]
Constraints = Annotated[
    list[str] | None,
    typer.Option(
        "--constraint", metavar="TARGET=MEAN,SIGMA", help="Known from elsewhere, say logg=4.44,0.02; may be repeated."
    ),
]


def analyse(
    files: Files,
    overrides: Overrides,
    json: Json = None,
    bundle: Bundle = None,
    constraint: Constraints = None,
    importance: Annotated[
        bool,
        typer.Option("--importance", help="Also weigh the samples against the likelihood; about a minute a star."),
    ] = False,
    samples: SamplesOption = 4096,
    seed: SeedOption = 0,
    network: NetworkOption = None,
    device: DeviceOption = "auto",
    hdu: HduOption = None,
    row: RowOption = None,
) -> None:
    """The posterior of each spectrum, the same as on the dashboard."""
    for file in files:
        require_file(file)
    several = len(files) > 1
    if len({file.name for file in files}) < len(files) and (json or bundle):
        raise DataError("Two of the files have the same name, and so would their results; analyse them one by one.")
    for out in (json, bundle):
        _require_output(out, several)
    from cinn_core.inference.constraints import parse_constraint

    given = tuple(parse_constraint(text) for text in constraint or ())
    from .tables import print_analysis, print_constrained, progress

    with progress() as report:
        report("Loading the model")
        from cinn_core.analyse import analyse as run
        from cinn_core.analyse import load_model
        from cinn_core.output.bundle import SavedStar, star_document, write_bundle

        model = load_model(device, network)
    refused = False
    for file in files:
        try:
            with progress() as report:
                analysis = run(
                    file,
                    model,
                    overrides=overrides,
                    n_samples=samples,
                    seed=seed,
                    hdu=hdu,
                    row=row,
                    with_importance=importance,
                    progress=report,
                )
        except KielError as error:
            if not several:
                raise
            typer.echo(f"{file}: {' '.join(str(error).split())}", err=True)
            refused = True
            continue
        source = None if bundle is None else file.read_bytes()
        star = SavedStar(analysis, overrides, given, source, hdu, row)
        print_analysis(analysis)
        if (constrained := star.constrained) is not None:
            print_constrained(constrained)
        write_json(star_document(star), _output(json, file, ".json", several))
        if bundle is not None:
            from ..page.figures.printed import printed_files

            path = _output(bundle, file, ".zip", several)
            assert path is not None
            figures = printed_files(star)
            write(lambda star=star, path=path, figures=figures: write_bundle(star, path, figures), path)  # type: ignore[misc]
    if refused:
        raise typer.Exit(2)


def _require_output(out: Path | None, several: bool) -> None:
    if not several:
        require_folder_of(out)
    elif out is not None and not out.is_dir():
        raise DataError(
            f"{out} is no folder; with several spectra name a folder that exists, one file a star goes there."
        )


def _output(out: Path | None, file: Path, suffix: str, several: bool) -> Path | None:
    """Where the result of a file goes: `out` itself, or the file's name in the folder `out`."""
    return out / (file.name + suffix) if several and out is not None else out
