"""The log, with its filters in the address; one event with what every rule said and who was told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from watcher.catalogue.events import EVENTS
from watcher.pages.page import Page, Visit

__all__ = ["PAGES"]


async def listed(visit: Visit) -> Mapping[str, Any]:
    """Return a page of the log."""
    return {
        "list": await visit.ask("/events", **visit.given("/events")),
        "types": [*EVENTS],
        "filtered": [name for name, value in visit.items if value and name != "cursor"],
    }


async def one(visit: Visit) -> Mapping[str, Any]:
    """Return an event: each rule with its deliveries beside it, and why a receiver was not told."""
    id_ = visit.path["id"]
    found = await visit.ask("/events/{id}", path={"id": id_})
    of_rules: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for delivery in found["deliveries"]:
        of_rules[delivery["rule"]].append(delivery)
    named = [one["rule"] for one in found["rules"] or ()]
    receiver = visit.one("receiver")
    asks = visit.who.sources is None
    return {
        **found,
        "of_rules": of_rules,
        "others": [one for rule, some in of_rules.items() if rule not in named for one in some],
        "receivers": await visit.receivers() if asks else (),
        "receiver": receiver,
        "why": await visit.ask("/why", event=id_, receiver=receiver) if receiver and asks else None,
    }


PAGES: Sequence[Page] = (
    Page("/events", "viewer", "events.html", "Events", listed, nav=True),
    Page("/events/{id:path}", "viewer", "event.html", "Event", one),
)
