"""What stays for as long as the daemon runs is not searched for garbage again and again.

Rules: part of the composition root. With ten thousand sources, a search through all that they are made of
stops the loop for a second, every few seconds while answers arrive. So what there is once the daemon is
built is set apart, and again after a reload, which is when it may have become garbage.
"""

from __future__ import annotations

import gc

__all__ = ["set_apart"]


def set_apart() -> None:
    """Collect what is garbage now; leave what is not out of later searches, until the next call."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
