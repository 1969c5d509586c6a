"""The simulation's command line: many seeds over several processes, or one with its timeline."""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator

from .trial import try_seed
from .verdict import Verdict

SHORT = 0.5
"""Days of a seed of which nothing is said."""


def main() -> int:
    """Run; 0 when nothing was wrong, 1 when something was."""
    asked = _arguments()
    if asked.breakages:
        from .breakages import search

        return search(asked.seed, asked.seeds or 40, asked.only, asked.days or SHORT)
    if asked.seeds is None or asked.trace:
        return _one(asked.seed, asked.days or SHORT, trace=asked.trace, threads=asked.threads)
    days = (asked.days or SHORT * asked.seeds) / asked.seeds
    began = time.monotonic()
    verdicts = []
    wrong = 0
    for verdict in _many(range(asked.seed, asked.seed + asked.seeds), days, asked.jobs):
        verdicts.append(verdict)
        if verdict.wrong:
            wrong += 1
            _tell_wrong(verdict)
        if sys.stderr.isatty() or len(verdicts) % 10 == 0:
            end = "\r" if sys.stderr.isatty() else "\n"
            told = f"{len(verdicts)} of {asked.seeds} seeds, {wrong} wrong"
            print(f"{told}, {time.monotonic() - began:.0f} s", end=end, file=sys.stderr, flush=True)
    _tell_coverage(verdicts, time.monotonic() - began)
    print(f"{wrong} of {len(verdicts)} seeds wrong")
    return 1 if wrong else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the (first) seed")
    parser.add_argument("--seeds", type=int, help="how many seeds; without it, one")
    parser.add_argument("--days", type=float, help="simulated days, shared by all seeds")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--trace", action="store_true", help="print the seed's timeline")
    parser.add_argument("--threads", action="store_true", help="the store with its threads")
    parser.add_argument("--breakages", action="store_true", help="find seeds for each breakage")
    parser.add_argument("--only", help="one breakage")
    return parser.parse_args()


def _one(seed: int, days: float, *, trace: bool, threads: bool) -> int:
    verdict = try_seed(seed, days, trace=trace, threads=threads)
    for line in verdict.timeline:
        print(line)
    if verdict.wrong:
        _tell_wrong(verdict, most=20)
        return 1
    _tell_coverage([verdict], verdict.seconds)
    print(f"seed {seed}: all right, event log {verdict.digest}")
    return 0


def _many(seeds: range, days: float, jobs: int) -> Iterator[Verdict]:
    if jobs == 1:
        for seed in seeds:
            yield try_seed(seed, days)
        return
    # A new process now and then, for its memory; by a Pool, because ProcessPoolExecutor of Python 3.11
    # does not replace the processes that have ended (python/cpython#115634).
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=20) as pool:
        yield from pool.imap_unordered(functools.partial(try_seed, days=days), seeds)


def _tell_wrong(verdict: Verdict, most: int = 1) -> None:
    print(f"seed {verdict.seed}: {len(verdict.wrong)} discrepancies, the first:")
    for line in verdict.wrong[:most]:
        print(f"  {line}")
    print(
        f"  again: python -m tests.simulation --seed {verdict.seed} --days {verdict.days:g} --trace",
        flush=True,
    )


def _tell_coverage(verdicts: list[Verdict], seconds: float) -> None:
    for title, name in (
        ("providers", "sources"),
        ("covered", "covered"),
        ("faults", "faults"),
        ("ends of a process's life", "deaths"),
        ("changes at the providers", "changes"),
        ("events", "events"),
    ):
        total: Counter[str] = sum((getattr(verdict, name) for verdict in verdicts), Counter())
        told = ", ".join(f"{key} {count}" for key, count in sorted(total.items()))
        print(
            f"{title} ({sum(total.values())}): {told}" if name != "covered" else f"{title}: {told}"
        )
    days = sum(verdict.days for verdict in verdicts)
    print(f"{days:g} simulated days over {len(verdicts)} seeds in {seconds:.0f} s")


if __name__ == "__main__":
    raise SystemExit(main())
