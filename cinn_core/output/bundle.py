"""One zip file a star: tables, spectra, figures, provenance, and what the page needs to show the star again."""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..errors import SpectrumError
from ..files import written
from ..inference.constraints import Constrained, Constraint, constrain
from ..inference.constraints import to_json as constrained_json
from ..instrument import WAVELENGTH
from ..overrides import NOTHING_GIVEN, Overrides
from ..preparation.prepared import write_prepared
from ..readers import Naming
from ..stages import Analysis
from ..targets import TARGETS
from .catalogue import Row, as_csv, as_votable
from .exchange import write_spectrum_table
from .record import put_together, take_apart
from .report import citation, dumps, plain, to_json

if TYPE_CHECKING:
    from astropy.table import Table

SCHEMA = 1
_SESSION = "session/star.json"
_ARRAYS = "session/arrays/"
_MAX_BYTES = 600 * 1024 * 1024
"""Unpacked size of a session beyond which a zip is refused: one star needs a hundredth of it."""


@dataclass(frozen=True, eq=False)
class SavedStar:
    """A star as a session has it: its analysis, the overrides and the constraints.

    `source` holds the bytes of the observed file, hdu, row and naming the place of the spectrum in it, so that the star can be
    prepared anew; None where they are not known.
    """

    analysis: Analysis
    overrides: Overrides = NOTHING_GIVEN
    constraints: tuple[Constraint, ...] = ()
    source: bytes | None = None
    hdu: int | None = None
    row: int | None = None
    naming: Naming | None = None

    @cached_property
    def constrained(self) -> Constrained | None:
        """The posterior under the constraints, where there are any."""
        return constrain(self.analysis.posterior, self.constraints) if self.constraints else None


def write_bundle(star: SavedStar, path: Path, figures: Mapping[str, bytes] | None = None) -> None:
    """Write the zip of a star, whole or not at all; `figures` are finished files by name (PNG, PDF)."""
    with written(path) as part:
        part.write_bytes(bundle_bytes(star, figures))


def bundle_bytes(star: SavedStar, figures: Mapping[str, bytes] | None = None) -> bytes:
    """The zip of a star as bytes, for a download; `figures` are finished files by name."""
    analysis, constrained = star.analysis, star.constrained
    document = star_document(star)
    arrays: dict[str, NDArray] = {}
    tree = {"schema": SCHEMA, "kiel": __version__, "star": take_apart(star, arrays)}
    posterior = posterior_table(analysis, None if constrained is None else constrained.weights)
    files: dict[str, bytes] = {
        "README.txt": _README.encode(),
        "CITATION.txt": citation().encode(),
        "results.json": dumps(document).encode(),
        "provenance.json": dumps(plain(analysis.provenance)).encode(),
        "results.ecsv": _written(lambda p: results_table(star).write(p, format="ascii.ecsv", delimiter=","), ".ecsv"),
        "posterior.fits": _written(lambda p: posterior.write(p, format="fits"), ".fits"),
        "posterior.parquet": _written(lambda p: posterior.to_pandas().to_parquet(p, index=False), ".parquet"),
        "spectrum_prepared.fits": _written(lambda p: write_prepared(analysis.flux_vector, p), ".fits"),
        "spectrum_pixels.fits": _written(lambda p: write_spectrum_table(analysis, p), ".fits"),
        "spectrum_resimulated.fits": _written(lambda p: model_table(analysis).write(p, format="fits"), ".fits"),
        _SESSION: json.dumps(tree, ensure_ascii=False, allow_nan=False).encode(),
    }
    files |= {_ARRAYS + name + ".npy": _npy(array) for name, array in arrays.items()}
    files |= dict(figures or {})
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


TABLES = ("kiel-stars.csv", "kiel-stars.vot")
"""The tables that stand beside the stars in a zip of all."""


def all_bytes(stars: Sequence[SavedStar], rows: Sequence[Row]) -> bytes:
    """A zip of the zips of stars, without figures, beside the tables of their rows; it comes back star by star."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # what is in it is packed already
        for name, content in zip(TABLES, (as_csv(rows), as_votable(rows)), strict=True):
            archive.writestr(name, content)
        for i, star in enumerate(stars, 1):
            name = _ascii(star.analysis.flux_vector.star).strip() or "star"
            archive.writestr(f"{i:03d}-{re.sub(r'[^A-Za-z0-9+.-]+', '-', name)[:60]}.zip", bundle_bytes(star))
    return buffer.getvalue()


def is_bundle(content: bytes) -> bool:
    """True for the bytes of a zip that Kiel wrote for one star."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _SESSION in archive.namelist()
    except zipfile.BadZipFile:
        return False


def read_bundle(content: bytes, name: str) -> SavedStar:
    """Read the star back from a zip; `name` is for messages.

    Raises SpectrumError where it is damaged or of another version of Kiel.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [i for i in archive.infolist() if i.filename == _SESSION or i.filename.startswith(_ARRAYS)]
            if sum(i.file_size for i in members) > _MAX_BYTES:
                raise SpectrumError(f"{name} unpacks to more than {_MAX_BYTES // 1024**2} MB; no star of Kiel's does.")
            tree = json.loads(archive.read(_SESSION))
            if tree.get("schema") != SCHEMA:
                raise SpectrumError(
                    f"{name} was written by Kiel {tree.get('kiel')} in another layout; open it with that version, or "
                    "analyse the spectrum again."
                )
            arrays = {
                i.filename.removeprefix(_ARRAYS).removesuffix(".npy"): np.load(
                    io.BytesIO(archive.read(i)), allow_pickle=False
                )
                for i in members
                if i.filename != _SESSION
            }
        return put_together(SavedStar, tree["star"], arrays)
    except (zipfile.BadZipFile, KeyError, TypeError, ValueError, AttributeError, EOFError, OSError) as error:
        raise SpectrumError(
            f"{name} is not a star that this version of Kiel can restore ({error}); analyse the spectrum again."
        ) from error


def star_document(star: SavedStar) -> dict[str, Any]:
    """The JSON document of a star, `constrained` included where something was given from elsewhere."""
    constrained = star.constrained
    extra = {} if constrained is None else {"constrained": constrained_json(constrained)}
    return plain({**to_json(star.analysis), **extra})


def posterior_table(analysis: Analysis, weights: NDArray | None = None) -> Table:
    """One row a sample: the thirteen targets, prior coordinates z_*, ln density in them, and weight where there are any."""
    from astropy.table import Table  # late: a second of imports

    posterior = analysis.posterior
    table = Table()
    for i, target in enumerate(TARGETS):
        table[target.name] = posterior.labels[:, i]
        if target.unit != "dex":  # FITS knows no dex
            table[target.name].unit = target.unit
    for i, target in enumerate(TARGETS):
        table[f"z_{target.name}"] = posterior.z[:, i].astype(np.float32)
    table["log_density"] = posterior.log_prob
    if weights is not None:
        table["weight"] = weights
    table.meta = {"OBJECT": _ascii(analysis.flux_vector.star), "SEED": posterior.seed, "CREATOR": f"kiel {__version__}"}
    return table


def results_table(star: SavedStar) -> Table:
    """One row a target with the numbers of the summary; the constrained ones beside them where there are any."""
    from astropy.table import Table  # late: a second of imports

    constrained = star.constrained
    rows = []
    for target in TARGETS:
        numbers = vars(star.analysis.summary.targets[target.name])
        row = {"target": target.name, **{key: _cell(value) for key, value in numbers.items()}}
        if constrained is not None:
            constrained_numbers = constrained.summary.targets[target.name]
            row |= {
                f"constrained_{key}": getattr(constrained_numbers, key) for key in ("map", "median", "lo68", "hi68")
            }
        rows.append(row)
    return Table(rows=rows, meta={"star": star.analysis.flux_vector.star, "kiel": __version__})


def model_table(analysis: Analysis) -> Table:
    """The resimulated spectrum with its bands on the pixels of the prepared one."""
    from astropy.table import Table  # late: a second of imports

    resimulation = analysis.resimulation
    table = Table()
    table["WAVE"], table["FLUX"] = WAVELENGTH, resimulation.map_flux
    table["WAVE"].unit = "Angstrom"
    for name, band in (("68", resimulation.band68), ("95", resimulation.band95)):
        table[f"LO{name}"], table[f"HI{name}"] = band
    table["RESIDUAL"] = resimulation.residual
    table.meta = {"OBJECT": _ascii(analysis.flux_vector.star), "AIRORVAC": "air", "CREATOR": f"kiel {__version__}"}
    return table


def _cell(value: object) -> object:
    return np.nan if value is None else str(value) if isinstance(value, str) else value


def _ascii(text: str) -> str:
    """A header value: printable ASCII, short enough for one card."""
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)[:60]


def _npy(array: NDArray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _written(write: Callable[[Path], object], suffix: str) -> bytes:
    """The bytes of a file that a library writes by name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"out{suffix}"
        write(path)
        return path.read_bytes()


_README = """One star as Kiel found it.

results.json, results.ecsv    the thirteen targets: modes, medians, intervals; flags, velocity, S/N
posterior.fits, .parquet      every sample: targets, prior coordinates z_*, ln density; weight under constraints
spectrum_prepared.fits        the observation as 4MOST would have seen it, with the ledger of every step
spectrum_pixels.fits          the same and the model, a row a pixel: for TOPCAT, specutils, Specviz
spectrum_resimulated.fits     the model at the mode with 68 and 95 % bands, on the same pixels
figures/, report.pdf          figures as PNG and PDF, and one page that sums up
provenance.json               versions, hashes, seed, settings
CITATION.txt                  what to cite
session/                      what Kiel needs to show this star again, the observed file included: drop this zip on
                              the dashboard
"""
