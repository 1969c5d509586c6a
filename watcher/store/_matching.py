"""Which events, deliveries and snapshots a query means, in Python; SQL says the same.

Law: pure.
"""

from __future__ import annotations

import re

from watcher.model import Delivery, IdSet, Snapshot
from watcher.records import DeliveryQuery, EventQuery, Recorded

__all__ = ["is_member", "matches_delivery", "matches_event"]


def is_member(snapshot: Snapshot, name: IdSet) -> bool:
    """Whether a conversation belongs to the set `unread` or `unassigned`."""
    match name:
        case "unread":
            return snapshot.conversation.unread
        case "unassigned":
            return snapshot.conversation.assignee is None
    raise ValueError(f"a store knows the members 'unread' and 'unassigned', not {name!r}")


def matches_event(query: EventQuery, recorded: Recorded) -> bool:
    """Whether a query asks for an event."""
    event = recorded.event
    return (
        (query.after is None or recorded.seq > query.after)
        and (query.since is None or event.time >= query.since)
        and (query.type is None or _glob(query.type, event.type))
        and query.source in (None, event.source)
        and (query.conversation is None or event.subject == query.conversation)
        and query.id in (None, event.id)
    )


def matches_delivery(query: DeliveryQuery, delivery: Delivery) -> bool:
    """Whether a query asks for a delivery."""
    return (
        query.state in (None, delivery.state)
        and query.receiver in (None, delivery.receiver)
        and query.event in (None, delivery.event.id)
        and query.conversation in (None, delivery.event.subject)
        and query.rule in (None, delivery.rule)
        and (query.type is None or _glob(query.type, delivery.event.type))
        and (query.since is None or delivery.created >= query.since)
        and (query.id is None or query.id in (delivery.id, delivery.message or delivery.id))
    )


def _glob(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
