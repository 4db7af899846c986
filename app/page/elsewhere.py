"""What the page reaches beyond itself, where its server was started with it: archives, and programs on the same machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING

from cinn_core.errors import KielError
from cinn_core.stages import Analysis

from .visit import MAX_UPLOAD_BYTES

if TYPE_CHECKING:
    from cinn_core.vo.archives import Found, Search
    from cinn_core.vo.samp import Hub

ARCHIVES_VARIABLE, SAMP_VARIABLE = "KIEL_ARCHIVES", "KIEL_SAMP"
"""Set by `kiel serve --archives` and `--samp`; without them a server fetches nothing and tells nobody."""

NETWORK = ThreadPoolExecutor(max_workers=4, thread_name_prefix="kiel-network")
"""Waits for archives and programs: nothing that computes waits behind it."""

Take = Callable[[str, bytes], object]


def archives_allowed() -> bool:
    """Whether visitors may search archives and fetch from them."""
    return os.environ.get(ARCHIVES_VARIABLE, "") == "1"


def samp_allowed() -> bool:
    """Whether the page talks with programs on the machine of its server, which is then its visitor's."""
    return os.environ.get(SAMP_VARIABLE, "") == "1"


def search(star: str) -> Search:
    """What the archives have of a star, by name or coordinates."""
    from cinn_core.vo.archives import ARCHIVES, find, position

    return find(position(star), ARCHIVES.values())


def fetch(spectrum: Found) -> tuple[bytes, str]:
    """The file of a spectrum and its name."""
    from cinn_core.vo import archives

    return archives.fetch(spectrum, archives.ARCHIVES[spectrum.archive], MAX_UPLOAD_BYTES)


class Programs:
    """The programs on this machine, by one connection for all sessions; what they send goes to every page that is open."""

    def __init__(self) -> None:
        self._lock, self._takers = Lock(), list[Take]()
        self._hub: Hub | None = None

    def subscribe(self, take: Take) -> Callable[[], None]:
        """Hand what programs send to `take`, on a thread of its own; the result ends that."""
        self._takers.append(take)
        return lambda: self._takers.remove(take) if take in self._takers else None

    def names(self) -> list[str]:
        """The programs that take tables or spectra; none where no hub runs."""
        try:
            return sorted(set(self._connected().recipients().values()))
        except KielError:
            return []

    def send_stars(self, stars: Sequence[Analysis]) -> list[str]:
        """Send the table of all stars; sentences on who took it."""
        from cinn_core.vo.samp import table_product

        return self._connected().send([table_product(stars)])

    def send_star(self, star: Analysis) -> list[str]:
        """Send the table's row, the spectrum and the samples of one star; sentences on who took what."""
        from cinn_core.vo.samp import products_of

        return self._connected().send(products_of(star))

    def _connected(self) -> Hub:
        """The connection, made anew where the hub has ended since. Raises SampError where none runs."""
        from cinn_core.vo.samp import Hub

        with self._lock:
            if self._hub is not None and not self._hub.answers():
                self._hub.close()
                self._hub = None
            if self._hub is None:
                self._hub = Hub(self._hand_on)
            return self._hub

    def _hand_on(self, name: str, content: bytes) -> None:
        for take in tuple(self._takers):
            take(name, content)


PROGRAMS = Programs()
