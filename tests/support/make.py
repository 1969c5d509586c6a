"""Short ways to make the values that stores keep: every argument left out has a plain default."""

# ruff: noqa: A002 - the arguments are named after the fields that they fill

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.model import Conversation, Delivery, Event, Reference, Snapshot
from watcher.records import Commit, Settlement

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)
LEASE = timedelta(minutes=1)


def at(seconds: float) -> datetime:
    """Give the time so many seconds after T0."""
    return T0 + timedelta(seconds=seconds)


def snapshot(id: str = "c1", revision: int = 1, **changed: Any) -> Snapshot:
    """Make a snapshot; `assignee` is an id, what is no part of it goes to the conversation."""
    own = {name: changed.pop(name) for name in ("observed", "present", "seen") if name in changed}
    if assignee := changed.pop("assignee", None):
        changed["assignee"] = Reference(assignee)
    defaults: dict[str, Any] = {"seen": frozenset({"unread"}), "observed": T0}
    return Snapshot(
        conversation=Conversation(id, **changed), revision=revision, counts={}, **(defaults | own)
    )


def event(
    id: str = "e1",
    *,
    seconds: float = 0,
    type: str = "conversation.unread",
    source: str = "sales",
    subject: str | None = "c1",
) -> Event:
    """Make an event that happened `seconds` after T0."""
    return Event(id, type, source, subject, at(seconds), {"source": source, "text": "Grüße 🙂"})


def delivery(
    of: Event | None = None,
    *,
    receiver: str = "team",
    due: float | None = None,
    rule: str = "Rule",
    timer: str | None = None,
    id: str | None = None,
    **changed: Any,
) -> Delivery:
    """Make a delivery of an event; a timer gets an id of its own, as rules with `for` do."""
    of = of or event()
    if timer:
        changed.setdefault("kind", "for")
    apart = timer or changed.get("batch")
    return Delivery(
        id=id or (f"{of.id}.{apart}" if apart else of.id),
        event=of,
        receiver=receiver,
        rule=timer or rule,
        due=of.time if due is None else at(due),
        created=of.time,
        timer=timer,
        **changed,
    )


def commit(*deliveries: Delivery, **changed: Any) -> Commit:
    """Make a commit of these deliveries and their events, each once."""
    events = {owed.event.id: owed.event for owed in deliveries}
    return Commit(
        **{"source": "sales", "events": tuple(events.values()), "deliveries": deliveries} | changed
    )


def digested(of: Event | None = None, batch: str = "Rule/09:00", **changed: Any) -> Delivery:
    """Make a delivery that waits for a digest."""
    return delivery(of, kind="digest", batch=batch, **changed)


def settlement(
    of: Delivery, state: str = "delivered", *, seconds: float = 0, **changed: Any
) -> Settlement:
    """Make the outcome of an attempt, `seconds` after T0; a failed one is due a minute later."""
    return Settlement(
        key=of.key,
        attempt=of.attempt,
        state=state,
        due=at(seconds + 60) if state == "pending" else of.due,
        note=f"it is {state}",
        settled=None if state == "pending" else at(seconds),
        **changed,
    )
