"""LeadConnector's rows as a walk sees them, and the order they come in.

Law: pure, and blind to what rows mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

__all__ = ["Mark", "Order", "before", "in_order", "opposite", "past"]

Order = Literal["asc", "desc"]


class Mark(NamedTuple):
    """A row as the walk sees it; `at` is its sort value, None for a row that shows none.

    `added` (`dateAdded`, when the conversation was created) and `owner` (`assignedTo`) are what
    a tie is divided by. Times are epoch milliseconds.
    """

    id: str
    at: int | None
    added: int | None = None
    owner: str | None = None


def in_order(dated: Sequence[int], cursor: int | None, order: Order) -> bool:
    """Tell whether a page's times run the way asked for and lie behind the cursor."""
    start = cursor is None or all(past(at, cursor, order) for at in dated)
    return start and all(a == b or past(b, a, order) for a, b in pairwise(dated))


def past(at: int, than: int, order: Order) -> bool:
    """Tell whether a time comes strictly after another one in this order."""
    return at > than if order == "asc" else at < than


def before(at: int, order: Order) -> int:
    """Give the cursor strictly after which the rows of this very millisecond come first."""
    return at - 1 if order == "asc" else at + 1


def opposite(order: Order) -> Order:
    """Give the order of the walk from the other end."""
    return "desc" if order == "asc" else "asc"
