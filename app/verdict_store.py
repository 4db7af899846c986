"""The database of verdicts that this process shares, opened when it is first needed."""

from __future__ import annotations

from functools import cache

from cinn_core.output.verdicts import Verdicts


@cache
def verdict_store() -> Verdicts:
    """The store at $KIEL_VERDICTS, else in the user's data folder; DataError where it cannot be opened."""
    return Verdicts()
