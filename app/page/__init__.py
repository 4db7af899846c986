"""Page: the state of a session, what feeds it, and the views and figures that show it."""
