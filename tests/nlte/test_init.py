"""Lightweaver is optional."""

from __future__ import annotations

import pytest

from cinn_core.errors import KielError
from cinn_core.nlte import load_lightweaver


def test_without_lightweaver_the_refusal_names_the_extra(monkeypatch):
    import builtins

    real = builtins.__import__

    def missing(name, *arguments, **keywords):
        if name.startswith("lightweaver"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(KielError, match=r"\.\[nlte\]"):
        load_lightweaver()
