"""Files at and beyond the largest: each ends within 10 s and 2 GB in a result or one sentence, under the limit of `ulimit -v`."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

pytestmark = pytest.mark.nightly

SECONDS, BYTES = 10.0, 2 * 1024**3
"""CPU time and memory beyond what the libraries have taken once they are loaded."""

PROBE = """
import json, resource, sys, time
from pathlib import Path
from cinn_core.errors import KielError
from cinn_core.readers import list_spectra, read
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
began = time.process_time()
try:
    said, pixels = "", int(read(Path(sys.argv[1])).wavelength.size)
    list_spectra(Path(sys.argv[1]))
except KielError as problem:
    said, pixels = str(problem), 0
print(json.dumps({"said": said, "pixels": pixels, "seconds": time.process_time() - began}))
"""


def tried(path: Path) -> dict[str, object]:
    """What reading a file came to in a process of its own with a limit on its addresses."""
    run = subprocess.run(
        [sys.executable, "-c", PROBE, str(path), str(BYTES)], capture_output=True, text=True, timeout=600, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout.splitlines()[-1])


def lines(wavelength: np.ndarray) -> bytes:
    flux = 1 + 0.01 * np.random.default_rng(2).normal(size=wavelength.size)
    return "\n".join(f"{w:.4f} {f:.4f}" for w, f in zip(wavelength.tolist(), flux.tolist(), strict=True)).encode()


def shuffled(path: Path) -> None:
    """Three million lines in no order."""
    path.write_bytes(lines(np.random.default_rng(1).permutation(np.linspace(5100, 6810, 2_999_999))))


def many_turns(path: Path) -> None:
    """A text of 1.6 MB that runs back 23 000 times."""
    path.write_bytes(lines(np.tile([5200.0, 5200.1, 5200.2, 5200.3], 23_000)))


def long_orders(path: Path) -> None:
    """Two hundred orders of 15 000 lines each."""
    starts = np.linspace(3900, 6900, 200)
    path.write_bytes(lines(np.concatenate([s + 0.005 * np.arange(14_999) for s in starts])))


def sorted_lines(path: Path) -> None:
    """Three million lines in order."""
    path.write_bytes(lines(np.linspace(4000, 6900, 2_999_999)))


def image(path: Path, n: int) -> None:
    hdu = fits.PrimaryHDU((1 + 0.01 * np.random.default_rng(3).normal(size=n)).astype(np.float32))
    hdu.header.update({"CRVAL1": 3800.0, "CDELT1": 4000 / n, "CRPIX1": 1.0, "CUNIT1": "Angstrom", "CTYPE1": "AWAV"})
    hdu.writeto(path)


def ten_million_pixels(path: Path) -> None:
    image(path, 10_000_000)


def three_million_pixels(path: Path) -> None:
    image(path, 3_000_000)


def rows_of_pixels(path: Path) -> None:
    """Ten million pixels as a table of one row a pixel."""
    n = 10_000_000
    wave = np.linspace(4000, 6900, n)
    made = [fits.Column("WAVE", "D", array=wave), fits.Column("FLUX", "E", array=np.ones(n, np.float32))]
    fits.BinTableHDU.from_columns(made).writeto(path)


def _extensions(path: Path, make: Callable[[int], fits.ImageHDU | fits.BinTableHDU]) -> None:
    fits.HDUList([fits.PrimaryHDU(), *(make(i) for i in range(1000))]).writeto(path)


def thousand_images(path: Path) -> None:
    """A thousand extensions, an order each, that overlap."""

    def make(i: int) -> fits.ImageHDU:
        hdu = fits.ImageHDU(1 + 0.01 * np.random.default_rng(i).normal(size=4000).astype(np.float32), name=f"ORDER{i}")
        hdu.header.update({"CRVAL1": 3800.0 + 4 * i, "CDELT1": 0.02, "CRPIX1": 1.0, "CUNIT1": "Angstrom"})
        return hdu

    _extensions(path, make)


def thousand_tables(path: Path) -> None:
    """A thousand tables that do not overlap."""

    def make(i: int) -> fits.BinTableHDU:
        wave = 3800 + 3.0 * i + 0.01 * np.arange(290)
        return fits.BinTableHDU.from_columns(
            [fits.Column("WAVE", "D", array=wave), fits.Column("FLUX", "E", array=np.ones(290, np.float32))]
        )

    _extensions(path, make)


FILES = (
    shuffled, many_turns, long_orders, sorted_lines, ten_million_pixels, three_million_pixels, rows_of_pixels, thousand_images,
    thousand_tables,
)  # fmt: skip


@pytest.mark.parametrize("make", FILES, ids=lambda make: make.__name__)
def test_large_file_ends_in_time_and_memory(make, tmp_path):
    path = tmp_path / make.__name__
    make(path)
    answer = tried(path)
    print(make.__name__, answer)
    assert answer["seconds"] < SECONDS
    assert answer["pixels"] or str(answer["said"]).endswith(".")
    assert len(str(answer["said"])) < 600


def test_largest_image_is_prepared_in_time(tmp_path):
    from synthetic import templates

    from cinn_core.errors import SpectrumError
    from cinn_core.preparation.fourmost import prepare
    from cinn_core.readers import read

    path = tmp_path / "star.fits"
    three_million_pixels(path)
    spectrum, known = read(path), templates()
    began, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with suppress(SpectrumError):
        prepare(spectrum, known)
    assert time.process_time() - began < SECONDS
    assert 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < BYTES
