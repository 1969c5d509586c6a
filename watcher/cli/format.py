"""Lines that commands alone write.

Rules: pure; values in, text out. Words that the API and pages say too stand in `watcher.explain`.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from watcher.explain.changes import what_changed
from watcher.explain.values import format_age, format_who
from watcher.model import Event
from watcher.records import Skew
from watcher.settings.calendar import format_moment

__all__ = ["format_event", "skew_words"]


def format_event(event: Event, zone: ZoneInfo) -> str:
    """Format an event in one line: time, type, source, contact and what changed."""
    words = (
        format_moment(event.time, zone),
        event.type,
        event.source,
        format_who(event),
        what_changed(event, zone),
    )
    return "  ".join(word for word in words if word)


def skew_words(skew: Skew | None) -> str:
    """Return what it means that a provider's clock is off and what to do; empty where it is right."""
    if skew is None or not skew.notable:
        return ""
    from watcher.pipeline.clocks import describe_skew  # the core, for the rare clock that is off

    # What is known is known to a second or two: 23h59m58s are a day.
    return describe_skew(skew, format_age(60 * round(abs(skew.seconds) / 60)))
