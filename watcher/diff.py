"""What changed between two states of a conversation, as changes that become events.

Rules: pure. `diff(x, x)` is empty; every changed field belongs to exactly one change. Fields whose
every change makes the same event are compared by the table of fields (`watcher.catalogue.fields`);
what depends on the values, or on several fields together, is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from watcher.catalogue.events import EVENT_TYPES
from watcher.catalogue.fields import FIELDS, differs
from watcher.merge import Known
from watcher.model import Conversation, Message, Reference, rfc3339, to_plain

__all__ = [
    "Change",
    "WaitEnd",
    "appearance",
    "diff",
    "is_older",
    "late_appearance",
    "message_change",
    "shows_time_alone",
]

_UPDATED = "conversation.updated"

_BY_TABLE = sorted(
    ((one.name, one.event) for one in FIELDS.values() if one.tracked and one.event),
    key=lambda pair: EVENT_TYPES.index(pair[1]),
)
"""The fields whose every change makes the same event, with that event, in the order of events."""

_RIDES_WITH: Mapping[str, str] = {
    "snoozed_until": "status",
    "status_reason": "status",
    "archived_at": "archived",
    "archive_reason": "archived",
}
"""Attributes that follow another field: their change is part of that field's event."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes one event."""

    type: str
    """The type of the event."""

    changes: Mapping[str, Mapping[str, object]]
    """The changed fields (top-level keys) with their plain values `before` and `after`."""

    fact: str | None = None
    """The provider's id of what happened, such as a new message's, where the row shows one.

    It identifies the event by itself; all other events are identified by content and number.
    """

    facts: Mapping[str, object] = field(default_factory=dict)
    """What the event's `data` holds in addition."""


@dataclass(frozen=True, slots=True)
class WaitEnd:
    """How the wait of a customer ended."""

    outcome: Literal["answered", "closed"]
    """`answered`: a person wrote. `closed`: it was archived without an answer."""

    at: datetime
    """When, as far as it is known."""


def appearance(new: Conversation, *, returned: bool) -> tuple[Change, ...]:
    """Return the changes of a conversation that was not there: `created`, and `unread` and `waiting`
    if it is.

    One that has `returned` makes the same changes; `data.returned` of the event shows the difference.
    """
    facts = {"returned": True} if returned else {}
    changes = [Change("conversation.created", {}, facts=facts)]
    if new.unread:
        changes.append(_became_unread(facts))
    if new.waiting_since is not None:
        changes.append(_began(new.waiting_since, facts))
    return tuple(changes)


def late_appearance(new: Known, young: Callable[[datetime | None], bool]) -> tuple[Change, ...]:
    """Return what is told of a conversation that is older than the baseline and was not visible then.

    It is what is `young` in it: its last message, and with that what is unread and who waits.
    """
    now = new.conversation
    message, since = now.last_message, now.waiting_since
    changes: list[Change] = []
    told = message is not None and young(message.at)
    if told:
        sides = {"last_message": {"before": None, "after": to_plain(now)["last_message"]}}
        changes.append(Change("conversation.message", sides, fact=new.message_id))
        if now.unread:
            changes.append(_became_unread({}))
    if since is not None and (told or young(since)):
        changes.append(_began(since, {}))
    return tuple(changes)


def diff(
    old: Known, new: Known, *, unread_cap: int | None = None, ended: WaitEnd | None = None
) -> tuple[Change, ...]:
    """Return what changed from `old` to `new`, in the order of events.

    `unread_cap` is the number at which the provider's unread count stops counting; `ended` is how the
    wait of the old one ended, where it did.
    """
    if old == new:
        return ()
    a, b = old.conversation, new.conversation
    plain_a, plain_b = to_plain(a), to_plain(b)

    def change(kind: str, *names: str, fact: str | None = None) -> Change:
        sides = {name: {"before": plain_a[name], "after": plain_b[name]} for name in names}
        return Change(kind, sides, fact)

    changes: list[Change] = []
    updated: list[str] = []  # the fields for which no other event is meant

    message = message_change(old, new)
    other_channel = ("channel",) if a.channel != b.channel else ()
    if message == "new":
        # A channel is the last message's: it changes because the customer wrote on another one.
        names = ("last_message", *other_channel)
        changes.append(change("conversation.message", *names, fact=new.message_id))
    else:
        updated += other_channel
        if message == "edited":
            updated.append("last_message")

    if unread := _unread_change(old, new, unread_cap):
        kind, names, fact = unread
        changes.append(change(kind, *names, fact=fact))
    changes += _wait_changes(a, b, ended)

    riders = _riders(a, b)
    if a.archived != b.archived:
        # At some providers "archived" is a status: the two changes are one.
        status = ("status",) if a.status != b.status else ()
        ridden = ("attributes",) if riders else ()
        kind = "conversation.archived" if b.archived else "conversation.unarchived"
        changes.append(change(kind, "archived", *status, *ridden))
    elif a.status != b.status:
        ridden = ("attributes",) if "status" in riders else ()
        changes.append(change("conversation.status_changed", "status", *ridden))

    if assignment := _assignment(a.assignee, b.assignee):
        changes.append(change(assignment, "assignee"))
    for name, kind in _BY_TABLE:
        if not differs(name, a, b):
            continue
        if kind == _UPDATED:
            updated.append(name)
        else:
            changes.append(change(kind, name))

    carried = any("attributes" in one.changes for one in changes)
    if a.attributes != b.attributes and not carried:
        updated.append("attributes")
    if updated:
        changes.append(change(_UPDATED, *sorted(updated)))
    return tuple(changes)


def message_change(old: Known, new: Known) -> Literal["new", "edited", "same"]:
    """Return what became of the last message.

    `edited` is the same message with other content, or an older one that became the last again
    because a later one was deleted.
    """
    a, b = old.conversation.last_message, new.conversation.last_message
    if a is not None and b is not None:
        a = _as_told(a, b)
    if a == b and old.message_id == new.message_id:
        return "same"
    if b is None:
        return "edited" if a is not None else "same"
    if a is None:
        return "new"
    # Ids decide where both states have one: equal texts can be two messages.
    if old.message_id is not None and new.message_id is not None:
        if old.message_id == new.message_id:
            return "edited" if a != b else "same"
        return "edited" if is_older(b, a, new.message_id, old.message_id) else "new"
    if a == b:
        return "same"
    # Without ids, time and text identify a message.
    if is_older(b, a) or (a.at, a.text) == (b.at, b.text):
        return "edited"
    # That is what is left where a message is gone.
    if b.at == a.at and shows_time_alone(b):
        return "edited"
    # The same words with a time that was not known before are the same message.
    if a.at is None and a.text is not None and a.text == b.text:
        return "edited"
    if _is_other_activity(old.conversation, new.conversation, a, b):
        return "same"
    return "new"


_TOLD_LATER = ("direction", "type", "automated", "subject")
"""Parts of a message that stay as they are: where a row shows one for the first time, it was not told
before (a row or a version of the service without the key).
"""


def _as_told(a: Message, b: Message) -> Message:
    """Return the former message with what its row left out and the same message now shows."""
    if (a.at, a.text) != (b.at, b.text):
        return a
    first = {name: getattr(b, name) for name in _TOLD_LATER if getattr(a, name) is None}
    return replace(a, **first)


def shows_time_alone(message: Message) -> bool:
    """Return whether a row shows nothing of a message: its time may be that of another event (Leadping).

    A message of a known kind or direction only lacks its words in this row.
    """
    return message == Message(text=None, at=message.at)


def is_older(
    message: Message, than: Message, message_id: str | None = None, than_id: str | None = None
) -> bool:
    """Return whether a message was written before another, as far as their times tell.

    Of the same time (some providers have whole seconds), ids that are numbers decide: they count up.
    """
    if message.at is None or than.at is None:
        return False
    if message.at != than.at:
        return message.at < than.at
    one, other = _number(message_id), _number(than_id)
    return one is not None and other is not None and one < other


def _number(id_: str | None) -> tuple[int, str] | None:
    """Return what orders ids that are numbers, None for any other."""
    if id_ is None or not (id_.isascii() and id_.isdecimal()):
        return None
    digits = id_.lstrip("0")
    return len(digits), digits


def _is_other_activity(old: Conversation, new: Conversation, a: Message, b: Message) -> bool:
    """Return whether only the time of the last message moved, because something else happened.

    A provider that shows no direction (Leadping) moves that time for every event. The same text
    together with a changed disposition or archive flag is not a new message.
    """
    same_text = a.text == b.text and a.direction == b.direction and b.direction is None
    explained = old.disposition != new.disposition or old.archived != new.archived
    return same_text and b.type is None and explained


def _unread_change(
    old: Known, new: Known, cap: int | None
) -> tuple[str, tuple[str, ...], str | None] | None:
    """Return the type of event, the fields that it carries, and the message that made it, if any."""
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
        # A count that works and did not rise: nothing new is unread.
        if cap is None or min(a.unread_count, b.unread_count) < cap:
            return None
        # The count stopped at its cap; only a later message shows that there is more to read.
        wanted: tuple[str | None, ...] = ("inbound",)
    else:
        # Providers without a count may show no direction either: any later message counts.
        wanted = ("inbound", None)
    if _newer_message(old, new) and (m := b.last_message) is not None and m.direction in wanted:
        return "conversation.unread", (), new.message_id
    return None


def _newer_message(old: Known, new: Known) -> bool:
    """Return whether the last message is later than the old one (for Leadping, any event is)."""
    a, b = old.conversation.last_message, new.conversation.last_message
    if b is None:
        return False
    if a is None:
        return True
    if a.at is not None and b.at is not None:
        if old.message_id is not None and old.message_id == new.message_id:
            return False
        return b.at > a.at or (b.at == a.at and message_change(old, new) == "new")
    return message_change(old, new) == "new"


def _wait_changes(a: Conversation, b: Conversation, ended: WaitEnd | None) -> Iterator[Change]:
    """Yield that a wait ended, and that one began; both where one took the other's place."""
    before, after = a.waiting_since, b.waiting_since
    if before == after:
        return
    if before is not None:
        sides = {"waiting_since": {"before": rfc3339(before), "after": None}}
        facts: dict[str, object] = {}
        if ended is not None:
            waited = max(0, round((ended.at - before).total_seconds()))
            facts = {"outcome": ended.outcome, "waited": waited}
        yield Change("conversation.answered", sides, facts=facts)
    if after is not None:
        yield _began(after, {})


def _became_unread(facts: Mapping[str, object]) -> Change:
    sides = {"unread": {"before": False, "after": True}}
    return Change("conversation.unread", sides, facts=facts)


def _began(since: datetime, facts: Mapping[str, object]) -> Change:
    sides = {"waiting_since": {"before": None, "after": rfc3339(since)}}
    return Change("conversation.waiting", sides, facts=facts)


def _assignment(a: Reference | None, b: Reference | None) -> str | None:
    if a is None:
        return "conversation.assigned" if b is not None else None
    if b is None:
        return "conversation.unassigned"
    return "conversation.reassigned" if a.id != b.id else None


def _riders(a: Conversation, b: Conversation) -> frozenset[str]:
    """Return the fields whose events carry the changed attributes.

    Empty if any other attribute changed too: `attributes` is one field and belongs to one event,
    which is `conversation.updated` then.
    """
    names = a.attributes.keys() | b.attributes.keys()
    changed = {name for name in names if a.attributes.get(name) != b.attributes.get(name)}
    if not changed <= _RIDES_WITH.keys():
        return frozenset()
    return frozenset(_RIDES_WITH[name] for name in changed)
