"""What the tests of rules share: a conversation, its events, and short ways to rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.conditions import compile_condition
from watcher.model import Contact, Conversation, Event, Message, Reference, to_plain
from watcher.rules import Rule

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
MARIA = Conversation(
    id="c1",
    contact=Contact(id="p1", name="Maria Lopez"),
    channel="sms",
    unread=True,
    assignee=Reference("u1", "Ana"),
    labels=("vip",),
    last_message=Message("Is it still for sale?", "inbound", "sms", AT),
    attributes={"score": 7},
)


def event(
    kind: str = "conversation.unread",
    conversation: Conversation | None = MARIA,
    source: str = "sales",
    **more: Any,
) -> Event:
    data: dict[str, Any] = {"source": source, "provider": "highlevel", **more}
    if conversation is not None:
        data["conversation"] = to_plain(conversation)
        data.setdefault("changes", {})
    return Event("e1", kind, source, "c1" if conversation else None, AT, data)


def rule(
    *when: str,
    name: str = "rule",
    notify: tuple[str, ...] = ("team",),
    where: str | None = None,
    hold_for: timedelta | None = None,
) -> Rule:
    condition = compile_condition(where) if where is not None else None
    # Not validated: the laws of routing hold for any value, also for types without a state.
    return Rule.model_construct(
        name=name,
        when=when or ("conversation.*",),
        notify=notify,
        where=condition,
        hold_for=hold_for,
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
