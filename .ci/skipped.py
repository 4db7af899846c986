"""The tests that a run skipped, each with its reason, and how many; more than so many fail.

Run: python .ci/skipped.py MOST REPORT.xml…, the reports as pytest writes them with --junitxml.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path


def outcomes(report: Path) -> tuple[int, list[str]]:
    """Number of tests of a report, and those that were skipped, each with its reason."""
    cases = list(ElementTree.parse(report).iter("testcase"))
    skipped = [
        f"{case.get('classname')}::{case.get('name')}: {reason.get('message')}"
        for case in cases
        for reason in case.iter("skipped")
    ]
    return len(cases), skipped


def main(most: int, reports: list[Path]) -> int:
    """Print what was skipped; the exit status is 1 where that is too much, or where a report is missing."""
    total, skipped, absent = 0, [], [report for report in reports if not report.is_file()]
    for report in reports:
        if report not in absent:
            n, some = outcomes(report)
            total, skipped = total + n, skipped + some
    for line in skipped:
        print(f"skipped: {line}")
    for report in absent:
        print(f"{report} is missing: what that run skipped is not known.")
    print(f"{len(skipped)} of {total} tests skipped; at most {most} may be.")
    return int(len(skipped) > most or bool(absent))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
