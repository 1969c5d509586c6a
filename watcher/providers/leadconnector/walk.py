"""How a walk over LeadConnector's conversation search goes on: the cursor, its ties and its end.

Rules: pure, and blind to what rows mean: a row is a `Mark`, its id and its sort value.

The list has one sort key, the last message's time in milliseconds, and the cursor
`startAfterDate` continues *strictly after* a value (observed; the documentation says "should
contain the sort value of the last document"). Rows of the same millisecond that did not fit on
the page would be lost, so a walk asks one millisecond earlier: the tied rows come again. Where
more rows share a millisecond than fit on a page, that tie is asked for in parts, and the walk
goes on strictly after it.

Within a tie there is no cursor, only what the search can filter by (documented): `status`;
`startDate` and `endDate`, which select by `dateAdded`; `assignedTo`. A part is whole when its page
shows a row from behind the tie or is short. A full part is divided: by the creation times that its
page shows, down to single milliseconds; then it is asked for from the other end of the list; then
by the assignees seen. What is never proven whole makes the walk incomplete, and so does a row of a
divided page that no whole part brings again (one without a creation time, for example, or one that
changed sides meanwhile).

Creation times come before assignees because they do not change while the parts are asked for, and
because an assignee whom no page shows would be missed: there the server's own count of what the
filter selects must agree as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple

from watcher.providers.stamps import third_latest

__all__ = [
    "DEFAULT_LIMIT",
    "OVERLAP",
    "Asked",
    "Mark",
    "Step",
    "WalkAt",
    "advance",
    "detour",
    "step_over",
]

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
    """Return whether a page's times run the way asked for and lie behind the cursor."""
    start = cursor is None or all(past(at, cursor, order) for at in dated)
    return start and all(a == b or past(b, a, order) for a, b in pairwise(dated))


def past(at: int, than: int, order: Order) -> bool:
    """Return whether a time comes strictly after another one in this order."""
    return at > than if order == "asc" else at < than


def before(at: int, order: Order) -> int:
    """Return the cursor strictly after which the rows of this very millisecond come first."""
    return at - 1 if order == "asc" else at + 1


def opposite(order: Order) -> Order:
    """Return the order of the walk from the other end."""
    return "desc" if order == "asc" else "asc"


FAR = 7_258_118_400_000
"""The year 2200 in epoch milliseconds: where the last window of creation times ends."""

MOST_IDLE = 40
"""Requests that one tie may take in addition to those that bring at least half a page of new rows."""


class Part(NamedTuple):
    """A part of a tie, by filter; `since` and `until` are the first and last creation time in it.

    `near` holds the ids of its page from the walk's own end, once that was full and could not
    be divided, while the other end is being asked.
    """

    status: str
    owner: str | None = None
    since: int = 0
    until: int = FAR
    near: tuple[str, ...] | None = None

    @property
    def dated(self) -> bool:
        """Whether the part is a window of creation times."""
        return (self.since, self.until) != (0, FAR)


@dataclass(frozen=True, slots=True)
class Tie:
    """A page full of one millisecond, being asked for in parts."""

    at: int
    """The millisecond."""

    parts: tuple[Part, ...]
    """Still to ask, the present one first."""

    stuck: frozenset[str]
    """The ids of the page that began the tie."""

    owed: frozenset[str] = frozenset()
    """The ids of divided parts, which whole parts must show again."""

    met: frozenset[str] = frozenset()
    """The ids of whole parts."""

    owners: frozenset[str] = frozenset()
    """The assignees seen."""

    crowd: frozenset[str] = frozenset()
    """What was shown of the part that is being divided by assignee."""

    count: int | None = None
    """How many the server counts in that part."""

    dates: bool = True
    """False once the server is seen to ignore the window of creation times."""

    starts: bool = False
    """Whether a row was seen at the start of a window. It is not documented whether a window's ends
    belong to it: windows overlap by a millisecond until a row proves it.
    """

    ends: bool = False
    """The same for the end of a window."""

    idle: int = 0
    """Requests that brought less than half a page of new rows (MOST_IDLE)."""

    whole: bool = True
    """Whether every part so far was whole."""

    @property
    def window(self) -> tuple[int, int] | None:
        """Return `startDate` and `endDate` for the present part, None where it has no window."""
        part = self.parts[0]
        if not part.dated:
            return None
        low = part.since if self.starts else part.since - 1
        high = part.until if self.ends else part.until + 1
        return max(low, 0), min(high, FAR)

    @property
    def seen(self) -> frozenset[str]:
        """What the parts have shown so far."""
        return self.owed | self.met

    @property
    def proven(self) -> bool:
        """Whether all rows of the tie are known to have been shown, once no part is left."""
        return self.whole and self.stuck | self.owed <= self.met


def begin_tie(at: int, status: str, marks: Sequence[Mark]) -> Tie:
    """Begin with a full page of one millisecond; `status` is the walk's own filter."""
    tied = [mark for mark in marks if mark.at == at]
    stuck = frozenset(mark.id for mark in tied)
    owners = frozenset(mark.owner for mark in tied if mark.owner)
    if status == "all":
        return Tie(at, (Part("read"), Part("unread")), stuck, owners=owners)
    return _divide(Tie(at, (Part(status),), stuck, owners=owners), tied)


def take_part(
    tie: Tie, marks: Sequence[Mark], total: int | None, *, full: int, ordered: bool
) -> Tie:
    """Return the tie after the page of its present part; it is over when no part is left.

    `full` is how many rows a page must have to count as perhaps cut off, `ordered` whether the
    page ran in the order asked for, `total` the server's count of what the filter selects.
    """
    tied = [mark for mark in marks if mark.at == tie.at]
    new = {mark.id for mark in tied} - tie.stuck - tie.seen
    tie = replace(
        tie,
        owners=tie.owners.union(mark.owner for mark in tied if mark.owner),
        crowd=tie.crowd.union(mark.id for mark in marks),
        idle=tie.idle + (2 * len(new) < full),
    )
    if not ordered:
        # The page proves nothing about what lies between its rows.
        tie = _settle(_owe(replace(tie, whole=False), tied))
    elif tie.parts[0].near is not None:
        # The page is the part's other end.
        tie = _join_ends(tie, tied, marks, total)
    elif not _heeded(tie, marks):
        # The server ignores the window, so all windows are one part again.
        undated = tuple(part for part in tie.parts if not part.dated)
        parts = (Part(tie.parts[0].status), *undated)
        tie = _divide(replace(tie, dates=False, parts=parts), tied)
    elif len(tied) < len(marks) or len(marks) < full:
        # A row from behind the tie, or a short page: the part is whole.
        tie = _settle(replace(tie, met=tie.met.union(mark.id for mark in tied)))
    else:
        sharper = _notice_ends(tie, marks)
        tie = _divide(sharper, tied, again=sharper.window != tie.window)
    return replace(tie, parts=(), whole=False) if tie.parts and tie.idle >= MOST_IDLE else tie


def _divide(tie: Tie, tied: Sequence[Mark], *, again: bool = False) -> Tie:
    """Return the tie with its present part, whose page was full, divided; `again`: its window became
    sharper, which alone may be enough.
    """
    part, rest = tie.parts[0], tie.parts[1:]
    tie = _owe(tie, tied)
    added = sorted(
        mark.added
        for mark in tied
        if mark.added is not None and part.since <= mark.added <= part.until
    )
    if tie.dates and part.since < part.until and added:
        return replace(tie, parts=(*_windows(part, added), *rest))
    if again:
        return tie
    near = tuple(mark.id for mark in tied)
    return replace(tie, parts=(part._replace(near=near), *rest))


def _windows(part: Part, added: list[int]) -> list[Part]:
    """Return the halves of a window, cut so that each has fewer of the creation times seen in it."""
    low, high = added[0], added[-1]
    if low == high:
        cuts = [(part.since, low - 1), (low, low), (low + 1, part.until)]
    else:
        below = max(at for at in added if at < high)
        middle = min(added[(len(added) - 1) // 2], below)
        cuts = [(part.since, middle), (middle + 1, part.until)]
    return [part._replace(since=since, until=until) for since, until in cuts if since <= until]


def _join_ends(tie: Tie, tied: Sequence[Mark], marks: Sequence[Mark], total: int | None) -> Tie:
    """Return the tie after a part's page from the other end; where both ends do not meet, ask by assignee."""
    part, rest = tie.parts[0], tie.parts[1:]
    near, far = part.near or (), tuple(mark.id for mark in tied)
    if _ends_meet(near, far):
        return _settle(replace(tie, met=tie.met.union(near, far)))
    tie = _owe(tie, tied)
    if part.owner is not None or not tie.owners:
        return _settle(replace(tie, whole=False))
    owners = ("unassigned", *sorted(tie.owners))
    return replace(
        tie,
        parts=(*(part._replace(owner=owner, near=None) for owner in owners), *rest),
        crowd=frozenset(near).union(mark.id for mark in marks),
        count=total,
    )


def _settle(tie: Tie) -> Tie:
    """Return the tie at its next part; after the last assignee's, the server's count must agree."""
    part, rest = tie.parts[0], tie.parts[1:]
    whole = tie.whole
    if part.owner is not None and not (rest and rest[0].owner is not None):
        whole = whole and tie.count is not None and len(tie.crowd) >= tie.count
    return replace(tie, parts=rest, whole=whole)


def _owe(tie: Tie, tied: Sequence[Mark]) -> Tie:
    return replace(tie, owed=tie.owed.union(mark.id for mark in tied))


def _heeded(tie: Tie, marks: Sequence[Mark]) -> bool:
    if (window := tie.window) is None:
        return True
    low, high = window
    return all(mark.added is None or low <= mark.added <= high for mark in marks)


def _notice_ends(tie: Tie, marks: Sequence[Mark]) -> Tie:
    """Return the tie with what a row at the very end of a window proves: such rows belong to it."""
    if (window := tie.window) is None:
        return tie
    added = {mark.added for mark in marks}
    return replace(
        tie, starts=tie.starts or window[0] in added, ends=tie.ends or window[1] in added
    )


def _ends_meet(near: tuple[str, ...], far: tuple[str, ...]) -> bool:
    """Return whether the pages from both ends of a tie hold all of it.

    They do when one ends where the other, read backwards, begins. A server that keeps the
    order among equals in both directions answers the same rows twice, which proves nothing.
    """
    shared = len(set(near) & set(far))
    return len(near) > 1 and shared > 0 and near[-shared:] == far[::-1][:shared]


OVERLAP = 120_000
"""Milliseconds that a walk down to a known time reads on below it: the search index may lag."""

DEFAULT_LIMIT = 20
"""The search's limit when none is asked for (documented). No server is expected to cut off earlier, so
a page shorter than this, or than an earlier page of its walk, is not cut off."""


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
class WalkAt:
    """Where a walk stands: everything that the next request and the reading of its answer need."""

    order: Order
    """Upwards or downwards by the time of the last message."""

    limit: int
    """Rows to ask for."""

    status: str = "all"
    """The filter by `status`."""

    unassigned: bool = False
    """Whether to ask for conversations without an assignee alone."""

    cursor: int | None = None
    """The time strictly after which the next page begins, None at the start."""

    floor: int | None = None
    """A descending walk ends below it."""

    most: int | None = None
    """The walk ends after this many pages."""

    closes: bool = False
    """Whether a second, closing descent follows, for the rows that jumped to the front meanwhile."""

    close: int | None = None
    """Where that one ends: by the rows' own stamps, a time before this one began. None before page 1."""

    total: int | None = None
    """The server's own count with page 1."""

    page: int = 1
    """The number of the page, from 1."""

    size: int = 0
    """Rows of the largest page so far."""

    count: int = 0
    """Rows so far."""

    edge: frozenset[str] = frozenset()
    """The ids that the overlap will bring again."""

    whole: bool = True
    """False once rows may have been missed."""

    tie: Tie | None = None
    """The tie that is being asked for in parts, None elsewhere."""

    @property
    def full(self) -> int:
        """How many rows a page must have to count as perhaps cut off."""
        return max(self.size, min(self.limit, DEFAULT_LIMIT))

    @property
    def asked(self) -> Asked:
        """Return what the next request asks for."""
        owner = "unassigned" if self.unassigned else None
        if self.tie is None:
            return Asked(self.order, self.status, self.cursor, owner)
        part = self.tie.parts[0]
        order = self.order if part.near is None else opposite(self.order)
        cursor = before(self.tie.at, order)
        return Asked(order, part.status, cursor, part.owner or owner, self.tie.window)


class Step(NamedTuple):
    """What follows a page."""

    next: WalkAt | None
    """The next position, None at the end."""

    whole: bool
    """Whether the walk was whole so far."""

    disordered: bool = False
    """Whether the server does not walk upwards at all; then nothing else counts."""


def advance(walk: WalkAt, marks: tuple[Mark, ...], total: int | None) -> Step:
    """Return how a walk goes on after a page with these rows.

    `total` is the server's own count of what the filter selects. It can only make a walk
    longer: a short page ends it when the count agrees, else the walk goes on until nothing new
    comes. So neither a clamped `limit` nor rows filtered out of a page can pass for the end.
    """
    if walk.tie is not None:
        return _after_part(walk, walk.tie, marks, total)
    dated = [mark.at for mark in marks if mark.at is not None]
    ordered = in_order(dated, walk.cursor, walk.order)
    # An index that cannot sort upwards answers downwards: the walk starts again that way.
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
        total=total if walk.page == 1 else walk.total,
        close=_top(dated) if walk.page == 1 and walk.closes else walk.close,
    )
    # A short page is the end only if the server's count agrees: rows may be filtered out of a page.
    if not marks or (short and agreed):
        return _end(seen)
    if not dated:
        return _after_undated(seen)
    last = dated[-1]
    if (walk.floor is not None and last < walk.floor and walk.order == "desc") or _outrun(seen):
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


def step_over(walk: WalkAt, at: int, *, whole: bool = True) -> WalkAt:
    """Go on strictly after a millisecond."""
    return replace(walk, cursor=at, edge=frozenset(), tie=None, whole=walk.whole and whole)


def detour(walk: WalkAt) -> WalkAt | None:
    """Return a walk around a page that always fails, None where there is no way around.

    A part of a tie is given up; behind a failed page of an ascending walk the rest is reached
    from the other end. Either way the walk is no longer whole.
    """
    if walk.tie is not None:
        return step_over(walk, walk.tie.at, whole=False)
    if walk.order == "asc":
        return WalkAt("desc", walk.limit, walk.status, floor=walk.cursor, whole=False)
    return None


def _onward(walk: WalkAt) -> Step:
    if walk.most is not None and walk.page > walk.most:
        return Step(None, False)
    return Step(walk, walk.whole)


def _top(dated: Sequence[int]) -> int | None:
    top = third_latest(dated)
    return None if top is None else top - OVERLAP


def _outrun(walk: WalkAt) -> bool:
    """Return whether the end of an ascent recedes faster than the walk goes on.

    What moves to the end passes the rows that stayed, so the first as many rows as there were hold all
    of those. The walk goes on for as many again, to meet those that moved as well.
    """
    if walk.order == "desc" or walk.total is None:
        return False
    return walk.count >= 2 * max(walk.total, walk.limit)


def _end(walk: WalkAt) -> Step:
    """End the walk; a descent that took several requests is closed by a second one."""
    if walk.closes and walk.page > 2:
        again = WalkAt("desc", walk.limit, walk.status, floor=walk.close, whole=walk.whole)
        return Step(again, walk.whole)
    return Step(None, walk.whole)


def _after_undated(walk: WalkAt) -> Step:
    """Return what follows a page without a single time, from which no cursor follows.

    At the beginning of an ascent they are stepped over (1 is before every real time; 0 could
    pass for no cursor at all); anywhere else they are the last rows, and there may be more.
    """
    if walk.order == "asc" and walk.cursor is None:
        return _onward(step_over(walk, 1, whole=False))
    return _end(replace(walk, whole=False))


def _after_part(walk: WalkAt, tie: Tie, marks: tuple[Mark, ...], total: int | None) -> Step:
    """Return what follows one part of a tie: the next part, or the walk behind the tie."""
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
