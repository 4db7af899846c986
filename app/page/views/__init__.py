"""Views of the page: each takes a session and returns what Panel shows, bound to its state."""
