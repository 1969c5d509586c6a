"""Everything that can be asked of the API, as one table; the functions that answer.

Rules: a function gets a checked call and returns plain JSON, or raises `Refusal`. Who may ask it stands in
the table, and nowhere else. A new function that is not in the table cannot be reached.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from watcher import __version__
from watcher.api import models
from watcher.api.access import Principal, Role, permit
from watcher.api.csv import DELIVERY_COLUMNS, EVENT_COLUMNS, delivery_cells, event_cells
from watcher.api.previews import preview_silence
from watcher.api.problems import Refusal
from watcher.api.sources import chosen, groups
from watcher.api.stream import Stream
from watcher.archive import MOST, Archive, Known, Owed
from watcher.conditions import ExpressionError
from watcher.control import DaemonControl
from watcher.explain.conversations import plain_conversation
from watcher.explain.deliveries import plain_delivery, plain_entry
from watcher.explain.not_told import why_not_told
from watcher.explain.question import Configured, Question, about_event, plain_answer
from watcher.feed import MOST_FOLLOWERS, Feed
from watcher.model import DeliveryState, Event, Standing, rfc3339
from watcher.records import (
    Actor,
    ConversationQuery,
    DeliveryQuery,
    EventQuery,
    TallyQuery,
)
from watcher.standing import counted
from watcher.stories import read_facts

__all__ = ["BASE", "ROUTES", "Backend", "Call", "Lines", "Route"]

BASE = "/api/v1"

LATELY = timedelta(days=1)
"""How far back `/why` looks where no time is said."""

MOST_DEAD = 2000
"""Dead deliveries that are looked at to say what came back."""

ALL = 10**9
"""More deliveries than there are."""

OFF = 0.1
"""How far the number of deliveries may be from what was shown."""


class Backend(Protocol):
    """What the API stands before."""

    @property
    def control(self) -> DaemonControl:
        """What can be done."""
        ...

    @property
    def feed(self) -> Feed:
        """What wakes whoever follows the log."""
        ...

    def now(self) -> datetime:
        """Return the present time."""
        ...

    async def reload(self) -> Mapping[str, Any]:
        """Take up the present configuration (see `control.Reload`)."""
        ...

    def configured(self) -> Configured:
        """Return what of the present configuration decides who is told."""
        ...

    def zone(self) -> ZoneInfo | None:
        """Return the zone in which times are shown, None where none is configured."""
        ...

    async def archive(self) -> Archive:
        """Return the reading side."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """A checked request."""

    backend: Backend
    archive: Archive
    """What he who asks may see."""

    who: Principal
    path: Mapping[str, str]
    query: Any
    body: Any
    by: Actor
    last_event: int | None
    lines: bool
    """Whether all is asked for, oldest first, as JSON Lines or CSV."""

    @property
    def now(self) -> datetime:
        """The present time."""
        return self.backend.now()

    def watched(self, source: str) -> str:
        """Return the name of a source that is within the scope of whoever asks; raise KeyError for
        another one, as for one that does not exist.
        """
        if not self.archive.sight.sees(source):
            raise KeyError(f"source {source}")
        return source


@dataclass(frozen=True, slots=True)
class Lines:
    """An answer of any length: one row after another, as JSON or as the cells of a table."""

    rows: AsyncIterator[Any]
    plain: Callable[[Any], Mapping[str, Any]]
    columns: Sequence[str]
    cells: Callable[[Any], Sequence[object]]


Answer = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be asked."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    answer: Answer
    given: type[BaseModel]
    level: Role
    summary: str
    query: type[BaseModel] = models.Asked
    body: type[BaseModel] | None = None
    status: int = 200
    problems: Sequence[str] = ()
    media: Sequence[str] = field(default=("application/json",))
    scoped: bool = False
    """Whether whoever sees some sources may ask: all that is answered is about these."""


# -- reading ------------------------------------------------------------------------------------


async def summary(call: Call) -> Mapping[str, Any]:
    """Return states and counts alone: no name, no reason."""
    status = await call.backend.control.status(most=0, within=call.archive.sight.within)
    receivers = status["receivers"]
    return {
        "version": __version__,
        "sources": dict(status["standing"]),
        "receivers": {
            "all": len(receivers),
            "failing": sum(one["failing"] is not None for one in receivers),
            "paused": sum(one["paused_until"] is not None for one in receivers),
            "off": sum(one["off"] is not None for one in receivers),
        },
        "network_failing": bool(status["network_failing"]),
        "store_failing": status["store_failing"] is not None,
        "rules": len(call.backend.configured().rules),
        "stuck": len(status["stuck"]),
        "refused": status["daemon"] is not None and status["daemon"]["refused"] is not None,
    }


async def status(call: Call) -> Mapping[str, Any]:
    """Return what `status` says, with the sources that stand worst."""
    within = call.archive.sight.within
    found = await call.backend.control.status(most=call.query.sources, within=within)
    if not within:
        return found
    # What is said of the whole house may name the sources of others.
    rows = [_alone(call, one) for one in found["sources"]]
    trouble = found["store_failing"]
    if trouble is not None:
        trouble = {**trouble, "reason": "the store does not work", "remedy": ""}
    return {
        "daemon": None,
        "sources": rows,
        "standing": found["standing"],
        "receivers": [],
        "network_failing": found["network_failing"],
        "store_failing": trouble,
        "disk": None,
        "stuck": [],
        "over_budget": [],
        "weak": [],
    }


async def sources(call: Call) -> Mapping[str, Any]:
    """Return a page of the sources, those that stand worst first."""
    asked, control, sees = call.query, call.backend.control, call.archive.sight.sees
    every = {name: how for name, how in (await control.standings()).items() if sees(name)}
    names, more = chosen(every, asked.q, asked.state, asked.cursor, asked.limit)
    found = (await control.status(sources=names))["sources"] if names else ()
    return {
        "items": [_alone(call, one) for one in found],
        "next": more,
        "previous": None,
        "standing": counted(every.values()),
        "groups": [asdict(one) for one in groups(every)],
    }


async def source(call: Call) -> Mapping[str, Any]:
    """Return how one source stands, its last looks, and when the next ones are due."""
    name = call.path["name"]
    seen = call.archive.sight.among([name])
    found = (await call.backend.control.status(sources=seen))["sources"] if seen else ()
    if not found:
        raise Refusal("not-found", f"there is no source {name}", f"see {BASE}/status")
    return {**_alone(call, found[0]), **await call.backend.control.progress(name)}


async def hold(call: Call) -> Mapping[str, Any]:
    """Return the evidence of a held sweep."""
    name = call.path["name"]
    found = await call.archive.evidence(name)
    if found is None:
        raise Refusal("not-found", f"nothing is held for {name}")
    known = [plain_conversation(name, one, None) for one in found.known]
    return {"source": name, "hold": found.hold.to_plain(), "known": known}


async def events(call: Call) -> Any:
    """Return a page of the log, or all of it as lines."""
    query, asked = _events(call.query), call.query
    if call.lines:
        each = (one.event async for one in call.archive.each_event(query))
        return Lines(each, Event.to_plain, EVENT_COLUMNS, event_cells)
    page = await call.archive.events(replace(query, limit=asked.limit), asked.cursor)
    return _page(page, [one.event.to_plain() for one in page.items])


async def event(call: Call) -> Mapping[str, Any]:
    """Return an event with what every rule said, and its deliveries."""
    id_ = call.path["id"]
    found = await call.archive.story(id_, call.now)
    if found is None:
        raise Refusal("not-found", f"there is no event {id_}", "old ones go with `retention`")
    return found.to_plain()


async def timeline(call: Call) -> Mapping[str, Any]:
    """Return what happened in a conversation, who was told, and when its source could not be seen."""
    asked, now = call.query, call.now
    source, conversation = (asked.source,), (asked.conversation,)
    query = EventQuery(sources=source, conversations=conversation, limit=asked.limit)
    page = await call.archive.events(query, asked.cursor)
    # A page reaches from its oldest event (the last one from the beginning) to its newest (the first one to
    # now), so a time in which nobody could look is on one of them.
    since = page.items[-1].event.time if page.next else None
    until = page.items[0].event.time if asked.cursor and page.items else None
    of_events: dict[str, list[Any]] = {one.event.id: [] for one in page.items}
    told = DeliveryQuery(events=tuple(of_events))
    if of_events:
        async for one in call.archive.each_delivery(told, now):
            of_events[one.delivery.event.id].append(_delivery(one, now))
    troubles = EventQuery(types=("source.*",), sources=source, since=since, until=until)
    blind = (await call.archive.events(replace(troubles, limit=MOST))).items
    found = [("event", one.event) for one in page.items] + [
        ("trouble", one.event) for one in blind if one.event.subject is None
    ]
    found.sort(key=lambda one: one[1].time, reverse=True)
    items = [
        {
            "at": rfc3339(event.time),
            "kind": kind,
            "event": event.to_plain(),
            "deliveries": of_events.get(event.id, []),
        }
        for kind, event in found
    ]
    return _page(page, items)


async def stream(call: Call) -> Stream:
    """Return the log as it grows."""
    if not Stream.has_room(call.backend.feed):
        raise Refusal(
            "busy",
            f"{MOST_FOLLOWERS} follow the log already",
            f"ask {BASE}/events now and then",
            headers={"retry-after": "15"},
        )
    asked = call.query
    query = EventQuery(types=asked.type, sources=asked.source, conversations=asked.conversation)
    after = asked.after if call.last_event is None else call.last_event
    return Stream(call.archive, call.backend.feed, query, after, full=asked.full)


async def deliveries(call: Call) -> Any:
    """Return a page of the outbox, or all of it as lines."""
    query, asked, now = _deliveries(call), call.query, call.now
    if call.lines:
        each = (_delivery(one, now) async for one in call.archive.each_delivery(query, now))
        return Lines(each, dict, DELIVERY_COLUMNS, delivery_cells)
    page = await call.archive.deliveries(replace(query, limit=asked.limit), now, asked.cursor)
    return _page(page, [_delivery(one, now) for one in page.items])


async def delivery(call: Call) -> Mapping[str, Any]:
    """Return the deliveries of an id in full."""
    id_, now = call.path["id"], call.now
    found = await call.archive.delivery(id_, now)
    if not found:
        raise Refusal("not-found", f"there is no delivery {id_}", f"see {BASE}/deliveries")
    shown = [{**_delivery(one, now), "history": [*map(plain_entry, lines)]} for one, lines in found]
    return {"items": shown}


async def dead(call: Call) -> Mapping[str, Any]:
    """Return how many deliveries were given up, by what came back."""
    asked = call.query
    query = _dead(asked, MOST_DEAD + 1)
    found = await call.archive.store.deliveries(query)
    counts = Counter((one.receiver, one.note) for one in found[-MOST_DEAD:])
    groups = [
        {"receiver": receiver, "note": note, "count": count}
        for (receiver, note), count in counts.most_common(MOST)
    ]
    return {"count": sum(counts.values()), "exact": len(found) <= MOST_DEAD, "groups": groups}


async def rules(call: Call) -> Mapping[str, Any]:
    """Return all rules of the present configuration, in order."""
    known = call.backend.configured()
    return {
        "items": [
            {
                "name": one.name,
                "says": one.describe(),
                "receivers": list(one.receivers),
                "severity": one.severity or None,
                "stop": one.stop,
                "place": known.places.get(("rule", one.name)),
            }
            for one in known.rules
        ]
    }


async def conversations(call: Call) -> Mapping[str, Any]:
    """Return a page of what is known now."""
    asked = call.query
    query = ConversationQuery(
        sources=asked.source,
        waiting=asked.waiting,
        unread=asked.unread,
        archived=asked.archived,
        assignee=asked.owner,
        words=asked.q,
        limit=asked.limit,
    )
    page = await call.archive.conversations(query, asked.cursor)
    return _page(page, [_conversation(one) for one in page.items])


async def conversation(call: Call) -> Mapping[str, Any]:
    """Return one conversation as it is known."""
    asked = call.query
    found = await call.archive.conversation(asked.source, asked.conversation)
    if found is None:
        about = f"conversation {asked.conversation} of {asked.source}"
        raise Refusal("not-found", f"nothing is known of the {about}")
    return _conversation(found)


async def why(call: Call) -> Mapping[str, Any]:
    """Return why a receiver was not told."""
    asked, store, decides = call.query, call.archive.store, call.backend.configured()
    if asked.event:
        found = await store.events(EventQuery(id=asked.event))
        if not found:
            raise Refusal(
                "not-found", f"there is no event {asked.event}", "old ones go with `retention`"
            )
        question = about_event(found[0].event, asked.receiver)
    elif asked.source and asked.conversation:
        until = asked.until or call.now
        since = asked.since or until - LATELY
        about = (asked.source, asked.conversation, asked.receiver)
        question = Question(*about, since, until, asked.type)
    else:
        raise Refusal(
            "not-found", "nothing is named", "name an event, or a source and a conversation"
        )
    facts = await read_facts(store, question, decides, call.now)
    return plain_answer(question, why_not_told(question, facts, decides))


async def stats(call: Call) -> Mapping[str, Any]:
    """Return counts; those with names only for whoever may read."""
    asked = call.query
    if asked.kind != "types":
        permit(call.who, "viewer", scoped=asked.kind == "sources")
    query = TallyQuery(asked.kind, asked.since, asked.until, asked.name, asked.step)
    found = await call.archive.tallies(query)
    return {"items": [one.to_plain() for one in found]}


async def silences(call: Call) -> Mapping[str, Any]:
    """Return every silence, configured or added."""
    return {"items": list(await call.backend.control.silences())}


async def acknowledgements(call: Call) -> Mapping[str, Any]:
    """Return who has taken which conversation."""
    return {"items": [one.to_plain() for one in await call.archive.acknowledgements()]}


async def actions(call: Call) -> Mapping[str, Any]:
    """Return what people did."""
    page = await call.archive.actions(call.query.limit, call.query.cursor)
    return _page(page, [one.action.to_plain() for one in page.items])


# -- acting -------------------------------------------------------------------------------------


async def acknowledge(call: Call) -> Mapping[str, Any]:
    """Acknowledge a conversation; whoever was first has it."""
    asked, control = call.query, call.backend.control
    await conversation(call)  # of what nobody knows, nothing can be taken
    cancelled = await control.acknowledge(asked.source, asked.conversation, call.by)
    found = await call.archive.conversation(asked.source, asked.conversation)
    taken = found.taken if found is not None else None
    return {"cancelled": cancelled, "taken": taken.to_plain() if taken is not None else None}


async def take_back(call: Call) -> Mapping[str, Any]:
    """Take an acknowledgement back; a second time does nothing."""
    asked, control = call.query, call.backend.control
    source = call.watched(asked.source)
    return {"done": await control.take_back(source, asked.conversation, call.by)}


async def silence(call: Call) -> Mapping[str, Any]:
    """Silence what matches from now on."""
    asked = call.body
    _in_future(asked.ends, call.now)
    id_ = await call.backend.control.add_silence(asked.match, asked.reason, asked.ends, call.by)
    return {"id": id_}


async def preview(call: Call) -> Mapping[str, Any]:
    """Return what a silence would have stopped; it silences nothing."""
    match, known = call.body.match, call.backend.configured()
    store, zone = call.archive.store, known.timezone
    try:
        return await preview_silence(store, match, known.rules, zone, call.now)
    except ExpressionError as failure:
        errors = [{"pointer": "/match", "detail": failure.message}]
        raise Refusal("conflict", failure.message, errors=errors) from None


async def lengthen(call: Call) -> Mapping[str, Any]:
    """Let a silence that was added last until another time."""
    _in_future(call.body.ends, call.now)
    id_ = call.path["id"]
    if not await call.backend.control.extend_silence(id_, call.body.ends, call.by):
        raise Refusal("not-found", f"no silence that was added has the id {id_}")
    return {"done": True}


async def end_silence(call: Call) -> Mapping[str, Any]:
    """End a silence now; a second time does nothing."""
    return {"done": await call.backend.control.expire_silence(call.path["id"], call.by)}


async def again(call: Call) -> Mapping[str, Any]:
    """Send deliveries again: those of some ids, or all dead ones that fit."""
    asked, control = call.body, call.backend.control
    if asked.ids:
        return {"retried": await control.retry(await _within(call, asked.ids), call.by)}
    query = _dead(asked, ALL)
    keys = await _keys(call, query)
    if asked.expect is not None and abs(len(keys) - asked.expect) > OFF * asked.expect:
        raise Refusal(
            "count-differs", f"{len(keys)} match now, not {asked.expect}", "look again, then decide"
        )
    return {"retried": await control.retry(keys, call.by) if keys else 0}


async def decide(call: Call) -> Mapping[str, Any]:
    """Decide about the held sweep that was seen; another one is not decided."""
    name, asked = call.watched(call.path["name"]), call.body
    accept = asked.decision == "accept"
    done = await call.backend.control.release(name, accept=accept, since=asked.since, by=call.by)
    if not done:
        raise Refusal(
            "hold-is-over",
            f"the hold of {name} that was shown is not held any more",
            f"look at {BASE}/sources/{name}/hold again",
        )
    return {"done": True}


async def poll(call: Call) -> Mapping[str, Any]:
    """Have a source polled as soon as its limit allows."""
    return await _look_now(call, "poll")


async def sweep(call: Call) -> Mapping[str, Any]:
    """Have a source swept as soon as its limit allows."""
    return await _look_now(call, "sweep")


async def _look_now(call: Call, step: Literal["poll", "sweep"]) -> Mapping[str, Any]:
    name = call.watched(call.path["name"])
    wait = await call.backend.control.look_now(name, step, call.by)
    if wait:
        seconds = math.ceil(wait)
        raise Refusal(
            "too-many",
            f"{name} was asked for just now",
            f"ask again in {seconds} s",
            headers={"retry-after": str(seconds)},
        )
    return {"done": True}


async def test(call: Call) -> Mapping[str, Any]:
    """Send a sample to a receiver; one that was off and takes it is turned on."""
    return await call.backend.control.send_test(call.path["name"])


async def turn_on(call: Call) -> Mapping[str, Any]:
    """Send to a receiver again that was turned off."""
    await call.backend.control.turn_on(call.path["name"], call.by)
    return {"done": True}


async def reload(call: Call) -> Mapping[str, Any]:
    """Take up the changed configuration; a broken one is refused and the old one goes on."""
    result = await call.backend.reload()
    if problems := result.get("problems"):
        errors = [{"pointer": "", "detail": str(one)} for one in problems]
        raise Refusal("conflict", "the configuration is refused", "the old one goes on", errors)
    return result


# -- parts --------------------------------------------------------------------------------------


def _alone(call: Call, source: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how a source stands, without the names of others that he who asks does not see."""
    if call.who.sources is None or source.get("plan") is None:
        return source
    shared = call.archive.sight.among(source["plan"]["shared_with"])
    return {**source, "plan": {**source["plan"], "shared_with": list(shared)}}


async def _within(call: Call, ids: Sequence[str]) -> list[str]:
    """Return the keys of the deliveries of these ids that he who asks sees: a digest of his and of others'
    is not his to send again.
    """
    if call.who.sources is None:
        return list(ids)
    store = call.archive.store
    found = [one for id_ in ids for one in await store.deliveries(DeliveryQuery(id=id_))]
    return [one.key for one in found if not one.message]


async def _keys(call: Call, query: DeliveryQuery) -> list[str]:
    """Return the keys of the deliveries that fit and that he who asks may send again (`_within`)."""
    store = call.archive.store
    if call.who.sources is None:
        return [key async for key in store.each_key(query)]
    return [one.key async for one in store.each_delivery(query) if not one.message]


def _in_future(ends: datetime, now: datetime) -> None:
    if ends <= now:
        errors = [{"pointer": "/ends", "detail": "is over"}]
        raise Refusal("conflict", "a silence ends later than now", errors=errors)


def _events(asked: Any) -> EventQuery:
    return EventQuery(
        types=asked.type,
        sources=asked.source,
        conversations=asked.conversation,
        since=asked.since,
        until=asked.until,
    )


STORED: Mapping[str, DeliveryState] = {
    one: one for one in ("pending", "delivered", "dead", "cancelled")
}
QUEUED: Mapping[str, Standing] = {one: one for one in ("due", "waiting", "held")}


def _dead(asked: Any, limit: int) -> DeliveryQuery:
    """Return the question for the newest dead deliveries that fit what was asked."""
    return DeliveryQuery(
        state="dead",
        receiver=asked.receiver,
        rule=asked.rule,
        types=asked.type,
        sources=asked.source,
        since=asked.since,
        until=asked.until,
        limit=limit,
    )


def _deliveries(call: Call) -> DeliveryQuery:
    asked, state = call.query, call.query.state
    queued = QUEUED.get(state)
    return DeliveryQuery(
        state="pending" if queued else STORED.get(state),
        stands=(queued, call.now) if queued else None,
        receiver=asked.receiver,
        rule=asked.rule,
        types=asked.type,
        sources=asked.source,
        conversations=asked.conversation,
        since=asked.since,
        until=asked.until,
    )


def _delivery(owed: Owed, now: datetime) -> dict[str, Any]:
    return plain_delivery(owed.delivery, now, owed.wait)


def _conversation(known: Known) -> dict[str, Any]:
    return plain_conversation(known.source, known.snapshot, known.taken)


def _page(page: Any, items: Sequence[Any]) -> dict[str, Any]:
    return {"items": items, "next": page.next, "previous": page.previous}


LINES = ("application/json", "application/x-ndjson", "text/csv")
SHOWN = models.ConversationShown
PICKED = models.ConversationAsked

ROUTES: Sequence[Route] = (
    Route("GET", "/summary", summary, models.Summary, "anybody", "States and counts alone", scoped=True),
    Route("GET", "/stats", stats, models.StatsAnswer, "anybody",
          "How often things happened, by the hour; not signed in: events by type", models.StatsAsked,
          scoped=True),
    Route("GET", "/status", status, models.StatusAnswer, "viewer",
          "The daemon, the sources that stand worst, all receivers", models.StatusAsked, scoped=True),
    Route("GET", "/sources", sources, models.SourcesPage, "viewer",
          "The sources, those that stand worst first", models.SourcesAsked, scoped=True),
    Route("GET", "/sources/{name}", source, models.ActionAnswer, "viewer", "How a source stands",
          scoped=True),
    Route("GET", "/sources/{name}/hold", hold, models.HoldAnswer, "viewer",
          "The evidence of a held sweep", scoped=True),
    Route("POST", "/sources/{name}/hold", decide, models.Done, "operator",
          "Decide about the held sweep that was seen", body=models.DecisionAsked,
          problems=("hold-is-over",), scoped=True),
    Route("POST", "/sources/{name}/poll", poll, models.Done, "operator",
          "Look for news of a source now: once in ten seconds", status=202,
          problems=("too-many",), scoped=True),
    Route("POST", "/sources/{name}/sweep", sweep, models.Done, "operator",
          "Read all of a source now: once in ten seconds", status=202,
          problems=("too-many",), scoped=True),
    Route("GET", "/events", events, models.EventsPage, "viewer", "The log, the newest first",
          models.EventsAsked, media=LINES, scoped=True),
    Route("GET", "/events/stream", stream, models.CloudEvent, "viewer", "The log as it grows",
          models.StreamAsked, problems=("busy",), media=("text/event-stream",), scoped=True),
    Route("GET", "/events/{id}", event, models.StoryAnswer, "viewer",
          "An event with what every rule said, and its deliveries", scoped=True),
    Route("GET", "/timeline", timeline, models.TimelinePage, "viewer",
          "What happened in a conversation and who was told, the newest first", models.TimelineAsked,
          scoped=True),
    Route("GET", "/why", why, models.WhyAnswer, "viewer",
          "Why a receiver was not told of an event or a conversation", models.WhyAsked),
    Route("GET", "/deliveries", deliveries, models.DeliveriesPage, "viewer",
          "The outbox, what entered last first", models.DeliveriesAsked, media=LINES, scoped=True),
    Route("POST", "/deliveries/retry", again, models.RetryAnswer, "operator",
          "Send again: some ids, or all dead ones that fit", body=models.RetryAsked,
          problems=("count-differs",), scoped=True),
    Route("GET", "/deliveries/dead", dead, models.DeadAnswer, "viewer",
          "How many were given up, by what came back", models.DeadAsked, scoped=True),
    Route("GET", "/deliveries/{id}", delivery, models.HistoryAnswer, "viewer",
          "The deliveries of an id, with every attempt and decision", scoped=True),
    Route("GET", "/conversations", conversations, models.ConversationsPage, "viewer",
          "What is known now: who waits longest first", models.ConversationsAsked, scoped=True),
    Route("GET", "/conversation", conversation, SHOWN, "viewer", "One conversation", PICKED,
          scoped=True),
    Route("GET", "/acknowledgements", acknowledgements, models.AcknowledgementsAnswer, "viewer",
          "Who has taken which conversation", scoped=True),
    Route("PUT", "/acknowledgements", acknowledge, models.ActionAnswer, "operator",
          "Take a conversation: its reminders end until something new happens", PICKED,
          scoped=True),
    Route("DELETE", "/acknowledgements", take_back, models.Done, "operator",
          "Take that back; what it cancelled stays so", PICKED, scoped=True),
    Route("GET", "/rules", rules, models.RulesAnswer, "viewer", "All rules, in their order"),
    Route("GET", "/silences", silences, models.SilencesAnswer, "viewer", "Every silence"),
    Route("POST", "/silences", silence, models.ActionAnswer, "operator",
          "Silence what matches from now on", body=models.SilenceAsked, status=201),
    Route("POST", "/silences/preview", preview, models.PreviewAnswer, "operator",
          "What a silence would have stopped in the last 24 hours; it silences nothing",
          body=models.PreviewAsked),
    Route("POST", "/silences/{id}", lengthen, models.Done, "operator",
          "Let a silence that was added last until another time", body=models.ExtensionAsked),
    Route("DELETE", "/silences/{id}", end_silence, models.Done, "operator", "End a silence now"),
    Route("POST", "/receivers/{name}/test", test, models.ActionAnswer, "operator",
          "Send a sample, and turn a receiver on that takes it"),
    Route("POST", "/receivers/{name}/on", turn_on, models.Done, "operator",
          "Send to a receiver again that was turned off"),
    Route("GET", "/actions", actions, models.ActionsPage, "operator", "What people did",
          models.Listing),
    Route("POST", "/config/reload", reload, models.ActionAnswer, "operator",
          "Take up the changed configuration"),
)  # fmt: skip
"""All of them; a path with a name in it comes after those without."""
