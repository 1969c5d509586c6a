"""A few dozen short seeds; the long run is `python -m tests.simulation` (docs/testing.md)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .trial import try_seed

DAYS = 0.25
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("seed", range(1, 25))
def test_the_event_log_is_what_happened(seed: int) -> None:
    verdict = try_seed(seed, DAYS)
    again = f"python -m tests.simulation --seed {seed} --days {DAYS} --trace"
    assert not verdict.wrong, f"{verdict.wrong[0]}\nagain: {again}"
    assert verdict.covered["requests to providers"] > 10


@pytest.mark.parametrize("seed", [1487, 1247])
def test_what_no_row_has_shown_is_taken_over_silently(seed: int) -> None:
    """HighLevel leaves `starred` out of all rows for hours. Meanwhile an older conversation comes into
    view (the first seed), and the followers of a new one change (the second).
    """
    assert not try_seed(seed, DAYS).wrong


def test_the_same_seed_gives_the_same_log() -> None:
    first = try_seed(7, DAYS)
    assert try_seed(7, DAYS).digest == first.digest
    assert try_seed(8, DAYS).digest != first.digest


def test_with_the_stores_threads_the_same_seed_gives_the_same_log_too() -> None:
    first = try_seed(3, DAYS, threads=True)
    assert not first.wrong
    assert try_seed(3, DAYS, threads=True).digest == first.digest


def test_neither_another_process_nor_its_hashes_change_anything() -> None:
    told = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "5", "--days", str(DAYS)],
            env={**os.environ, "PYTHONHASHSEED": str(number)},
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout.splitlines()[-1]
        for number in (1, 2)
    ]  # fmt: skip
    assert told[0] == told[1]
    assert try_seed(5, DAYS).digest in told[0]
