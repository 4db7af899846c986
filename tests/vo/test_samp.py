"""SAMP both ways, through pyvo's own hub on this machine: other programs get what is sent, and what they send is read."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import threading

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from missing import missing, needed

from cinn_core.errors import KielError
from cinn_core.instrument import WAVELENGTH
from cinn_core.output.exchange import write_spectrum_table
from cinn_core.readers import read
from cinn_core.targets import TARGET_NAMES
from cinn_core.vo.network import NetworkError
from cinn_core.vo.samp import Hub, SampError, load, products_of, send_star, table_product

needed("pyvo", "archive")


@pytest.fixture
def hub_here(tmp_path, monkeypatch):
    """A hub of its own for the test; programs find it by its lock file."""
    from pyvo import samp

    samp.conf.use_internet = False
    lock = tmp_path / "samp.lock"
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{lock.as_uri()}")
    server = samp.SAMPHubServer(web_profile=False, lockfile=str(lock), addr="localhost")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def other(hub_here):
    """Another program that keeps what it is sent, by message; it refuses what `refuse` names."""
    from pyvo import samp

    client = samp.SAMPIntegratedClient(name="Other", addr="localhost")
    client.connect()
    client.got, client.refuse = {}, set()

    def take(_key, _sender, msg_id, mtype, params, _extra):
        client.got.setdefault(mtype, []).append((params, load(params["url"])[0]))
        said = ("samp.error", None, {"samp.errortxt": "no memory left"}) if mtype in client.refuse else ("samp.ok", {})
        # pyvo's hub loses a reply that comes before it has begun to wait for one
        threading.Timer(0.1, client.ereply, (msg_id, *said)).start()

    client.bind_receive_call("table.load.votable", take)
    client.take = take
    yield client
    client.disconnect()


def test_table_spectrum_and_samples_arrive(other, made_up):
    other.bind_receive_call("spectrum.load.ssa-generic", other.take)
    assert send_star(made_up, "other") == [
        "Other: Kiel: Made-up star",
        "Other: Kiel: spectrum of Made-up star",
        "Other: Kiel: posterior of Made-up star",
    ]
    (_, table), (_, samples) = other.got["table.load.votable"]
    (row,) = Table.read(io.BytesIO(table), format="votable")
    assert row["teff"] == made_up.summary.targets["teff"].map
    posterior = Table.read(io.BytesIO(samples), format="votable")
    for i, name in enumerate(TARGET_NAMES):
        np.testing.assert_array_equal(posterior[name], made_up.posterior.labels[:, i])
    ((params, spectrum),) = other.got["spectrum.load.ssa-generic"]
    assert params["meta"]["Access.Format"] == "application/fits"
    np.testing.assert_array_equal(fits.getdata(io.BytesIO(spectrum), 1)["WAVE"], WAVELENGTH)


def test_a_program_without_spectra_gets_the_spectrum_as_a_table(other, made_up):
    other.bind_receive_call("table.load.*", other.take)
    send_star(made_up)
    assert len(other.got["table.load.fits"]) == 1
    assert "spectrum.load.ssa-generic" not in other.got


def test_a_program_that_cannot_load_says_so(other, made_up):
    other.refuse.add("table.load.votable")
    with pytest.raises(SampError, match=r"Other could not load Kiel: Made-up star \(no memory left\)"):
        send_star(made_up)


def test_without_hub_or_program_there_is_a_sentence(monkeypatch, tmp_path, made_up):
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'none').as_uri()}")
    with pytest.raises(SampError, match="No SAMP hub answers on this machine"):
        send_star(made_up)


def test_nobody_there_is_told(hub_here, made_up):
    with pytest.raises(SampError, match=r"No program called topcat is connected to the hub \(there: none\)"):
        send_star(made_up, "topcat")


def test_what_others_send_is_handed_on(other, made_up, tmp_path):
    path = tmp_path / "a star.fits"
    write_spectrum_table(made_up, path)
    got = []
    kiel = Hub(lambda name, content: got.append((name, content)))
    try:
        for mtype in ("table.load.fits", "spectrum.load.ssa-generic"):
            params = {"url": path.as_uri(), "name": "HD 1"}
            (client,) = (c for c in other.get_subscribed_clients(mtype))
            reply = other.call_and_wait(client, {"samp.mtype": mtype, "samp.params": params}, "10")
            assert reply["samp.status"] == "samp.ok"
        for url, said in (
            ("file:///none.fits", "no file of this machine"),
            ("http://192.0.2.1/x", "Nothing is fetched from"),
        ):
            message = {"samp.mtype": "table.load.votable", "samp.params": {"url": url}}
            reply = other.call_and_wait(client, message, "10")
            assert reply["samp.status"] == "samp.error"
            assert said in reply["samp.error"]["samp.errortxt"]
    finally:
        kiel.close()
    assert [name for name, _ in got] == ["HD-1.fits"] * 2
    spectrum = read(got[0][1], got[0][0])
    np.testing.assert_allclose(spectrum.flux[spectrum.good], made_up.flux_vector.flux[made_up.flux_vector.good])


@pytest.mark.parametrize("kind", ["votable", "fits"])
def test_stilts_sends_a_spectrum_that_kiel_reads(hub_here, made_up, tmp_path, kind):
    if shutil.which("stilts") is None:
        missing("no stilts: apt install stilts")
    path = tmp_path / "star.fits"
    write_spectrum_table(made_up, path)
    got = []
    kiel = Hub(lambda name, content: got.append((name, content)))
    try:
        command = ["stilts", "tpipe", f"in={path}", "omode=samp", f"format={kind}", "client=Kiel"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    finally:
        kiel.close()
    assert "Response samp.ok" in done.stdout, done.stderr
    ((name, content),) = got
    spectrum = read(content, name)
    assert spectrum.format.lower().startswith(kind[:3])
    np.testing.assert_allclose(spectrum.wavelength[[0, -1]], WAVELENGTH[[0, -1]])
    assert spectrum.error is not None


def test_a_file_of_another_machine_is_none_of_ours(tmp_path):
    with pytest.raises(NetworkError, match="no file of this machine"):
        load(f"file://elsewhere.example.org{tmp_path}/star.fits")
    with pytest.raises(KielError, match="names no address"):
        load("")


def test_the_table_of_many_says_how_many(made_up):
    assert table_product([made_up, made_up]).name == "Kiel: 2 stars"
    assert len(products_of(made_up)) == 3
