"""`python -m tests.bench.loading [SOURCES…]`: print what it takes to load so many sources.

Each number is measured in a process of its own: seconds of CPU, memory that the configuration takes, and
the time of one source in relation to the first number's. Twice the sources must take twice the time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from watcher.config import Config, load

USUAL = ("1000", "2000", "10000", "100000")

IN_A_FILE = 5000
"""Sources in a file, which may have 1 MB."""

RULES = """\
receivers:
  crm: {type: webhook, url: "https://crm.example.com/hooks"}
rules:
  - {name: all, when: [conversation.*, source.failing], notify: [crm]}
"""


def write(folder: Path, sources: int) -> dict[str, str]:
    """Write a configuration of so many accounts, each with a token of its own; return the variables
    that it names.
    """
    (folder / "a.yaml").write_text(RULES)
    for first in range(0, sources, IN_A_FILE):
        numbers = range(first, min(first + IN_A_FILE, sources))
        blocks = (
            f"  loc-{number}:\n    provider: highlevel\n    location_id: Loc{number:06}\n"
            f"    token: ${{T{number}}}\n"
            for number in numbers
        )
        (folder / f"sources-{first:06}.yaml").write_text("sources:\n" + "".join(blocks))
    # As a service's tokens are: they all begin alike.
    return {f"T{number}": f"pit-3f0c{number:08}-9b1e-4a57" for number in range(sources)}


def read(folder: Path, environ: dict[str, str]) -> Config:
    """Load it as a command does."""
    return load([folder], environ=environ)


def main(*numbers: str) -> None:
    """Print a line for each number of sources."""
    print("| sources | CPU s | MiB | time a source, first = 1 |\n|---|---|---|---|")
    first = 0.0
    for number in numbers or USUAL:
        command = [sys.executable, "-m", "tests.bench.loading", "--one", number]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        seconds, memory = float(told[0]), float(told[1])
        first = first or seconds / int(number)
        print(f"| {number} | {seconds:.2f} | {memory:.0f} | {seconds / int(number) / first:.2f} |")


def one(sources: int) -> None:
    """Load once, and print the seconds and the MiB."""
    with tempfile.TemporaryDirectory() as warm, tempfile.TemporaryDirectory() as folder:
        read(Path(warm), write(Path(warm), 1))  # what is imported and compiled once
        environ = write(Path(folder), sources)
        before, started = _memory(), time.process_time()
        config = read(Path(folder), environ)
        took, after = time.process_time() - started, _memory()
    assert len(config.sources) == sources, config
    print(took, (after - before) / 2**20)


def _memory() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]))
    else:
        main(*sys.argv[1:])
