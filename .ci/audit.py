"""Are there known vulnerabilities in the packages installed here? python .ci/audit.py

Asks PyPI through pip-audit. Ends with 1 where it knows one, and with a sentence and 0 where it
cannot be asked (no network, or a mirror that keeps no such list): then nothing was checked, and it
says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from urllib.request import urlopen

PROBE = f"https://pypi.org/pypi/pip/{version('pip')}/json"
WAIT_SECONDS = 5


def main() -> int:
    """Ask, tell, and give the exit status."""
    try:
        with urlopen(PROBE, timeout=WAIT_SECONDS) as answer:
            known = "vulnerabilities" in json.load(answer)
    except (OSError, ValueError):
        known = False
    if not known:
        print("PyPI's list of vulnerabilities cannot be reached; no package was checked.")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "audit.json"
        command = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable"]
        command += ["--progress-spinner", "off", "--timeout", str(WAIT_SECONDS), "-f", "json"]
        done = subprocess.run([*command, "-o", told], capture_output=True, text=True)
        if not told.is_file():
            print(done.stderr, file=sys.stderr)
            return 1
        packages = json.loads(told.read_text("utf-8"))["dependencies"]
    found = judged(packages)
    print("\n".join(found))
    return 1 if any("vulnerable" in line for line in found) else 0


def judged(packages: list[dict[str, object]]) -> list[str]:
    """What pip-audit's list says, a line each.

    >>> judged([{"name": "a", "version": "1", "vulns": [{"id": "X-1", "fix_versions": ["2"]}]}])
    ['a 1 is vulnerable: X-1 (mended in 2)', '1 packages were checked, 0 are unknown to PyPI.']
    """
    lines = []
    for package in packages:
        for one in package.get("vulns", []):  # type: ignore[attr-defined]
            fixed = ", ".join(one["fix_versions"]) or "no version"
            name = f"{package['name']} {package['version']}"
            lines.append(f"{name} is vulnerable: {one['id']} (mended in {fixed})")
    unknown = sum("skip_reason" in package for package in packages)
    checked = len(packages) - unknown
    return [*lines, f"{checked} packages were checked, {unknown} are unknown to PyPI."]


if __name__ == "__main__":
    sys.exit(main())
