"""Events and deliveries as rows of CSV (RFC 4180), for spreadsheets.

Rules: pure. A text that a spreadsheet would take for a formula gets an apostrophe in front of it, which is
how spreadsheets mark a text: customers write what stands here. The words are those of `watcher.explain`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from watcher.explain.changes import what_changed
from watcher.explain.values import format_who
from watcher.model import Event, rfc3339
from watcher.wording import part

__all__ = ["DELIVERY_COLUMNS", "EVENT_COLUMNS", "csv_row", "delivery_cells", "event_cells"]

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula, also in its full-width form."""

EVENT_COLUMNS = ("id", "time", "type", "source", "conversation", "who", "owner", "changed")

DELIVERY_COLUMNS = (
    "id", "event", "type", "source", "conversation", "receiver", "rule", "kind", "state", "stands",
    "attempts", "created", "due", "settled", "waits", "note",
)  # fmt: skip


def event_cells(event: Event) -> Sequence[object]:
    """Return an event as `EVENT_COLUMNS` has it."""
    owner = part(part(event.data, "conversation"), "assignee")
    return (
        event.id,
        rfc3339(event.time),
        event.type,
        event.source,
        event.subject,
        format_who(event),
        owner.get("name") or owner.get("id"),
        what_changed(event),
    )


def delivery_cells(plain: Mapping[str, Any]) -> Sequence[object]:
    """Return a delivery, as plain JSON has it, as `DELIVERY_COLUMNS` has it."""
    waits = plain["waits"]
    shown = {**plain, "waits": None if waits is None else waits["text"]}
    return [shown[name] for name in DELIVERY_COLUMNS]


def csv_row(cells: Sequence[object]) -> str:
    """Return cells as one row with its end."""
    written = io.StringIO()
    csv.writer(written).writerow([_harmless(one) for one in cells])
    return written.getvalue()


def _harmless(cell: object) -> object:
    # Some spreadsheets cut the blanks in front off before they look.
    formula = isinstance(cell, str) and cell.lstrip().startswith(FORMULA)
    return f"'{cell}" if formula else cell
