"""What explanations are made of, read from the store: for commands, the API and pages.

Rules: reads only, and bounded; what it means is said in `watcher.explain`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from watcher.conditions import ExpressionError
from watcher.explain.question import Configured, Facts, Question
from watcher.explain.story import Story
from watcher.explain.waits import Waits, what_it_waits_for
from watcher.model import Delivery, Event
from watcher.records import DeliveryQuery, EventQuery, HistoryEntry
from watcher.rules import Rule, Silence, added_silence
from watcher.store import Store
from watcher.vocabulary import moment

__all__ = ["first_in_order", "read_facts", "read_story", "what_decides"]

MOST = 200
"""Events about a conversation, or about the source, that an answer is made of; the newest ones."""


async def what_decides(
    store: Store, rules: Sequence[Rule], silences: Sequence[Silence], zone: ZoneInfo | None
) -> Waits:
    """Return what decides about what is pending: receivers as they stand, and with the rules and
    silences of a configuration those that people added. `zone` is the configuration's time zone.
    """
    added = []
    for stored in await store.silences():
        with contextlib.suppress(ExpressionError):  # it silences nothing; `silence list` shows it
            added.append(added_silence(stored, zone))
    receivers = await store.receivers()
    return Waits(receivers, {rule.name: rule for rule in rules}, (*silences, *added))


async def read_story(store: Store, event: Event, known: Waits, now: datetime) -> Story:
    """Read all that came of an event."""
    verdicts = await store.verdicts([event.id])
    deliveries = await store.deliveries(DeliveryQuery(events=(event.id,)))
    history: dict[str, list[HistoryEntry]] = {one.key: [] for one in deliveries}
    for entry in await store.history(list(history)):
        history[entry.key].append(entry)
    waits = {}
    for one in deliveries:
        first = await first_in_order(store, one)
        if (wait := what_it_waits_for(one, known, now, first=first)) is not None:
            waits[one.key] = wait
    return Story(event, verdicts.get(event.id), deliveries, history, waits)


async def first_in_order(store: Store, delivery: Delivery) -> Delivery | None:
    """Return the delivery of the same conversation that goes out before a pending one, None for none."""
    if delivery.state != "pending" or not delivery.ordered or delivery.event.subject is None:
        return None
    query = DeliveryQuery(
        state="pending",
        receiver=delivery.receiver,
        sources=(delivery.event.source,),
        conversations=(delivery.event.subject,),
    )
    for other in await store.deliveries(query):  # in the order of the outbox
        if other.key == delivery.key:
            break
        if other.ordered:
            return other
    return None


async def read_facts(
    store: Store, question: Question, configured: Configured, now: datetime
) -> Facts:
    """Read what is recorded of what a question is about."""
    rules, silences, zone = configured.rules, configured.silences, configured.timezone
    known = await what_decides(store, rules, silences, zone)
    source, conversation = question.source, question.conversation
    conversations = (conversation,) if conversation else ()
    about = EventQuery(sources=(source,), conversations=conversations, limit=MOST)
    earlier = await store.events(replace(about, until=question.since, limit=1))
    # An event is recorded after what it tells of: what happened then may stand behind the time asked for.
    recorded = [one.event for one in await store.events(replace(about, since=question.since))]
    within = [one for one in recorded if _began(one) < question.until]
    if question.event:
        within = [one.event for one in await store.events(EventQuery(id=question.event))]
    after = next((one for one in recorded if _began(one) >= question.until), None)
    owed = DeliveryQuery(
        receiver=question.receiver, sources=(source,), conversations=conversations, limit=MOST
    )
    queries = (
        EventQuery(sources=(source,), types=("source.*",), limit=MOST),
        EventQuery(types=("watcher.*",), limit=MOST),
    )
    ours = [one for query in queries for one in await store.events(query)]
    snapshots = await store.known(source, [conversation])
    return Facts(
        state=await store.source(source),
        snapshot=snapshots.get(conversation),
        stories=[await read_story(store, event, known, now) for event in within],
        before=earlier[0].event if earlier else None,
        after=after,
        ours=[one.event for one in sorted(ours, key=lambda one: one.seq)],
        timers=[one for one in await store.deliveries(owed) if one.timer is not None],
        silences=await store.silences(),
        now=now,
    )


def _began(event: Event) -> datetime:
    """Return from when on an event's change may have happened."""
    return moment(event).at
