"""The server: how the page is served, its health and version, its log."""
