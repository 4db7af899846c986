"""Known vulnerabilities of the pinned packages, by pip-audit; where it cannot ask, that nothing was audited.

Run: python .ci/audit.py constraints.txt. Exit status 1: vulnerabilities, or a failure that is not the network's.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

OPTIONS = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--timeout", "10", "--format", "json")
NO_NETWORK = re.compile(r"Could not connect|ConnectionError|Timeout|not redirecting|name resolution")
"""What pip-audit and requests write on stderr where the vulnerability feed does not answer."""


def verdict(report: dict[str, Any] | None, complaint: str) -> tuple[str, int]:
    """The sentence and exit status for pip-audit's report, None where it left none, and what it wrote on stderr."""
    if report is None:
        if NO_NETWORK.search(complaint):
            return "There is no network, or the vulnerability feed does not answer: nothing was audited.", 0
        return f"pip-audit failed, nothing was audited:\n{complaint}", 1
    audited = [package for package in report["dependencies"] if "skip_reason" not in package]
    if not audited:
        return "The package index that answers here knows none of the packages: nothing was audited.", 0
    vulnerable = [
        f"{package['name']} {package['version']}: {vulnerability['id']}"
        for package in audited
        for vulnerability in package["vulns"]
    ]
    if vulnerable:
        return "\n".join(["Known vulnerabilities:", *vulnerable]), 1
    return f"No known vulnerability in {len(audited)} of {len(report['dependencies'])} packages.", 0


def audit(requirements: str) -> tuple[str, int]:
    """Runs pip-audit on a requirements file."""
    if importlib.util.find_spec("pip_audit") is None:
        return "pip-audit is not installed and could not be fetched: nothing was audited.", 0
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "audit.json")
        command = (sys.executable, "-m", "pip_audit", "--requirement", requirements, *OPTIONS, "--output", str(output))
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        report = json.loads(output.read_text(encoding="utf-8")) if output.is_file() else None
    return verdict(report, ended.stderr)


if __name__ == "__main__":
    sentence, status = audit(sys.argv[1])
    print(sentence)
    sys.exit(status)
