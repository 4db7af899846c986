"""Good files to start from: one made-up star in every format that Kiel reads, and in the layouts of pipelines and people."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from unittest.mock import patch

import file_formats
import h5py
import made_up_layouts
import made_up_variants
import numpy as np
from file_formats import FORMATS, Observation, noise

from cinn_core.stages import Medium

_THINNED, _FEW_ORDERS = 40, 4
_FEW, _FEW_OF_ORDER, _OVERLAP = 300, 150, 30
"""Pixels of a small spectrum and of its orders, and how many of these two orders share."""

_NAMES = "names.json"
STAR = Observation(star=0, rv=20.0, medium=Medium.AIR, response=(0.2, -0.1, 0.05))


_MADE_UP = {
    made.__name__: made for made in (*made_up_layouts.LAYOUTS, made_up_layouts.neid, *made_up_variants.VARIANTS)
}

LAYOUTS = (*FORMATS, "hdf5", *_MADE_UP)


@cache
def good_file(layout: str) -> tuple[bytes, str]:
    """Bytes and name of the good file in a layout."""
    return _made(layout)


def _made(layout: str) -> tuple[bytes, str]:
    if layout in _MADE_UP:
        with _made_up_with(RNG=np.random.default_rng(11)):
            return _MADE_UP[layout](), "star"
    return FORMATS[layout](STAR) if layout in FORMATS else (_hdf5(), "HIRES_star.h5")


@contextmanager
def _made_up_with(**values: object) -> Iterator[None]:
    """The modules of made-up layouts with other values of their constants."""
    with ExitStack() as stack:
        for module in (made_up_layouts, made_up_variants):
            stack.enter_context(patch.multiple(module, **{k: v for k, v in values.items() if hasattr(module, k)}))
        yield


@cache
def small_seeds() -> dict[str, tuple[bytes, str]]:
    """The same layouts with few pixels and orders: a reader takes milliseconds, and hardly anything can be prepared."""
    few = [(wave[::8], flux[::8]) for wave, flux in file_formats._orders(STAR)[:_FEW_ORDERS]]
    thin = {"LINEAR": file_formats.LINEAR[::_THINNED], "LOG10": file_formats.LOG10[::_THINNED]}
    with patch.multiple(file_formats, _orders=lambda _: few, **thin), _made_up_with(**_few_pixels()):
        return {layout: _made(layout) for layout in LAYOUTS}


def _few_pixels() -> dict[str, object]:
    """Constants of the made-up layouts with few pixels and orders; orders overlap as they do with many."""
    wave = 5140.0 + 0.05 * np.arange(_FEW)
    starts = 0.05 * (_FEW_OF_ORDER - _OVERLAP) * np.arange(_FEW_ORDERS)[:, None]
    order_wave = 5140.0 + starts + 0.05 * np.arange(_FEW_OF_ORDER)
    blaze = np.sinc(np.linspace(-1, 1, _FEW_OF_ORDER) * 0.6) ** 2
    return {
        "N": _FEW_OF_ORDER, "ORDERS": _FEW_ORDERS, "WAVE": wave, "RED": wave + 960.0, "ORDER_WAVE": order_wave, "BLAZE": blaze,
        "ORDER_FLUX": made_up_layouts.noisy(order_wave, 1e4) * blaze,
        "ORDER_ERROR": 50.0 * np.sqrt(blaze) * np.ones((_FEW_ORDERS, 1)),
    }  # fmt: skip


def write_seeds(good: dict[str, tuple[bytes, str]], folder: Path) -> None:
    """Write good files to a folder, for processes that are to start without the emulator."""
    folder.mkdir(parents=True, exist_ok=True)
    for layout, (data, _) in good.items():
        (folder / layout).write_bytes(data)
    (folder / _NAMES).write_text(json.dumps({layout: name for layout, (_, name) in good.items()}))


def read_seeds(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Read what `write_seeds` wrote."""
    names = json.loads((folder / _NAMES).read_text())
    return {layout: ((folder / layout).read_bytes(), name) for layout, name in names.items()}


def _hdf5() -> bytes:
    wave = file_formats.LINEAR
    flux = STAR.flux(wave)
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["AIRORVAC"] = "air"
        for name, values in {"wavelength": wave, "flux": flux, "error": noise(flux, wave)}.items():
            file.create_dataset(name, data=np.asarray(values), compression="gzip", compression_opts=1)
        file["wavelength"].attrs["unit"] = "Angstrom"
    return buffer.getvalue()
