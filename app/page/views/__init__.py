"""The parts of the page: each takes a session's state and returns what Panel shows, bound to it."""
