"""Terms by name: which level of an atom a line list means by `LS:3s.3p 1P*`, where energies alone cannot tell."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from .departures import Level

_CLOSED = ("1s2", "2p6", "3p6")
_SHELL = re.compile(r"(\d{1,2}[spdfghik])(\d?(?![a-z]))", re.IGNORECASE)
_TERM = re.compile(r"(\d[SPDFGHIKL])(\*|O|E)?", re.IGNORECASE)
_NAMED = re.compile(r"LS:([^ ]+) +([^ ]+)")


class Term(NamedTuple):
    """Shells outside the closed ones, and the term with a star where it is odd: ("3s", "3p"), "1P*"."""

    shells: tuple[str, ...]
    name: str


def term_of(configuration: str, name: str) -> Term | None:
    """The term of a configuration (3p6.4s2, 3d4p, 2P6 3S 4D) and its name (1S, 3D*, 1PO, 1DE); None where neither is one."""
    found = _TERM.match(name)
    shells: list[str] = []
    for text in re.split(r"[. ]+", configuration):
        if text.lower() not in _CLOSED:
            for shell, number in _SHELL.findall(text):
                shells += [shell.lower()] * int(number or 1)
    if found is None or not shells:
        return None
    return Term(tuple(shells), found[1].upper() + ("*" if found[2] in ("*", "O", "o") else ""))


def term_of_level(level: Level) -> Term | None:
    """The term of a level as its label says it: `MG I 2P6 3S 3P 1PO`, `3d4p-1F*`, `3s.3p 1P*`; None for other labels."""
    label = re.sub(r"^[A-Z][A-Za-z]? I+ ", "", level.label)
    configuration, _, name = label.replace("-", " ").rpartition(" ")
    return term_of(configuration, name)


def terms_in(text: str) -> tuple[Term | None, Term | None]:
    """The terms of the lower and upper level that a line's comment names, `Mg I LS:3s.3p 1P* LS:3s.4d 1D`."""
    found = [term_of(configuration, name) for configuration, name in _NAMED.findall(text)]
    return (found[0], found[1]) if len(found) == 2 else (None, None)


def find_term(term: Term | None, energy: float, ion: int, levels: Sequence[Level], farthest: float) -> int:
    """Index of the level of this term and ion (0 neutral) nearest in energy [1/cm], -1 where none is within `farthest`.

    A level that stands for a whole term lies away from the term's own levels by as much as those are split.
    """
    if term is None:
        return -1
    ground = min((level.energy for level in levels if level.ion == ion), default=0.0)
    same = [i for i, level in enumerate(levels) if level.ion == ion and term_of_level(level) == term]
    best = min(same, key=lambda i: abs(levels[i].energy - ground - energy), default=-1)
    return best if best >= 0 and abs(levels[best].energy - ground - energy) <= farthest else -1
