"""Rules in their order, with what each has matched, sent and stopped; what people did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from watcher.api.problems import Refusal
from watcher.pages.page import Page, Visit

__all__ = ["PAGES"]

SPANS: Mapping[str, timedelta] = {
    "24 hours": timedelta(days=1),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}
COLUMNS = (
    "matched", "delivered", "dead", "throttled", "silenced", "held", "dropped", "redirected", "cancelled",
)  # fmt: skip
MOST_NAMED = 50
MOST = 20


def _span(visit: Visit) -> str:
    wanted = visit.one("span")
    return wanted if wanted in SPANS else "24 hours"


async def _counts(visit: Visit, names: Sequence[str]) -> Mapping[str, Counter[str]]:
    since, until = visit.now - SPANS[_span(visit)], visit.now
    found: dict[str, Counter[str]] = {name: Counter() for name in names}
    for start in range(0, len(names), MOST_NAMED):
        some = names[start : start + MOST_NAMED]
        asked = await visit.ask(
            "/stats", kind="rules", since=since, until=until, step="whole", name=some
        )
        for one in asked["items"]:
            found[one["name"]][one["what"]] += one["count"]
    return found


async def listed(visit: Visit) -> Mapping[str, Any]:
    """Return all rules."""
    rules = (await visit.ask("/rules"))["items"]
    counts = await _counts(visit, [one["name"] for one in rules])
    return {
        "rules": rules,
        "counts": counts,
        "columns": COLUMNS,
        "spans": [*SPANS],
        "span": _span(visit),
    }


async def one(visit: Visit) -> Mapping[str, Any]:
    """Return one rule."""
    name = visit.path["name"]
    rules = (await visit.ask("/rules"))["items"]
    found = next((one for one in rules if one["name"] == name), None)
    if found is None:
        raise Refusal("not-found", f"there is no rule {name}", "see /rules")
    return {
        "rule": found,
        "counts": (await _counts(visit, [name]))[name],
        "columns": COLUMNS,
        "spans": [*SPANS],
        "span": _span(visit),
        "last": (await visit.ask("/deliveries", rule=name, limit=MOST))["items"],
    }


PAGES: Sequence[Page] = (
    Page("/rules", "viewer", "rules.html", "Rules", listed, nav=True),
    Page("/rules/{name:path}", "viewer", "rule.html", "Rule", one),
)
