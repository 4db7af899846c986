"""Cards for what lies beyond the page: spectra in archives, and programs on the visitor's machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import panel as pn
import panel_material_ui as pmui

from .. import elsewhere
from ..jobs import run_job
from ..session import Session
from .widgets import card, fill, html, join

if TYPE_CHECKING:
    from cinn_core.vo.archives import Found, Search

_SHOWN = 50


def elsewhere_cards() -> tuple[Callable[[Session], pn.Column], ...]:
    """The cards that the server allows."""
    cards = ((elsewhere.archives_allowed(), archives_card), (elsewhere.samp_allowed(), programs_card))
    return tuple(view for allowed, view in cards if allowed)


def archives_card(session: Session) -> pn.Column:
    """A star's name or coordinates, the spectra that archives have of it, and one of them fetched and analysed."""
    state = session.state
    star = pmui.TextInput(label="star or coordinates", size="small", margin=0, sizing_mode="stretch_width")
    seek, get = (
        pmui.Button(label=label, variant="outlined", size="small", margin=0) for label in ("find", "get and analyse")
    )
    which = pmui.Select(label="spectrum", options={}, size="small", margin=(8, 0), sizing_mode="stretch_width")
    which.visible = get.visible = False
    note = html()

    def run(button: pmui.Button, what: str, compute: Callable, show: Callable) -> None:
        def ended(then: Callable, result: object) -> None:
            try:
                then(result)
            finally:
                button.disabled = False

        def refuse(sentence: str) -> None:
            note.object = ""
            state.warn(sentence)

        button.disabled = True
        note.object = str(fill('<div class="sub" role="status">{} …</div>', what))
        run_job(elsewhere.NETWORK, session.post, compute, partial(ended, show), partial(ended, refuse), "The archives")

    def found(result: Search) -> None:
        listed = result.spectra[:_SHOWN]
        which.param.update(options={_label(i, one): one for i, one in enumerate(listed, 1)})
        if listed:
            which.value = listed[0]
        which.visible = get.visible = bool(listed)
        lines = [f"{len(result.spectra)} spectra that Kiel can use"]
        lines += [f"{n} left out: {reason}" for reason, n in result.left_out.items()]
        note.object = str(join(fill('<div class="sub">{}</div>', line) for line in (*lines, *result.complaints)))

    def fetched(file: tuple[bytes, str]) -> None:
        content, name = file
        note.object = str(fill('<div class="sub">{}: {} MB</div>', name, f"{len(content) / 1e6:.1f}"))
        session.uploads.add_file(name, content)

    def search(_event: object) -> None:
        if text := star.value.strip():
            run(seek, "asking the archives", lambda: elsewhere.search(text), found)

    def fetch(_event: object) -> None:
        chosen = which.value
        run(get, "fetching", lambda: elsewhere.fetch(chosen), fetched)

    seek.on_click(search)
    get.on_click(fetch)
    return card(
        star, pn.FlexBox(seek, gap="8px", margin=(8, 0, 0, 0)), which, get, note, title="Archives",
    )  # fmt: skip


def programs_card(session: Session) -> pn.Column:
    """Buttons that send the star, or the table of all, to the programs of this machine; what these send is analysed here."""
    state = session.state
    star, table = (
        pmui.Button(label=label, variant="outlined", size="small", margin=0, description=words)
        for label, words in (
            ("send the star", "Its row of the table, its spectrum and its samples, to TOPCAT, Aladin, SPLAT …"),
            ("send the table", "The values of every star of the list"),
        )
    )
    note = html(fill('<div class="sub">By SAMP; what these programs send comes here.</div>'))

    def told(lines: list[str]) -> None:
        note.object = str(join(fill('<div class="sub">{}</div>', line) for line in lines))

    def send(compute: Callable[[], list[str]]) -> None:
        run_job(elsewhere.NETWORK, session.post, compute, told, state.warn, "The programs")

    def send_star(_event: object) -> None:
        if (analysis := state.analysis) is not None:
            send(lambda: elsewhere.PROGRAMS.send_star(analysis))

    def send_table(_event: object) -> None:
        if analyses := [one.analysis for one in state.stars]:
            send(lambda: elsewhere.PROGRAMS.send_stars(analyses))

    star.on_click(send_star)
    table.on_click(send_table)
    leave = elsewhere.PROGRAMS.subscribe(
        lambda name, content: session.post(partial(session.uploads.add_file, name, content))
    )
    if pn.state.curdoc is not None:
        pn.state.on_session_destroyed(lambda _context: leave())
    elsewhere.NETWORK.submit(elsewhere.PROGRAMS.names)  # connects, where a hub runs
    return card(pn.FlexBox(star, table, gap="8px", margin=0), note, title="Programs")


def _label(number: int, one: Found) -> str:
    snr = "" if one.snr != one.snr else f", S/N {one.snr:.0f}"
    return f"{number}: {one.archive} {one.instrument} R {one.resolving_power:.0f}{snr}"
