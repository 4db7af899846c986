"""The command `kiel analyse`: the posterior of one spectrum or of several, under constraints, and the zip to take away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cinn_core.errors import DataError, KielError

from .options import (
    REFUSED,
    DeviceOption,
    ErrorNameOption,
    FluxNameOption,
    HduOption,
    NetworkOption,
    OrderNameOption,
    RowOption,
    SamplesOption,
    SeedOption,
    WaveNameOption,
    one_line,
    require_file,
    require_folder_of,
    write,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cinn_core.analyse import Prepare
    from cinn_core.inference.constraints import Constraint
    from cinn_core.output.bundle import SavedStar
    from cinn_core.overrides import Overrides
    from cinn_core.stages import Spectrum

FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE…", help="Spectra, one star each, or exposures of one star: FITS, its .gz, or a text table."
    ),
]
JsonFilesOption = Annotated[
    Path | None,
    typer.Option("--json", metavar="OUT", help="Also write the result as JSON here; a folder for several files."),
]
BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", metavar="ZIP", help="Also write everything as one zip here; a folder for several files."),
]
ImportanceOption = Annotated[
    bool, typer.Option("--importance", help="Also weight the samples by the likelihood; about a minute a star.")
]
MoreOption = Annotated[
    bool, typer.Option("--more", help="Also thirteen more elements (O, Na, Al, V, Cr, … Eu); some seconds a star.")
]
CombineOption = Annotated[
    bool, typer.Option("--combine", help="The files are exposures of one star: add them, and analyse the sum.")
]
SampOption = Annotated[
    bool, typer.Option("--samp", help="Also send table, spectrum and samples to TOPCAT, Aladin … on this machine.")
]


def analyse(
    files: FilesArgument,
    overrides: Overrides,
    constraints: tuple[Constraint, ...],
    json: JsonFilesOption = None,
    bundle: BundleOption = None,
    importance: ImportanceOption = False,
    more: MoreOption = False,
    samples: SamplesOption = 4096,
    seed: SeedOption = 0,
    network: NetworkOption = None,
    device: DeviceOption = "auto",
    hdu: HduOption = None,
    row: RowOption = None,
    wave: WaveNameOption = None,
    flux: FluxNameOption = None,
    error: ErrorNameOption = None,
    order: OrderNameOption = None,
    combine: CombineOption = False,
    samp: SampOption = False,
) -> None:
    """The posterior of each spectrum, or of their sum, the same as on the dashboard."""
    _require(files, json, bundle, combine)
    from .tables import progress

    with progress() as report:
        report("Loading the model")
        from cinn_core.analyse import analyse as run
        from cinn_core.analyse import load_model
        from cinn_core.output.bundle import SavedStar
        from cinn_core.preparation.fourmost import prepare
        from cinn_core.readers import Naming

        model = load_model(device, network)
    which: dict[str, Any] = {"hdu": hdu, "row": row, "naming": Naming(wave, flux, error, order)}
    asked: dict[str, Any] = {"with_importance": importance, "with_more": more, **which}
    several, refused = len(files) > 1 and not combine, False
    for file in files[:1] if combine else files:
        try:
            with progress() as report:
                spectrum, preparing = _exposures(files, which) if combine else (file, prepare)
                analysis = run(
                    spectrum, model, overrides=overrides, n_samples=samples, seed=seed, preparing=preparing,
                    progress=report, **asked,
                )  # fmt: skip
        except KielError as problem:
            if not several:
                raise
            typer.echo(f"{file}: {one_line(problem)}", err=True)
            refused = True
            continue
        source = file.read_bytes() if bundle and not combine else None
        star = SavedStar(analysis, overrides, constraints, source, hdu, row, which["naming"])
        _show(star, _output(json, file, ".json", several), _output(bundle, file, ".zip", several))
        if samp:
            _send(star)
    if refused:
        raise typer.Exit(REFUSED)


def _exposures(files: list[Path], which: Mapping[str, Any]) -> tuple[Spectrum, Prepare]:
    """First of several exposures of one star, and the preparation that adds all of them."""
    from cinn_core.preparation.combine import combine
    from cinn_core.readers import read

    spectra = [read(file, **which) for file in files]
    return spectra[0], lambda _, templates, overrides: combine(spectra, templates, overrides)


def _require(files: list[Path], json: Path | None, bundle: Path | None, combine: bool) -> None:
    """Refuse spectra that are not there, and outputs that could not be written or would overwrite each other."""
    for file in files:
        require_file(file)
    if combine and len(files) < 2:
        raise DataError("--combine adds several exposures of one star; name two files or more.")
    if len({file.name for file in files}) < len(files) and (json or bundle) and not combine:
        raise DataError("Two of the files have the same name, and so would their results; analyse them one by one.")
    for out in (json, bundle):
        if len(files) == 1 or combine:
            require_folder_of(out)
        elif out is not None and not out.is_dir():
            raise DataError(
                f"{out} is not a folder; with several spectra name a folder that exists, one file a star goes there."
            )


def _show(star: SavedStar, json: Path | None, bundle: Path | None) -> None:
    """Print the tables of a star and write its JSON and its zip where they were asked for."""
    from cinn_core.output.bundle import star_document, write_bundle

    from .tables_star import print_analysis, print_constrained

    print_analysis(star.analysis)
    if (constrained := star.constrained) is not None:
        print_constrained(constrained)
    write_json(star_document(star), json)
    if bundle is not None:
        from ..page.figures.printed import printed_files

        figures = printed_files(star)
        write(lambda: write_bundle(star, bundle, figures), bundle)


def _send(star: SavedStar) -> None:
    from cinn_core.vo.samp import send_star

    for line in send_star(star.analysis):
        typer.echo(f"Sent to {line}")


def _output(out: Path | None, file: Path, suffix: str, several: bool) -> Path | None:
    """Where the result of a file goes: `out` itself, or the file's name in the folder `out`."""
    return out / (file.name + suffix) if several and out is not None else out
