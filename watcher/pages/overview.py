"""The overview: is somebody watching, who waits, what happened.

Rules: what needs a person comes first, then the people who wait, then the machinery. Whoever has not signed
in sees states and counts alone.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from watcher.explain.values import format_count
from watcher.pages.charts import bars
from watcher.pages.page import Page, Visit
from watcher.pages.sources import hours_until, sparks, standing

__all__ = ["PAGES", "Card", "cards", "verdict"]

DAY = timedelta(days=1)
MOST_SOURCES, MOST_WAITING, MOST_EVENTS, MOST_CARDS, MOST_DEAD = 50, 6, 8, 6, 100

GROUPS: Mapping[str, Sequence[str]] = {
    "messages": (
        "conversation.message", "conversation.unread", "conversation.waiting", "conversation.created",
        "conversation.read", "conversation.answered",
    ),
    "owners": (
        "conversation.assigned", "conversation.reassigned", "conversation.unassigned",
        "conversation.team_changed",
    ),
}  # fmt: skip
"""What the chart shows together; everything else is "other"."""

STATES: Mapping[str, str] = {
    "failing": "failing", "held": "held", "stale": "not read lately", "no baseline": "not read yet",
    "starting": "starting",
}  # fmt: skip
"""How sources stand that are not well, in words."""


@dataclass(frozen=True, slots=True)
class Card:
    """Something that needs a person."""

    tone: str
    title: str
    since: str
    """When it began, empty where that is not known."""

    text: str
    remedy: str
    link: tuple[str, str] | None = None
    """An address that says more, with its words."""

    do: tuple[str, str] | None = None
    """A path to which a form is sent, with the words of its button."""


def verdict(house: Mapping[str, Any], dead: int = 0) -> tuple[str, str]:
    """Return the state of the whole and the sentence that says it, of what everybody may know."""
    sources: Mapping[str, int] = house["sources"]
    count, ok = sum(sources.values()), sources.get("ok", 0)
    if not count:
        return "starting", "No source is configured: nothing is watched."
    parts = [f"{sources[state]} {words}" for state, words in STATES.items() if sources.get(state)]
    receivers = house["receivers"]
    states = [f"{receivers[one]} {one}" for one in ("failing", "paused", "off") if receivers[one]]
    if states:
        parts.append(f"of {format_count(receivers['all'], 'receiver')} {', '.join(states)}")
    if dead:
        parts.append(f"{format_count(dead, 'message')} given up")
    verb = "is" if ok == 1 else "are"
    sentence = f"{ok} of {format_count(count, 'source')} {verb} watched"
    troubled = house["store_failing"] or house["network_failing"] or house["stuck"]
    if not parts and not troubled:
        return "ok", (
            "The source is watched." if count == 1 else f"All {count} sources are watched."
        )
    begins = {"no baseline", "starting", "ok"}
    if (
        not troubled
        and not dead
        and begins.issuperset(sources)
        and len(parts) == len(sources.keys() - {"ok"})
    ):
        return "starting", f"{sentence}; " + ", ".join(parts) + "."
    return "failing", "; ".join([sentence, *parts]) + "."


def cards(status: Mapping[str, Any], dead: Sequence[Mapping[str, Any]]) -> Iterator[Card]:
    """Yield what needs a person, the worst first."""
    if trouble := status["store_failing"]:
        yield Card("bad", "The store does not work", trouble["since"], trouble["reason"],
                   trouble["remedy"])  # fmt: skip
    for one in status["stuck"]:
        yield Card("bad", "A part of the program does not move", "",
                   f"{one['what']}, for {one['seconds']} s", "Restart it; nothing is lost.")  # fmt: skip
    if status["network_failing"]:
        yield Card(
            "bad", "The network does not work", "",
            "No source can be reached: every connection fails.",
            "Everything goes on by itself when the network is back.", ("/sources", "All sources"),
        )  # fmt: skip
    for one in status["sources"]:
        yield from _source(one, network=status["network_failing"])
    yield from _dead(dead)
    for one in status["receivers"]:
        yield from _receiver(one)
    if low := status["disk"]:
        yield Card("warn", "The disk is nearly full", low["since"], low["reason"], low["remedy"])


def _source(one: Mapping[str, Any], *, network: bool) -> Iterator[Card]:
    name, failing, hold = one["source"], one["failing"], one["hold"]
    if failing and not network:
        yield Card(
            "bad", f"{name} cannot be read", failing["since"], failing["reason"], failing["remedy"],
            (_at(one), "See the source"), (f"{_at(one)}/poll", "Try now"),
        )  # fmt: skip
    if hold:
        words = ("See the evidence and decide", f"{_at(one)}/hold")
        if hold["kind"] == "hole":
            words = ("See the source", _at(one))
        yield Card("warn", f"{name}: a sweep is held", hold["since"], hold["reason"], hold["remedy"],
                   words[::-1])  # fmt: skip


def _at(one: Mapping[str, Any]) -> str:
    return f"/sources/{one['source']}"


def _dead(dead: Sequence[Mapping[str, Any]]) -> Iterator[Card]:
    counts = Counter(one["receiver"] for one in dead)
    for receiver, count in counts.most_common():
        last = next(one for one in dead if one["receiver"] == receiver)
        more = "at least " if len(dead) == MOST_DEAD else ""
        verb = "was" if count == 1 else "were"
        yield Card(
            "bad", f"{more}{format_count(count, 'message')} to {receiver} {verb} given up",
            last["settled"] or last["created"], last["note"],
            "Mend what the receiver answers, then send them again.",
            (f"/deliveries?state=dead&receiver={receiver}", "Look at them"),
        )  # fmt: skip


def _receiver(one: Mapping[str, Any]) -> Iterator[Card]:
    name = one["receiver"]
    at = (f"/receivers/{name}", "See the receiver")
    if one["off"]:
        yield Card("bad", f"Nothing is sent to {name}", "", str(one["off"]),
                   "A test message that it takes turns it on again.", at)  # fmt: skip
    elif one["failing"]:
        trouble = one["failing"]
        yield Card(
            "bad", f"{name} fails", trouble["since"], trouble["reason"], trouble["remedy"], at
        )
    elif one["paused_until"]:
        yield Card("warn", f"{name} is paused", "", "Everything that was sent to it failed.",
                   "One message at a time tries; when it is taken, the others follow.", at)  # fmt: skip


async def show(visit: Visit) -> Mapping[str, Any]:
    """Return what the overview shows."""
    house = await visit.ask("/summary")
    given = {"chart": await _chart(visit)}
    if not visit.may("viewer"):
        state, sentence = verdict(house)
        return {**given, "state": state, "sentence": sentence, "status": None}
    status = await visit.ask("/status", sources=MOST_SOURCES)
    dead = (await visit.ask("/deliveries", state="dead", limit=MOST_DEAD))["items"]
    waiting = await visit.ask("/conversations", waiting=True, limit=MOST_WAITING)
    events = await visit.ask("/events", limit=MOST_EVENTS)
    found = [*itertools.islice(cards(status, dead), 500)]
    state, sentence = verdict(house, len(dead))
    if state == "ok" and found:
        state = "failing"
    return {
        **given,
        "state": state,
        "sentence": sentence,
        "status": status,
        "cards": found[:MOST_CARDS],
        "more": len(found) - MOST_CARDS,
        "waiting": waiting,
        "events": events["items"],
        "sources": [standing(one) for one in status["sources"]],
        "count": sum(house["sources"].values()),
        "sparks": await sparks(visit, [one["source"] for one in status["sources"]]),
        "shares": await _shares(visit) if status["receivers"] else {},
        "rules": house["rules"],
        "starting": [one for one in status["sources"] if not one["baselined"]],
    }


async def _chart(visit: Visit) -> Mapping[str, Any]:
    """Return the events of each hour of the last day, as a chart and as a table."""
    until = visit.now
    found = await visit.ask("/stats", kind="types", since=until - DAY, until=until, step="hour")
    hours = hours_until(until)
    places = {hour: place for place, hour in enumerate(hours)}
    series = {name: [0] * len(hours) for name in (*GROUPS, "other")}
    groups = {type_: name for name, types in GROUPS.items() for type_ in types}
    for one in found["items"]:
        place = places.get(datetime.fromisoformat(one["at"]))
        if place is not None:
            series[groups.get(one["name"], "other")][place] += one["count"]
    labels = [hour.astimezone(visit.zone).strftime("%H:%M") for hour in hours]
    rows = [*zip(labels, *series.values(), strict=True)]
    total = sum(map(sum, series.values()))
    return {"drawn": bars(labels, series), "names": [*series], "rows": rows, "total": total}


async def _shares(visit: Visit) -> Mapping[str, tuple[int, int]]:
    """Return of each receiver how many messages arrived and were given up in the last day."""
    since, until = visit.now - DAY, visit.now
    asked = await visit.ask("/stats", kind="receivers", since=since, until=until, step="whole")
    found = asked["items"]
    counts = Counter({(one["name"], one["what"]): one["count"] for one in found})
    return {name: (counts[name, "delivered"], counts[name, "dead"]) for name, _ in counts}


PAGES: Sequence[Page] = (Page("/", "anybody", "overview.html", "Overview", show, nav=True),)
