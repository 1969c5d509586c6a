"""`python -m tests.bench [FIGURE…] [NAME=VALUE…] [--short] [--json FILE]`: measure, and print a table.

Without names all figures of docs/performance.md are measured, which takes about an hour; `--list` says what
there is, and what can be set.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, Measured, Scale, machine
from tests.bench.processes import Gone
from watcher.clock import wall_clock

MODULES = (
    "cycles",
    "large",
    "growth",
    "rules",
    "starts",
    "polls",
    "loading",
    "readiness",
    "deliveries",
    "backlog",
    "day",
    "questions",
)
COLUMNS = ("figure", "case", "what", "median", "spread", "unit", "goal", "")


def figures() -> list[Figure]:
    """Return all figures, those with letters first."""
    found = [
        figure
        for module in MODULES
        for figure in importlib.import_module(f"tests.bench.{module}").FIGURES
    ]
    return sorted(found, key=lambda figure: (not figure.letter, figure.letter))


def main() -> int:
    """Measure what is asked for; return 1 if a goal was missed or something did not come so far."""
    known = figures()
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("asked", nargs="*", metavar="FIGURE|NAME=VALUE")
    parser.add_argument(
        "--short", action="store_true", help="fewer cases and rounds; figures wander more"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where the result goes")
    parser.add_argument(
        "--list", action="store_true", help="print the figures, and what can be set"
    )
    asked = parser.parse_intermixed_args()
    if asked.list:
        for figure in known:
            print(f"{figure.letter or '-':2} {figure.name:10} {figure.about}")
            for name, about in figure.scales.items():
                print(f"{'':15}{name}=…  {about}")
        return 0
    named = [word for word in asked.asked if "=" not in word]
    if unknown := set(named) - {word for one in known for word in (one.letter, one.name)}:
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; see --list")
    chosen = [
        one
        for one in known
        if ({one.letter, one.name} & set(named) if named else one.usual and one.letter)
    ]
    scale = Scale(asked.short, dict(word.split("=", 1) for word in asked.asked if "=" in word))
    facts = {**machine(), "at": wall_clock().isoformat(timespec="seconds"), "short": asked.short}
    print(", ".join(f"{name} {value}" for name, value in facts.items()), end="\n\n")
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    result = {"machine": facts, "figures": list(_measured(chosen, scale))}
    if asked.json is not None:
        asked.json.write_text(json.dumps(result, indent=1, default=str) + "\n")
    failed = [one for one in result["figures"] if one.get("holds") is False or "failed" in one]
    return 1 if failed else 0


def _measured(chosen: list[Figure], scale: Scale) -> Iterator[dict[str, object]]:
    """Measure each figure; print a line for whatever was found, and yield it for JSON."""
    for figure in chosen:
        name, began = (
            f"({figure.letter}) {figure.name}" if figure.letter else figure.name,
            time.monotonic(),
        )
        try:
            for one in figure.measure(scale):
                assert isinstance(one, Measured)
                print(f"| {name} | {' | '.join(one.cells())} |", flush=True)
                yield {"figure": figure.name, "load": os.getloadavg()[0], **one.to_plain()}
        except Gone as gone:
            print(f"| {name} | | did not come to its end: {gone} | | | | | FAILED |", flush=True)
            yield {"figure": figure.name, "failed": str(gone)}
        print(f"{figure.name}: {time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
