"""Kiel's dashboard: draws what `cinn_core` finds, and decides nothing."""
