"""Silences: which are in force, come or are over, what each has stopped; one more, longer, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from watcher.api.problems import Refusal
from watcher.pages.page import Fields, Form, Page, Visit

__all__ = ["FORMS", "HOURS", "PAGES"]

HOURS: Mapping[str, str] = {"1": "1 hour", "4": "4 hours", "24": "24 hours", "168": "7 days"}
"""How long something can be silenced from a page."""


async def listed(visit: Visit) -> Mapping[str, Any]:
    """Return every silence."""
    found = (await visit.ask("/silences"))["items"]
    return {
        "silences": [one for one in found if one["state"] != "expired"],
        "over": [one for one in found if one["state"] == "expired"],
        "hours": HOURS,
    }


async def new(visit: Visit) -> Mapping[str, Any]:
    """Return what a silence would have stopped that was asked for in the address, or why it is none."""
    match, hours = visit.one("match").strip(), visit.one("hours")
    shown: dict[str, Any] = {
        "match": match,
        "reason": visit.one("reason"),
        "hours": HOURS,
        "chosen": hours if hours in HOURS else "1",
        "preview": None,
        "mistake": "",
    }
    if match:
        try:
            shown["preview"] = await visit.ask("POST /silences/preview", body={"match": match})
        except Refusal as refusal:
            if refusal.kind not in ("conflict", "invalid"):
                raise
            shown["mistake"] = refusal.detail
    return shown


def until(fields: Fields, now: datetime) -> datetime:
    """Return when a silence ends that lasts as long as was chosen."""
    hours = fields.get("hours", ["1"])[-1]
    return now + timedelta(hours=int(hours) if hours in HOURS else 1)


def _added(fields: Fields, now: datetime) -> Mapping[str, Any]:
    match, reason = (fields.get(name, [""])[-1].strip() for name in ("match", "reason"))
    return {"match": match, "reason": reason, "ends": until(fields, now)}


def _longer(fields: Fields, now: datetime) -> Mapping[str, Any]:
    return {"ends": until(fields, now)}


def _ended(answer: Mapping[str, Any], _fields: Fields) -> str:
    return "Ended: messages are sent again." if answer["done"] else "It was over already."


PAGES: Sequence[Page] = (
    Page("/silences", "viewer", "silences.html", "Silences", listed, nav=True),
    Page("/silences/new", "operator", "silence.html", "New silence", new, live=False),
)

FORMS: Sequence[Form] = (
    Form("/silences", "POST /silences", said="Silenced until it ends.", body=_added),
    Form("/silences/{id}", "POST /silences/{id}", said="It lasts longer now.", body=_longer),
    Form("/silences/{id}", "DELETE /silences/{id}", said=_ended),
)
