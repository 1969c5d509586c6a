"""How long a worker process of Apprise lives: it ends itself when it hangs, also when nobody else would.

Rules: called in the worker alone. Ticks are counted rather than time, so that a worker that was stopped with
the daemon (a paused container) goes on and reads the answer that came meanwhile.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["living_at_most"]

TICKS = 20
"""A stop, however long, uses up one of them."""


@contextmanager
def living_at_most(seconds: float) -> Iterator[None]:
    """End the process if what is done within takes longer; raise MemoryError where it has none left."""
    # Signals to the process group (Ctrl-C, systemd's stop) are the daemon's to act on: it lets
    # what is being sent finish within its grace time, then ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    over = threading.Event()

    def watch() -> None:
        for _ in range(TICKS):
            if over.wait(seconds / TICKS):
                return
        os.kill(os.getpid(), signal.SIGKILL)

    # What holds the GIL keeps the thread from its ticks; it uses up the process' CPU time instead.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        threading.Thread(target=watch, name="lifetime", daemon=True).start()
    except RuntimeError:
        raise MemoryError from None
    try:
        yield
    finally:
        over.set()
        signal.setitimer(signal.ITIMER_PROF, 0)
