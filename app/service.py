"""What the server tells its keeper: whether it is ready, its version, and log lines; none with anything of a visitor's.

`panel serve --plugins app.service` serves ROUTES; importing this module there makes the log one JSON object a line.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import panel as pn
from bokeh.core import serialization
from tornado.web import RequestHandler

from cinn_core import __version__
from cinn_core.assets import asset_path

from .state import MAX_UPLOAD_BYTES

MODEL_KEY = "kiel-model"
"""Under which name the model is in the process's cache once it is loaded."""

_OURS = "kiel"
_FULL = bool(os.environ.get("KIEL_LOG_FULL"))


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


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event, numbers, and for a fault its type and the lines of code.

    Other libraries' messages may quote what a visitor sent; of them only the place in the code is kept. An exception's
    own text is left out too: it may name a file. With $KIEL_LOG_FULL set both are there, to hunt a fault with.
    """

    def format(self, record: logging.LogRecord) -> str:
        ours = record.name == _OURS
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": str(record.msg) if ours else f"{record.module}:{record.lineno}",
        }
        line |= getattr(record, "numbers", {}) if ours else {}
        if record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])
            line["fault"] = record.exc_info[0].__name__
            line["code"] = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames]
        if _FULL:
            line["message"] = record.getMessage()
            line["text"] = "" if record.exc_info is None else str(record.exc_info[1])
        return json.dumps(line)


class BoundedGzip:
    """What Bokeh needs of the module gzip; it unpacks what visitors send, so that a bomb has to end somewhere."""

    compress = staticmethod(gzip.compress)

    @staticmethod
    def decompress(data: bytes) -> bytes:
        """The unpacked data; ValueError beyond the largest upload."""
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            content = stream.read(MAX_UPLOAD_BYTES + 1)
        if len(content) > MAX_UPLOAD_BYTES:
            raise ValueError("a message unpacks to more than the largest upload")
        return content


def keep_log() -> None:
    """Send Kiel's own events and everybody's warnings to stderr as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("bokeh", "tornado", "panel"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.WARNING)
    logging.getLogger("tornado.access").setLevel(logging.CRITICAL)  # it names addresses and what was asked for
    logging.getLogger(_OURS).setLevel(logging.INFO)


serialization.gzip = BoundedGzip
keep_log()
