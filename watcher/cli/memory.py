"""Memory of the process: how often garbage is looked for, and whom the kernel ends first when memory runs out
(a command, not the daemon beside it; Linux).
"""

from __future__ import annotations

import contextlib
import gc
from pathlib import Path

__all__ = ["collect_seldom", "go_first"]

_SCORE = Path("/proc/self/oom_score_adj")

MORE, MOST = 500, 1000
"""By how much this process's score rises, and the highest there is: the higher, the sooner it is ended."""

ALLOCATIONS, YOUNG, MIDDLE = 20_000, 20, 20
"""After how many objects the collector looks at the new ones, and after how many such looks at older ones."""


def collect_seldom() -> None:
    """Have the collector of cycles leave alone what there is, and look at the rest less often: a daemon keeps
    nearly all that it makes, and to look at it every 700 objects is a seventh of its work at the start.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, YOUNG, MIDDLE)


def go_first() -> None:
    """Raise this process's score, and that of what it starts; needs no privilege."""
    with contextlib.suppress(
        OSError, ValueError
    ):  # no Linux, or no /proc: then nothing is asked for
        _SCORE.write_text(str(min(int(_SCORE.read_text()) + MORE, MOST)))
