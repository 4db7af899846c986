"""Where Kiel's own files are: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from .errors import KielError

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
