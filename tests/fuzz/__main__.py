"""Fuzzes the providers: `python -m tests.fuzz --pages 100000 --provider all --seed 1`.

Exit status 1 with the command that makes a failing page again.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

from .subjects import SUBJECTS
from .trial import MEGABYTE, Outcome, Trial

MOST_FAILURES = 10
TELL_EVERY = 5_000
"""Pages between two lines that say how far it is."""


def main() -> int:
    """Run as the command line says."""
    asked = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    asked.add_argument("--pages", type=int, default=10_000, help="pages for each provider")
    asked.add_argument("--provider", choices=["all", *SUBJECTS], default="all")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--first", type=int, default=0, help="number of the first page")
    asked.add_argument("--only", type=int, help="one page, by its number")
    asked.add_argument("--save", type=Path, help="with --only: write the answer's body here")
    options = asked.parse_args()
    names = list(SUBJECTS) if options.provider == "all" else [options.provider]
    if options.only is not None:
        for name in names:
            if options.save:
                options.save.write_bytes(body(name, options.seed, options.only))
            print(Trial(name, options.seed).run(options.only, measure=True, onward=True))
        return 0
    return max(fuzz(name, options.seed, options.first, options.pages) for name in names)


def body(name: str, seed: int, number: int) -> bytes:
    """Make a page's body again, which is the last thing that its trial draws before reading."""
    kept: list[bytes] = []

    class Kept(Trial):
        def read(self, provider, position, response, **how):  # type: ignore[no-untyped-def]
            kept.append(response.body)
            return super().read(provider, position, response, **how)

    try:
        Kept(name, seed).run(number, onward=False)
    except Exception:  # noqa: BLE001 - it is kept to be looked at
        traceback.print_exc()
    return kept[0]


def fuzz(name: str, seed: int, first: int, pages: int) -> int:
    """Try so many pages of one provider, say what came of them; 1 if any failed."""
    trial = Trial(name, seed)
    trial.run(0)  # what is imported and compiled once is nobody's memory
    results: Counter[tuple[str, str]] = Counter()
    motions: Counter[str] = Counter()
    failures: dict[str, tuple[int, str]] = {}
    slowest: tuple[float, int, Outcome] | None = None
    largest: tuple[int, int, Outcome] | None = None
    size = events = decided = 0
    began = time.monotonic()
    for number in range(first, first + pages):
        if number > first and (number - first) % TELL_EVERY == 0:
            pace = (number - first) / (time.monotonic() - began)
            print(f"{name}: {number - first:,} pages, {pace:,.0f} pages/s, {len(failures)} kinds of "
                  "failure", file=sys.stderr, flush=True)  # fmt: skip
        try:
            outcome = trial.run(number)
        except Exception as error:  # noqa: BLE001 - whatever it is, it was not declared
            trace = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(trace.filename).name}:{trace.lineno}"
            results["failed", kind] += 1
            failures.setdefault(kind, (number, traceback.format_exc()))
            if len(failures) >= MOST_FAILURES:
                break
            continue
        results[outcome.spoiled, outcome.result] += 1
        motions[outcome.motion] += 1
        size, events, decided = (
            size + outcome.size,
            events + outcome.events,
            decided + outcome.decided,
        )
        if slowest is None or outcome.seconds > slowest[0]:
            slowest = (outcome.seconds, number, outcome)
        if largest is None or outcome.memory > largest[0]:
            largest = (outcome.memory, number, outcome)
    wall = time.monotonic() - began
    print(f"{name}, seed {seed}: {sum(results.values()):,} pages from {first}, {size / MEGABYTE:,.0f} MiB, "
          f"{wall:,.0f} s, {pages / wall:,.0f} pages/s")  # fmt: skip
    print("  by request: " + ", ".join(f"{key} {n:,}" for key, n in motions.most_common()))
    for (spoiled, result), count in sorted(results.items()):
        print(f"  {spoiled:10} {result:24} {count:8,}")
    print(f"  rows decided {decided:,}, events {events:,}")
    for label, found in (("slowest", slowest), ("largest", largest)):
        if found is not None:
            value = f"{found[0]:.3f} s" if label == "slowest" else f"{found[0] / MEGABYTE:,.1f} MiB"
            print(
                f"  {label}: page {found[1]} ({found[2].size:,} bytes, {found[2].motion}): {value}"
            )
    for kind, (number, trace) in failures.items():
        print(f"\n{kind}\n{trace}\nagain: python -m tests.fuzz --provider {name} --seed {seed} "
              f"--only {number}", file=sys.stderr)  # fmt: skip
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
