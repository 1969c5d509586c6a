"""The outbox: every message with what it waits for or what came back, and what can be sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from watcher.explain.values import format_count
from watcher.pages.page import Fields, Form, Page, Visit

__all__ = ["FORMS", "PAGES"]

STATES = ("due", "waiting", "held", "delivered", "dead", "cancelled")
FILTERS = ("receiver", "rule", "type", "source", "since", "until")
"""What narrows dead messages that are sent again together."""

MOST_ANSWERS = 8


async def listed(visit: Visit) -> Mapping[str, Any]:
    """Return a page of the outbox; of dead ones what came back, and how many there are."""
    given = visit.given("/deliveries")
    found = await visit.ask("/deliveries", **given)
    dead = given.get("state") == "dead"
    narrowed = {name: given[name] for name in FILTERS if name in given}
    return {
        "list": found,
        "states": STATES,
        "filtered": [name for name, value in visit.items if value and name != "cursor"],
        "dead": await visit.ask("/deliveries/dead", **narrowed) if dead else None,
        "narrowed": narrowed,
        "most": MOST_ANSWERS,
    }


async def one(visit: Visit) -> Mapping[str, Any]:
    """Return the deliveries of an id, each with every attempt and decision."""
    id_ = visit.path["id"]
    found = await visit.ask("/deliveries/{id}", path={"id": id_})
    return {"deliveries": found["items"], "id": id_}


def _chosen(fields: Fields, _now: Any) -> Mapping[str, Any]:
    """Return which deliveries are meant: of ids, or all dead ones that fit what the page was narrowed to."""
    if ids := [one for one in fields.get("ids", ()) if one]:
        return {"ids": ids}
    many = {"type", "source"}
    kept = {name: [one for one in fields.get(name, ()) if one] for name in (*FILTERS, "expect")}
    return {name: some if name in many else some[-1] for name, some in kept.items() if some}


def _sent(answer: Mapping[str, Any], _fields: Fields) -> str:
    count = answer["retried"]
    if not count:
        return "Nothing was dead any more: nothing is sent again."
    verb = "begins" if count == 1 else "begin"
    return f"{format_count(count, 'message')} {verb} anew, in order."


PAGES: Sequence[Page] = (
    Page("/deliveries", "viewer", "deliveries.html", "Deliveries", listed, nav=True),
    Page("/deliveries/{id:path}", "viewer", "delivery.html", "Delivery", one),
)

FORMS: Sequence[Form] = (
    Form("/deliveries/retry", "POST /deliveries/retry", said=_sent, body=_chosen),
)
