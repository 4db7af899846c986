"""Files that leave Kiel are what their standards say: votlint of STILTS and fitsverify of HEASARC find nothing."""

from __future__ import annotations

import io
import shutil
import subprocess

import pyarrow.parquet as pq
import pytest
from fake_analysis import fake_analysis
from missing import missing

from cinn_core.batch.items import Item
from cinn_core.batch.rows import export_rows, refused_row, rows_table
from cinn_core.output.bundle import SavedStar, bundle_bytes
from cinn_core.output.catalogue import as_votable, catalogue_row
from cinn_core.vo.samp import products_of


@pytest.fixture(scope="module")
def analysis():
    return fake_analysis(star="Å star, with a name of some length", n=200)


@pytest.fixture(scope="module")
def batch(tmp_path_factory):
    """The folder of a batch that holds two refusals: rows with every column, most of them empty."""
    folder = tmp_path_factory.mktemp("batch")
    (folder / "rows").mkdir()
    rows = [refused_row(i, Item(f"{i}.fits", None, None), "It is empty.") for i in range(2)]
    pq.write_table(rows_table(rows, {}), folder / "rows" / "part-00000.parquet")
    return folder


def votlint(path) -> str:
    if shutil.which("stilts") is None:
        missing("no stilts: apt install stilts")
    done = subprocess.run(["stilts", "votlint", str(path)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def fitsverify(path) -> str:
    if shutil.which("fitsverify") is None:
        missing("no fitsverify: apt install fitsverify")
    return subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True, check=False).stdout


def test_the_validators_find_what_is_wrong(tmp_path):
    """Else the tests below could not fail."""
    (tmp_path / "bad.vot").write_text(
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>'
        '<FIELD name="a" datatype="nothing"/></TABLE></RESOURCE></VOTABLE>'
    )
    assert "nothing" in votlint(tmp_path / "bad.vot")
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE  =                    T".ljust(2880))
    assert not fitsverify(tmp_path / "bad.fits").startswith("verification OK")


def test_votables(analysis, tmp_path):
    written = {"catalogue": as_votable([catalogue_row(analysis), catalogue_row(fake_analysis(star="", n=200))])}
    written |= {f"product{i}": p.content for i, p in enumerate(products_of(analysis)) if p.suffix == ".vot"}
    for name, content in written.items():
        (tmp_path / f"{name}.vot").write_bytes(content)
        assert votlint(tmp_path / f"{name}.vot") == ""


def test_tables_of_a_batch(batch, tmp_path):
    for suffix in (".vot", ".fits"):
        export_rows(batch, tmp_path / f"table{suffix}")
    assert votlint(tmp_path / "table.vot") == ""
    assert fitsverify(tmp_path / "table.fits").startswith("verification OK")


def test_every_fits_file_of_the_bundle(analysis, tmp_path):
    import zipfile

    with zipfile.ZipFile(io.BytesIO(bundle_bytes(SavedStar(analysis)))) as archive:
        names = [name for name in archive.namelist() if name.endswith(".fits")]
        archive.extractall(tmp_path, names)
    assert len(names) == 4
    for name in names:
        assert fitsverify(tmp_path / name).startswith("verification OK"), name
