"""When to kill: the moments of a life that a crash may fall into, and how each is waited for.

Rules: watches from outside (the wire, the files); each wait is bounded, and a moment that does not
come is a blow at any time, and counted as that.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from .harness import Harness, wait_until

__all__ = ["CREATION", "MOMENTS", "Life", "grown"]

PATIENCE = 4.0


class Life:
    """One run of the program, from its start to the blow."""

    def __init__(self, process: subprocess.Popen[bytes], harness: Harness, chance: Random) -> None:
        self.process = process
        self.harness = harness
        self.chance = chance
        self.store = harness.folder / "watcher.db"
        self._first = harness.ledger.requests

    def asks(self, seconds: float = 240) -> None:
        """Wait for this life's first request to a provider."""

        def asked() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(f"the program ended by itself ({self.process.returncode})")
            return self.harness.ledger.requests > self._first

        assert wait_until(asked, seconds), "the program asks nothing"

    def rest(self, longest: float) -> None:
        """Let some random time pass."""
        time.sleep(self.chance.random() * longest)


def _size(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _creation(life: Life) -> str:
    """While the file and its tables are made."""
    before = _size(life.store)
    if not wait_until(lambda: _size(life.store) != before, 20, 0.0002):
        return "any"
    life.rest(life.chance.choice((0.002, 0.02, 0.1)))
    return "creation"


def _startup(life: Life) -> str:
    """Somewhere between the first instruction and the first request."""
    life.rest(1.6)
    return "startup"


def _baseline(life: Life) -> str:
    """After a few pages of the first sweeps."""
    life.asks()
    goal = life.harness.ledger.requests + life.chance.randrange(1, 14)
    wait_until(lambda: life.harness.ledger.requests >= goal, PATIENCE)
    return "baseline"


def grown(life: Life) -> str:
    """Once every source has its baseline, and the receiver knows: the load may begin."""
    life.asks()
    ledger = life.harness.ledger
    assert wait_until(lambda: ledger.baselines >= set(life.harness.sources), 60, 0.01)
    return "any"


def _after(counter: str, most: int) -> Callable[[Life], str]:
    """Right after the n-th time that something crossed the wire in this life."""

    def wait(life: Life) -> str:
        life.asks()
        life.rest(0.6)
        ledger = life.harness.ledger
        goal = getattr(ledger, counter) + life.chance.randrange(1, most)
        if not wait_until(lambda: getattr(ledger, counter) >= goal, PATIENCE, 0.0003):
            return "any"
        life.rest(life.chance.choice((0.0, 0.004, 0.02)))
        return {"requests": "request", "answered": "answer", "taken": "settle"}[counter]

    return wait


def _send(life: Life) -> str:
    """While a receiver has a webhook in its hands and has not answered."""
    life.asks()
    life.rest(0.6)
    return "send" if wait_until(lambda: life.harness.ledger.taking > 0, PATIENCE, 0.0003) else "any"


def _commit(life: Life) -> str:
    """While the WAL grows."""
    life.asks()
    life.rest(0.6)
    wal = life.store.with_name("watcher.db-wal")
    before = _size(wal)
    if not wait_until(lambda: _size(wal) != before, PATIENCE, 0.0001):
        return "any"
    life.rest(0.003)
    return "commit"


def _checkpoint(life: Life) -> str:
    """While pages move from the WAL into the file."""
    life.asks()
    before = _size(life.store)
    if not wait_until(lambda: _size(life.store) != before, 2 * PATIENCE, 0.0001):
        return "any"
    life.rest(0.004)
    return "checkpoint"


def _stop(life: Life) -> str:
    """In the middle of an orderly stop: cancelling, settling, the last checkpoint."""
    life.asks()
    life.rest(1.0)
    life.process.send_signal(signal.SIGTERM)
    life.rest(0.5)
    return "stop"


def _any(life: Life) -> str:
    life.asks()
    life.rest(2.0)
    return "any"


CREATION = (_creation, _baseline)
"""The moments of a store's first hour."""

MOMENTS = (
    _startup,
    _after("requests", 20),
    _after("answered", 20),
    _commit,
    _send,
    _after("taken", 12),
    _checkpoint,
    _stop,
    _any,
)
