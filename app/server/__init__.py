"""Server of the page: how it is run, its health and version, its log."""
