"""Files of departure coefficients: published formats are read as they are, and the compact table keeps them."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from made_up_departures import LEVELS, LOG_TAU, made_up_b, made_up_nodes, made_up_table

from cinn_core.errors import DataError
from cinn_core.synthesis.departure_files import (
    open_departures,
    open_turbospectrum_grid,
    read_table,
    read_turbospectrum_text,
    write_table,
)


@pytest.fixture
def binary(tmp_path):
    """A grid in Turbospectrum's binary format with its index."""
    data, rows = bytearray(b"header".ljust(1000)), ["# id teff ..."]
    for node in made_up_nodes():
        teff, logg, feh, abundance = node
        name = f"p{teff:.0f}_g{logg:+.1f}_m0.0_t01_st_z{feh:+.2f}"
        rows.append(f"'{name}' {teff} {logg} {feh} 0.0 0.0 1.0 {abundance:.4f} {len(data) + 1}")
        data += name.encode().ljust(500) + struct.pack("<ii", 6, 2)
        data += (10.0**LOG_TAU).astype("<f8").tobytes() + made_up_b(*node).astype("<f8").tobytes()
    (tmp_path / "grid.bin").write_bytes(data)
    (tmp_path / "auxData.dat").write_text("\n".join(rows))
    return tmp_path / "grid.bin", tmp_path / "auxData.dat"


@pytest.fixture
def grd(tmp_path):
    """A grid in PySME's format: [X/Fe] about the solar A(Mg) of 7.55."""
    axes = {"teff": [5000.0, 6000.0], "grav": [4.0, 5.0], "feh": [-1.0, 0.0], "abund": [-0.2, 0.4]}
    records = {name: np.array(axis, "<f8") for name, axis in axes.items()}
    records |= {"conf": np.array([b"3s2", b"3s.3p"]), "term": np.array([b"1S", b"3P*"]), "J": np.array([0.0, 1.0])}
    records["energy"] = np.array([0.0, 2.714])
    records["tau"] = np.tile(LOG_TAU, (2, 2, 2, 1))
    models = np.empty((2, 2, 2, 2), "S8")
    for f, g, t, x in np.ndindex(2, 2, 2, 2):
        feh, x_fe = axes["feh"][f], axes["abund"][x]
        models[f, g, t, x] = f"b{f}{g}{t}{x}".encode()
        records[f"b{f}{g}{t}{x}"] = made_up_b(axes["teff"][t], axes["grav"][g], feh, 7.5 + feh + x_fe)
    records["models"] = models
    codes = {"f": 5, "S": 1}
    pointer = 64 + 18 + 356 * len(records)
    directory, body = b"", b""
    for key, array in records.items():
        shape = array.shape[::-1]
        if array.dtype.kind == "S":
            shape = (array.itemsize, *shape)
        size = np.zeros(23, "<i4")
        size[: len(shape) + 3] = [len(shape), *shape, codes[array.dtype.kind], array.size]
        directory += key.encode().ljust(256) + size.tobytes() + struct.pack("<q", pointer + len(body))
        body += array.tobytes()
    start = b"DirectAccess file Version 1.10 2011-03-24".ljust(64, b"\0")
    path = tmp_path / "nlte_Mg.grd"
    path.write_bytes(start + struct.pack("<QhQ", len(records), 356, len(records)) + directory + body)
    return path


def test_turbospectrums_binary_gives_back_every_model(binary):
    grid = open_turbospectrum_grid(*binary, "Mg")
    assert len(grid.nodes) == 16
    for i, node in enumerate(grid.nodes):
        model = grid.load(i)
        np.testing.assert_array_equal(model.b, made_up_b(*node))
        np.testing.assert_allclose(model.log_tau, LOG_TAU, atol=1e-12)


def test_pysmes_grd_gives_back_every_model(grd):
    grid = open_departures(grd, "Mg")
    assert [level.label for level in grid.levels] == ["3s2 1S", "3s.3p 3P*"]
    assert grid.levels[1].energy == pytest.approx(21890, abs=1)  # 2.714 eV
    for i, (teff, logg, feh, abundance) in enumerate(grid.nodes):
        np.testing.assert_array_equal(grid.load(i).b, made_up_b(teff, logg, feh, abundance - 0.05))


@pytest.mark.parametrize("format_", ["own", "binary", "grd"])
def test_every_format_answers_the_same_question_alike(tmp_path, binary, grd, format_):
    write_table(made_up_table(), tmp_path / "Mg.npz")
    grid = {
        "own": lambda: open_departures(tmp_path / "Mg.npz", "Mg"),
        "binary": lambda: open_departures(binary[0], "Mg", binary[1]),
        "grd": lambda: open_departures(grd, "Mg"),
    }[format_]()
    shift = 0.05 if format_ == "grd" else 0.0  # its abundances are relative to A(Mg) = 7.55
    got = grid.at(5400, 4.3, -0.3, 7.4 + shift)
    expected = made_up_b(5400, 4.3, -0.3, 7.4)
    # log b is linear in the labels by construction; the own table rounds to 0.001 dex
    np.testing.assert_allclose(got.b, expected, rtol=0.0024 if format_ == "own" else 1e-10)


def test_the_published_iron_models_are_read_exactly(shared):
    folder = shared / "nlte" / "TS_NLTE"
    # the second file has a line with A(Fe) = 5.5 more
    for name, head, top, at_minus_one in (("0.00", 66, -4.2001, 0.934), ("-2.00", 67, -3.7100, 0.788)):
        path = folder / f"4500g+2.50z{name}_coef.dat"
        model = read_turbospectrum_text(path, "Fe")
        assert model.b.shape == (607, 56)
        assert model.log_tau[0] == top
        rows = np.loadtxt(path, skiprows=head)  # the same numbers by another way
        np.testing.assert_array_equal(model.b, rows.T)
        assert model.on(np.array([-1.0]))[0, 0] == pytest.approx(at_minus_one, abs=1e-3)


@pytest.mark.parametrize("with_abundance", [True, False])
def test_text_files_of_both_ages_are_read(tmp_path, with_abundance):
    b = made_up_b(5500, 4.5, 0, 7.5)
    head = [*["# comment"] * 8, *(["7.5000"] if with_abundance else []), "6", "2"]
    rows = [*(f"{x:.4f}" for x in LOG_TAU), *(" ".join(repr(float(x)) for x in row) for row in b.T)]
    (tmp_path / "coef.dat").write_text("\n".join([*head, *rows]))
    model = read_turbospectrum_text(tmp_path / "coef.dat", "Mg")
    np.testing.assert_array_equal(model.b, b)
    np.testing.assert_allclose(model.log_tau, LOG_TAU)


def test_the_own_table_keeps_levels_nodes_and_card(tmp_path):
    table = made_up_table()
    write_table(table, tmp_path / "Mg.npz")
    back = read_table(tmp_path / "Mg.npz")
    assert back.levels == LEVELS
    assert back.card["made"] == "up"
    np.testing.assert_array_equal(back.nodes, table.nodes)
    np.testing.assert_allclose(back.b, table.b, rtol=0.0012)  # half a step of 0.001 dex
    assert [path.name for path in tmp_path.iterdir()] == ["Mg.npz"]


def test_files_that_are_no_departures_are_refused_in_words(tmp_path, binary):
    path = tmp_path / "x"
    path.write_bytes(b"DirectAccess file Version 1.10".ljust(300, b"\0"))
    with pytest.raises(DataError, match="PySME"):
        open_departures(path, "Mg")
    path.write_text("nonsense")
    with pytest.raises(DataError, match="Turbospectrum's format"):
        read_turbospectrum_text(path, "Mg")
    with pytest.raises(DataError, match="auxData"):
        open_departures(binary[0], "Mg")
    short = tmp_path / "short.bin"
    short.write_bytes(binary[0].read_bytes()[:1600])
    with pytest.raises(DataError, match=r"short\.bin"):
        open_turbospectrum_grid(short, binary[1], "Mg").load(15)
    write_table(made_up_table(), tmp_path / "Mg.npz")
    with pytest.raises(DataError, match="of Mg; Ca was asked for"):
        open_departures(tmp_path / "Mg.npz", "Ca")


def test_log_b_is_linear_in_the_structure_and_in_the_strength_of_the_departures(tmp_path):
    table = made_up_table()
    n = len(table.nodes)
    both = replace(
        table,
        nodes=np.concatenate([table.nodes, table.nodes[:-1]]),
        b=np.concatenate([table.b, table.b[:-1] ** 3]),
        structures=np.repeat([0.0, 1.0], [n, n - 1]),
    )
    write_table(both, tmp_path / "Mg.npz")
    read = read_table(tmp_path / "Mg.npz")
    star, alone = table.nodes[0], table.nodes[-1]
    log_b = np.log(table.grid().at(*star).b)
    for s, strength in ((0.0, 1.0), (1.0, 1.0), (0.5, 2.0), (1.4, 1.0), (-0.3, 0.0)):
        given = np.log(read.grid(s, strength).at(*star).b)
        np.testing.assert_allclose(
            given, strength * (1 + 2 * s) * log_b, atol=0.02
        )  # steps of 0.001 dex, at most 4 of them
        opened = open_departures(tmp_path / "Mg.npz", "Mg", s=s).at(*star).b
        np.testing.assert_array_equal(opened, read.grid(s).at(*star).b)
        only = np.log(read.grid(s, strength).at(*alone).b)  # solved on s = 0 alone
        np.testing.assert_allclose(only, strength * np.log(table.grid().at(*alone).b), atol=0.006)
