"""Rows of LeadConnector's list that share one millisecond and exceed a page: asked for in parts.

Law: pure. Within a tie there is no cursor, only what the search can filter by (documented):
`status`; `startDate` and `endDate`, which select by `dateAdded`; `assignedTo`. A part is whole
when its page shows a row from behind the tie or is short. A full part is divided: by the
creation times that its page shows, down to single milliseconds; then it is asked for from the
other end of the list; then by the assignees seen. What is never proven whole makes the walk
incomplete, and so does a row of a divided page that no whole part brings again (one without a
creation time, say, or one that changed sides meanwhile).

Creation times come before assignees because they do not change while the parts are asked for,
and because an assignee whom no page shows would be missed: there the server's own count of what
the filter selects must agree as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from watcher.providers._leadconnector_marks import Mark

__all__ = ["Part", "Tie", "begin_tie", "take_part"]

FAR = 7_258_118_400_000
"""The year 2200 in epoch milliseconds: where the last window of creation times ends."""

MOST_IDLE = 40
"""Requests that one tie may take beside those that bring at least half a page of new rows."""


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
    """A page full of one millisecond, `at`, being asked for in parts.

    `parts` are still to ask, the present one first. `stuck` are the ids of the page that began
    it, `owed` those of divided parts, `met` those of whole ones. `owners` are the assignees seen.
    `crowd` holds what was shown of the part that is being divided by assignee, `count` what the
    server counts in it. `dates` turns False when the server is seen to ignore the window.
    Whether a window's ends belong to it is not documented: windows overlap by a millisecond
    until `starts` or `ends` says that a row was seen there. `idle` counts requests (MOST_IDLE).
    """

    at: int
    parts: tuple[Part, ...]
    stuck: frozenset[str]
    owed: frozenset[str] = frozenset()
    met: frozenset[str] = frozenset()
    owners: frozenset[str] = frozenset()
    crowd: frozenset[str] = frozenset()
    count: int | None = None
    dates: bool = True
    starts: bool = False
    ends: bool = False
    idle: int = 0
    whole: bool = True

    @property
    def window(self) -> tuple[int, int] | None:
        """Give `startDate` and `endDate` for the present part, None where it has no window."""
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
    """Take in the page of the present part; the tie is over when no part is left.

    `full` is how many rows a page must have to count as perhaps cut off, `ordered` whether the
    page ran the way asked for, `total` the server's count of what the filter selects.
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
        tie = _settle(_owe(replace(tie, whole=False), tied))
    elif tie.parts[0].near is not None:
        tie = _join_ends(tie, tied, marks, total)
    elif not _heeded(tie, marks):
        undated = tuple(part for part in tie.parts if not part.dated)
        parts = (Part(tie.parts[0].status), *undated)
        tie = _divide(replace(tie, dates=False, parts=parts), tied)
    elif len(tied) < len(marks) or len(marks) < full:
        tie = _settle(replace(tie, met=tie.met.union(mark.id for mark in tied)))
    else:
        sharper = _notice_ends(tie, marks)
        tie = _divide(sharper, tied, again=sharper.window != tie.window)
    return replace(tie, parts=(), whole=False) if tie.parts and tie.idle >= MOST_IDLE else tie


def _divide(tie: Tie, tied: Sequence[Mark], *, again: bool = False) -> Tie:
    """Divide the present part, whose page was full; `again`: its window became sharper."""
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
    """Divide a window by the creation times seen in it, so that each half has fewer of them."""
    low, high = added[0], added[-1]
    if low == high:
        cuts = [(part.since, low - 1), (low, low), (low + 1, part.until)]
    else:
        below = max(at for at in added if at < high)
        middle = min(added[(len(added) - 1) // 2], below)
        cuts = [(part.since, middle), (middle + 1, part.until)]
    return [part._replace(since=since, until=until) for since, until in cuts if since <= until]


def _join_ends(tie: Tie, tied: Sequence[Mark], marks: Sequence[Mark], total: int | None) -> Tie:
    """Take in a part's page from the other end; where they do not meet, ask by assignee."""
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
    """Go on to the next part; after the last assignee's, the server's count must agree."""
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
    """Learn from a row at the very end of a window that such rows belong to it."""
    if (window := tie.window) is None:
        return tie
    added = {mark.added for mark in marks}
    return replace(
        tie, starts=tie.starts or window[0] in added, ends=tie.ends or window[1] in added
    )


def _ends_meet(near: tuple[str, ...], far: tuple[str, ...]) -> bool:
    """Tell whether a page from either end of a tie together hold all of it.

    They do when the one ends where the other, read backwards, begins. A server that keeps the
    order among equals in both directions answers the same rows twice, which proves nothing.
    """
    shared = len(set(near) & set(far))
    return len(near) > 1 and shared > 0 and near[-shared:] == far[::-1][:shared]
