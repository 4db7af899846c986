"""Log of the server as JSON lines, without anything of a visitor's."""

from __future__ import annotations

import json
import logging
import os
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_OURS = "kiel"


_FULL = bool(os.environ.get("KIEL_LOG_FULL"))


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
