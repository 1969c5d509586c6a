"""Whom the kernel ends first when memory runs out: a command, not the daemon beside it (Linux)."""

from __future__ import annotations

import contextlib
from pathlib import Path

__all__ = ["go_first"]

_SCORE = Path("/proc/self/oom_score_adj")

MORE, MOST = 500, 1000
"""By how much this process's score rises, and the highest there is: the higher, the sooner it is ended."""


def go_first() -> None:
    """Raise this process's score, and that of what it starts; needs no privilege."""
    with contextlib.suppress(
        OSError, ValueError
    ):  # no Linux, or no /proc: then nothing is asked for
        _SCORE.write_text(str(min(int(_SCORE.read_text()) + MORE, MOST)))
