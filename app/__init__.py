"""Kiel's dashboard and command line: they show what `cinn_core` computes."""
