"""Times as rows show them: by the provider's clock, whose error nobody has to know.

Rules: pure. Such a time is compared with others of the same provider alone, never with a clock of ours.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

__all__ = ["third_latest"]

ODD = 2
"""Rows with a nonsense date in the future that may stand in one list."""


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


Stamp = TypeVar("Stamp", bound=_Ordered)


def third_latest(stamps: Iterable[Stamp | None]) -> Stamp | None:
    """Return the third latest of the times, each of another row; None where there are fewer.

    Whatever happened before it lies before the provider's present, although one or two rows have nonsense
    dates in the future. It is somewhat earlier than need be, which costs a walk that reaches back to
    it a few rows.
    """
    latest = heapq.nlargest(ODD + 1, (stamp for stamp in stamps if stamp is not None))
    return latest[-1] if len(latest) > ODD else None
