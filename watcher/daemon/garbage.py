"""What stays for as long as the daemon runs is not searched for garbage again and again.

Rules: part of the composition root. With ten thousand sources, a search through all that they are made of
stops the loop for a second, every few seconds while answers arrive. So what there is once the daemon is
built is set apart, and again after a reload, which is when it may have become garbage.
"""

from __future__ import annotations

import gc

__all__ = ["set_apart"]


ALLOCATIONS, YOUNG, MIDDLE = 20_000, 20, 20
"""After how many objects the collector looks at the new ones, and after how many such looks at older ones: a
daemon keeps nearly all that it makes, and to look at it every 700 objects is a seventh of its start.
"""


def set_apart() -> None:
    """Collect what is garbage now; leave what is not out of later searches, until the next call."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, YOUNG, MIDDLE)
