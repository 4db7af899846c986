"""Hands the browser a file that was made on the server, as if it had been downloaded."""

from __future__ import annotations

import param
from panel.custom import JSComponent


class Deliver(JSComponent):
    """Invisible; `send` saves bytes under a name in the visitor's downloads."""

    payload = param.Bytes(default=b"", doc="The file.")
    number = param.Integer(default=0, doc="Counts the files sent.")
    file_name = param.String(default="", doc="What the file is to be called.")

    _esm = """
    export function render({ model }) {
      const root = document.createElement("span")
      model.on("number", () => {
        const url = URL.createObjectURL(new Blob([model.payload], { type: "application/octet-stream" }))
        const link = document.createElement("a")
        link.href = url; link.download = model.file_name; root.append(link); link.click(); link.remove()
        setTimeout(() => URL.revokeObjectURL(url), 10000)
      })
      return root
    }
    """

    def send(self, content: bytes, file_name: str) -> None:
        """Save `content` as `file_name` on the visitor's machine."""
        self.param.update(payload=content, file_name=file_name)
        self.number += 1
        self.payload = b""


def deliver() -> Deliver:
    """One to put beside a button."""
    return Deliver(width=0, height=0, margin=0)
