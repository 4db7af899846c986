"""Plan of a batch in its folder: settings, the spectra of every partition, and which partitions are done."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .. import __version__
from ..errors import DataError
from ..files import write_text
from ..readers import Naming
from .items import Item
from .rows import write_table

_SCHEMA = 1


@dataclass(frozen=True)
class BatchSettings:
    """Settings that decide the numbers of a batch.

    samples a star; seed of the latents; reduced: bfloat16 where the hardware has it; sobol: scrambled Sobol latents;
    keep_samples: write the samples too; network: path of the network's file, None for the shipped one; realism: as the
    network is told it; wave, flux, error, order: names of columns, extensions or planes, None where files tell themselves.
    """

    samples: int = 4096
    seed: int = 0
    reduced: bool = False
    sobol: bool = False
    keep_samples: bool = False
    network: str | None = None
    realism: float = 1.0
    wave: str | None = None
    flux: str | None = None
    error: str | None = None
    order: str | None = None

    @property
    def naming(self) -> Naming | None:
        """Names of wavelengths, flux, errors and orders in every file, where a person gave them."""
        return Naming(self.wave, self.flux, self.error, self.order) or None


@dataclass(frozen=True)
class BatchShard:
    """Spectra of one partition: its number, the number of its first spectrum in the batch, its spectra, and names in their files."""

    number: int
    first: int
    items: tuple[Item, ...]
    naming: Naming | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """A batch in its folder."""

    folder: Path
    settings: BatchSettings
    items: pa.Table

    @property
    def n_items(self) -> int:
        return self.items.num_rows

    def without_items(self) -> Plan:
        """Plan without its spectra, for a worker that gets them shard by shard."""
        return Plan(self.folder, self.settings, _no_items())

    def rows_path(self, shard: int) -> Path:
        return self.folder / "rows" / f"part-{shard:06d}.parquet"

    def samples_path(self, shard: int) -> Path:
        return self.folder / "samples" / f"part-{shard:06d}.parquet"

    def open_shards(self) -> Iterator[BatchShard]:
        """Shards whose partition is not there yet, in order."""
        numbers = self.items["shard"].to_numpy()
        first = 0
        while first < len(numbers):
            number = int(numbers[first])
            last = int(numbers.searchsorted(number, side="right"))
            if not self.rows_path(number).is_file():
                rows = self.items.slice(first, last - first).to_pylist()
                items = tuple(Item(r["file"], r["hdu"], r["row"]) for r in rows)
                yield BatchShard(number, first, items, self.settings.naming)
            first = last

    def counts(self) -> tuple[int, int]:
        """Stars answered and spectra refused in the partitions that are there."""
        refused = total = 0
        for path in sorted((self.folder / "rows").glob("part-*.parquet")):
            column = pq.read_table(path, columns=["refused"])["refused"]
            total, refused = total + len(column), refused + len(column) - column.null_count
        return total - refused, refused

    def n_done(self) -> int:
        """Spectra in partitions that are there."""
        numbers = self.items["shard"].value_counts().to_pylist()
        return sum(n["counts"] for n in numbers if self.rows_path(n["values"]).is_file())


def make_plan(
    folder: Path, items: Sequence[Item], settings: BatchSettings, weights: dict[str, str], shard_size: int
) -> Plan:
    """Make the plan in a folder, or take it up again; spectra that were not there the last time get partitions of their own.

    Raises DataError where the folder holds a batch of other settings or weights, or cannot be written.
    """
    manifest = {"schema": _SCHEMA, "kiel": __version__, "weights_sha256": weights, **asdict(settings)}
    path, items_path = folder / "manifest.json", folder / "items.parquet"
    known = _no_items()
    try:
        for name in ("rows", "samples") if settings.keep_samples else ("rows",):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise DataError(f"The folder {folder} cannot be made or written ({problem.strerror}).") from problem
    if path.is_file():
        before = json.loads(path.read_text())
        other = sorted(k for k in manifest if before.get(k) != manifest[k])
        if other:
            differences = "; ".join(f"{k} was {before.get(k)!r}, now {manifest[k]!r}" for k in other)
            raise DataError(
                f"{folder} holds a batch made otherwise ({differences}); name another folder, or the same settings."
            )
        if items_path.is_file():
            known = pq.read_table(items_path)
    remove_unfinished(folder)
    old = set(zip(*(known[c].to_pylist() for c in ("file", "hdu", "row")), strict=True))
    new = [i for i in dict.fromkeys(items) if (i.file, i.hdu, i.row) not in old]
    if new:
        start = known["shard"][-1].as_py() + 1 if known.num_rows else 0
        added = {
            "shard": [start + i // shard_size for i in range(len(new))],
            "file": [i.file for i in new],
            "hdu": [i.hdu for i in new],
            "row": [i.row for i in new],
        }
        known = pa.concat_tables([known, pa.table(added, schema=known.schema)])
        write_table(known, items_path)
    if not known.num_rows:
        raise DataError("The inputs hold no file; name spectra, folders with spectra, or a list of them.")
    write_text(path, json.dumps(manifest, indent=1) + "\n")
    return Plan(folder, settings, known)


def remove_unfinished(folder: Path) -> None:
    """Remove what processes that were killed have left of partitions in the folder of a batch."""
    for stale in folder.glob("*/.part-*.part"):
        stale.unlink(missing_ok=True)


def _no_items() -> pa.Table:
    kinds = [("shard", pa.int32()), ("file", pa.string()), ("hdu", pa.int32()), ("row", pa.int64())]
    return pa.schema(kinds).empty_table()
