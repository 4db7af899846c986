"""Files: the assets, the folder of data outside the repository, results kept for later processes, and how a file is written."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

from .errors import DataError, KielError

VARIABLE = "KIEL_DATA"
CACHE_VARIABLE = "KIEL_CACHE"
_CACHED = 3
"""Results of one name that stay in the cache: those of other releases or weights go, the oldest first."""
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


def cache_directory() -> Path:
    """The folder of results that later processes use again: $KIEL_CACHE, else `kiel` in $XDG_CACHE_HOME or ~/.cache."""
    if os.environ.get(CACHE_VARIABLE):
        return Path(os.environ[CACHE_VARIABLE])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kiel"


def hash_of(*parts: str | Path) -> str:
    """Hash of texts and of the contents of files: the key of a result that depends on nothing else."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else part.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]


def contents_sha256(paths: Iterable[Path]) -> str:
    """SHA-256 of the contents of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def computed_once(name: str, key: str, compute: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Arrays by name from the cache, else computed and left there for the next process; `key` names all they depend on.

    A cache that cannot be read or written costs time alone: the arrays are computed.
    """
    import numpy as np  # late: most that find a file need no arrays

    try:
        path = cache_directory() / f"{name}-{key}.npz"
        with np.load(path, allow_pickle=False) as stored:
            return {array: stored[array] for array in stored.files}
    except (OSError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile):
        arrays = {array: np.asarray(values) for array, values in compute().items()}
    with suppress(OSError, RuntimeError):  # a home that cannot be written, or none
        folder = cache_directory()
        folder.mkdir(parents=True, exist_ok=True)
        write_arrays(folder / f"{name}-{key}.npz", arrays)
        for old in sorted(folder.glob(f"{name}-*.npz"), key=lambda path: path.stat().st_mtime)[:-_CACHED]:
            old.unlink(missing_ok=True)
    return arrays
