"""What it takes to load so many sources: figure `loading`.

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
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, Measured, Scale
from tests.bench.processes import IN_A_FILE
from watcher.config.load import load
from watcher.config.model import Config

USUAL = (1000, 2000, 10_000, 100_000)

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


def measured(scale: Scale) -> Iterator[Measured]:
    """Load each number of sources in a process of its own."""
    first = 0.0
    for number in scale.numbers("sources", USUAL, USUAL[:2]):
        command = [sys.executable, "-m", "tests.bench.loading", str(number)]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        seconds, memory = float(told[0]), float(told[1])
        first = first or seconds / number
        case = f"{number:,} sources"
        yield Measured(case, "CPU", (seconds,), "s")
        yield Measured(case, "memory", (memory,), "MiB")
        yield Measured(
            case, "CPU of a source, in those of the first case", (seconds / number / first,), "×"
        )


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


FIGURES = (
    Figure(
        "", "loading", "loading a configuration of many sources", measured, {"sources": "numbers"}
    ),
)

if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    one(int(sys.argv[1]))
