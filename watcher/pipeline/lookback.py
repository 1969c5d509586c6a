"""How far back a poll looks: a little beyond the last poll each time, and further now and then.

Rules: pure. A change may become visible later than its own stamp says (a transaction that takes a while, a
second server whose clock is behind), when the watermark is beyond it already. Every poll finds what is a few
seconds late. What is later, up to most of a minute, is found by a long look, which reads again all that was
stamped since the long look before it; a whole sweep is one, too. So nothing is lost, while a row that
changes is read about twice, and not with every poll of a minute and a half.

The next look is a long one where it costs no more (polls a minute apart), and after whatever casts doubt on
the looks before: a start, a failure, an answer that took long, a clock that was set. Nothing of this is
stored: a process that starts looks far back.

`at` are seconds of the loop's clock, which nobody sets. It may stand still while the machine sleeps, so the
one on the wall is asked, too, how long ago the last look was.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["EVERY", "LATE", "LATEST", "Lookback", "Reach", "leaves_gap"]

LATE = timedelta(seconds=10)
"""What each poll reads again before the watermark. The server's window begins when it gets to the request, so
the time until the answer comes is a part of it, here and in `LATEST`.
"""

LATEST = timedelta(seconds=60)
"""What a long look reads again."""

EVERY = timedelta(minutes=4)
"""How long after the last long look the next one is due."""

MOST_ROWS = 200
"""Rows that short looks may have shown before the long one is left to the next sweep: a server that takes
0.02 s for a row may give up on an answer with many.
"""

FAILURES = 2
"""Failures or late answers in a row after which what a long look would find besides is left to the next
sweep.
"""

SLOW = LATE / 2
"""How long the first answer of a short look may take: what is stamped meanwhile uses up its reserve."""

CLOCK_DOUBT = timedelta(seconds=10)
"""By how much more than the loop's clock ours may say has passed since the last look."""

NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back one poll looks (`Poll.elapsed`, `Poll.again`)."""

    elapsed: timedelta | None
    """How long ago the last look that went well began, None where that is not known."""

    again: timedelta
    """How much of what was asked for before is asked for again."""

    @property
    def long(self) -> bool:
        """Whether it is a long look."""
        return self.again >= LATEST


@dataclass(frozen=True, slots=True)
class Lookback:
    """What polls remember of the looks before; times are seconds of the loop's clock."""

    looked: float | None = None
    """When the last look that went well began, None before the first of this run."""

    settled: float | None = None
    """When the last long one began, None where that is not known."""

    rows: int = 0
    """Rows in which short looks have shown something new since."""

    failures: int = 0
    """Failed looks in a row."""

    doubt: bool = True
    """Whether the next look is to be a long one, however long ago the last one was."""

    newest: datetime | None = None
    """The activity up to which all has been seen (`Poll.newest`)."""

    newest_at: float = 0.0
    """When it became known."""

    still: datetime | None = None
    """The activity up to which late changes were found as well (`Poll.still`)."""

    def reach(self, polled: datetime | None, now: datetime, at: float) -> Reach:
        """Return how far back a poll looks that begins now; `polled` is when the last look that went well
        began, and like `now` by our own clock.
        """
        by_wall = None if polled is None else now - polled
        if self.looked is None:
            # Before this run; of a clock that was set back meanwhile nothing is concluded.
            known = by_wall is not None and by_wall >= NONE
            return Reach(by_wall if known else None, self._again(EVERY))
        passed = timedelta(seconds=at - self.looked)
        elapsed = passed if by_wall is None else max(passed, by_wall)
        if self.settled is None or elapsed - passed > CLOCK_DOUBT:
            return Reach(elapsed, self._again(EVERY))
        unsettled = timedelta(seconds=at - self.settled)
        due = unsettled >= EVERY and self.rows <= MOST_ROWS
        awaited = self.still is None and self._rests(at)
        if due or awaited or self.doubt or elapsed >= LATEST:
            return Reach(elapsed, self._again(max(NONE, unsettled - elapsed)))
        return Reach(elapsed, LATE)

    def _again(self, before: timedelta) -> timedelta:
        """Return what a long look asks for again that reaches so far back before the last look."""
        # An answer with too many rows may be what fails.
        too_many = self.failures >= FAILURES or self.rows > MOST_ROWS
        return LATEST if too_many else LATEST + before

    def after_poll(
        self, reach: Reach, at: float, *, took: float, newest: datetime | None, rows: int
    ) -> Lookback:
        """Return what is remembered after a poll that began then and read everything.

        `took` are the seconds until its first answer, `newest` is the activity that is known after it,
        and `rows` showed something new.
        """
        slow, too_slow = took > SLOW.total_seconds(), took > LATE.total_seconds()
        failures = self.failures + 1 if too_slow else 0
        after = dataclasses.replace(
            self, looked=at, failures=failures, doubt=slow, rows=self.rows + rows
        )
        if reach.long and not too_slow:
            still = newest if newest == self.newest and self._rests(at) else self.still
            after = dataclasses.replace(after, settled=at, rows=0, still=still)
        if newest != self.newest:
            after = dataclasses.replace(after, newest=newest, newest_at=at)
        return after

    def after_failure(self) -> Lookback:
        """Return what is remembered after a failure."""
        return dataclasses.replace(self, doubt=True, failures=self.failures + 1)

    def after_sweep(self, began: float, *, moved: bool, whole: bool) -> Lookback:
        """Return what is remembered after a sweep; `moved` is whether the watermark did. A whole one shows
        everything that is visible.
        """
        after = dataclasses.replace(self, looked=began) if moved else self
        if not whole:
            return after
        settled = began if self.settled is None else max(began, self.settled)
        return dataclasses.replace(after, settled=settled, rows=0)

    def _rests(self, at: float) -> bool:
        """Return whether what is as late as it may be, and stamped as the latest activity, is visible."""
        return self.newest is not None and at - self.newest_at > (LATEST + LATE).total_seconds()


def leaves_gap(reach: Reach, took: float) -> bool:
    """Return whether a poll whose first answer took so many seconds left out what was stamped before its
    window began.
    """
    return not reach.long and took > SLOW.total_seconds()
