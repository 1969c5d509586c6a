"""What explanations are made of, read from the store: for commands, the API and pages.

Rules: reads only, and bounded; what it means is said in `watcher.explain`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from watcher.conditions import ExpressionError
from watcher.explain.story import Story
from watcher.explain.waits import Waits, what_it_waits_for
from watcher.model import Delivery, Event
from watcher.records import DeliveryQuery, HistoryEntry
from watcher.rules import Rule, Silence, added_silence
from watcher.store import Store

__all__ = ["first_in_order", "read_story", "what_decides"]


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
    deliveries = await store.deliveries(DeliveryQuery(event=event.id))
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
