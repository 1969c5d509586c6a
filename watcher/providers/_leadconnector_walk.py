"""How a walk over LeadConnector's conversation search goes on: the cursor, its ties and its end.

Law: pure, and blind to what rows mean: a row is a `Mark`, its id and its sort value.

The list has one sort key, the last message's time in milliseconds, and the cursor
`startAfterDate` continues *strictly after* a value (observed; the documentation says "should
contain the sort value of the last document"). Rows of the same millisecond that did not fit on
the page would be lost, so a walk asks one millisecond earlier: the tied rows come again. Where
more rows share a millisecond than fit on a page, that tie is asked for in parts
(`_leadconnector_ties`), and the walk goes on strictly after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from watcher.providers._leadconnector_marks import Mark, Order, before, in_order, opposite, past
from watcher.providers._leadconnector_ties import Tie, begin_tie, take_part

__all__ = ["DEFAULT_LIMIT", "Asked", "Step", "Walk", "advance", "detour", "step_over"]

DEFAULT_LIMIT = 20
"""What the search gives when no limit is asked for (documented): no clamp is thought to be lower,
so a page shorter than this, or than an earlier page of its walk, was not cut off."""


class Asked(NamedTuple):
    """What the next request of a walk asks for: sort order, filters, and `startAfterDate`.

    `owner` is `assignedTo`, `window` the `startDate` and `endDate`; None asks for all.
    """

    order: Order
    status: str
    cursor: int | None
    owner: str | None = None
    window: tuple[int, int] | None = None


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
    def asked(self) -> Asked:
        """Give what the next request asks for."""
        owner = "unassigned" if self.unassigned else None
        if self.tie is None:
            return Asked(self.order, self.status, self.cursor, owner)
        part = self.tie.parts[0]
        order = self.order if part.near is None else opposite(self.order)
        cursor = before(self.tie.at, order)
        return Asked(order, part.status, cursor, part.owner or owner, self.tie.window)


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
        return _after_part(walk, walk.tie, marks, total)
    dated = [mark.at for mark in marks if mark.at is not None]
    ordered = in_order(dated, walk.cursor, walk.order)
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
    cursor = before(last, walk.order)
    if dated[0] != last and (walk.cursor is None or past(cursor, walk.cursor, walk.order)):
        edge = frozenset(mark.id for mark in marks if mark.at == last)
        return _onward(replace(seen, cursor=cursor, edge=edge))
    if not ordered:
        return _end(replace(seen, whole=False))
    if len(marks) < walk.full or marks[-1].at is None:
        return _onward(step_over(seen, last))  # the page held the whole tie
    return _onward(replace(seen, tie=begin_tie(last, walk.status, marks)))


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


def _after_part(walk: Walk, tie: Tie, marks: tuple[Mark, ...], total: int | None) -> Step:
    """Take in one part of a tie: ask for the next one, or walk on behind the tie."""
    order, cursor = walk.asked.order, walk.asked.cursor
    ordered = in_order([mark.at for mark in marks if mark.at is not None], cursor, order)
    if not ordered and order == walk.order == "asc":
        return Step(None, False, disordered=True)
    tie = take_part(tie, marks, total, full=walk.full, ordered=ordered)
    walk = replace(walk, page=walk.page + 1)
    if tie.parts:
        return _onward(replace(walk, tie=tie))
    if walk.order == "asc" and not tie.seen:
        return Step(None, False, disordered=True)  # nothing upwards from where rows just were
    behind = step_over(walk, tie.at, whole=tie.proven)
    return _onward(replace(behind, count=walk.count + len(tie.seen - tie.stuck)))


def _outside(walk: Walk, at: int) -> bool:
    if walk.order == "asc":
        return walk.ceiling is not None and at > walk.ceiling
    return walk.floor is not None and at < walk.floor
