"""Archives by their protocols, against a service on this machine: what is listed, left out, cut, refused and fetched."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from local_archive import FEROS, local_archive
from missing import needed

from cinn_core.errors import KielError
from cinn_core.readers import read
from cinn_core.vo.archives import ARCHIVES, Archive, archive_of, fetch, find, position
from cinn_core.vo.network import NetworkError, download

needed("pyvo", "archive")
WHERE = position("235.758 -10.934")


def archive(service, protocol: str = "tap", hosts=("127.0.0.1",)) -> Archive:
    return Archive("here", protocol, service.url + {"tap": "/tap", "ssa": "/ssa"}[protocol], frozenset(hosts))


def star_file(n: int = 200) -> bytes:
    hdu = fits.PrimaryHDU(np.ones(n, np.float32))
    hdu.header.update(CRVAL1=5000.0, CDELT1=0.1, CRPIX1=1.0, CUNIT1="Angstrom", OBJECT="HD 140283")
    buffer = io.BytesIO()
    hdu.writeto(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", ["tap", "ssa"])
def test_a_spectrum_is_listed_and_fetched_by_either_protocol(protocol):
    with local_archive(files={"star.fits": star_file()}) as service:
        here = archive(service, protocol)
        result = find(WHERE, [here])
        assert result.complaints == ()
        (found,) = result.spectra
        assert (found.target, found.instrument, found.resolving_power) == ("HD140283", "FEROS", 48000)
        assert found.low == pytest.approx(3527)
        assert found.high == pytest.approx(9216)
        assert found.megabytes == pytest.approx(4.5)
        content, name = fetch(found, here)
    assert name == "star.fits"  # the service says ../star.fits
    assert read(content, name).star == "HD 140283"


def test_the_query_asks_for_spectra_in_a_cone():
    with local_archive() as service:
        find(WHERE, [archive(service)], 30)
        find(WHERE, [archive(service, "ssa")], 30)
    (_, tap), (_, ssa) = service.asked
    assert "dataproduct_type = 'spectrum'" in tap["QUERY"]
    assert "CIRCLE('ICRS', 235.758000, -10.934000, 0.008333)" in tap["QUERY"]
    assert [float(x) for x in ssa["POS"].split(",")] == pytest.approx([235.758, -10.934])
    assert float(ssa["SIZE"]) == pytest.approx(60 / 3600)  # a diameter


def test_what_cannot_be_used_is_left_out_and_counted():
    rows = [
        FEROS | {"em_res_power": 18000.0},
        FEROS | {"em_res_power": ""},
        FEROS | {"em_max": 6.3e-7},
        FEROS | {"em_min": 5.2e-7},
        FEROS | {"em_min": 5.162e-7},  # within the 5 Å that the edges may miss
    ]
    with local_archive(rows=rows) as service:
        result = find(WHERE, [archive(service)])
    assert len(result.spectra) == 1
    assert dict(result.left_out) == {
        "below R = 18500": 1,
        "without a resolving power": 1,
        "not from 5160 to 6790 Å": 2,
    }


def test_the_best_come_first():
    rows = [
        FEROS | {"snr": snr, "em_res_power": power} for snr, power in ((50, 1e5), ("", 1.2e5), (300, 5e4), (300, 8e4))
    ]
    with local_archive(rows=rows) as service:
        found = find(WHERE, [archive(service)]).spectra
    assert [(one.snr if one.snr == one.snr else None, one.resolving_power) for one in found] == [
        (300, 8e4), (300, 5e4), (50, 1e5), (None, 1.2e5),
    ]  # fmt: skip


@pytest.mark.parametrize("protocol", ["tap", "ssa"])
def test_a_list_that_the_archive_cut_is_told_to_be_cut(protocol):
    with local_archive(status="OVERFLOW") as service:
        result = find(WHERE, [archive(service, protocol)])
    assert len(result.spectra) == 1
    assert "the list was cut at 1 spectra" in result.complaints[0]


@pytest.mark.parametrize("protocol", ["tap", "ssa"])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"status": "Column em_res_power is not known"}, "Column em_res_power is not known"),
        ({"http_status": 503}, "503"),
        ({"rows": [FEROS], "status": "OK", "redirect": "http://192.0.2.1/elsewhere"}, "192.0.2.1"),
    ],
)
def test_an_archive_that_fails_leaves_a_sentence_and_the_others_answer(protocol, settings, said):
    with local_archive(**settings) as broken, local_archive() as whole:
        result = find(WHERE, [archive(broken, protocol), archive(whole)])
    assert len(result.spectra) == 1
    assert len(result.complaints) == 1
    assert said in result.complaints[0]


def test_an_archive_that_is_not_there_leaves_a_sentence():
    gone = Archive("gone", "tap", "http://127.0.0.1:9/tap", frozenset({"127.0.0.1"}))
    (complaint,) = find(WHERE, [gone]).complaints
    assert complaint.startswith("gone: ")


def test_files_come_from_listed_hosts_alone():
    with local_archive(files={"star.fits": star_file()}) as service:
        (found,) = find(WHERE, [archive(service, "ssa")]).spectra
        other = archive(service, hosts=("archive.example.org",))
        with pytest.raises(
            NetworkError, match=r"Nothing is fetched from 127\.0\.0\.1; hosts are archive\.example\.org"
        ):
            fetch(found, other)
        service.redirect = "http://localhost:9/star.fits"  # the machine itself, by a name that is not listed
        with pytest.raises(NetworkError, match="Nothing is fetched from localhost"):
            fetch(found, archive(service))
    with pytest.raises(NetworkError, match="no http address"):
        download("file:///etc/passwd", {""})


def test_size_and_time_are_limited():
    with local_archive(files={"star.fits": bytes(200_000)}) as service:
        url, hosts = f"{service.url}/file/star.fits", {"127.0.0.1"}
        assert len(download(url, hosts, max_bytes=200_000)[0]) == 200_000
        with pytest.raises(NetworkError, match="larger than 0 MB"):
            download(url, hosts, max_bytes=199_999)
        service.drip_s = 0.02
        with pytest.raises(NetworkError, match=r"took longer than 0 s|did not give the file"):
            download(url, hosts, seconds=0.3)
        service.drip_s, service.slow_s = 0.0, 1.0
        with pytest.raises(NetworkError, match="did not give the file"):
            download(url, hosts, seconds=0.2)


def test_an_answer_that_breaks_off_is_no_answer():
    with local_archive(files={"star.fits": bytes(2000)}, cut=True) as service:
        with pytest.raises(NetworkError, match="broke off"):
            download(f"{service.url}/file/star.fits", {"127.0.0.1"})
        (complaint,) = find(WHERE, [archive(service)]).complaints
    assert "broke off" in complaint


def test_compressed_answers_are_read_and_held_to_the_limit_unpacked():
    with local_archive(files={"star.fits": bytes(200_000)}, gzip=True) as service:
        url, hosts = f"{service.url}/file/star.fits", {"127.0.0.1"}
        assert download(url, hosts)[0] == bytes(200_000)
        with pytest.raises(NetworkError, match="larger than 0 MB"):
            download(url, hosts, max_bytes=100_000)
        assert len(find(WHERE, [archive(service)]).spectra) == 1


@pytest.mark.parametrize(
    "text",
    [
        "235.758 -10.934",
        "235.758, -10.934",
        "15:43:01.92 -10:56:02.4",
        "15 43 01.92 -10 56 02.4",
        "15h43m01.92s -10d56m02.4s",
    ],
)
def test_coordinates_are_taken_as_they_are_written(text):
    where = position(text)
    assert where.ra.deg == pytest.approx(235.758, abs=1e-5)
    assert where.dec.deg == pytest.approx(-10.934, abs=1e-5)


def test_names_are_asked_for_and_unknown_ones_refused():
    with local_archive() as service:
        resolver = f"{service.url}/sesame?"
        assert position("HD  140283", resolver).ra.deg == pytest.approx(235.758)
        with pytest.raises(KielError, match="knows 'HD 999999'"):
            position("HD 999999", resolver)
    with pytest.raises(KielError, match="give its coordinates instead"):
        position("HD 140283", resolver)  # the service has ended
    with pytest.raises(KielError, match="is no position"):
        position("400 -95")


def test_archives_are_named_or_given_by_protocol_and_address():
    assert archive_of("eso") is ARCHIVES["eso"]
    own = archive_of("ssa:https://dc.example.org/ssa?")
    assert own.name == "ssa:dc.example.org/ssa?"
    assert (own.protocol, own.url, own.hosts) == ("ssa", "https://dc.example.org/ssa", frozenset({"dc.example.org"}))
    with pytest.raises(KielError, match="eso, polarbase"):
        archive_of("sdss")
