"""Tables and spectra to and from the programs of this machine (TOPCAT, Aladin, SPLAT …), by SAMP through a hub that runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .. import __version__
from ..errors import KielError
from ..output.bundle import posterior_table
from ..output.catalogue import as_votable, catalogue_row, votable_bytes
from ..output.exchange import write_spectrum_table
from ..stages import Analysis
from .network import LOOPBACK, NetworkError, download, in_words, plain_name, read_local

TABLE, TABLE_FITS, SPECTRUM = "table.load.votable", "table.load.fits", "spectrum.load.ssa-generic"
RECEIVED = (TABLE, TABLE_FITS, SPECTRUM)
"""What Kiel takes from others: a table with columns of wavelength and flux is a spectrum too."""
_WAIT_S = 30


class SampError(KielError):
    """A hub that does not run, a program that is not there or refuses, and what to do."""


@dataclass(frozen=True)
class Product:
    """One file to send: what it is for people, its bytes and ending, and the messages that may announce it, the best first."""

    name: str
    content: bytes
    suffix: str
    messages: tuple[str, ...]
    meta: dict[str, str] = field(default_factory=dict)


def products_of(analysis: Analysis) -> tuple[Product, ...]:
    """The star's row of the table (VOTable), its spectrum with model (FITS, a row a pixel), and its samples (VOTable)."""
    star = analysis.flux_vector.star or "star"
    return (table_product([analysis]), spectrum_product(analysis), samples_product(analysis, star))


def table_product(analyses: Sequence[Analysis]) -> Product:
    """The table of one star or several, a row a star."""
    name = f"Kiel: {analyses[0].flux_vector.star or 'star'}" if len(analyses) == 1 else f"Kiel: {len(analyses)} stars"
    return Product(name, as_votable([catalogue_row(one) for one in analyses]), ".vot", (TABLE,))


def spectrum_product(analysis: Analysis) -> Product:
    """The spectrum as the network saw it, with its errors and the model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spectrum.fits"
        write_spectrum_table(analysis, path)
        content = path.read_bytes()
    star = analysis.flux_vector.star or "star"
    meta = {"Access.Format": "application/fits", "Target.Name": star, "vox:spectrum_axes": "WAVE FLUX",
            "vox:spectrum_units": "Angstrom adu", "vox:spectrum_axes_names": "WAVE FLUX"}  # fmt: skip
    return Product(f"Kiel: spectrum of {star}", content, ".fits", (SPECTRUM, TABLE_FITS), meta)


def samples_product(analysis: Analysis, star: str) -> Product:
    """The samples of the posterior, a row a sample."""
    return Product(
        f"Kiel: posterior of {star}", votable_bytes(posterior_table(analysis), binary=True), ".vot", (TABLE,)
    )


class Hub:
    """A connection to the hub of this machine: programs listed and sent to, and what they send handed on."""

    def __init__(self, receive: Callable[[str, bytes], object] | None = None, hosts: Collection[str] = ()) -> None:
        """`receive` gets name and bytes of each file that a program sends; beside this machine's, files come from `hosts` alone.

        Raises SampError where no hub runs.
        """
        self._receive, self._hosts = receive, frozenset(hosts) | LOOPBACK
        self._folder = tempfile.TemporaryDirectory(prefix="kiel-samp-")
        self._client = _client()
        try:
            self._client.connect()
        except Exception as problem:  # pyvo raises its own, xmlrpc's and the socket's
            self._folder.cleanup()
            raise SampError(
                f"No SAMP hub answers on this machine ({in_words(problem)}); start TOPCAT, Aladin or another hub, then try again."
            ) from problem
        if receive is not None:
            for mtype in RECEIVED:
                self._client.bind_receive_message(mtype, self._take)

    def answers(self) -> bool:
        """Whether the hub still runs."""
        try:
            self._client.ping()
        except Exception:  # pyvo's own, xmlrpc's and the socket's
            return False
        return True

    def recipients(self, messages: Collection[str] = RECEIVED) -> dict[str, str]:
        """Names of the other programs that take any of the messages, by their identifier."""
        found = {}
        for message in messages:
            for client in self._client.get_subscribed_clients(message):
                found[client] = str(self._client.get_metadata(client).get("samp.name", client))
        return found

    def send(self, products: Sequence[Product], to: str | None = None) -> list[str]:
        """Send to every program that takes a product, or to the one of a name; sentences on who took what.

        Raises SampError where nobody is there, or where one says that it could not load a file.
        """
        known = self.recipients()
        chosen = {i: name for i, name in known.items() if to is None or name.lower() == to.lower()}
        if not chosen:
            there = ", ".join(sorted(set(known.values()))) or "none"
            who = "No program that takes tables or spectra" if to is None else f"No program called {to}"
            raise SampError(f"{who} is connected to the hub (there: {there}); start one, then send again.")
        paths = [self._written(product) for product in products]
        told = []
        for client, name in chosen.items():
            offered = set(self._client.get_subscriptions(client))
            for product, path in zip(products, paths, strict=True):
                message = next((m for m in product.messages if _takes(offered, m)), None)
                if message is not None:
                    told.append(self._call(client, name, message, product, path))
        return told

    def close(self) -> None:
        """Leave the hub; files that were sent go with it."""
        try:
            self._client.disconnect()
        except Exception:
            pass
        self._folder.cleanup()

    def _written(self, product: Product) -> Path:
        path = Path(self._folder.name) / (plain_name(product.name.partition(": ")[2]) + product.suffix)
        path.write_bytes(product.content)
        return path

    def _call(self, client: str, name: str, message: str, product: Product, path: Path) -> str:
        params: dict[str, Any] = {"url": path.as_uri(), "name": product.name}
        params |= {"spectrum-id": path.stem, "meta": product.meta} if message == SPECTRUM else {"table-id": path.stem}
        try:
            reply = self._client.call_and_wait(client, {"samp.mtype": message, "samp.params": params}, str(_WAIT_S))
        except Exception as problem:
            raise SampError(f"{name} did not answer within {_WAIT_S} s ({in_words(problem)}).") from problem
        if reply.get("samp.status") == "samp.error":
            why = reply.get("samp.error", {}).get("samp.errortxt", "without a reason")
            raise SampError(f"{name} could not load {product.name} ({in_words(ValueError(why))}).")
        return f"{name}: {product.name}"

    def _take(
        self, _key: str, _sender: str, msg_id: str | None, _mtype: str, params: dict[str, Any], _extra: Any
    ) -> None:
        """Hand a file on that another program announces, and answer it."""
        try:
            content, name = load(str(params.get("url", "")), self._hosts)
            self._receive(_named(str(params.get("name") or ""), name), content)  # type: ignore[misc]
            problem = ""
        except KielError as refused:
            problem = str(refused)
        if msg_id is None:
            return
        if problem:
            self._client.ereply(msg_id, "samp.error", error={"samp.errortxt": problem})
        else:
            self._client.ereply(msg_id, "samp.ok", result={})


def load(url: str, hosts: Collection[str] = LOOPBACK) -> tuple[bytes, str]:
    """The bytes of a file that a program announces: of this machine, or of a listed host. Raises NetworkError else."""
    if urlsplit(url).scheme == "file":
        return read_local(url)
    if not url:
        raise NetworkError("The message names no address.")
    return download(url, hosts)


@contextmanager
def hub(receive: Callable[[str, bytes], object] | None = None) -> Iterator[Hub]:
    """A connection to the hub that ends with the block."""
    connected = Hub(receive)
    try:
        yield connected
    finally:
        connected.close()


def send_star(analysis: Analysis, to: str | None = None) -> list[str]:
    """Send table, spectrum and samples of a star; sentences on who took what. Raises SampError."""
    with hub() as connected:
        return connected.send(products_of(analysis), to)


def _client() -> Any:
    try:
        from pyvo import samp
    except ImportError as problem:
        raise KielError("SAMP needs pyvo; install it with: pip install 'kiel-spectra[archive]'.") from problem
    samp.conf.use_internet = False  # else it opens a page of a search engine to see whether there is a network
    metadata = {"samp.name": "Kiel", "samp.description.text": "What a star is made of", "kiel.version": __version__}
    return samp.SAMPIntegratedClient(metadata=metadata, addr="localhost")


def _takes(offered: Collection[str], message: str) -> bool:
    """Whether subscriptions, which may end in a wildcard, hold a message."""
    return any(one in (message, "*") or (one.endswith(".*") and message.startswith(one[:-1])) for one in offered)


def _named(said: str, name: str) -> str:
    """The name that a file is shown by: what its sender calls it, with the file's own ending."""
    ending = Path(name).suffix
    return plain_name(said) + ending if said and not said.endswith(ending) else plain_name(said or name)
