"""How far a provider's clock is from ours, as far as somebody tells: for people, and for durations.

Rules: pure. What rows say of each other decides; nothing of what is known here decides about a change.
The server's own word counts most (`Page.clock`), then rows whose activity moved between two looks of ours:
their stamps lie between these looks. A `Date` may be a proxy's, so it counts last.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from watcher.providers import Page, Response
from watcher.records import TOLD_FROM, Skew

__all__ = ["ClockEvidence", "describe_skew"]

AGREEING = 3
"""Rows that must show the same: single ones may have nonsense dates."""

LONGEST_GAP = timedelta(minutes=15)
"""How far apart the looks may be between which a row moved, so that its stamp shows something."""

NONE = timedelta(0)
Interval = tuple[timedelta, timedelta]


class ClockEvidence:
    """What answers have shown of the provider's clock."""

    __slots__ = (
        "_moved",
        "_told",
    )

    def __init__(self) -> None:
        self._told: dict[Literal["server", "date"], Interval] = {}
        self._moved: tuple[Interval, ...] = ()  # the latest

    def hear(self, page: Page, response: Response) -> None:
        """Note what an answer tells."""
        if page.clock is not None:
            self._told["server"] = _between(page.clock, response.sent, response.received)
        if response.date is not None:
            self._told["date"] = _between(response.date, response.sent, response.received)

    def see_moved(self, at: datetime, after: datetime, before: datetime) -> None:
        """Note a row whose activity is dated so and was seen between two looks of ours."""
        if NONE < before - after <= LONGEST_GAP:
            self._moved = (*self._moved, (at - before, at - after))[-AGREEING:]

    @property
    def skew(self) -> Skew | None:
        """How far their clock is ahead, as little as the evidence allows; None without any."""
        if "server" in self._told:
            return _skew("server", self._told["server"])
        if (shown := self._shown()) is not None and abs(_nearest(shown)) > TOLD_FROM:
            return _skew("rows", shown)
        return _skew("date", self._told["date"]) if "date" in self._told else None

    def _shown(self) -> Interval | None:
        if len(self._moved) < AGREEING:
            return None
        low, high = max(one[0] for one in self._moved), min(one[1] for one in self._moved)
        return (low, high) if low <= high else None


def _between(clock: datetime, sent: datetime, received: datetime) -> Interval:
    """Return the interval for a time in whole seconds, which was read between two times of ours."""
    return clock - received, clock + timedelta(seconds=1) - sent


def _nearest(interval: Interval) -> timedelta:
    low, high = interval
    return low if low > NONE else min(high, NONE)


def _skew(told_by: Literal["server", "date", "rows"], interval: Interval) -> Skew:
    return Skew(_nearest(interval).total_seconds(), told_by)


_SHOWN_BY = {
    "server": "its server says so",
    "date": "its answers' Date header says so",
    "rows": "the times of its conversations show it",
}


def describe_skew(skew: Skew, off: str) -> str:
    """Return what a clock that is off means and what to do, empty where there is nothing to tell.

    `off` is the difference in words, such as `10m`.
    """
    if not skew.notable:
        return ""
    way = "ahead of" if skew.seconds > 0 else "behind"
    return (
        f"the provider's clock is {off} {way} this machine's ({_SHOWN_BY[skew.told_by]}): nothing is missed"
        " or invented by that, but times within conversations are off by as much; set the clock that is"
        " wrong (NTP)"
    )
