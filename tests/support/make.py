"""Factories for the tests: every argument left out has a plain default."""

# ruff: noqa: A002 - the arguments are named after the fields that they fill

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.conditions import compile_condition
from watcher.model import (
    Contact,
    Conversation,
    Delivery,
    Event,
    Message,
    Reference,
    Snapshot,
    to_plain,
)
from watcher.records import Action, ActionKind, Actor, Commit, Settlement
from watcher.rules import Rule

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)
LEASE = timedelta(minutes=1)
MARIA = Conversation(
    id="c1",
    contact=Contact(id="p1", name="Maria Lopez"),
    channel="sms",
    unread=True,
    assignee=Reference("u1", "Ana"),
    labels=("vip",),
    last_message=Message("Is it still for sale?", "inbound", "sms", T0),
    attributes={"score": 7},
)
CONDITIONS = [
    compile_condition(source)
    for source in (
        'conversation.assignee.id == "u1" || conversation.unread',
        "conversation.unread_count > 2",
        'conversation.labels.exists(l, l.contains("v"))',
        'changes.assignee.before.name.startsWith("A")',
        "timestamp(conversation.last_message.at) < timestamp(observed.before)",
        'conversation.attributes.a.b[0] + 1 > conversation.attributes["c"]',
        "conversation.last_message.text.matches(conversation.channel)",
        "reason == null ? conversation.archived : size(reason) / size(changes) > 1",
    )
]


def at(seconds: float) -> datetime:
    """Return the time `seconds` after T0."""
    return T0 + timedelta(seconds=seconds)


def snapshot(id: str = "c1", revision: int = 1, **changed: Any) -> Snapshot:
    """Make a snapshot; `assignee` is an id, what is no part of it goes to the conversation."""
    names = ("observed", "present", "seen", "doubt")
    own = {name: changed.pop(name) for name in names if name in changed}
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


def acted(seconds: float = 0, what: ActionKind = "acknowledge", who: str = "Ana") -> Action:
    """Make an action `seconds` after T0."""
    return Action(at(seconds), Actor(who), what, "sales/c1")


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


def conversation_event(
    kind: str = "conversation.unread",
    conversation: Conversation | None = MARIA,
    source: str = "sales",
    **more: Any,
) -> Event:
    """Make an event as the pipeline makes it, with the conversation (None: about the source itself)."""
    data: dict[str, Any] = {"source": source, "provider": "highlevel", **more}
    if conversation is not None:
        data["conversation"] = to_plain(conversation)
        data.setdefault("changes", {})
    return Event("e1", kind, source, "c1" if conversation else None, T0, data)


def rule(
    *when: str,
    name: str = "rule",
    notify: tuple[str, ...] = ("team",),
    where: str | None = None,
    hold_for: timedelta | None = None,
) -> Rule:
    """Make a rule."""
    condition = compile_condition(where) if where is not None else None
    # Not validated: the laws of routing hold for any value, also for types without a state.
    return Rule.model_construct(
        name=name,
        when=when or ("conversation.*",),
        notify=notify,
        where=condition,
        hold_for=hold_for,
    )
