"""The median saliency of the held-out stars, shipped for the page: what the network looks at in general."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..assets import assets_directory
from ..model import Model


def shipped_background_path() -> Path:
    return assets_directory() / "saliency.npz"


def save_background(background: NDArray, path: Path, network_sha256: str) -> None:
    """Writes the median saliency of the test stars (13, N_PIXELS) with the network it belongs to, whole or not at all."""
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, background=background.astype(np.float16), network_sha256=np.array(network_sha256))
    os.replace(part, path)


def load_background(model: Model, path: Path | None = None) -> NDArray | None:
    """The median saliency (13, N_PIXELS) of test stars; None where there is none, or that of another network."""
    path = path or shipped_background_path()
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as stored:
        if str(stored["network_sha256"]) != model.cards["network"]["sha256"]:
            return None
        return stored["background"].astype(np.float32)
