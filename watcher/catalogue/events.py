"""The table of event types: a row holds everything that follows from an event's type alone.

Rules: one row per type, in the order of docs/events.md. How a change is detected is decided in
`watcher.diff`, and what a title says of the event's data in `watcher.templates`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from watcher.catalogue.fields import differs
from watcher.model import Conversation

__all__ = [
    "DEAD", "ENDING_EVENTS", "EVENTS", "EVENT_TYPES", "STATES", "TIMED_TYPES", "EventType", "State",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What an event begins and what lasts until its end is observed.

    Rules with `for` and `repeat` wait on it. A state of a conversation has `ended`; a state of a
    source is `ended_by` another event.
    """

    note: str
    """Why a wait is over, as the history of a delivery shows it."""

    ended: Callable[[Conversation, Conversation], bool] | None = None
    """Whether the change from one conversation to the other ends the state."""

    holds: Callable[[Conversation], bool] | None = None
    """Whether a conversation is in the state; None where only the change that began it shows it."""

    seen_by: str = ""
    """The field that must have been shown for `holds` to be believed, where it holds for null."""

    ended_by: str = ""
    """The type of event that ends the state, where no conversation shows its end."""

    outcomes: Mapping[str, str] = field(default_factory=dict)
    """Closer words for `note`, by `data.outcome` of the event that tells of the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One type of event."""

    name: str
    """The `type` of the CloudEvents object."""

    title: str
    """The title of the default message.

    A conversation's may use `{who}`, `{via}` (with the channel), and `{before}` and `{after}` of
    `sides_of`; the others may use `{source}`.
    """

    sides_of: str = ""
    """The field whose value before and after the title shows."""

    replaced: str = ""
    """The title where the state ended because another one took its place."""

    state: State | None = None
    """The state that the event begins and that lasts, if there is one."""

    instead: str = ""
    """The type that is probably meant where a rule waits on this one, which begins no state."""

    happened_at: tuple[str, ...] = ()
    """The path within the conversation of the time at which the change happened.

    Empty where the conversation has no such time. See `watcher.vocabulary.moment`.
    """

    needs: str = ""
    """The field without which it cannot happen, where neither `sides_of` nor the field's row says."""

    reasons: tuple[str, ...] = ()
    """All texts that `data.reason` can be; empty where it can be any text, or there is none."""

    outcomes: tuple[str, ...] = ()
    """All texts that `data.outcome` can be; empty where there is none."""

    shown: Mapping[str, Any] = field(default_factory=dict)
    """What a step of a rule test shows of the conversation if it names this type and no more."""


DEAD = "delivery.dead"
"""The type of the event about a message that is given up."""

EVENTS: Mapping[str, EventType] = {
    one.name: one
    for one in (
        EventType(
            name="conversation.created",
            title="New conversation: {via}",
            instead="conversation.waiting",
            happened_at=("created_at",),
        ),
        EventType(
            name="conversation.unread",
            title="Unread: {via}",
            state=State(
                note="it was read",
                ended=lambda before, after: before.unread and not after.unread,
                holds=lambda now: now.unread,
            ),
            happened_at=("last_message", "at"),
            shown={"unread": True},
        ),
        EventType(
            name="conversation.read",
            title="Read: {who}",
            shown={"unread": False},
        ),
        EventType(
            name="conversation.message",
            title="New message: {via}",
            instead="conversation.waiting",
            happened_at=("last_message", "at"),
            shown={"last_message": {"text": "Hello", "direction": "inbound"}},
        ),
        EventType(
            name="conversation.waiting",
            needs="waiting_since",
            title="Waiting for an answer: {via}",
            state=State(
                note="it was answered or closed",
                outcomes={
                    "answered": "it was answered",
                    "closed": "it was closed without an answer",
                },
                # Another time is another wait: the one before was answered.
                ended=lambda before, after: before.waiting_since not in (None, after.waiting_since),
                holds=lambda now: now.waiting_since is not None,
            ),
            happened_at=("waiting_since",),
            shown={"last_message": {"text": "Hello", "direction": "inbound"}},
        ),
        EventType(
            name="conversation.answered",
            needs="waiting_since",
            outcomes=("answered", "closed"),
            title="Answered: {who}",
            shown={"last_message": {"text": "Hello", "direction": "outbound", "automated": False}},
        ),
        EventType(
            name="conversation.assigned",
            title="Assigned: {who}, to {after}",
            sides_of="assignee",
            state=State(
                note="the assignee changed",
                ended=partial(differs, "assignee"),
                holds=lambda now: now.assignee is not None,
            ),
        ),
        EventType(
            name="conversation.reassigned",
            title="Reassigned: {who}, from {before} to {after}",
            sides_of="assignee",
            state=State(note="the assignee changed", ended=partial(differs, "assignee")),
        ),
        EventType(
            name="conversation.unassigned",
            title="Unassigned: {who}, from {before}",
            sides_of="assignee",
            state=State(
                note="the assignee changed",
                ended=partial(differs, "assignee"),
                holds=lambda now: now.assignee is None,
                seen_by="assignee",
            ),
            shown={"assignee": None},
        ),
        EventType(
            name="conversation.team_changed",
            title="Team changed: {who}, from {before} to {after}",
            sides_of="team",
            state=State(note="the team changed again", ended=partial(differs, "team")),
        ),
        EventType(
            name="conversation.archived",
            title="Archived: {who}",
            state=State(
                note="it was unarchived",
                ended=lambda before, after: before.archived and not after.archived,
                holds=lambda now: now.archived,
            ),
            shown={"archived": True},
        ),
        EventType(
            name="conversation.unarchived",
            title="Back from the archive: {who}",
            shown={"archived": False},
        ),
        EventType(
            name="conversation.status_changed",
            title="Status changed: {who}, from {before} to {after}",
            sides_of="status",
            state=State(note="the status changed again", ended=partial(differs, "status")),
        ),
        EventType(
            name="conversation.disposition_changed",
            title="Disposition changed: {who}, from {before} to {after}",
            sides_of="disposition",
            state=State(
                note="the disposition changed again", ended=partial(differs, "disposition")
            ),
            happened_at=("disposition", "changed_at"),
        ),
        EventType(
            name="conversation.labels_changed",
            title="Labels changed: {who}",
            state=State(note="the labels changed again", ended=partial(differs, "labels")),
        ),
        EventType(
            name="conversation.priority_changed",
            title="Priority changed: {who}, from {before} to {after}",
            sides_of="priority",
            state=State(note="the priority changed again", ended=partial(differs, "priority")),
        ),
        EventType(name="conversation.contact_changed", title="Contact changed: {who}"),
        EventType(name="conversation.updated", title="Updated: {who}"),
        EventType(
            name="conversation.removed",
            title="Removed: {who}",
            reasons=("deleted", "access_lost", "unknown"),
        ),
        EventType(name="source.baselined", title="Source {source} is being watched"),
        EventType(
            name="source.failing",
            title="Source {source} is failing",
            state=State(note="the source works again", ended_by="source.recovered"),
        ),
        EventType(
            name="source.recovered",
            title="Source {source} works again",
            outcomes=("replaced",),
            replaced="Source {source}: its former trouble is over",
        ),
        EventType(
            name="source.held",
            title="Source {source}: implausible changes are held back",
        ),
        EventType(
            name="source.released",
            title="Source {source}: what was held back is decided",
            outcomes=("agreed", "disagreed", "accepted", "discarded", "mended"),
        ),
        EventType(name="receiver.failing", title="Receiver {source} is failing"),
        EventType(
            name="receiver.recovered",
            title="Receiver {source} works again",
            outcomes=("replaced",),
            replaced="Receiver {source}: its former trouble is over",
        ),
        EventType(name=DEAD, title="A message to {source} is given up"),
        EventType(
            name="watcher.network_failing",
            title="The network is failing: no source can be reached",
        ),
        EventType(name="watcher.network_recovered", title="The network works again"),
        EventType(
            name="watcher.disk_low",
            title="The disk is nearly full: sources that write much wait",
        ),
        EventType(name="watcher.disk_recovered", title="The disk has room again"),
    )
}
"""Every type of event, by name."""

EVENT_TYPES: tuple[str, ...] = tuple(EVENTS)

STATES: Mapping[str, State] = {
    one.name: one.state for one in EVENTS.values() if one.state is not None
}
"""The states that last, by the type of the event that begins them."""

TIMED_TYPES: tuple[str, ...] = tuple(STATES)
"""The types to which `for` and `repeat` apply."""

ENDING_EVENTS: Mapping[str, str] = {
    state.ended_by: state.note for state in STATES.values() if state.ended_by
}
"""The events that end a state of their source, each with the note for the waits that are over."""
