"""Command that serves the dashboard: one process of `panel serve` on app/main.py, its port and its address."""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from cinn_core.errors import KielError

MAIN = Path(__file__).parents[1] / "main.py"
LOCAL_ADDRESSES = ("127.0.0.1", "localhost", "::1")
ANY_ADDRESS = ("0.0.0.0", "::")


def server_command(port: int, address: str, origins: tuple[str, ...] = (), open_browser: bool = False) -> list[str]:
    """The command that serves the page.

    The page runs once before the first visitor (--warm), so that the model is in memory; sessions that nobody
    looks at end after a minute, because their subscribers would otherwise stay. No --num-threads: the analysis has a
    worker of its own, and a page's changes made on several threads at once get lost now and then.
    """
    command = [sys.executable, "-m", "panel", "serve", str(MAIN), "--port", str(port), "--address", address, "--warm"]
    command += ["--num-procs", "1", "--plugins", "app.server.health"]
    command += ["--unused-session-lifetime", "60000", "--check-unused-sessions", "10000"]
    for origin in dict.fromkeys((*_own_origins(address, port), *origins)):
        command += ["--allow-websocket-origin", origin]
    return [*command, "--show"] if open_browser else command


def page_address(address: str, port: int) -> str:
    """Address of the page to type into a browser."""
    if address in LOCAL_ADDRESSES:
        host = "localhost"
    elif address in ANY_ADDRESS:
        host = socket.gethostname()
    else:
        host = address
    return f"http://{host}:{port}/main"


def require_free_port(address: str, port: int) -> None:
    """Raises KielError where `port` is taken or `address` is not this machine's."""
    try:
        family = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except socket.gaierror as error:
        raise KielError(f"{address} is not an address; use 127.0.0.1, or 0.0.0.0 to let other machines in.") from error
    except OSError as error:
        raise KielError(
            f"Kiel cannot listen on {address}, port {port} ({error.strerror}); choose another with --port."
        ) from error


def require_local(address: str) -> None:
    """Raises KielError for SAMP on an address that other machines reach: their visitors would send to this one's programs."""
    if address not in LOCAL_ADDRESSES:
        raise KielError(
            f"--samp is for a page on one's own machine, and {address} lets others in; leave --samp or --address out."
        )


def require_pyvo(option: str) -> None:
    """Raises KielError where what an option needs is not installed."""
    if importlib.util.find_spec("pyvo") is None:
        raise KielError(f"{option} needs pyvo; install it with: pip install 'kiel-spectra[archive]'.")


def require_passwords(environment: Mapping[str, str]) -> None:
    """Raises KielError where Panel would take $PANEL_BASIC_AUTH for another password than the one that is meant.

    It reads the value in lower case, and the name of a file that is not there as the password itself.
    """
    value = environment.get("PANEL_BASIC_AUTH", "")
    if value != value.lower():
        raise KielError(
            "Panel reads PANEL_BASIC_AUTH in lower case; name a file or a password without capital letters."
        )
    if ("/" in value or value.endswith(".json")) and not Path(value).is_file():
        raise KielError(f"There is no file {value}, which PANEL_BASIC_AUTH names; its name would be the password.")


def _own_origins(address: str, port: int) -> tuple[str, ...]:
    """The names under which a browser may reach the page: this machine's, and the address itself."""
    names = ["localhost", "127.0.0.1"]
    names.append(socket.gethostname() if address in ANY_ADDRESS else address)
    return tuple(f"{name}:{port}" for name in names)
