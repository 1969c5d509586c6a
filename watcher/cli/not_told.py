"""`why --not-told`: why somebody was not told of a conversation or an event.

Rules: finds what is meant, by an id or by the contact, and asks `watcher.explain.not_told`, which decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watcher.catalogue.events import EVENT_TYPES
from watcher.cli.console import Console, NotOne
from watcher.cli.daemon_client import reading
from watcher.cli.ids import find_deliveries, resolve
from watcher.cli.options import choose
from watcher.cli.times import read_span, read_time
from watcher.clock import wall_clock
from watcher.config.model import Config
from watcher.daemon.asked import configured
from watcher.explain.not_told import why_not_told
from watcher.explain.question import Finding, Question, about_event, plain_answer
from watcher.explain.values import format_times, short, short_id
from watcher.records import ConversationQuery, EventQuery, asked_words
from watcher.rules.when import covered
from watcher.settings.calendar import format_moment
from watcher.store import Store
from watcher.stories import read_facts

__all__ = ["Asked", "answer"]

AROUND = timedelta(minutes=15)
"""How long before and after the time of `--around` it may have happened."""

LATELY = timedelta(days=1)
"""What is asked about where no time is said."""

SHOWN = 8
"""Conversations that an error lists."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks: options as they were written."""

    receiver: str
    around: str | None = None
    since: str | None = None
    until: str | None = None
    type: str | None = None
    source: str | None = None


async def answer(
    console: Console, loaded: Config, id_: str, asked: Asked, *, as_json: bool
) -> None:
    """Print why a receiver was not told; raise BadParameter or NotOne where it is not clear of what."""
    if asked.type is not None and not covered((asked.type,)):
        choose("event type", asked.type, EVENT_TYPES)
    now = wall_clock()
    since, until = _span(asked, console, now)
    decides = configured(loaded)
    async with reading(loaded.store) as store:
        question = await _question(store, id_, asked, (since, until))
        question = replace(question, type=asked.type or "")
        facts = await read_facts(store, question, decides, now)
    found = why_not_told(question, facts, decides)
    if as_json:
        console.json(plain_answer(question, found))
        return
    contact = facts.snapshot.conversation.contact if facts.snapshot is not None else None
    names = (contact.name, contact.email, contact.phone) if contact is not None else ()
    who = next((short(name) for name in names if name), question.conversation or question.source)
    _print(console, question, who, found)


def _span(asked: Asked, console: Console, now: datetime) -> tuple[datetime, datetime]:
    """Return the time that is asked about."""
    if asked.around is not None:
        at = read_time("--around", asked.around, zone=console.zone, now=now)
        return at - AROUND, at + AROUND
    since, until = read_span(asked.since, asked.until, zone=console.zone, now=now)
    until = until or now
    return since or until - LATELY, until


async def _question(
    store: Store, text: str, asked: Asked, span: tuple[datetime, datetime]
) -> Question:
    """Return what is asked about: an event, what a delivery carries, or a conversation, by its id or by a
    part of its contact's name, mail address or number.
    """
    match await resolve(store, text, "event", "delivery", "conversation"):
        case ("event", id_):
            found = [one.event for one in await store.events(EventQuery(id=id_))]
        case ("delivery", _):
            found = [one.event for one in await find_deliveries(store, text)]
        case ("conversation", id_):
            return Question(await _source_of(store, id_, asked.source), id_, asked.receiver, *span)
        case _:
            found = [one.event for one in await find_deliveries(store, text)]
    if found:
        return about_event(found[0], asked.receiver)
    place = await _found(store, text, asked.source)
    return Question(*place, asked.receiver, *span)


async def _source_of(store: Store, conversation: str, source: str | None) -> str:
    """Return the source of a conversation; raise NotOne where several have one of this id."""
    query = ConversationQuery(ids=(conversation,), limit=SHOWN)
    places = [name async for name, _ in store.each_conversation(query)]
    told = await store.events(EventQuery(conversations=(conversation,)))
    among = dict.fromkeys([*places, *(one.event.source for one in told)])
    if source is not None:
        return source
    if len(among) > 1:
        raise NotOne(f"{', '.join(among)} have a conversation {conversation}", "name one: --source")
    return next(iter(among), "")


async def _found(store: Store, text: str, source: str | None) -> tuple[str, str]:
    """Return source and id of the conversation whose contact is meant. Raise NotOne."""
    query = ConversationQuery(
        sources=(source,) if source is not None else (), words=asked_words(text), limit=SHOWN + 1
    )
    found = [
        (name, snapshot.conversation) async for name, snapshot in store.each_conversation(query)
    ]
    if len(found) == 1:
        return found[0][0], found[0][1].id
    if not found:
        raise NotOne(
            f"no event, delivery or conversation has the id {text}, and no contact is called so",
            "`inbox-watcher conversations` lists what is known",
        )
    named = [f"{one.contact.name or one.id} ({name} {one.id})" for name, one in found[:SHOWN]]
    more = ", …" if len(found) > SHOWN else ""
    raise NotOne(
        f"{text} is ambiguous: {', '.join(named)}{more}", "name one by its id, or write more"
    )


def _print(console: Console, question: Question, who: str, found: Sequence[Finding]) -> None:
    place = " ".join(one for one in (question.source, question.conversation) if one)
    about = f"{who} ({place})" if place and place != who else who
    kind = f" {question.type}" if question.type else ""
    if question.event:
        when = f"the event {short_id(question.event)}"
    else:
        ends = (format_moment(one, console.zone) for one in (question.since, question.until))
        when = " to ".join(ends)
    console.write(f"why was {question.receiver} not told of{kind} {about}? {when}", "bold")
    for number, finding in enumerate(found, 1):
        console.write(f"{number}. {format_times(finding.text, console.zone)}")
        if finding.place:
            console.write(f"   decided by: {finding.by} ({finding.place})")
        if finding.remedy:
            console.write(f"   what to do: {finding.remedy}")
