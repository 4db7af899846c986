"""The command `kiel find`: spectra of a star in archives, those that Kiel can use, and one of them fetched."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cinn_core.errors import DataError, KielError

from .options import one_line, write

if TYPE_CHECKING:
    from cinn_core.vo.archives import Search


def find(
    star: Annotated[
        list[str], typer.Argument(metavar="STAR", help='A name, "HD 140283", or ICRS coordinates, "220.76 -9.93".')
    ],
    archive: Annotated[
        list[str] | None,
        typer.Option(
            "--archive", metavar="NAME", help="eso, polarbase, or a service as tap:URL or ssa:URL; may be repeated."
        ),
    ] = None,
    radius: Annotated[float, typer.Option(min=1, max=3600, metavar="ARCSEC", help="How far around the star.")] = 60.0,
    get: Annotated[int | None, typer.Option("--get", min=1, metavar="N", help="Fetch the Nth of the list.")] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for what is fetched.")] = Path("."),
) -> None:
    """Spectra of a star in archives that cover the windows at R ≥ 18 500; the archives' own words on each."""
    from cinn_core.vo import archives

    if get is not None and not out.is_dir():
        raise DataError(f"{out} is not a folder; name one that exists.")
    asked = {one.name: one for one in map(archives.archive_of, archive or archives.ARCHIVES)}
    where = archives.position(" ".join(star))
    found = archives.find(where, asked.values(), radius)
    _show(found)
    if get is None:
        return
    if get > len(found.spectra):
        raise KielError(f"There is no spectrum {get}; the list has {len(found.spectra)}.")
    chosen = found.spectra[get - 1]
    content, name = archives.fetch(chosen, asked[chosen.archive])
    path = out / name
    if path.exists():
        raise DataError(f"{path} is there already; move it, or name another folder with --out.")
    write(lambda: _write(path, content), path)


def _write(path: Path, content: bytes) -> None:
    from cinn_core.files import written

    with written(path) as part:
        part.write_bytes(content)


def _show(found: Search) -> None:
    """The list, how many were left out and why, and what went wrong."""
    from rich.markup import escape
    from rich.table import Table

    from .tables import wide

    rows = [
        (str(i), one.archive, one.target, one.instrument, f"{one.resolving_power:.0f}", f"{one.low:.0f}-{one.high:.0f}",
         _known(one.snr, 0), _date(one.mjd), _known(one.megabytes, 1))
        for i, one in enumerate(found.spectra, 1)
    ]  # fmt: skip
    if rows:
        table = Table()
        for heading in ("", "archive", "target", "instrument", "R", "Å", "S/N", "date", "MB"):
            table.add_column(heading)
        for row in rows:
            table.add_row(*map(escape, row))
        wide(None, 110).print(table)
    else:
        typer.echo("No spectrum that Kiel can use.")
    for reason, n in found.left_out.items():
        typer.echo(f"{n} left out: {reason}")
    for complaint in found.complaints:
        typer.echo(one_line(KielError(complaint)), err=True)


def _known(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}" if value == value else ""


def _date(mjd: float) -> str:
    from astropy.time import Time

    return "" if mjd != mjd else str(Time(mjd, format="mjd").iso)[:10]
