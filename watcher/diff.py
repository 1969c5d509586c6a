"""Telling what changed between what was believed and what is.

Law: pure. `diff(x, x)` is empty; every changed field belongs to exactly one change. The table of
the contract's section 2 is this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watcher.merge import Known
from watcher.model import Conversation, Message, Reference, to_plain

__all__ = ["Change", "appearance", "diff"]

RIDES_WITH: Mapping[str, str] = {
    "snoozed_until": "status",
    "status_reason": "status",
    "archived_at": "archived",
    "archive_reason": "archived",
}
"""Attributes that follow another field: their change rides on that field's event."""


@dataclass(frozen=True, slots=True)
class Change:
    """One event to be: its type and the top-level fields with their plain values on both sides.

    `fact` is the provider's id of what happened (a message), where there is one: a fact is
    identified by it alone, everything else by its content and number.
    """

    type: str
    changes: Mapping[str, Mapping[str, Any]]
    fact: str | None = None


def appearance(new: Conversation, *, returned: bool) -> tuple[Change, ...]:
    """Tell of a conversation that was not there before: `created`, and `unread` if it is unread.

    `returned` conversations tell the same; the event's `data.returned` says the difference.
    """
    created = Change("conversation.created", {})
    if not new.unread:
        return (created,)
    return (created, Change("conversation.unread", {"unread": {"before": False, "after": True}}))


def diff(old: Known, new: Known, *, unread_cap: int | None = None) -> tuple[Change, ...]:
    """Tell what changed from `old` to `new`, as changes of the contract's types, in a fixed order.

    `unread_cap` is the number at which the provider's unread count stops counting.
    """
    if old == new:
        return ()
    a, b = old.conversation, new.conversation
    plain_a, plain_b = to_plain(a), to_plain(b)

    def sides(*names: str) -> dict[str, Mapping[str, Any]]:
        return {name: {"before": plain_a[name], "after": plain_b[name]} for name in names}

    changes: list[Change] = []
    rest: list[str] = []

    message = _message_change(old, new)
    if message == "new":
        with_channel = ("last_message", "channel") if a.channel != b.channel else ("last_message",)
        changes.append(Change("conversation.message", sides(*with_channel), new.message_id))
    else:
        if message == "edited":
            rest.append("last_message")
        if a.channel != b.channel:
            rest.append("channel")

    if unread := _unread_change(old, new, unread_cap):
        kind, names, fact = unread
        changes.append(Change(kind, sides(*names), fact))

    riders = _riders(a, b)
    if a.archived != b.archived:
        names = ("archived", "status") if a.status != b.status else ("archived",)
        kind = "conversation.archived" if b.archived else "conversation.unarchived"
        ridden = ("attributes",) if riders else ()
        changes.append(Change(kind, sides(*names, *ridden)))
    elif a.status != b.status:
        ridden = ("attributes",) if "status" in riders else ()
        changes.append(Change("conversation.status_changed", sides("status", *ridden)))

    if assignment := _assignment(a.assignee, b.assignee):
        changes.append(Change(assignment, sides("assignee")))
    if _ids(a.team) != _ids(b.team):
        changes.append(Change("conversation.team_changed", sides("team")))
    changes.extend(
        Change(f"conversation.{name}_changed", sides(name))
        for name in ("disposition", "labels", "priority")
        if getattr(a, name) != getattr(b, name)
    )
    if a.contact != b.contact:
        changes.append(Change("conversation.contact_changed", sides("contact")))

    told = any("attributes" in change.changes for change in changes)
    if a.attributes != b.attributes and not told:
        rest.append("attributes")
    if rest:
        changes.append(Change("conversation.updated", sides(*sorted(rest))))
    return tuple(changes)


def _message_change(old: Known, new: Known) -> str:
    """Tell whether the last message is `new`, `edited` (the same one, or an older one that became
    the last again), or `same`.
    """
    a, b = old.conversation.last_message, new.conversation.last_message
    if a == b and old.message_id == new.message_id:
        return "same"
    if b is None:
        return "edited" if a is not None else "same"
    if a is None:
        return "new"
    if old.message_id is not None and new.message_id is not None:
        if old.message_id == new.message_id:
            return "edited" if a != b else "same"
        return "edited" if _before(b, a) else "new"
    if a == b:
        return "same"
    if _before(b, a) or (a.at, a.text) == (b.at, b.text):
        return "edited"
    if _is_other_activity(old.conversation, new.conversation, a, b):
        return "same"
    return "new"


def _before(b: Message, a: Message) -> bool:
    return a.at is not None and b.at is not None and b.at < a.at


def _is_other_activity(old: Conversation, new: Conversation, a: Message, b: Message) -> bool:
    """Where the provider tells no direction (Leadping), its event time also moves for events that
    are no messages: the same text, together with a changed disposition or archive flag, is one.
    """
    same_text = a.text == b.text and a.direction == b.direction and b.direction is None
    explained = old.disposition != new.disposition or old.archived != new.archived
    return same_text and b.type is None and explained


def _unread_change(
    old: Known, new: Known, cap: int | None
) -> tuple[str, tuple[str, ...], str | None] | None:
    a, b = old.conversation, new.conversation
    count = ("unread_count",) if a.unread_count != b.unread_count else ()
    if a.unread != b.unread:
        kind = "conversation.unread" if b.unread else "conversation.read"
        return kind, ("unread", *count), None
    if not b.unread:
        return None
    if a.unread_count is not None and b.unread_count is not None:
        if b.unread_count > a.unread_count:
            return "conversation.unread", count, None
        if cap is None or min(a.unread_count, b.unread_count) < cap:
            return None
        wanted: tuple[str | None, ...] = ("inbound",)
    else:
        wanted = ("inbound", None)
    if _newer_message(old, new) and (m := b.last_message) is not None and m.direction in wanted:
        return "conversation.unread", (), new.message_id
    return None


def _newer_message(old: Known, new: Known) -> bool:
    """Tell whether something later than the old last message is shown (for Leadping any event)."""
    a, b = old.conversation.last_message, new.conversation.last_message
    if b is None:
        return False
    if a is None:
        return True
    if a.at is not None and b.at is not None:
        if old.message_id is not None and old.message_id == new.message_id:
            return False
        return b.at > a.at or (b.at == a.at and _message_change(old, new) == "new")
    return _message_change(old, new) == "new"


def _assignment(a: Reference | None, b: Reference | None) -> str | None:
    if _ids(a) == _ids(b):
        return None
    if a is None:
        return "conversation.assigned"
    return "conversation.unassigned" if b is None else "conversation.reassigned"


def _ids(reference: Reference | None) -> str | None:
    return reference.id if reference is not None else None


def _riders(a: Conversation, b: Conversation) -> frozenset[str]:
    """Give the fields that the changed attributes ride on; none when another attribute changed too
    (then `attributes`, which is one field, belongs to `conversation.updated`).
    """
    names = a.attributes.keys() | b.attributes.keys()
    changed = {name for name in names if a.attributes.get(name) != b.attributes.get(name)}
    if not changed <= RIDES_WITH.keys():
        return frozenset()
    return frozenset(RIDES_WITH[name] for name in changed)
