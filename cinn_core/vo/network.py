"""What is fetched from elsewhere: from listed hosts alone, so many bytes and seconds at most; every redirect is held to that."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from .. import __version__
from ..errors import KielError, printable
from ..readers import MAX_BYTES

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SECONDS = 120.0
"""Longest that one answer may take in all."""
_SILENCE_S = 20.0
_CHUNK = 1 << 16


class NetworkError(KielError):
    """An address that is not fetched from, an answer that did not come or is too large, and what to do."""


class _Body(io.BytesIO):
    """A body that was read whole, for those that read it by urllib3's interface."""

    def read(self, size: int | None = -1, decode_content: bool | None = None) -> bytes:
        return super().read(size)


class _Guard(HTTPAdapter):
    """Sends a request where its host is listed, and reads the answer as far as the limits allow."""

    def __init__(self, hosts: Collection[str], max_bytes: int, seconds: float) -> None:
        super().__init__()
        self._hosts, self._max_bytes, self._seconds = frozenset(hosts), max_bytes, seconds

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        host = urlsplit(str(request.url)).hostname or ""
        require_host(host, self._hosts)
        response = super().send(request, **kwargs | {"stream": True, "timeout": min(_SILENCE_S, self._seconds)})
        connection = response.raw
        try:
            response.raw = _Body(self._read(connection, host))
        except HTTPError as problem:
            raise NetworkError(f"The answer of {host} broke off ({in_words(problem)}); try again.") from problem
        finally:
            connection.close()
        return response

    def _read(self, connection: Any, host: str) -> bytes:
        ends = time.monotonic() + self._seconds
        content = bytearray()
        while chunk := connection.read1(_CHUNK, decode_content=True):  # what is there: a slow sender cannot hold it up
            content += chunk
            if len(content) > self._max_bytes:
                raise NetworkError(
                    f"The answer of {host} is larger than {self._max_bytes / 1e6:.0f} MB; it was not fetched. Narrow the search, or "
                    "choose another spectrum."
                )
            if time.monotonic() > ends:
                raise NetworkError(f"{host} took longer than {self._seconds:.0f} s to answer; try again later.")
        return bytes(content)


def require_host(host: str, hosts: Collection[str]) -> None:
    """Raise NetworkError for a host that is not listed."""
    if host.lower() not in hosts:
        raise NetworkError(f"Nothing is fetched from {host or 'an address without a host'}; hosts are {listed(hosts)}.")


def session(hosts: Collection[str], max_bytes: int = MAX_BYTES, seconds: float = SECONDS) -> requests.Session:
    """A session of requests that goes to listed hosts alone and reads no more and no longer than that."""
    guarded = requests.Session()
    guard = _Guard(hosts, max_bytes, seconds)
    guarded.mount("http://", guard)
    guarded.mount("https://", guard)
    guarded.max_redirects = 5
    guarded.headers["User-Agent"] = f"kiel/{__version__}"
    return guarded


def download(
    url: str, hosts: Collection[str], *, max_bytes: int = MAX_BYTES, seconds: float = SECONDS
) -> tuple[bytes, str]:
    """The bytes behind an http address and a plain name for them. Raises NetworkError where that is refused or fails."""
    if urlsplit(url).scheme not in ("http", "https"):
        raise NetworkError(f"{url[:80]} is no http address; nothing else is fetched.")
    try:
        answer = session(hosts, max_bytes, seconds).get(url)
        answer.raise_for_status()
        return answer.content, _name(answer)
    except (requests.RequestException, OSError) as problem:
        raise NetworkError(f"{urlsplit(url).hostname} did not give the file ({in_words(problem)}).") from problem


def read_local(url: str, max_bytes: int = MAX_BYTES) -> tuple[bytes, str]:
    """The bytes of a file:// address on this machine and its name. Raises NetworkError where there is no such file."""
    parts = urlsplit(url)
    path = Path(unquote(parts.path))
    if parts.scheme != "file" or (parts.hostname or "localhost") not in LOOPBACK or not path.is_file():
        raise NetworkError(f"{url[:120]} is no file of this machine.")
    if path.stat().st_size > max_bytes:
        raise NetworkError(f"{path.name} is larger than {max_bytes / 1e6:.0f} MB; it was not read.")
    return path.read_bytes(), plain_name(path.name)


def in_words(problem: BaseException) -> str:
    """The message of an exception in one short printable line."""
    text = printable(str(problem) or type(problem).__name__)
    return re.sub(r"\s+", " ", text)[:160].rstrip(" .")


def listed(names: Collection[str]) -> str:
    """Names in order, for a sentence."""
    return ", ".join(sorted(names)) or "none"


def plain_name(text: str) -> str:
    """A file's name that is none of a path, hidden or endless."""
    return re.sub(r"[^A-Za-z0-9+_.-]+", "-", text).strip("-.")[-100:] or "spectrum"


def _name(answer: requests.Response) -> str:
    said = re.search(r'filename="?([^";]+)', answer.headers.get("Content-Disposition", ""))
    return plain_name(said.group(1) if said else unquote(urlsplit(answer.url).path.rpartition("/")[2]))
