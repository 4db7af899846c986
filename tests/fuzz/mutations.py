"""Hypothesis strategies: good files damaged in every way that disks, networks, pipelines and people damage files."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from .seeds import seeds

Mutation = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Case:
    """One input: the good file it comes from, its bytes, the name Kiel is told."""

    format: str
    data: bytes = field(repr=False)
    name: str = field(repr=False)


_BLOCK = 2880
_MARKS = re.compile(rb"SIMPLE  =|XTENSION=|\x89HDF")


def _place(data: bytes, share: float, near_header: bool) -> int:
    """A position in the data: anywhere, or within two blocks of the beginning of one of its headers."""
    if not data:
        return 0
    if near_header:
        marks = [m.start() for m in _MARKS.finditer(data)] or [0]
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
    return lambda data: gzip.compress(data, level)


_shares = st.floats(0, 1, exclude_max=True, allow_subnormal=False)
_numbers = st.sampled_from([float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 1e30, -1e38, 1e-38, 5500.0])
_junk = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.sampled_from(
        [
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
        ]
    ),
)
_values = st.one_of(
    st.sampled_from([b"T", b"F", b"0", b"-1", b"1", b"2", b"8", b"-32", b"-64", b"999", b"99999999999999999999", b"1E400", b"-1E308",
                     b"NaN", b"'abc'", b"''", b"'unclosed", b"(1,2)", b"", b"'nm'", b"'LINEAR'", b"'MULTISPE'", b"'IMAGE'", b"'BINTABLE'",
                     b"'1PD(9)'", b"'PJ(99)'", b"'100A'", b"'multispec'", b"1E-320", b"'\xff\xfe'", b"'../../etc/passwd'"]),
    st.integers(-(2**40), 2**40).map(lambda i: str(i).encode()),
    st.floats().map(lambda x: repr(x).encode()),
)  # fmt: skip
_mutations = st.one_of(
    st.builds(_flip, _shares, st.booleans(), st.integers(0, 7)),
    st.builds(_overwrite, _shares, st.booleans(), _junk),
    st.builds(_insert, _shares, st.booleans(), _junk),
    st.builds(_cut, _shares),
    st.builds(_remove, _shares, st.booleans(), st.integers(1, 3 * _BLOCK)),
    st.builds(_repeat, _shares, st.integers(1, 20 * _BLOCK)),
    st.builds(_card, _shares, _values),
    st.builds(_card, _shares, _values),
    st.builds(_pixels, st.integers(0, 2**32), _numbers, st.booleans()),
    st.builds(_words, _shares, st.one_of(_values, _junk)),
    st.builds(_gzip, st.integers(0, 9)),
)
_file_names = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.sampled_from(["../../x.fits", "a" * 5000, "<b>.txt", "HARPS.fits", "x.h5", ".fits.gz" * 90]),
)


@st.composite
def damaged(draw: st.DrawFn) -> Case:
    """One of the good files after one to four mutations."""
    file_format = draw(st.sampled_from(sorted(seeds())))
    data, name = seeds()[file_format]
    for mutate in draw(st.lists(_mutations, min_size=1, max_size=4)):
        data = mutate(data)
    return Case(file_format, data, draw(_file_names) or name)


def strangers() -> st.SearchStrategy[Case]:
    """Files of no known kind: bytes, texts, and bytes behind the marks of known kinds."""
    marks = st.sampled_from(
        [
            b"",
            b"SIMPLE  =                    T",
            b"\x89HDF\r\n\x1a\n",
            b"\x1f\x8b\x08",
            b"5200 1\n5201 1\n",
            b"wave,flux\n",
        ]
    )
    body = st.one_of(st.binary(max_size=4000), st.text(max_size=4000).map(lambda t: t.encode("utf-8", "replace")))
    return st.builds(
        Case, st.just("stranger"), st.builds(lambda mark, rest: mark + rest, marks, body), st.just("stranger")
    )


def cases() -> st.SearchStrategy[Case]:
    """Anything that may be dropped on Kiel."""
    return st.one_of(damaged(), damaged(), damaged(), damaged(), strangers())
