"""Runs one of the README's two commands, word for word, in a checkout: `.ci/readme.py CHECKOUT demo|tests`.

The demo runs until somebody stops it, so it gets Ctrl-C once it has delivered a few events; it must
end by itself then, with exit status 0 and nothing missed.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

DELIVERED = 20
"""Verified webhooks after which the demo has shown enough."""
PATIENCE = 600.0
"""Seconds that installing and the demo may take together."""


def commands(readme: str) -> dict[str, str]:
    """Return the README's commands that install the project and then run something."""
    found = re.findall(r"^```sh\n(python3 -m venv [^\n]+)\n```$", readme, re.MULTILINE)
    if len(found) != 2:
        raise SystemExit(f".ci/readme.py: the README has {len(found)} such commands, expected 2")
    return dict(zip(("demo", "tests"), found, strict=True))


def run_tests(command: str, checkout: Path) -> int:
    """Run to the end; return the exit status."""
    return subprocess.run(["bash", "-c", command], cwd=checkout, check=False).returncode


def run_demo(command: str, checkout: Path) -> int:
    """Run, interrupt as a person would, and return 0 when it ended well with nothing missed."""
    with subprocess.Popen(
        ["bash", "-c", command],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = threading.Timer(PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
        deadline.start()
        delivered, last = 0, ""
        for line in process.stdout or ():
            print(line, end="", flush=True)
            last = line if "missed" in line else last
            delivered += "signature verified" in line
            if delivered == DELIVERED:
                delivered += 1
                os.killpg(process.pid, signal.SIGINT)
        deadline.cancel()
    if process.returncode != 0 or ", 0 missed" not in last:
        print(f"the demo ended with status {process.returncode}: {last!r}")
        return 1
    return 0


if __name__ == "__main__":
    where, which = Path(sys.argv[1]).resolve(), sys.argv[2]
    asked = commands((where / "README.md").read_text())[which]
    print(f"$ {asked}", flush=True)
    raise SystemExit({"demo": run_demo, "tests": run_tests}[which](asked, where))
