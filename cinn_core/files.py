"""Files: the assets, the folder of data outside the repository, and how a file is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from .errors import DataError, KielError

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


EXAMPLES: tuple[str, ...] = ("solar-twin", "metal-poor-giant", "lithium-rich-dwarf")
"""The simulated stars that ship, in the order in which they are offered."""


def assets_directory() -> Path:
    """The folder of assets: inside the package of a wheel, beside it in a checkout."""
    package = Path(str(files("cinn_core")))
    installed = package / "assets"
    return installed if installed.is_dir() else package.parent / "assets"


def asset_path(*parts: str) -> Path:
    """Path of one asset, say `asset_path("weights", "network.safetensors")`; KielError where it is missing."""
    path = assets_directory().joinpath(*parts)
    if not path.exists():
        raise KielError(f"Kiel's own file {'/'.join(parts)} is missing from {assets_directory()}; reinstall Kiel.")
    return path


def example_paths() -> dict[str, Path]:
    """The example spectra, simulated by Kiel's own forward model, by name."""
    return {name: asset_path("examples", f"{name}.fits") for name in EXAMPLES}


@contextmanager
def written(path: Path) -> Iterator[Path]:
    """Yield the path of a new file beside `path` to write to, and rename it to `path` at the end.

    So the file is written whole or not at all: after an error inside, `path` is what it was and nothing lies beside it.
    The hidden name holds the process, so that several processes may write the same file.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str, encoding: str = "utf-8") -> None:
    """Write a text, whole or not at all."""
    with written(path) as part:
        part.write_text(text, encoding=encoding)


def write_arrays(path: Path, arrays: Mapping[str, Any], *, compressed: bool = False) -> None:
    """Write arrays by name as one .npz file, whole or not at all."""
    import numpy as np  # late: most that find a file need no arrays

    with written(path) as part, part.open("wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)
