"""Health and version of the server for who runs it, and its log; nothing in them is of a visitor.

`panel serve --plugins app.server.health` serves ROUTES; importing this module there makes the log one JSON object a line.
"""

from __future__ import annotations

import json
from typing import Any

import panel as pn
from tornado.web import RequestHandler

from cinn_core import __version__
from cinn_core.files import asset_path

from ..page.cache import MODEL_KEY
from ..page.patches import bound_gzip
from .log import keep_log


class Health(RequestHandler):
    """GET /health: 200 once the model is loaded, 503 before; and how many sessions are open."""

    def get(self) -> None:
        loaded = any(key[0] == MODEL_KEY for key in pn.state.cache if isinstance(key, tuple))
        server: Any = self.application
        sessions = sum(len(server.get_sessions(path)) for path in server.app_paths)
        self.set_status(200 if loaded else 503)
        self.finish({"status": "ready" if loaded else "loading", "sessions": sessions})


class Version(RequestHandler):
    """GET /version: Kiel's version and the hashes of the weights it ships."""

    def get(self) -> None:
        kinds = ("emulator", "network")
        cards = {kind: json.loads(asset_path("weights", f"{kind}.json").read_text()) for kind in kinds}
        self.finish({"kiel": __version__, "weights_sha256": {kind: card["sha256"] for kind, card in cards.items()}})


ROUTES = [("/health", Health), ("/version", Version)]


bound_gzip()
keep_log()
