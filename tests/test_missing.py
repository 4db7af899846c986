"""What is missing is skipped on a user's machine and fails in continuous integration; few tests may skip there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import missing
import pytest

TESTS = Path(__file__).resolve().parent
SKIP = re.compile(r"pytest\.(?:mark\.)?(?:skipif|skip|importorskip|xfail)\b.*")
OF_THE_MACHINE = ("no GPU", "this processor has no bfloat16", "this torch has no oneDNN")
NOT_MADE_BY_MAKE = "not the environment that make builds"
REPORT = """<testsuites><testsuite>
<testcase classname="tests.nlte" name="test_passed"/>
<testcase classname="tests.training" name="test_gpu[1]">
<skipped type="pytest.skip" message="no GPU">/a/b.py:125: no GPU</skipped>
</testcase>
</testsuite></testsuites>
"""


@pytest.mark.parametrize(("in_ci", "ending"), [(False, pytest.skip.Exception), (True, pytest.fail.Exception)])
def test_what_is_missing_is_skipped_by_users_and_fails_in_ci(monkeypatch, in_ci, ending):
    monkeypatch.setattr(missing, "IN_CI", in_ci)
    with pytest.raises(ending, match="no Turbospectrum"):
        missing.missing("no Turbospectrum")
    with pytest.raises(ending, match=r"no kiel_nothing: pip install -e '\.\[batch\]'"):
        missing.needed("kiel_nothing.part", "batch")
    assert missing.needed("json", "batch").dumps([1]) == "[1]"


def test_nothing_else_skips_but_what_a_machine_may_lack():
    skips = [
        f"{path.relative_to(TESTS)}: {found.group()}"
        for path in sorted(TESTS.rglob("*.py"))
        if path not in (Path(__file__), TESTS / "missing.py")
        for found in SKIP.finditer(path.read_text(encoding="utf-8"))
    ]
    assert [skip for skip in skips if not any(why in skip for why in (*OF_THE_MACHINE, NOT_MADE_BY_MAKE))] == []


@pytest.mark.parametrize(("most", "status"), [(1, 0), (0, 1)])
def test_skips_of_a_run_are_named_and_counted_and_too_many_fail(tmp_path, most, status):
    (tmp_path / "tests.xml").write_text(REPORT)
    command = [sys.executable, TESTS.parent / ".ci" / "skipped.py", str(most), tmp_path / "tests.xml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert "tests.training::test_gpu[1]: no GPU" in done.stdout
    assert f"1 of 2 tests skipped; at most {most} may be." in done.stdout


def test_a_run_that_left_no_report_is_no_run_without_skips(tmp_path):
    command = [sys.executable, TESTS.parent / ".ci" / "skipped.py", "8", tmp_path / "tests.xml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "tests.xml is missing" in done.stdout
