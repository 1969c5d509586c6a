"""How a walk over LeadConnector's conversation search goes on: the cursor, its ties and its end.

Law: pure, and blind to what rows mean: a row is a `Mark`, its id and its sort value.

The list has one sort key, the last message's time in milliseconds, and the cursor
`startAfterDate` continues *strictly after* a value (observed; the documentation says "should
contain the sort value of the last document"). Rows of the same millisecond that did not fit on
the page would be lost, so a walk asks one millisecond earlier: the tied rows come again. Where
more rows share a millisecond than fit on a page, that `Tie` is asked for in parts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple

__all__ = ["Mark", "Order", "Step", "Tie", "Walk", "advance", "detour", "step_over"]

Order = Literal["asc", "desc"]

DEFAULT_LIMIT = 20
"""What the search gives when no limit is asked for (documented): no clamp is thought to be lower,
so a page shorter than this, or than an earlier page of its walk, was not cut off."""


class Mark(NamedTuple):
    """A row as the walk sees it; `at` is its sort value, None for a row that shows none."""

    id: str
    at: int | None


@dataclass(frozen=True, slots=True)
class Tie:
    """A page full of one millisecond, `at`, being asked for in parts.

    `parts` are the `status` filters still to ask, the present one first. `near` holds the ids
    of that part's page from the walk's own end, once that was full too and the other end is
    being asked. `stuck` are the ids of the page that began it, `met` those of all parts.
    """

    at: int
    parts: tuple[str, ...]
    stuck: frozenset[str]
    near: tuple[str, ...] | None = None
    met: frozenset[str] = frozenset()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a walk stands: everything that the next request and the reading of its answer need.

    `floor` ends a descending walk below it, `ceiling` an ascending one above it, `most` any
    walk after so many pages. `close` asks for a second, closing descent down to it, for the
    rows that jumped to the front meanwhile. `page` counts from 1; `size` is the largest page so
    far, `count` the rows so far, `edge` the ids that the overlap will bring again. `whole`
    turns False for good when rows may have been missed.
    """

    order: Order
    limit: int
    status: str = "all"
    unassigned: bool = False
    cursor: int | None = None
    floor: int | None = None
    ceiling: int | None = None
    most: int | None = None
    close: int | None = None
    page: int = 1
    size: int = 0
    count: int = 0
    edge: frozenset[str] = frozenset()
    whole: bool = True
    tie: Tie | None = None

    @property
    def full(self) -> int:
        """How many rows a page must have to count as perhaps cut off."""
        return max(self.size, min(self.limit, DEFAULT_LIMIT))

    @property
    def asked(self) -> tuple[Order, str, int | None]:
        """Give sort order, status filter and `startAfterDate` of the next request."""
        if self.tie is None:
            return self.order, self.status, self.cursor
        order = self.order if self.tie.near is None else _opposite(self.order)
        return order, self.tie.parts[0], _before(self.tie.at, order)


class Step(NamedTuple):
    """What follows a page: the next position (None at the end), whether the walk was whole so
    far, and whether the server does not walk upwards at all (then nothing else counts).
    """

    next: Walk | None
    whole: bool
    disordered: bool = False


def advance(walk: Walk, marks: tuple[Mark, ...], total: int | None) -> Step:
    """Decide how a walk goes on after a page with these rows.

    `total` is the server's own count of what the filter selects. It only ever makes a walk
    longer: a short page ends it when the count agrees, else the walk goes on until nothing new
    comes. So neither a clamped `limit` nor rows filtered out of a page can pass for the end.
    """
    if walk.tie is not None:
        return _after_part(walk, walk.tie, marks)
    dated = [mark.at for mark in marks if mark.at is not None]
    ordered = _in_order(dated, walk.cursor, walk.order)
    if not ordered and walk.order == "asc":
        return Step(None, False, disordered=True)
    ids = frozenset(mark.id for mark in marks)
    count = walk.count + len(ids - walk.edge)
    known = walk.limit if walk.page == 1 and total is not None else walk.full
    short = len(marks) < known
    agreed = total is None or count >= total
    seen = replace(
        walk,
        page=walk.page + 1,
        size=max(walk.size, len(marks)),
        count=count,
        whole=walk.whole and ordered,
    )
    if not marks or (short and agreed):
        return _end(seen)
    if not dated:
        return _after_undated(seen)
    last = dated[-1]
    if _outside(walk, last):
        return _end(seen)
    cursor = _before(last, walk.order)
    if dated[0] != last and (walk.cursor is None or _past(cursor, walk.cursor, walk.order)):
        edge = frozenset(mark.id for mark in marks if mark.at == last)
        return _onward(replace(seen, cursor=cursor, edge=edge))
    if not ordered:
        return _end(replace(seen, whole=False))
    if len(marks) < walk.full or marks[-1].at is None:
        return _onward(step_over(seen, last))  # the page held the whole tie
    return _onward(replace(seen, tie=_tie(seen, last, marks)))


def step_over(walk: Walk, at: int, *, whole: bool = True) -> Walk:
    """Go on strictly after a millisecond."""
    return replace(walk, cursor=at, edge=frozenset(), tie=None, whole=walk.whole and whole)


def detour(walk: Walk) -> Walk | None:
    """Go round a page that always fails: None where there is no way round.

    A part of a tie is given up; behind a failed page of an ascending walk the rest is reached
    from the other end. Either way the walk is no longer whole.
    """
    if walk.tie is not None:
        return step_over(walk, walk.tie.at, whole=False)
    if walk.order == "asc":
        return Walk("desc", walk.limit, walk.status, floor=walk.cursor, whole=False)
    return None


def _onward(walk: Walk) -> Step:
    if walk.most is not None and walk.page > walk.most:
        return Step(None, False)
    return Step(walk, walk.whole)


def _end(walk: Walk) -> Step:
    """End the walk; a descent that took several requests is closed by a second one."""
    if walk.close is not None and walk.page > 2:
        again = Walk("desc", walk.limit, walk.status, floor=walk.close, whole=walk.whole)
        return Step(again, walk.whole)
    return Step(None, walk.whole)


def _after_undated(walk: Walk) -> Step:
    """Go on after a page without a single time, from which no cursor follows.

    At the beginning of an ascent they are stepped over (1 is before every real time; 0 could
    pass for no cursor at all); anywhere else they are the last rows, and there may be more.
    """
    if walk.order == "asc" and walk.cursor is None:
        return _onward(step_over(walk, 1, whole=False))
    return _end(replace(walk, whole=False))


def _tie(walk: Walk, at: int, marks: tuple[Mark, ...]) -> Tie:
    stuck = tuple(mark.id for mark in marks if mark.at == at)
    if walk.status == "all":
        return Tie(at, ("read", "unread"), frozenset(stuck))
    return Tie(at, (walk.status,), frozenset(stuck), near=stuck, met=frozenset(stuck))


def _after_part(walk: Walk, tie: Tie, marks: tuple[Mark, ...]) -> Step:
    """Take in one part of a tie: ask its other end, the next part, or walk on behind the tie."""
    order, _, cursor = walk.asked
    dated = [mark.at for mark in marks if mark.at is not None]
    ordered = _in_order(dated, cursor, order)
    if not ordered and order == walk.order == "asc":
        return Step(None, False, disordered=True)
    ids = tuple(mark.id for mark in marks if mark.at == tie.at)
    tie = replace(tie, met=tie.met.union(ids))
    walk = replace(walk, page=walk.page + 1)
    if tie.near is None:
        whole = ordered and (len(ids) < len(marks) or len(marks) < walk.full)
        if not whole:
            return _onward(replace(walk, tie=replace(tie, near=ids)))
    else:
        whole = ordered and _ends_meet(tie.near, ids)
    tie = replace(tie, parts=tie.parts[1:], near=None, whole=tie.whole and whole)
    if tie.parts:
        return _onward(replace(walk, tie=tie))
    if walk.order == "asc" and not tie.met:
        return Step(None, False, disordered=True)  # nothing upwards from where rows just were
    behind = step_over(walk, tie.at, whole=tie.whole and tie.stuck <= tie.met)
    return _onward(replace(behind, count=walk.count + len(tie.met - tie.stuck)))


def _ends_meet(near: tuple[str, ...], far: tuple[str, ...]) -> bool:
    """Tell whether a page from either end of a tie together hold all of it.

    They do when the one ends where the other, read backwards, begins. A server that keeps the
    order among equals in both directions answers the same rows twice, which proves nothing.
    """
    shared = len(set(near) & set(far))
    return len(near) > 1 and shared > 0 and near[-shared:] == far[::-1][:shared]


def _in_order(dated: list[int], cursor: int | None, order: Order) -> bool:
    """Tell whether a page's times run the way asked for and lie behind the cursor."""
    start = cursor is None or all(_past(at, cursor, order) for at in dated)
    return start and all(a == b or _past(b, a, order) for a, b in pairwise(dated))


def _outside(walk: Walk, at: int) -> bool:
    if walk.order == "asc":
        return walk.ceiling is not None and at > walk.ceiling
    return walk.floor is not None and at < walk.floor


def _past(at: int, than: int, order: Order) -> bool:
    return at > than if order == "asc" else at < than


def _before(at: int, order: Order) -> int:
    """Give the cursor strictly after which the rows of this very millisecond come first."""
    return at - 1 if order == "asc" else at + 1


def _opposite(order: Order) -> Order:
    return "desc" if order == "asc" else "asc"
