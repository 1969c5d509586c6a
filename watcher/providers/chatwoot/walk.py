"""Chatwoot's walks: where a walk stands, and where it goes after a page.

Rules: pure; knows positions and listings, and nothing of HTTP, settings or bodies.

What shapes the walks (Chatwoot's source, `conversation_finder.rb`, v4.15.1 and older tags):

- Paging is by offset; the operator sets the page size, which no answer shows; a page beyond the end is
  empty. Only in the order of creation do rows not move while we walk; a deletion shifts
  the rest up and hides one row, whose absence the caller looks up. That order exists since
  v3.4.0; an older server ignores the unknown word and lists by activity, newest first.
- `updated_within=N` selects, without pages, the rows whose `updated_at` is within N seconds of the
  server's clock. Since v3.6.0; an older server ignores it and answers with page 1. Which of the two a
  server does is never concluded from its clock and ours: a window of no seconds is asked for.
- A conversation whose contact is gone makes every page that holds it answer 500.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import NamedTuple

from watcher.providers import Poll
from watcher.providers.chatwoot.listing import Listing, SeenRow
from watcher.providers.stamps import third_latest

__all__ = [
    "AboutAt",
    "CheckAt",
    "LookUpAt",
    "NewestAt",
    "ProbeAt",
    "Step",
    "SweepAt",
    "WindowAt",
    "after_first",
    "after_newest",
    "after_probe",
    "after_walk",
    "after_window",
    "begin_poll",
    "skip_page",
]

WINDOW_MOST = timedelta(hours=3)
"""The windowed answer is unpaged. Chatwoot's own dashboard gives up at the same gap."""

OVERLAP = timedelta(seconds=120)
"""What a walk that ends a sweep reads again below the sweep's start."""

SECOND = timedelta(seconds=1)
"""Stamps of activity are whole seconds."""

MARGIN = timedelta(seconds=60)
"""How much further apart than its window is long rows must be before we doubt that there was a window:
several web servers behind one address have several clocks.
"""

NEWEST_PAGES = 20
FAILED_PAGES = 10
"""Pages that fail one after the other; more are not orphans: the server has trouble."""

STATUSES = ("open", "pending", "snoozed", "resolved")


@dataclass(frozen=True, slots=True)
class WindowAt:
    """The poll that asks for what was updated within some seconds."""

    seconds: int
    """The length of the window, back from the server's present."""

    floor: datetime | None
    """Where a walk by activity would end in its place."""


@dataclass(frozen=True, slots=True)
class NewestAt:
    """A walk by activity, newest first.

    It also ends a sweep of a server that knows no other order: rows that escaped the sweep did
    so by jumping to the top, so they are above its start.
    """

    floor: datetime | None
    """A row whose last activity is older ends the walk; None: only the end of the list does."""

    page: int = 1
    """The number of the page, from 1."""

    previous: tuple[str, ...] = ()
    """The ids of the last page."""

    failed: int = 0
    """How many pages failed, one after the other, just before this one."""

    owed: int = 0
    """How many rows the sweep before it lacked; this walk must bring at least as many."""

    whole: bool = True
    """Whether no page was skipped."""


@dataclass(frozen=True, slots=True)
class ProbeAt:
    """Ask for what was updated within no seconds: nothing, unless the server ignores the parameter.

    A window's own rows prove little. One may be rightly there although its last activity is old
    (custom attributes, a snooze that ran out), and before v4.0.2 rows show no `updated_at`; and
    when all are fresh, an ignored window's page 1 may be full and the rest cut off.
    """

    rows: int
    """How many rows page 1 has, if the answer before was that."""

    then: NewestAt | None = None
    """How the poll goes on if the window was ignored."""


@dataclass(frozen=True, slots=True)
class SweepAt:
    """A sweep, in order of creation if the server knows that order."""

    top: datetime | None = None
    """By the rows' own stamps, a time before the sweep began up to which page 1 showed activity. It is
    asked for where the server lists by activity, newest first.
    """

    status: str = "all"
    """`all`, or after a skipped page each status in turn, to reach what the failing page held."""

    page: int = 1
    """The number of the page, from 1."""

    size: int | None = None
    """The length of the first page, None before it."""

    count: int = 0
    """How many rows came that the page before did not have."""

    total: int | None = None
    """The list's own count with the last page that brought rows."""

    previous: tuple[str, ...] = ()
    """The ids of the last page."""

    mark: tuple[str, ...] = ()
    """The ids of page 1, 2, 4, 8, … (Brent): to meet them again is to walk in a circle."""

    last: datetime | None = None
    """The creation time of the row read last."""

    ordered: bool = True
    """Whether all rows so far came in order of creation."""

    failed: int = 0
    """How many pages failed, one after the other, just before this one."""

    hole: bool = False
    """Whether a page was skipped."""


@dataclass(frozen=True, slots=True)
class LookUpAt:
    """A look-up of one conversation."""

    id: str


@dataclass(frozen=True, slots=True)
class AboutAt:
    """The request that asks for the server's version."""


@dataclass(frozen=True, slots=True)
class CheckAt:
    """The first request of a check; the second is a `ProbeAt`."""


class Step(NamedTuple):
    """Where a walk goes, None at its end; then `complete` says what the walk as a whole is."""

    next: NewestAt | ProbeAt | SweepAt | None
    complete: bool = True
    complaints: tuple[str, ...] = ()


def begin_poll(poll: Poll, *, ignored: bool) -> WindowAt | NewestAt:
    """Return a window, or a walk by activity if the gap is long or unknown, or windows are ignored.

    The walk need not go down to what was read when nothing could be late any more.
    """
    floor = None if poll.newest is None else poll.newest - poll.again
    if floor is not None and poll.still is not None:
        floor = max(floor, poll.still + SECOND)
    if ignored or poll.elapsed is None or poll.elapsed > WINDOW_MOST:
        return NewestAt(floor)
    window = max(timedelta(0), poll.elapsed) + poll.again
    return WindowAt(ceil(window.total_seconds()), floor)


def _below(stamp: datetime | None) -> datetime | None:
    return None if stamp is None else stamp - OVERLAP


def after_window(at: WindowAt, listing: Listing, *, honoured: bool, size: int) -> Step:
    """Return the end of the poll, or a probe if the window may have been ignored.

    `size` is the length of a page. A server that passed the probe once (`honoured`) may have been
    replaced by an older one; it is doubted where the answer looks like a page.
    """
    if not listing.ids or (honoured and not _like_a_page(at, listing, size)):
        return Step(None)
    # If there was no window, then this was page 1 of the walk by activity.
    beyond = after_newest(NewestAt(at.floor), listing).next
    return Step(ProbeAt(len(listing.ids), beyond if isinstance(beyond, NewestAt) else None))


def _like_a_page(at: WindowAt, listing: Listing, size: int) -> bool:
    """Return whether rows are further apart, by their own stamps, than the window is long, or as many as
    a page takes of a longer list.
    """
    stamps = [row.updated_at or row.last_activity_at for row in listing.rows]
    known = [stamp for stamp in stamps if stamp is not None]
    apart = max(known) - min(known) if known else timedelta(0)
    cut = len(listing.ids) == size < (listing.total or 0)
    return cut or apart > timedelta(seconds=at.seconds) + MARGIN


def after_first(listing: Listing) -> Step:
    """Return a probe if there are rows; an empty list answers any request with nothing."""
    return Step(ProbeAt(len(listing.ids)) if listing.ids else None)


def after_probe(at: ProbeAt, listing: Listing) -> tuple[bool | None, Step]:
    """Return whether the server honours windows, None where the answer proves neither."""
    # A server that ignored the window would have answered with page 1.
    if not listing.ids:
        return True, Step(None)
    # Fewer rows prove nothing: where several web servers answer, the clock of one may be a moment
    # behind the clock of another, which wrote them.
    return (False if len(listing.ids) >= at.rows else None), Step(at.then)


def after_newest(at: NewestAt, listing: Listing) -> Step:
    """Return the next page until a row is older than the floor."""
    owed = max(0, at.owed - len(listing.ids))
    below = at.floor is not None and any(
        row.last_activity_at is not None and row.last_activity_at < at.floor for row in listing.rows
    )
    # The walk has reached what earlier polls saw, or the end of the list.
    if below or not listing.ids:
        return Step(None, at.whole and not owed)
    # Too long a gap for a poll, or a server that repeats itself: the sweep finds the rest.
    if at.page >= NEWEST_PAGES or not _fresh(at.previous, listing):
        return Step(None, complete=False)
    return Step(replace(at, page=at.page + 1, previous=listing.ids, failed=0, owed=owed))


def after_walk(at: SweepAt, listing: Listing) -> Step:
    """Return the next page until one brings nothing, or is short and everything counted has come.

    A walk that brought fewer rows than the list counts is not complete. One that brought enough
    may still lack a row (a deletion hid it); that is why absences are looked up.
    """
    fresh = _fresh(at.previous, listing)
    size = len(listing.ids) if at.size is None else at.size
    # Rows made since the last page that brought any came too late to be owed.
    totals = [t for t in (listing.total, None if fresh else at.total) if t is not None]
    here = replace(
        at,
        top=third_latest(row.last_activity_at for row in listing.rows) if at.page == 1 else at.top,
        page=at.page + 1,
        size=size,
        count=at.count + fresh,
        total=min(totals, default=None),
        previous=listing.ids,
        last=_latest(at.last, listing.rows),
        ordered=at.ordered and _ascending(at.last, listing.rows),
        mark=listing.ids if at.page & (at.page - 1) == 0 else at.mark,
        failed=0,
    )
    short = len(listing.ids) < size and here.total is not None and here.count >= here.total
    if fresh and listing.ids == at.mark:
        # Rows that move never bring back a whole page: the server repeats itself.
        complaint = f"page {at.page} of the list repeats an earlier page: the walk ends"
        return Step(None, complete=False, complaints=(complaint,))
    if fresh and not short:
        return Step(here)
    return _end_walk(here, stuck=bool(listing.ids) and not fresh)


def _end_walk(at: SweepAt, *, stuck: bool) -> Step:
    # A skipped page may hide sound rows next to the failing one: lists by status cut pages elsewhere.
    if at.hole:
        done = STATUSES.index(at.status) + 1 if at.status in STATUSES else 0
        if done < len(STATUSES):
            return Step(SweepAt(status=STATUSES[done], hole=True))
        return Step(None, complete=False)
    owed = max(0, (at.total or 0) - at.count)
    if owed and stuck:
        complaint = f"page {at.page - 1} of the list repeats the page before it: the walk ends"
        return Step(None, complete=False, complaints=(complaint,))
    # A server without the order of creation: rows that escaped jumped to the top, above the start.
    if owed and not at.ordered:
        return Step(NewestAt(_below(at.top), owed=owed))
    return Step(None, complete=not owed)


def skip_page(position: object) -> NewestAt | SweepAt | None:
    """Return the position behind a page that always fails, None where there is no way on."""
    match position:
        # The same rows in pages, so that the failing row hides only its own page.
        case WindowAt():
            return NewestAt(position.floor)
        case ProbeAt():
            return position.then
        case NewestAt() if position.failed < FAILED_PAGES and position.page < NEWEST_PAGES:
            failed = position.failed + 1
            return replace(position, page=position.page + 1, failed=failed, whole=False)
        case SweepAt() if position.failed < FAILED_PAGES:
            failed = position.failed + 1
            return replace(position, page=position.page + 1, failed=failed, hole=True)
        case _:
            return None


def _fresh(previous: tuple[str, ...], listing: Listing) -> int:
    """Return how many rows the page before did not have: repeats come from neighbours."""
    return len(set(listing.ids).difference(previous))


def _created(rows: Iterable[SeenRow]) -> list[datetime]:
    return [row.created_at for row in rows if row.created_at is not None]


def _ascending(last: datetime | None, rows: tuple[SeenRow, ...]) -> bool:
    times = ([last] if last is not None else []) + _created(rows)
    return all(a <= b for a, b in pairwise(times))


def _latest(last: datetime | None, rows: tuple[SeenRow, ...]) -> datetime | None:
    times = _created(rows)
    return times[-1] if times else last
