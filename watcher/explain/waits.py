"""What a message waits for: one reason, and when it is over where that is known.

Rules: pure. What stands in the way of all that waits (a receiver that is off) is said first, then the
message's own turn, then its own time. What silences and hours will say when it is due is asked of the code
that decides it then (`watcher.pipeline.guards`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from watcher.explain.values import short_key
from watcher.model import Delivery, rfc3339
from watcher.pipeline import Guards, guard
from watcher.records import ReceiverState
from watcher.rules import Rule, Silence
from watcher.rules.due import Drop, Redirect
from watcher.rules.due import Wait as Later

__all__ = ["Wait", "WaitReason", "Waits", "what_it_waits_for"]

WaitReason = Literal[
    "off", "paused", "order", "timer", "repeat", "digest", "hours", "retry", "turn",
]  # fmt: skip
"""Why a message waits, as lists and metrics name it; `turn` is due, and its receiver comes to it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a pending message waits for."""

    reason: WaitReason

    text: str
    """In words."""

    until: datetime | None = None
    """When that is over, None where it is not known."""

    by: str = ""
    """The rule, the receiver or the delivery that it is about."""

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that commands and the API show."""
        until = rfc3339(self.until) if self.until is not None else None
        return {"reason": self.reason, "text": self.text, "until": until, "by": self.by or None}


@dataclass(frozen=True, slots=True)
class Waits:
    """What must be known beside a message to say what it waits for; nothing where it is not known."""

    receivers: Mapping[str, ReceiverState]
    """How receivers stand, by name."""

    rules: Mapping[str, Rule]
    """The rules of today, by name."""

    silences: tuple[Silence, ...] = ()
    """Those of the configuration, and those that people added."""


def what_it_waits_for(
    delivery: Delivery, known: Waits, now: datetime, *, first: Delivery | None = None
) -> Wait | None:
    """Return what a delivery waits for; None where it is settled.

    `first` is an earlier delivery of its conversation that goes out before it.
    """
    if delivery.state != "pending":
        return None
    receiver = known.receivers.get(delivery.receiver)
    if receiver is not None and (kept := _receiver(delivery.receiver, receiver, now)) is not None:
        return kept
    if first is not None and delivery.ordered:
        text = f"an earlier delivery of the same conversation goes first: {short_key(first)}"
        return Wait("order", text, first.due if first.due > now else None, first.key)
    return _foreseen(_own(delivery, now), delivery, known, now)


def _receiver(name: str, state: ReceiverState, now: datetime) -> Wait | None:
    if state.off:
        remedy = f"turn it on with: inbox-watcher send-test {name}"
        return Wait("off", f"the receiver {name} is off: {state.off}; {remedy}", None, name)
    if state.paused is None:
        return None
    why = f" ({state.why})" if state.why else ""
    if state.paused > now:
        until = rfc3339(state.paused)
        text = f"the receiver {name} fails{why}; one message tries it again at {until}"
        return Wait("paused", text, state.paused, name)
    text = f"the receiver {name} failed{why}; one message at a time tries whether it works again"
    return Wait("paused", text, None, name)


def _own(delivery: Delivery, now: datetime) -> Wait:
    """Return what the message itself waits for."""
    at, rule, due = rfc3339(delivery.due), delivery.rule, delivery.due
    if due <= now:
        late = f", after {delivery.attempt} failed attempts" if delivery.attempt else ""
        return Wait("turn", f"it is due{late}: its receiver comes to it", None, delivery.receiver)
    # What failed waits for its schedule, whatever made it wait before.
    if delivery.attempt and not delivery.held:
        last = f"; the last one: {delivery.note}" if delivery.note else ""
        return Wait("retry", f"attempt {delivery.attempt + 1} is at {at}{last}", due, rule)
    if delivery.held:
        together = ", with what else is held until then" if delivery.batch else ""
        text = f"the hours of the rule {rule!r} open at {at}: it goes out then{together}"
        return Wait("hours", text, due, rule)
    if delivery.kind == "digest":
        return Wait("digest", f"the rule {rule!r} collects until {at}: one message then", due, rule)
    if delivery.kind in ("for", "repeat"):
        holds = HOLDS.get(delivery.event.type, "that still holds")
        again = "again " if delivery.kind == "repeat" else ""
        text = f"the rule {rule!r} tells it {again}at {at}, if {holds} then"
        return Wait("repeat" if again else "timer", text, due, rule)
    return Wait("turn", f"it goes out at {at}", due, delivery.receiver)


HOLDS: Mapping[str, str] = {
    "conversation.unread": "it is still unread",
    "conversation.waiting": "nobody has answered",
    "conversation.assigned": "the same person still has it",
    "conversation.reassigned": "the same person still has it",
    "conversation.unassigned": "still nobody has it",
    "conversation.team_changed": "the team is still the same",
    "conversation.archived": "it is still archived",
    "conversation.status_changed": "the status is still the same",
    "conversation.disposition_changed": "the disposition is still the same",
    "conversation.labels_changed": "the labels are still the same",
    "conversation.priority_changed": "the priority is still the same",
    "source.failing": "the source still fails",
}
"""What must hold when a timer ends, by the type of the event that began it."""


def _foreseen(own: Wait, delivery: Delivery, known: Waits, now: datetime) -> Wait:
    """Add what would become of a message when it is due, if nothing changes until then."""
    if not known.rules and not known.silences:
        return own
    # Asked like one that was claimed: an attempt more, which counts for what a digest holds.
    then = replace(delivery, attempt=delivery.attempt + 1)
    verdict = guard(then, Guards(known.rules, known.silences, {}), max(now, delivery.due))
    match verdict:
        case Drop():
            return replace(own, text=f"{own.text}; but then it would not be sent: {verdict.note}")
        case Redirect():
            return replace(own, text=f"{own.text}; then {verdict.note}")
        case Later() if own.reason != "hours" and verdict.until > delivery.due:
            return replace(own, text=f"{own.text}; then it is {verdict.note}", until=verdict.until)
    return own
