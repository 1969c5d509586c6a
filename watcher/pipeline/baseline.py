"""Where the baseline begins, in the rows' own terms: which of them were there, and what in them is news.

Rules: pure. Their stamps are compared with stamps of theirs. Where the server tells the clock that dates
its rows (`Page.clock`), the baseline's beginning is known by it. Where it does not, what a row dates lies
before the moment at which it was read: so the baseline began, by their clock, no earlier than the latest
stamp that it showed less the time that it had taken until then; and what has a higher place in the order
of creation (`Observation.number`) than all rows of the baseline is newer, also by a clock that was a day
ahead then and is right now. What lies between that and the true beginning is told: an old conversation
that comes into sight is then told as a new one, which is better than a new one that nobody is told of.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from watcher.model import Observation
from watcher.providers.stamps import third_latest
from watcher.records import SourceState

__all__ = ["Sightings", "is_younger", "older", "was_there"]

WRONG_CLOCK = timedelta(hours=25)
"""How far the clock that dates the rows may be from the one that we go by where rows do not show it."""


class Sightings:
    """What the rows of a walk show of the time at which it began, by their own clock."""

    def __init__(self) -> None:
        self._latest: dict[str, datetime] = {}
        self._top: tuple[int, datetime | None] | None = None

    def note(self, row: Observation, passed: timedelta) -> None:
        """Note a row that was read so long after the walk had begun."""
        made, active = row.fields.get("created_at"), row.fields.get("last_activity_at")
        stamps = [at - passed for at in (made, active) if isinstance(at, datetime)]
        if stamps and (row.id not in self._latest or max(stamps) > self._latest[row.id]):
            self._latest[row.id] = max(stamps)
        if row.number is not None and (self._top is None or row.number > self._top[0]):
            self._top = row.number, made - passed if isinstance(made, datetime) else None
        if len(self._latest) > _KEPT:
            kept = sorted(self._latest, key=self._latest.__getitem__, reverse=True)[: _KEPT // 2]
            self._latest = {key: self._latest[key] for key in kept}

    @property
    def top(self) -> int | None:
        """The highest number of a row, None where rows show none."""
        return None if self._top is None else self._top[0]

    @property
    def newest(self) -> datetime | None:
        """A time of theirs before the walk began, None where too few rows show one."""
        return third_latest(self._latest.values())

    def started(self, estimate: datetime) -> datetime:
        """Return the latest time of theirs that is surely not after the walk's beginning.

        `estimate` is that beginning by a clock that may be a day off.
        """
        made = self._top[1] if self._top is not None else None
        shown = [at for at in (self.newest, made) if at is not None]
        return min(max([*shown, estimate - WRONG_CLOCK]), estimate + WRONG_CLOCK)


_KEPT = 100
"""Rows that are remembered at most; three are needed."""


def older(at: datetime | None, started: datetime | None) -> bool:
    """Return whether a time is before the baseline began (both by the provider's clock).

    A time in whole seconds is compared with the second in which the baseline began: a row that was
    created in that second and not seen by the baseline is more likely new.
    """
    if at is None or started is None:
        return False
    if at.microsecond == 0:
        started -= timedelta(microseconds=started.microsecond)
    return at < started


def was_there(row: Observation, state: SourceState) -> bool:
    """Return whether a row that is seen for the first time was made before the baseline began."""
    started, top = state.baseline_started, state.baseline_top
    # A higher number is newer also where their clock was set back since; no clock is set back by days.
    if started is not None and row.number is not None and top is not None and row.number > top:
        started -= 2 * WRONG_CLOCK
    return older(row.fields.get("created_at"), started)


def is_younger(at: datetime | None, state: SourceState) -> bool:
    """Return whether what a row dates may be news since the baseline."""
    return at is not None and not older(at, state.baseline_started)
