"""Texts about texts: the note on a late message, and one message for several.

Law: pure; `now` is an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from watcher.templates._words import line

__all__ = ["digest", "late_note"]

MOST_LINES = 50
LONGEST_LINE = 200

_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
)


def late_note(event_time: datetime, now: datetime, *, after: datetime | None = None) -> str:
    """Say when something happened that is told late; the day only where it was another one.

    `after` is given where all that is known is that it happened between then and `event_time`.
    """
    if after is not None:
        first, last = after.astimezone(UTC), event_time.astimezone(UTC)
        day = "" if first.date() == last.date() else _day(first, now)
        return f"This happened between {first:%H:%M}{day} and {_when(last, now)}."
    return f"This happened at {_when(event_time, now)}, {_ago(now - event_time)}."


def _when(at: datetime, now: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M} UTC{_day(at, now)}"


def _day(at: datetime, now: datetime) -> str:
    at, present = at.astimezone(UTC), now.astimezone(UTC)
    return f" on {at:%Y-%m-%d}" if at.date() != present.date() else ""


def _ago(past: timedelta) -> str:
    """Spell how long ago, in the one or two largest units (`1 hour 5 minutes ago`)."""
    words: list[str] = []
    for name, unit in _UNITS:
        count, past = divmod(past, unit) if past > timedelta(0) else (0, past)
        if count:
            words.append(f"{count} {name}{'s' if count > 1 else ''}")
        elif words:
            break  # `1 day 3 minutes` tells nobody more than `1 day`
    return f"{' '.join(words[:2])} ago" if words else "just now"


def digest(notices: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Make one message of several (title, body): a line for each, oldest first, bounded."""
    if len(notices) == 1:
        return notices[0]
    lines = [f"- {_summary(title, body)}" for title, body in notices[:MOST_LINES]]
    if len(notices) > MOST_LINES:
        lines.append(f"… and {len(notices) - MOST_LINES} more")
    return f"{len(notices)} notifications", "\n".join(lines)


def _summary(title: str, body: str) -> str:
    first = next((text for text in body.splitlines() if text.strip()), "")
    return line(": ".join(part for part in (title.strip(), first.strip()) if part), LONGEST_LINE)
