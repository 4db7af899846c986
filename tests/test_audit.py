"""`make audit`: vulnerabilities fail it, an absent network does not, and either is said; no host is named."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def verdict():
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.verdict


CLEAN = {"name": "numpy", "version": "2.0", "vulns": []}
VULNERABLE = {"name": "old", "version": "1.0", "vulns": [{"id": "CVE-2026-1", "fix_versions": ["1.1"]}]}
SKIPPED = {"name": "own", "skip_reason": "not found"}


def test_an_absent_network_is_said_and_fails_nothing(verdict):
    for complaint in ("requests.exceptions.ConnectionError: …", "ERROR: Could not connect to the vulnerability feed"):
        sentence, status = verdict(None, complaint)
        assert status == 0
        assert "no network" in sentence
        assert "nothing was audited" in sentence


def test_another_failure_without_a_report_fails(verdict):
    sentence, status = verdict(None, "ValueError: no such option")
    assert status == 1
    assert "no such option" in sentence


def test_vulnerabilities_fail_and_are_named(verdict):
    sentence, status = verdict({"dependencies": [CLEAN, VULNERABLE]}, "")
    assert status == 1
    assert "old 1.0: CVE-2026-1" in sentence
    assert "numpy" not in sentence


def test_packages_that_could_not_be_asked_about_do_not_count_as_audited(verdict):
    assert verdict({"dependencies": [CLEAN, SKIPPED]}, "") == ("No known vulnerability in 1 of 2 packages.", 0)
    assert "nothing was audited" in verdict({"dependencies": [SKIPPED]}, "")[0]


def test_neither_makefile_nor_continuous_integration_names_a_host():
    for path in (ROOT / "Makefile", *(ROOT / ".ci").iterdir()):
        if path.is_file():
            assert not re.findall(r"\b[\w-]+\.(?:org|com|net|io)\b", path.read_text(encoding="utf-8")), path
