"""The sources: all of them, the worst first; one; the evidence of a held sweep and the decision about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from watcher.pages.charts import Bar, spark
from watcher.pages.page import Fields, Form, Page, Visit
from watcher.standing import WORST, standings

__all__ = ["FORMS", "PAGES", "hours_until", "sparks", "standing"]

DAY = timedelta(days=1)
MOST_EVENTS = 20
MOST_DRAWN = 60
"""Sources of which the events of each hour are drawn."""


def standing(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a source with how it stands: `state`, since when, how much of its limit it asks for."""
    state = standings(
        failing=one["failing"] is not None,
        held=one["hold"] is not None,
        baselined=one["baselined"] is not None,
        stale=bool(one.get("stale")),
        looked=one["last_look"] is not None,
    )[0]
    plan = one["plan"]
    over = plan is not None and not plan["fits"]
    trouble = one["failing"] or one["hold"]
    return {
        **one,
        "state": "over limit" if over and state == "ok" else state,
        "since": trouble["since"] if trouble else None,
        "over": over,
    }


def hours_until(until: datetime) -> Sequence[datetime]:
    """Return the beginnings of the 24 hours of which the last one is that of `until`."""
    last = until.replace(minute=0, second=0, microsecond=0)
    return [last - timedelta(hours=ago) for ago in range(23, -1, -1)]


async def sparks(visit: Visit, names: Sequence[str]) -> Mapping[str, tuple[Sequence[Bar], int]]:
    """Return of some sources how many events each hour of the last day had, drawn, and all together."""
    until, drawn = visit.now, list(names[:MOST_DRAWN])
    if not drawn:
        return {}
    found = await visit.ask(
        "/stats", kind="sources", since=until - DAY, until=until, step="hour", name=drawn[:50]
    )
    hours = {hour: place for place, hour in enumerate(hours_until(until))}
    counts = {name: [0] * len(hours) for name in drawn}
    for one in found["items"]:
        place = hours.get(datetime.fromisoformat(one["at"]))
        if place is not None and one["name"] in counts:
            counts[one["name"]][place] += one["count"]
    return {name: (spark(values), sum(values)) for name, values in counts.items()}


async def listed(visit: Visit) -> Mapping[str, Any]:
    """Return what the list shows; without signing in, how many stand how."""
    house = await visit.ask("/summary")
    if not visit.may("viewer"):
        return {"sources": None, "counts": house["sources"], "states": WORST}
    found = await visit.ask("/sources", **visit.given("/sources"))
    rows = [standing(one) for one in found["items"]]
    return {
        "sources": rows,
        "list": found,
        "counts": found["standing"],
        "groups": found["groups"],
        "states": WORST,
        "sparks": await sparks(visit, [one["source"] for one in rows]),
    }


async def one(visit: Visit) -> Mapping[str, Any]:
    """Return what the page of a source shows."""
    name = visit.path["name"]
    found = standing(await visit.ask("/sources/{name}", path={"name": name}))
    events = await visit.ask("/events", source=[name], limit=MOST_EVENTS)
    troubles = await visit.ask("/events", source=[name], type=["source.*"], limit=MOST_EVENTS)
    return {
        "source": found,
        "events": events["items"],
        "troubles": troubles["items"],
        "spark": (await sparks(visit, [name])).get(name, ((), 0)),
    }


async def hold(visit: Visit) -> Mapping[str, Any]:
    """Return the evidence of a held sweep."""
    name = visit.path["name"]
    found = await visit.ask("/sources/{name}/hold", path={"name": name})
    source = await visit.ask("/sources/{name}", path={"name": name})
    return {**found, "source": name, "standing": standing(source)}


def _decided(_answer: Mapping[str, Any], fields: Fields) -> str:
    accepted = fields.get("decision", [""])[0] == "accept"
    return (
        "Accepted: what the sweep lacks is told as removed."
        if accepted
        else "Discarded: nothing happened."
    )


PAGES: Sequence[Page] = (
    Page("/sources", "anybody", "sources.html", "Sources", listed, nav=True),
    Page("/sources/{name}", "viewer", "source.html", "Source", one),
    Page("/sources/{name}/hold", "viewer", "hold.html", "Held sweep", hold, live=False),
)

FORMS: Sequence[Form] = (
    Form("/sources/{name}/hold", "POST /sources/{name}/hold", said=_decided),
    Form("/sources/{name}/poll", "POST /sources/{name}/poll", said="It is looked at now."),
    Form("/sources/{name}/sweep", "POST /sources/{name}/sweep", said="All of it is read now."),
)
