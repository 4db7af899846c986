"""The command `kiel serve`: the dashboard in a browser, until Ctrl-C."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port of the dashboard.")] = 5006,
    address: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    origin: Annotated[
        list[str] | None, typer.Option(metavar="HOST[:PORT]", help="Further name under which browsers reach the page.")
    ] = None,
    samp: Annotated[
        bool,
        typer.Option("--samp", help="Talk with TOPCAT, Aladin … on this machine; only for a page of its own user."),
    ] = False,
    archives: Annotated[
        bool, typer.Option("--archives", help="Let visitors search archives and fetch spectra from them.")
    ] = False,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser on the page.")] = False,
) -> None:
    """The dashboard: serves it until Ctrl-C."""
    from ..page.elsewhere import ARCHIVES_VARIABLE, SAMP_VARIABLE
    from ..server.serve import (
        page_address,
        require_free_port,
        require_local,
        require_passwords,
        require_pyvo,
        server_command,
    )

    require_passwords(os.environ)
    if samp:
        require_local(address)
        require_pyvo("--samp")
    if archives:
        require_pyvo("--archives")
    os.environ |= {SAMP_VARIABLE: "1" if samp else "", ARCHIVES_VARIABLE: "1" if archives else ""}
    require_free_port(address, port)
    command = server_command(port, address, tuple(origin or ()), open_browser)
    typer.echo(f"Kiel is at {page_address(address, port)} (Ctrl-C stops it)")
    sys.stdout.flush()
    os.execv(command[0], command)
