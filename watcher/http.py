"""Reading HTTP headers: dates, and how long a server asks callers to wait.

Rules: pure. For providers, the transport and notifiers alike.
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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` (RFC 9110 10.2.3: seconds or a date) asks for.

    A date is by the server's clock: it is reckoned from the `Date` of the same answer. None without the
    header, where it is neither, and for a date in an answer that does not tell its own.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        at, now = http_date(value), http_date(headers.get("date", ""))
        if at is None or now is None:
            return None
        seconds = (at - now).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None
