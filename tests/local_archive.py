"""A TAP, SSA, datalink and name service on this machine, which answers in the columns that archives document, and fails as they do."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

FEROS = {
    "dataproduct_type": "spectrum", "target_name": "HD140283", "instrument_name": "FEROS", "obs_collection": "FEROS",
    "s_ra": 235.758, "s_dec": -10.934, "em_min": 3.527e-7, "em_max": 9.216e-7, "em_res_power": 48000.0, "t_min": 54321.25,
    "snr": 210.4, "access_format": "application/x-votable+xml;content=datalink", "access_estsize": 4500,
}  # fmt: skip
"""A row of ivoa.ObsCore as the ESO's tap_obs has it: wavelengths in metres, access by datalink, and its own column snr."""
COLUMNS = {
    "dataproduct_type": "char", "target_name": "char", "instrument_name": "char", "obs_collection": "char", "s_ra": "double",
    "s_dec": "double", "em_min": "double", "em_max": "double", "em_res_power": "double", "t_min": "double", "snr": "float",
    "access_url": "char", "access_format": "char", "access_estsize": "long",
}  # fmt: skip
SSA = (
    ("TARGETNAME", "char", "ssa:Target.Name", "target_name"), ("INSTRUMENT", "char", "ssa:DataID.Instrument", "instrument_name"),
    ("wmin", "double", "ssa:Char.SpectralAxis.Coverage.Bounds.Start", "em_min"),
    ("wmax", "double", "ssa:Char.SpectralAxis.Coverage.Bounds.Stop", "em_max"),
    ("SPECRP", "double", "ssa:Char.SpectralAxis.ResPower", "em_res_power"), ("SNR", "float", "ssa:Derived.SNR", "snr"),
    ("acref", "char", "ssa:Access.Reference", "access_url"), ("mime", "char", "ssa:Access.Format", "access_format"),
    ("size", "long", "ssa:Access.Size", "access_estsize"),
)  # fmt: skip
"""Columns of a spectrum service: name, type, utype of the data model, and the same of ObsCore."""


@dataclass
class Service:
    """What the service holds and how it answers; `asked` are the paths and parameters of its visitors."""

    url: str = ""
    rows: list[dict] = field(default_factory=lambda: [dict(FEROS)])
    files: dict[str, bytes] = field(default_factory=dict)
    status: str = "OK"
    http_status: int = 200
    slow_s: float = 0.0
    drip_s: float = 0.0
    gzip: bool = False
    cut: bool = False
    redirect: str = ""
    names: dict[str, tuple[float, float]] = field(default_factory=lambda: {"HD 140283": (235.758, -10.934)})
    asked: list[tuple[str, dict]] = field(default_factory=list)


@contextmanager
def local_archive(**settings) -> Iterator[Service]:
    """A service that runs while the block does."""
    service = Service(**settings)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(parse_qs(urlsplit(self.path).query, keep_blank_values=True))

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.answer(parse_qs(body))

        def answer(self, parameters):
            path = urlsplit(self.path).path
            service.asked.append((path, {key.upper(): value[0] for key, value in parameters.items()}))
            time.sleep(service.slow_s)
            if service.redirect:
                self.send_response(302)
                self.send_header("Location", service.redirect)
                self.end_headers()
                return
            kind, content = reply(service, path, parameters)
            if service.http_status != 200:
                kind, content = "text/html", b"<html>Service Unavailable</html>"
            self.send_response(service.http_status if content is not None else 404)
            self.send_header("Content-Type", kind)
            if path.startswith("/file/"):
                self.send_header("Content-Disposition", f'attachment; filename="../{path.rpartition("/")[2]}"')
            if service.gzip:
                self.send_header("Content-Encoding", "gzip")
                content = gzip.compress(content)
            if service.cut:
                self.send_header("Content-Length", str(len(content) + 1))
            self.end_headers()
            with suppress(OSError):  # a visitor that had enough
                self.write(content or b"")

        def write(self, content):
            if not service.drip_s:
                self.wfile.write(content)
                return
            for byte in content:
                self.wfile.write(bytes([byte]))
                time.sleep(service.drip_s)

        def log_message(self, *_args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(service: Service, path: str, parameters: dict) -> tuple[str, bytes | None]:
    """Type and content of an answer; None where there is nothing at the path."""
    votable = "application/x-votable+xml"
    if path.startswith("/file/"):
        return "application/fits", service.files.get(path.removeprefix("/file/"))
    if path == "/datalink":
        name = parameters["ID"][0]
        link = {
            "ID": name,
            "access_url": f"{service.url}/file/{name}",
            "semantics": "#this",
            "content_type": "application/fits",
        }
        return votable, document([(key, "char", "", key) for key in link], [link], "OK")
    if path == "/sesame":
        name = next(iter(parameters), "")
        return "text/plain", sesame(service.names.get(name))
    rows = [{"access_url": f"{service.url}/datalink?ID=star.fits", **row} for row in service.rows]
    if path == "/tap/sync":
        return votable, document([(name, kind, "", name) for name, kind in COLUMNS.items()], rows, service.status)
    if path == "/ssa":
        direct = [
            {**row, "access_url": f"{service.url}/file/star.fits", "access_format": "application/fits"} for row in rows
        ]
        return votable, document(SSA, direct, service.status)
    return "text/plain", None


def document(columns, rows: list[dict], status: str) -> bytes:
    """A VOTable of rows; a status that is no OK or OVERFLOW is an error with that text."""
    fields = "".join(
        f'<FIELD name="{name}" datatype="{kind}"{" arraysize=" + chr(34) + "*" + chr(34) if kind == "char" else ""}'
        f"{f' utype={chr(34)}{utype}{chr(34)}' if utype else ''}/>"
        for name, kind, utype, _ in columns
    )
    cells = "".join(
        "<TR>" + "".join(f"<TD>{escape(str(row.get(key, '')))}</TD>" for *_, key in columns) + "</TR>" for row in rows
    )
    known = status in ("OK", "OVERFLOW")
    info = f'<INFO name="QUERY_STATUS" value="{"OK" if known else "ERROR"}">{"" if known else escape(status)}</INFO>'
    table = f"<TABLE>{fields}<DATA><TABLEDATA>{cells}</TABLEDATA></DATA></TABLE>" if known else ""
    after = '<INFO name="QUERY_STATUS" value="OVERFLOW"/>' if status == "OVERFLOW" else ""
    return (
        '<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results">'
        f"{info}{table}{after}</RESOURCE></VOTABLE>"
    ).encode()


def sesame(found: tuple[float, float] | None) -> bytes:
    """The plain answer of the name resolver."""
    return f"%J {found[0]} {found[1]} = place\n".encode() if found else b"#!S: Nothing found\n"
