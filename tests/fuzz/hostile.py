"""Hostile files, each made on demand: what it is, what Kiel is told it is called, and what must become of it."""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

import h5py
import numpy as np
from astropy.io import fits
from file_formats import LINEAR, vectors
from synthetic import fits_bytes, image_hdu

from .seeds import STAR


class Expect(Enum):
    """What must become of a file."""

    REFUSED = "refused, in a sentence"
    SAME = "answered, at the velocity of the undamaged star"
    EITHER = "answered or refused"


@dataclass(frozen=True)
class Hostile:
    """One hostile file: how to make its bytes, the name Kiel is told, what must become of it."""

    make: Callable[[], bytes]
    expect: Expect = Expect.REFUSED
    name: str = "star.fits"
    row: int | None = None


AXIS = {"CRVAL1": 5100.0, "CDELT1": 0.03, "CRPIX1": 1.0, "CUNIT1": "Angstrom", "CTYPE1": "AWAV", "INSTRUME": "HIRES"}


@cache
def flux() -> np.ndarray:
    return STAR.flux(LINEAR)


def image(values: np.ndarray, **cards: object) -> bytes:
    return fits_bytes(image_hdu(values, **(AXIS | cards)))


def columns(wave: np.ndarray, values: np.ndarray, **cards: object) -> bytes:
    return fits_bytes(fits.PrimaryHDU(), vectors({"WAVE": wave, "FLUX": values}, **cards))


def text(wave: np.ndarray, values: np.ndarray, form: str = "%.4f %.5g") -> bytes:
    buffer = io.BytesIO()
    np.savetxt(buffer, np.stack([wave, values], 1), fmt=form)
    return buffer.getvalue()


def with_value(value: float, every: int = 997) -> np.ndarray:
    """The star's flux with `value` in one pixel of `every`."""
    damaged = flux().copy()
    damaged[::every] = value
    return damaged


def bomb(size: int, layers: int = 1) -> bytes:
    """`size` zeros compressed over and over."""
    data = io.BytesIO()
    with gzip.GzipFile(fileobj=data, mode="wb", compresslevel=1) as stream:
        for _ in range(0, size, 1_000_000):
            stream.write(bytes(1_000_000))
    packed = data.getvalue()
    for _ in range(layers - 1):
        packed = gzip.compress(packed)
    return packed


def promising(n_pixels: int, **cards: object) -> bytes:
    """A FITS header that promises `n_pixels` and holds none."""
    header = fits.Header({"SIMPLE": True, "BITPIX": -32, "NAXIS": 1, "NAXIS1": n_pixels} | AXIS | cards)
    return header.tostring().encode()


def long_axis(n_pixels: int) -> bytes:
    """A FITS image of this many pixels of nothing but ones, all within the arms' reach, compressed."""
    step = 1800.0 / n_pixels
    head = fits.Header(
        {"SIMPLE": True, "BITPIX": 8, "NAXIS": 1, "NAXIS1": n_pixels} | AXIS | {"CDELT1": step}
    ).tostring()
    body = (np.arange(n_pixels, dtype=np.uint32) * 2654435761 >> 28).astype(np.uint8) + 200
    return gzip.compress(head.encode() + body.tobytes() + bytes(-n_pixels % 2880), 1)


def many_compressed_images(count: int, side: int) -> bytes:
    """Many tile-compressed images of one value: next to nothing in the file, gigabytes unpacked."""
    one = fits_bytes(
        fits.PrimaryHDU(), fits.CompImageHDU(np.zeros((side, side), np.float32), compression_type="GZIP_1")
    )
    return one + one[2880:] * (count - 1)


def every_card() -> bytes:
    """A good image whose header has cards of every type, long, odd and empty ones among them."""
    hdu = image_hdu(flux(), **AXIS)
    header = hdu.header
    odd: dict[str, object] = {
        "LOGICAL": True, "INTEGER": -(2**62), "REAL": 1e-300, "COMPLEX": 1 + 2j, "EMPTY": "", "UNDEF": fits.card.UNDEFINED,
        "QUOTES": "it''s", "LONG": "x" * 4000, "HIERARCH ESO DET CHIP1 A LONG NAME": 3.0, "EXTNAME": "../../etc/passwd",
        "URL": "http://127.0.0.1:1/x", "SNR": "nan", "SPEC_RES": 1e308, "R": "<script>alert(1)</script>", "EQUINOX": 1 << 40,
    }  # fmt: skip
    for key, value in odd.items():
        header[key] = value
    for line in ("x" * 72, "", "=" * 40):
        header.add_history(line)
        header.add_comment(line)
    header["OBJECT"] = "<img src=x onerror=alert(1)>" + "y" * 3000
    return fits_bytes(hdu)


def cards_of_wrong_type(**wrong: str) -> bytes:
    """A good image in whose header the values of these cards are replaced, character by character."""
    data = bytearray(image(flux()))
    for key, value in wrong.items():
        place = data.index(f"{key:<8}=".encode())
        data[place + 10 : place + 80] = f"{value:<70}".encode()[:70]
    return bytes(data)


def variable_length() -> bytes:
    """A table whose columns hold arrays of variable length, and one that points beyond the heap."""
    made = [
        fits.Column(name=n, format="PD()", array=np.array([v, v[:10]], dtype=object))
        for n, v in (("WAVE", LINEAR), ("FLUX", flux()))
    ]
    return fits_bytes(fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made))


def beyond_the_heap() -> bytes:
    data = bytearray(variable_length())
    start = data.index(b"XTENSION")
    body = start + 2880 * (1 + data[start:].index(b"END" + b" " * 77) // 2880)
    data[body : body + 8] = b"\x7f\xff\xff\xff\x7f\xff\xff\xff"
    return bytes(data)


def remote() -> bytes:
    """A grouping table that names members elsewhere, on the net and on the disk."""
    locations = np.array(["http://127.0.0.1:1/a.fits", "file:///etc/passwd", "../../secret.fits"])
    made = [
        fits.Column("MEMBER_NAME", "20A", array=np.array(["A", "B", "C"])),
        fits.Column("MEMBER_LOCATION", "60A", array=locations),
        fits.Column("MEMBER_URI_TYPE", "3A", array=np.array(["URL"] * 3)),
    ]
    return fits_bytes(fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made, name="GROUPING"))


def hdf5(fill: Callable[[h5py.File], object]) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        fill(file)
    return buffer.getvalue()


def _elsewhere() -> Path:
    """An HDF5 file of somebody else's, which no upload may reach."""
    path = Path(os.environ.get("TMPDIR", "/tmp")) / f"kiel-fuzz-secret-{os.getpid()}.h5"
    with h5py.File(path, "w") as file:
        file["wave"], file["flux"] = LINEAR, flux()
    return path


def external_link(file: h5py.File) -> None:
    path = _elsewhere()
    for name in ("wave", "flux"):
        file[name] = h5py.ExternalLink(str(path), name)


def external_group(file: h5py.File) -> None:
    file["star"] = h5py.ExternalLink(str(_elsewhere()), "/")


def external_storage(file: h5py.File) -> None:
    path = _elsewhere().with_suffix(".raw")
    path.write_bytes(np.stack([LINEAR, flux()]).tobytes())
    for i, name in enumerate(("wave", "flux")):
        where = [(str(path), i * LINEAR.nbytes, LINEAR.nbytes)]
        file.create_dataset(name, (LINEAR.size,), "f8", external=where)


def virtual(file: h5py.File) -> None:
    path = _elsewhere()
    for name in ("wave", "flux"):
        layout = h5py.VirtualLayout((LINEAR.size,), "f8")
        layout[:] = h5py.VirtualSource(str(path), name, (LINEAR.size,))
        file.create_virtual_dataset(name, layout)


def circular(file: h5py.File) -> None:
    group = file.create_group("a")
    group["b"], file["c"] = file["/"], h5py.SoftLink("/c")
    group["d"] = h5py.SoftLink("/nowhere")


def many_zeros(file: h5py.File) -> None:
    """Gigabytes of nothing in a few kilobytes."""
    for i in range(40):
        for name in ("wave", "flux"):
            file.create_dataset(f"g{i}/{name}", (29_000_000,), "f8", chunks=(1_000_000,), compression="gzip")


def not_numbers(file: h5py.File) -> None:
    file["wave"], file["flux"] = LINEAR, np.array([b"a"] * LINEAR.size)


def compound(file: h5py.File) -> None:
    file["wave"], file["flux"] = LINEAR, np.zeros(LINEAR.size, dtype=[("a", "f8"), ("b", "i4")])


def _nan() -> dict[str, Hostile]:
    n = LINEAR.size
    same, either = Expect.SAME, Expect.EITHER
    return {
        "all NaN": Hostile(lambda: image(np.full(n, np.nan))),
        "all infinite": Hostile(lambda: image(np.full(n, np.inf))),
        "all zero": Hostile(lambda: image(np.zeros(n))),
        "constant": Hostile(lambda: image(np.ones(n))),
        "all negative": Hostile(lambda: image(-flux())),
        "half negative": Hostile(lambda: image(flux() - np.median(flux())), either),
        "noise alone": Hostile(lambda: image(np.random.default_rng(1).normal(size=n)), either),
        "NaN here and there": Hostile(lambda: image(with_value(np.nan)), same),
        "infinite here and there": Hostile(lambda: image(with_value(np.inf)), same),
        "negative here and there": Hostile(lambda: image(with_value(-4e4)), same),
        "1e30 here and there": Hostile(lambda: image(with_value(1e30)), same),
        "1e38 here and there": Hostile(lambda: image(with_value(3e38)), same),
        "-1e38 here and there": Hostile(lambda: image(with_value(-3e38)), same),
        "tiny flux": Hostile(lambda: columns(LINEAR, flux() * 1e-300), same),
        "huge flux": Hostile(lambda: columns(LINEAR, flux() * 1e300), same),
        "erg flux": Hostile(lambda: columns(LINEAR, flux() * 1e-17), same),
        "NaN wavelengths here and there": Hostile(lambda: columns(np.where(np.arange(n) % 997, LINEAR, np.nan), flux()), same),
        "NaN wavelengths": Hostile(lambda: columns(np.full(n, np.nan), flux())),
        "decreasing wavelengths": Hostile(lambda: columns(LINEAR[::-1], flux()[::-1]), same),
        "shuffled wavelengths": Hostile(lambda: columns(*np.random.default_rng(2).permuted(np.stack([LINEAR, flux()]), axis=1)), either),
        "shuffled pixels": Hostile(lambda: columns(*np.stack([LINEAR, flux()])[:, np.random.default_rng(2).permutation(n)]), same),
        "every wavelength twice": Hostile(lambda: columns(np.repeat(LINEAR, 2), np.repeat(flux(), 2)), either),
        "one wavelength": Hostile(lambda: columns(np.full(n, 5500.0), flux())),
        "wavelengths in nm called Angstrom": Hostile(lambda: columns(LINEAR / 10, flux(), TUNIT1="Angstrom"), same),
        "wavelengths in Angstrom called nm": Hostile(lambda: columns(LINEAR, flux(), TUNIT1="nm"), same),
        "wavelengths in Angstrom called metre": Hostile(lambda: columns(LINEAR, flux(), TUNIT1="m"), same),
        "wavelengths in Hz": Hostile(lambda: columns(2.998e18 / LINEAR, flux(), TUNIT1="Hz")),
        "wavelengths in wavenumbers": Hostile(lambda: columns(1e8 / LINEAR, flux(), TUNIT1="cm-1"), either),
        "wavelengths are pixel numbers": Hostile(lambda: columns(np.arange(n, dtype=float), flux())),
        "wavelengths of the radio": Hostile(lambda: image(flux(), CRVAL1=21e8)),
        "half the wavelengths": Hostile(lambda: columns(LINEAR, flux()[: n // 2])),
    }  # fmt: skip


def _sizes() -> dict[str, Hostile]:
    either = Expect.EITHER
    return {
        "empty": Hostile(lambda: b""),
        "one byte": Hostile(lambda: b"S"),
        "no pixel": Hostile(lambda: promising(0)),
        "one pixel": Hostile(lambda: image(flux()[:1])),
        "two pixels as text": Hostile(lambda: b"5200 1\n5300 1\n", name="star.txt"),
        "table of no rows": Hostile(lambda: fits_bytes(fits.PrimaryHDU(), vectors({"WAVE": LINEAR[:0], "FLUX": LINEAR[:0]}, False))),
        "1e8 pixels promised": Hostile(lambda: promising(10**8)),
        "1e18 pixels promised": Hostile(lambda: promising(10**18)),
        "negative number of pixels": Hostile(lambda: promising(10).replace(b"                  10", b"                 -10")),
        "1e8 pixels compressed": Hostile(lambda: long_axis(10**8)),
        "29 million pixels": Hostile(lambda: long_axis(29 * 10**6)),
        "5 million pixels": Hostile(lambda: long_axis(5 * 10**6)),
        "2.5 million pixels": Hostile(lambda: long_axis(5 * 10**5 * 5), either),
        "many compressed images": Hostile(lambda: many_compressed_images(100, 5400)),
        "image cube": Hostile(lambda: image(np.ones((200, 200, 200), np.float32))),
        "a thousand axes": Hostile(lambda: promising(5, NAXIS=999)),
        "a hundred thousand extensions": Hostile(lambda: fits_bytes(fits.PrimaryHDU()) + _empty_extension() * 20_000, either),
    }  # fmt: skip


def _empty_extension() -> bytes:
    buffer = io.BytesIO()
    fits.ImageHDU().writeto(buffer)
    return buffer.getvalue()[2880:]


def _packed() -> dict[str, Hostile]:
    return {
        "gzip bomb": Hostile(lambda: bomb(3_000_000_000), name="star.fits.gz"),
        "gzip bomb within a gzip bomb": Hostile(lambda: bomb(3_000_000_000, 2)),
        "gzip in ten layers": Hostile(lambda: bomb(1_000_000, 10)),
        "gzip of many members": Hostile(lambda: gzip.compress(b"") * 300_000),
        "gzip with bytes after it": Hostile(lambda: gzip.compress(image(flux()), 1) + b"junk" * 100, Expect.EITHER),
        "cut gzip": Hostile(lambda: gzip.compress(image(flux()), 1)[:-9000]),
        "gzip of text bomb": Hostile(lambda: gzip.compress(b"1 2\n" * 50_000_000, 1)),
        "zip": Hostile(lambda: b"PK\x03\x04" + bytes(500)),
    }


def _texts() -> dict[str, Hostile]:
    either = Expect.EITHER
    return {
        "one endless line": Hostile(lambda: b"1 " * 29_000_000, name="s.txt"),
        "one endless word": Hostile(lambda: b"1" * 59_000_000, name="s.txt"),
        "empty lines alone": Hostile(lambda: b"1" + b"\n" * 58_000_000, name="s.txt"),
        "15 million lines": Hostile(lambda: b"1 2\n" * 14_900_000, name="s.txt"),
        "2 million sensible lines": Hostile(lambda: text(np.linspace(5100, 6900, 2_000_000), np.tile([1.0, 1.01], 10**6)), either, "s.txt"),
        "ten thousand columns": Hostile(lambda: (b"5500 1 " * 5000 + b"\n") * 300, either, "s.txt"),
        "text of NaN": Hostile(lambda: b"5200 nan\n" * 5000, name="s.txt"),
        "text of infinity": Hostile(lambda: text(LINEAR, flux() * np.inf), name="s.txt"),
        "numbers beyond floats": Hostile(lambda: b"".join(b"5200.%05d 1e999\n" % i for i in range(5000)), name="s.txt"),
        "wavelengths beyond floats": Hostile(lambda: b"".join(b"1e%d 1.0\n" % (300 + i) for i in range(5000)), name="s.txt"),
        "decimal commas": Hostile(lambda: text(LINEAR, flux()).replace(b".", b","), either, "s.txt"),
        "text that stops": Hostile(lambda: text(LINEAR, flux())[:-300_003], either, "s.txt"),
        "UTF-16": Hostile(lambda: text(LINEAR, flux()).decode().encode("utf-16"), either, "s.txt"),
        "a letter in the middle": Hostile(lambda: text(LINEAR, flux()).replace(b"5900.0400 ", b"59oo.0400 "), name="s.txt"),
        "named columns of other things": Hostile(lambda: b"wavelength,flux\n" + b"a,b\n" * 500, name="s.csv"),
        "a column named twice": Hostile(lambda: b"flux wave flux\n" + b"5500 5500 1\n" * 500, either, "s.txt"),
    }  # fmt: skip


def _structures() -> dict[str, Hostile]:
    same, either = Expect.SAME, Expect.EITHER
    return {
        "cards of every type": Hostile(every_card, same),
        "CRVAL1 is text": Hostile(lambda: cards_of_wrong_type(CRVAL1="'abc'")),
        "CRVAL1 is true": Hostile(lambda: cards_of_wrong_type(CRVAL1="T")),
        "CRVAL1 is complex": Hostile(lambda: cards_of_wrong_type(CRVAL1="(1.0, 2.0)")),
        "CRVAL1 is nothing": Hostile(lambda: cards_of_wrong_type(CRVAL1="")),
        "CDELT1 is zero": Hostile(lambda: cards_of_wrong_type(CDELT1="0.0")),
        "CDELT1 is tiny": Hostile(lambda: cards_of_wrong_type(CDELT1="1E-300")),
        "CDELT1 is huge": Hostile(lambda: cards_of_wrong_type(CDELT1="1E300")),
        "CDELT1 is negative": Hostile(lambda: cards_of_wrong_type(CDELT1="-0.03"), either),
        "CRPIX1 is huge": Hostile(lambda: cards_of_wrong_type(CRPIX1="1E300")),
        "BITPIX is text": Hostile(lambda: cards_of_wrong_type(BITPIX="'abc'")),
        "BITPIX is 7": Hostile(lambda: cards_of_wrong_type(BITPIX="7")),
        "NAXIS is text": Hostile(lambda: cards_of_wrong_type(NAXIS="'abc'")),
        "NAXIS1 is real": Hostile(lambda: cards_of_wrong_type(NAXIS1="58600.5")),
        "CUNIT1 is a web page": Hostile(lambda: cards_of_wrong_type(CUNIT1="'<html>'"), same),
        "unprintable header": Hostile(lambda: cards_of_wrong_type(CUNIT1="'\x00\x07\x1b[2J'"), either),
        "variable length": Hostile(variable_length, either),
        "variable length, one row": Hostile(variable_length, either, row=0),
        "beyond the heap": Hostile(beyond_the_heap),
        "grouping table with remote members": Hostile(remote),
        "table of text": Hostile(lambda: fits_bytes(fits.PrimaryHDU(), _table_of_text())),
        "HDF5 external link": Hostile(lambda: hdf5(external_link), name="s.h5"),
        "HDF5 external group": Hostile(lambda: hdf5(external_group), name="s.h5"),
        "HDF5 external storage": Hostile(lambda: hdf5(external_storage), name="s.h5"),
        "HDF5 virtual dataset": Hostile(lambda: hdf5(virtual), name="s.h5"),
        "HDF5 circular links": Hostile(lambda: hdf5(circular), name="s.h5"),
        "HDF5 of gigabytes of zeros": Hostile(lambda: hdf5(many_zeros), name="s.h5"),
        "HDF5 of letters": Hostile(lambda: hdf5(not_numbers), name="s.h5"),
        "HDF5 of records": Hostile(lambda: hdf5(compound), name="s.h5"),
    }  # fmt: skip


def _table_of_text() -> fits.BinTableHDU:
    made = [fits.Column("WAVE", "8A", array=np.array(["5500.0"] * 500)), fits.Column("FLUX", "D", array=np.ones(500))]
    return fits.BinTableHDU.from_columns(made)


def _names() -> dict[str, Hostile]:
    names = {
        "path-like": "../../../../etc/passwd", "absolute": "/etc/shadow", "Windows": "C:\\secret\\star.fits", "URL": "http://a/b.fits",
        "HTML": "<img src=x onerror=alert(1)>.fits", "lines": "star\nforged log line\r\n.fits", "NUL": "star\x00.fits",
        "escape": "\x1b[31mred\x1b[0m.fits", "right to left": "star\u202estif.exe", "markup": "[bold]star[/bold].fits",
        "percent": "%s%n{0}{name}.fits", "empty": "", "long": "x" * 200_000 + ".fits", "endings": ".fits.gz" * 30_000 + "x",
        "surrogate": "star\udcff.fits",
    }  # fmt: skip
    good = {f"name: {what}": Hostile(lambda: image(flux()), Expect.SAME, name) for what, name in names.items()}
    bad = {f"name of no spectrum: {what}": Hostile(lambda: b"no", name=name) for what, name in names.items()}
    return good | bad


@cache
def hostile() -> dict[str, Hostile]:
    """Every hostile file by what it is."""
    return _nan() | _sizes() | _packed() | _texts() | _structures() | _names()
