"""Deliveries and what was done or decided about them, in words and as plain JSON.

Rules: pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from watcher.explain.values import format_times
from watcher.explain.waits import Wait
from watcher.model import Delivery, rfc3339
from watcher.records import HistoryEntry
from watcher.settings.calendar import format_moment

__all__ = ["format_entry", "plain_delivery", "plain_entry"]


def format_entry(entry: HistoryEntry, zone: ZoneInfo) -> list[str]:
    """Format one attempt or decision: time, kind, reason, and the beginning of an answer."""
    when = format_moment(entry.at, zone) if entry.at else "at an unknown time"
    what = f"attempt {entry.attempt}" if entry.kind == "attempt" else entry.kind
    took = f", {entry.seconds:.2f} s" if entry.seconds is not None else ""
    said = entry.note if entry.note.startswith(what) else f"{what}{took}: {entry.note}"
    lines = [f"{when}  {said}"]
    if entry.excerpt:
        lines += [f"    | {line}" for line in entry.excerpt.splitlines()]
    return [format_times(line, zone) for line in lines]


def plain_delivery(delivery: Delivery, now: datetime, wait: Wait | None) -> dict[str, Any]:
    """Return a delivery as plain JSON, with what it waits for."""
    return {
        "id": delivery.id,
        "event": delivery.event.id,
        "type": delivery.event.type,
        "source": delivery.event.source,
        "conversation": delivery.event.subject,
        "receiver": delivery.receiver,
        "rule": delivery.rule,
        "kind": delivery.kind,
        "number": delivery.number,
        "state": delivery.state,
        "stands": delivery.stands(now),
        "attempts": delivery.attempt,
        "due": rfc3339(delivery.due),
        "created": rfc3339(delivery.created),
        "settled": rfc3339(delivery.settled) if delivery.settled else None,
        "waits": wait.to_plain() if wait is not None else None,
        "digest": delivery.message or None,
        "note": delivery.note,
    }


def plain_entry(entry: HistoryEntry) -> dict[str, Any]:
    """Return one attempt or decision as plain JSON."""
    return {
        "at": rfc3339(entry.at) if entry.at else None,
        "kind": entry.kind,
        "attempt": entry.attempt or None,
        "status": entry.status,
        "seconds": entry.seconds,
        "note": entry.note,
        "excerpt": entry.excerpt,
    }
