"""Kiel's own compact table of departure coefficients: one `.npz` an element, log10 b in steps of 0.001."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .departures import NODE_COLUMNS, DepartureGrid, Departures, Level

_SCHEMA = 1
_STEP_DEX = 1e-3  # of log10 b: 0.23 %, well below the 1e-3 in populations times the physics' uncertainty
_ARRAYS = ("nodes", "log_tau", "log_b", "labels", "energies", "weights", "ions", "card")


@dataclass(frozen=True, eq=False)
class Table:
    """A table: element, levels, nodes (n, 4) as NODE_COLUMNS, log_tau (d,), b (n, levels, d), and a card of provenance."""

    element: str
    levels: tuple[Level, ...]
    nodes: NDArray
    log_tau: NDArray
    b: NDArray
    card: Mapping[str, object]

    def grid(self) -> DepartureGrid:
        """The table as a grid to interpolate in."""
        return DepartureGrid(self.element, self.levels, self.nodes, self.departures)

    def departures(self, i: int) -> Departures:
        """The departures of node i."""
        return Departures(self.element, self.levels, self.log_tau, self.b[i])


def write_table(table: Table, path: Path) -> None:
    """Writes a table, whole or not at all; log10 b is rounded to 0.001 and held within ±32."""
    log_b = np.log10(np.maximum(table.b, 1e-32)) / _STEP_DEX
    card = json.dumps({**table.card, "schema": _SCHEMA, "element": table.element, "columns": NODE_COLUMNS})
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        np.savez_compressed(
            file,
            nodes=table.nodes,
            log_tau=table.log_tau,
            log_b=np.clip(np.rint(log_b), -32000, 32000).astype(np.int16),
            labels=np.array([level.label for level in table.levels]),
            energies=np.array([level.energy for level in table.levels]),
            weights=np.array([level.weight for level in table.levels]),
            ions=np.array([level.ion for level in table.levels]),
            card=np.array(card),
        )
    os.replace(part, path)


def read_table(path: Path) -> Table:
    """The table of a file; DataError where it is missing or not a table of this schema."""
    if not path.is_file():
        raise DataError(f"There is no table of departure coefficients {path}.")
    try:
        with np.load(path, allow_pickle=False) as file:
            absent = [name for name in _ARRAYS if name not in file]
            if absent:
                raise DataError(f"{path} holds no array {absent[0]}; it is no table of departure coefficients.")
            arrays = {name: file[name] for name in _ARRAYS}
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no table of departure coefficients: {error}.") from error
    card = json.loads(str(arrays["card"]))
    if card.get("schema") != _SCHEMA:
        raise DataError(f"{path} has the schema {card.get('schema')}; this version of Kiel reads {_SCHEMA}.")
    rows = zip(*(arrays[name].tolist() for name in ("labels", "energies", "weights", "ions")), strict=True)
    levels = tuple(Level(*row) for row in rows)
    b = 10.0 ** (arrays["log_b"].astype(float) * _STEP_DEX)
    return Table(card["element"], levels, arrays["nodes"], arrays["log_tau"], b, card)
