"""Receivers: how each stands, what arrived and what was given up; one with what it got last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from watcher.api.problems import Refusal
from watcher.pages.page import Fields, Form, Page, Visit

__all__ = ["FORMS", "PAGES"]

SPANS: Mapping[str, timedelta] = {"24 hours": timedelta(days=1), "7 days": timedelta(days=7)}
MOST = 20


def state(one: Mapping[str, Any]) -> str:
    """Return how a receiver stands, in a word."""
    if one["off"]:
        return "off"
    if one["failing"]:
        return "failing"
    return "paused" if one["paused_until"] else "ok"


async def _counts(visit: Visit, names: Sequence[str]) -> Mapping[str, Mapping[str, Counter[str]]]:
    """Return what came of the messages of each receiver, by span."""
    found: dict[str, dict[str, Counter[str]]] = {
        name: {span: Counter() for span in SPANS} for name in names
    }
    for span, length in SPANS.items():
        since, until = visit.now - length, visit.now
        asked = await visit.ask(
            "/stats", kind="receivers", since=since, until=until, step="whole", name=names[:50]
        )
        for one in asked["items"]:
            if one["name"] in found:
                found[one["name"]][span][one["what"]] += one["count"]
    return found


async def listed(visit: Visit) -> Mapping[str, Any]:
    """Return all receivers."""
    receivers = (await visit.ask("/status", sources=0))["receivers"]
    rows = [{**one, "state": state(one)} for one in receivers]
    counts = await _counts(visit, [one["receiver"] for one in rows]) if rows else {}
    return {"receivers": rows, "counts": counts, "spans": [*SPANS]}


async def one(visit: Visit) -> Mapping[str, Any]:
    """Return one receiver."""
    name = visit.path["name"]
    receivers = (await visit.ask("/status", sources=0))["receivers"]
    found = next((one for one in receivers if one["receiver"] == name), None)
    if found is None:
        raise Refusal("not-found", f"there is no receiver {name}", "see /receivers")
    waiting = {
        stands: (await visit.ask("/deliveries", state=stands, receiver=name, limit=MOST))["items"]
        for stands in ("due", "waiting", "held")
    }
    return {
        "receiver": {**found, "state": state(found)},
        "waiting": waiting,
        "last": (await visit.ask("/deliveries", receiver=name, limit=MOST))["items"],
        "counts": (await _counts(visit, [name]))[name],
        "most": MOST,
    }


def _tested(answer: Mapping[str, Any], _fields: Fields) -> str:
    if answer["outcome"] != "ok":
        return f"Not sent: {answer['note']}."
    return "Sent; it is turned on again." if answer["turned_on"] else "Sent, and it was taken."


PAGES: Sequence[Page] = (
    Page("/receivers", "viewer", "receivers.html", "Receivers", listed, nav=True),
    Page("/receivers/{name}", "viewer", "receiver.html", "Receiver", one),
)

FORMS: Sequence[Form] = (
    Form("/receivers/{name}/test", "POST /receivers/{name}/test", said=_tested),
    Form("/receivers/{name}/on", "POST /receivers/{name}/on", said="It is sent to again."),
)
