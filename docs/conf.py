"""How the documentation is built: Markdown by Sphinx, with the tables and figures that the code itself gives."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))

project = "Kiel"
author = "The Kiel developers"
extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 300
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
default_role = "code"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["made", "**.ipynb_checkpoints"]
html_theme = "furo"
html_title = "Kiel"


def setup(app: Sphinx) -> None:
    """Makes tables and figures before the pages are read."""
    from made_from_code import make_all

    app.connect("builder-inited", lambda _: make_all(Path(__file__).parent / "made"))
