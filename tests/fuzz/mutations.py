"""Good files damaged in every way that disks, networks, pipelines and people damage files, each case drawn from its number."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np

Mutation = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Case:
    """One input: the layout of the good file it comes from, that file, what is done to it, the name Kiel is told."""

    layout: str
    good: bytes = field(repr=False)
    name: str = field(repr=False)
    mutations: tuple[Mutation, ...] = field(repr=False, default=())

    @property
    def data(self) -> bytes:
        data = self.good
        for mutate in self.mutations:
            data = mutate(data)
        return data

    def shrunk(self, still_wrong: Callable[[Case], bool]) -> Case:
        """This case without those of its mutations that it takes none of to go wrong."""
        case = self
        for mutation in self.mutations:
            fewer = replace(case, mutations=tuple(m for m in case.mutations if m is not mutation))
            case = fewer if still_wrong(fewer) else case
        return case


_BLOCK = 2880
_HEADERS = re.compile(rb"SIMPLE  =|XTENSION=|\x89HDF")


def _place(data: bytes, share: float, near_header: bool) -> int:
    """A position in the data: anywhere, or within two blocks of the beginning of one of its headers."""
    if not data:
        return 0
    if near_header:
        marks = [m.start() for m in _HEADERS.finditer(data)] or [0]
        mark = marks[int(share * 997) % len(marks)]
        return min(len(data) - 1, mark + int(share * 2 * _BLOCK))
    return min(len(data) - 1, int(share * len(data)))


def _flip(share: float, near: bool, bit: int) -> Mutation:
    def mutate(data: bytes) -> bytes:
        out, i = bytearray(data), _place(data, share, near)
        if out:
            out[i] ^= 1 << bit
        return bytes(out)

    return mutate


def _overwrite(share: float, near: bool, what: bytes) -> Mutation:
    def mutate(data: bytes) -> bytes:
        i = _place(data, share, near)
        return data[:i] + what + data[i + len(what) :]

    return mutate


def _insert(share: float, near: bool, what: bytes) -> Mutation:
    return lambda data: data[: (i := _place(data, share, near))] + what + data[i:]


def _cut(share: float) -> Mutation:
    return lambda data: data[: int(share * len(data))]


def _remove(share: float, near: bool, length: int) -> Mutation:
    return lambda data: data[: (i := _place(data, share, near))] + data[i + length :]


def _repeat(share: float, length: int) -> Mutation:
    return lambda data: data[: (i := _place(data, share, False))] + data[i : i + length] * 2 + data[i + length :]


def _card(share: float, value: bytes) -> Mutation:
    """Replaces the value of one header card."""

    def mutate(data: bytes) -> bytes:
        cards = [m.start() for m in re.finditer(rb"[A-Z0-9_-]{2,8} *= ", data[: 40 * _BLOCK])]
        if not cards:
            return data
        i = cards[int(share * len(cards)) % len(cards)] + 10
        return data[:i] + value.ljust(70)[:70] + data[i + 70 :]

    return mutate


def _pixels(seed: int, value: float, big_endian: bool) -> Mutation:
    """Writes one number over some hundred aligned places, as NaN, infinities and spikes come."""

    def mutate(data: bytes) -> bytes:
        if len(data) < 2 * _BLOCK:
            return data
        rng = np.random.default_rng(seed)
        kind = np.dtype(">f4" if big_endian else "<f8")
        out = bytearray(data)
        for i in rng.integers(_BLOCK // 8, len(data) // 8 - 1, 100) * 8:
            out[i : i + kind.itemsize] = np.array(value, kind).tobytes()
        return bytes(out)

    return mutate


def _words(share: float, word: bytes) -> Mutation:
    """Replaces one word of a text."""

    def mutate(data: bytes) -> bytes:
        i = _place(data, share, False)
        found = re.compile(rb"[^\s,]+").search(data, i)
        return data if found is None else data[: found.start()] + word + data[found.end() :]

    return mutate


def _gzip(level: int) -> Mutation:
    return lambda data: gzip.compress(data, level, mtime=0)  # the same bytes at any time


_NUMBERS = (float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e30, -1e38, 1e-38, 5500.0)
_JUNK = (
    b"END".ljust(80),
    b" " * 80,
    bytes(2880),
    b"\x1f\x8b",
    b"\xff" * 8,
    b"'",
    b"= ",
    b"\n\n",
    b"1e999 ",
    b"\x89HDF\r\n\x1a\n",
)
_VALUES = (
    b"T", b"F", b"0", b"-1", b"1", b"2", b"8", b"-32", b"-64", b"999", b"99999999999999999999", b"1E400", b"-1E308",
    b"NaN", b"'abc'", b"''", b"'unclosed", b"(1,2)", b"", b"'nm'", b"'LINEAR'", b"'MULTISPE'", b"'IMAGE'", b"'BINTABLE'",
    b"'1PD(9)'", b"'PJ(99)'", b"'100A'", b"'multispec'", b"1E-320", b"'\xff\xfe'", b"'../../etc/passwd'",
)  # fmt: skip
_NAMES = ("../../x.fits", "a" * 5000, "<b>.txt", "HARPS.fits", "x.h5", ".fits.gz" * 90)
_MARKS = (
    b"",
    b"SIMPLE  =                    T",
    b"\x89HDF\r\n\x1a\n",
    b"\x1f\x8b\x08",
    b"5200 1\n5201 1\n",
    b"wave,flux\n",
)
_STRANGERS = 0.2
"""Share of cases that are files of no known kind."""


def _junk(random: Random) -> bytes:
    return random.choice(_JUNK) if random.random() < 0.5 else random.randbytes(random.randint(1, 40))


def _value(random: Random) -> bytes:
    kind = random.random()
    if kind < 0.4:
        return random.choice(_VALUES)
    if kind < 0.7:
        return str(random.randint(-(2**40), 2**40)).encode()
    return repr(struct.unpack("<d", random.randbytes(8))[0]).encode()


def _mutation(random: Random) -> Mutation:
    """One mutation; cards are replaced twice as often as anything else happens."""
    share, near = random.random(), random.random() < 0.5
    makers: Sequence[Callable[[], Mutation]] = (
        lambda: _flip(share, near, random.randrange(8)),
        lambda: _overwrite(share, near, _junk(random)),
        lambda: _insert(share, near, _junk(random)),
        lambda: _cut(share),
        lambda: _remove(share, near, random.randint(1, 3 * _BLOCK)),
        lambda: _repeat(share, random.randint(1, 20 * _BLOCK)),
        lambda: _card(share, _value(random)),
        lambda: _card(share, _value(random)),
        lambda: _pixels(random.randrange(2**32), random.choice(_NUMBERS), near),
        lambda: _words(share, _value(random) if near else _junk(random)),
        lambda: _gzip(random.randrange(10)),
    )
    return random.choice(makers)()


def _name(random: Random, usual: str) -> str:
    kind = random.random()
    if kind < 0.6:
        return usual
    return (
        random.choice(_NAMES)
        if kind < 0.8
        else "".join(chr(random.randrange(0xD800)) for _ in range(random.randrange(60)))
    )


def _stranger(random: Random) -> Case:
    """Bytes, text, and either behind the mark of a known kind."""
    size = random.randrange(4000)
    body = (
        random.randbytes(size)
        if random.random() < 0.5
        else "".join(map(chr, random.choices(range(9, 0x250), k=size))).encode()
    )
    return Case("stranger", random.choice(_MARKS) + body, "stranger")


def case(number: int, seed: int, good: Mapping[str, tuple[bytes, str]]) -> Case:
    """Case `number` of the campaign `seed`: one of the good files (bytes and name by layout) after one to four mutations, or a stranger."""
    random = Random(f"{seed} {number}")
    if random.random() < _STRANGERS:
        return _stranger(random)
    layout = random.choice(sorted(good))
    data, usual = good[layout]
    mutations = tuple(_mutation(random) for _ in range(random.randint(1, 4)))
    return Case(layout, data, _name(random, usual), mutations)
