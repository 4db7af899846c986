"""Opens a grid of departure coefficients in whichever of the formats it is."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from ..synthesis.abundances import SOLAR_ABUNDANCES
from ..synthesis.line_lists import SYMBOLS
from .departures import DepartureGrid
from .pysme_files import open_grd
from .table import read_table
from .turbospectrum_files import open_binary_grid

_NPZ, _GRD = b"PK\x03\x04", b"DirectAccess"


def open_departures(path: Path, element: str, index: Path | None = None) -> DepartureGrid:
    """The grid of one element: Kiel's own .npz, PySME's .grd, or Turbospectrum's binary with its auxData as `index`.

    The first bytes decide, not the name. Raises DataError for a missing file, another element, or a binary file
    without its index.
    """
    if not path.is_file():
        raise DataError(f"There is no file of departure coefficients {path}.")
    with path.open("rb") as file:
        start = file.read(12)
    if start.startswith(_NPZ):
        table = read_table(path)
        if table.element != element:
            raise DataError(f"{path} holds departure coefficients of {table.element}; {element} was asked for.")
        return table.grid()
    if start == _GRD:
        return open_grd(path, element, SOLAR_ABUNDANCES[SYMBOLS.index(element) + 1])
    if index is None:
        raise DataError(f"{path.name} looks like Turbospectrum's binary; name its auxData file too.")
    return open_binary_grid(path, index, element)
