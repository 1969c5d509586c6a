"""LeadConnector's numbers and times: also as text, times as epoch milliseconds or ISO 8601.

Rules: pure.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.blank import is_blank
from watcher.providers.rows import Unreadable
from watcher.providers.rows import whole_number as count

__all__ = ["EPOCH", "millis", "time", "whole_number"]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = 100_000_000_000, 7_258_118_400_000
"""March 1973 to 2200 in epoch milliseconds: anything outside is not the time of a message (zero, epoch
seconds, a search index's filler for a missing value)."""


def whole_number(value: Any) -> int | None:
    """Read a count that may be a number or its text; None for anything else."""
    try:
        return count(value)
    except Unreadable:
        return None


def millis(value: Any) -> int | None:
    """Read a time (epoch milliseconds, their text, or ISO 8601) as epoch milliseconds."""
    at = whole_number(value)
    if at is None and isinstance(value, float) and EARLIEST <= value <= LATEST:
        at = int(value)
    if at is None and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        at = (aware - EPOCH) // timedelta(milliseconds=1)
    return at if at is not None and EARLIEST <= at <= LATEST else None


def time(value: Any) -> datetime | None:
    """Read a time; blank is nothing."""
    if type(value) is int and EARLIEST <= value <= LATEST:  # nearly every time
        return EPOCH + timedelta(milliseconds=value)
    if isinstance(value, str) and is_blank(value):
        return None
    at = millis(value)
    if at is None:
        raise Unreadable
    return EPOCH + timedelta(milliseconds=at)
