"""Where training and evaluation find data that the repository does not hold: grids, spectra, synthesis input."""

from __future__ import annotations

import os
from pathlib import Path

from .errors import DataError

VARIABLE = "KIEL_DATA"
_BESIDE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared"


def data_directory(option: Path | None = None) -> Path | None:
    """The data folder: `option`, else $KIEL_DATA, else `shared` beside the checkout; None where there is none.

    Raises DataError where a folder was named and does not exist.
    """
    named = option or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is None:
        return _BESIDE_CHECKOUT if _BESIDE_CHECKOUT.is_dir() else None
    if not named.is_dir():
        source = "--data" if option else VARIABLE
        raise DataError(f"The data folder {named} named by {source} does not exist.")
    return named
