"""Reading HTTP headers: dates, and how long a server asks callers to wait.

Rules: pure; `now` is an argument. For providers, the transport and notifiers alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["http_date", "retry_after"]


def http_date(value: str) -> datetime | None:
    """Return the time that a header's date names, None if it is not a date of the years 1970 to 2199."""
    try:
        at = parsedate_to_datetime(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (IndexError, OverflowError, TypeError, ValueError):
        return None  # `email.utils` is not strict about what it raises
    return at if 1970 <= at.year < 2200 else None


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds from `now` that `Retry-After` (RFC 9110 10.2.3: seconds or a date) asks for.

    None without the header, or where it is neither.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        at = http_date(value)
        if at is None:
            return None
        seconds = (at - now).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None
