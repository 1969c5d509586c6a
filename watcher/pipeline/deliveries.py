"""What an event owes: the deliveries that routing comes to, and what goes out under which id.

Rules: pure. Ids come from the event, the rule and the count, never from time or chance.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from watcher import rules as routing
from watcher.model import Delivery, Ending, Event, derive_id, rfc3339
from watcher.records import RuleResult
from watcher.rules.repeat import next_due
from watcher.vocabulary import moment

__all__ = [
    "DIGEST",
    "Failed",
    "Routed",
    "as_sent",
    "batch",
    "digest_event",
    "halves",
    "next_repeat",
    "owed_since",
    "rebatch",
    "route",
]

DIGEST = "watcher.digest"
"""The type of the CloudEvent in which several events go out as one."""

Failed = tuple[tuple[str, str], ...]
"""Rules whose condition could not be evaluated, each with the message: counted and shown."""


@dataclass(frozen=True, slots=True)
class Routed:
    """What routing one event comes to: deliveries, what failed, and what each rule said."""

    deliveries: tuple[Delivery, ...] = ()
    failed: Failed = ()
    results: tuple[RuleResult, ...] = ()


def route(rules: tuple[routing.Rule, ...], event: Event) -> Routed:
    """Return the deliveries that the rules make of an event, due when the rules say."""
    routed = routing.route(event, rules)
    deliveries = [
        Delivery(
            event.id,
            event,
            match.receiver,
            match.rule,
            event.time,
            event.time,
            candidates=match.candidates if len(match.candidates) > 1 else (),
        )
        for match in routed.immediate
    ]
    deliveries += [_timer(event, timer) for timer in routed.timers]
    deliveries += [_collected(event, collected) for collected in routed.collected]
    return Routed(tuple(deliveries), tuple(routed.failed), routed.results)


def _timer(event: Event, timer: routing.Timer) -> Delivery:
    """Return what waits for a state to last; for a rule without `for` that is the first repeat."""
    kind, number = ("repeat", 2) if timer.repeats else ("for", 1)
    return Delivery(
        derive_id(kind, event.id, timer.rule, number),
        event,
        timer.receiver,
        timer.rule,
        due=event.time + timer.after,
        created=event.time,
        timer=timer.rule,
        kind="repeat" if timer.repeats else "for",
        number=number,
    )


def _collected(event: Event, collected: routing.Collected) -> Delivery:
    return Delivery(
        derive_id("digest", event.id, collected.rule),
        event,
        collected.receiver,
        collected.rule,
        due=collected.due,
        created=event.time,
        kind="digest",
        batch=batch(collected.rule, collected.group, collected.due),
    )


def batch(rule: str, group: str, due: datetime) -> str:
    """Return the name of what is collected for one digest."""
    return f"{rule}|{group}|{rfc3339(due)}"


def rebatch(before: str, due: datetime) -> str:
    """Return the name of the digest of the same rule and group at another time."""
    return f"{before.rpartition('|')[0]}|{rfc3339(due)}"


def owed_since(delivery: Delivery, rule: routing.Rule | None) -> datetime:
    """Return when a message was first due: by its rule where it waited for the state to last, by the end
    of what collects it, by the opening hours that hold it.
    """
    if delivery.timer is not None:
        return delivery.event.time + rule.wait(delivery.number) if rule else delivery.created
    if delivery.batch:
        return datetime.fromisoformat(delivery.batch.rpartition("|")[2])
    return delivery.due if delivery.held else delivery.created


def next_repeat(
    delivery: Delivery, rule: routing.Rule | None, now: datetime
) -> tuple[Delivery, ...]:
    """Return the repeat that follows once a message of a rule with `repeat` is settled."""
    if delivery.timer is None or delivery.redirected or rule is None:
        return ()
    due = next_due(rule, delivery.event.time, delivery.number, now)
    if due is None:
        return ()
    number = delivery.number + 1
    return (
        Delivery(
            derive_id("repeat", delivery.event.id, rule.name, number),
            delivery.event,
            delivery.receiver,
            rule.name,
            due=due,
            created=delivery.created,
            timer=rule.name,
            kind="repeat",
            number=number,
        ),
    )


def as_sent(delivery: Delivery) -> Event:
    """Return the event as it goes out.

    What a rule with `for` or `repeat` sends is a message of its own: it has the delivery's id,
    and `data.delivery` says which rule sent it, which event began it, and how many it has sent. The
    last one, where the rule has `resolved`, says when and why the state ended.
    """
    if delivery.kind in ("event", "digest"):
        return delivery.event
    event = delivery.event
    about: dict[str, Any] = {
        "rule": delivery.rule,
        "kind": delivery.kind,
        "event": event.id,
        "count": delivery.number,
    }
    data = {**event.data, "delivery": about}
    if delivery.ending is None or delivery.kind != "resolved":
        return dataclasses.replace(event, id=delivery.id, data=data)
    about["resolved"] = _resolved(event, delivery.ending)
    # It tells of the end: when that was seen, and the conversation as it is then.
    if delivery.ending.conversation is not None:
        data["conversation"] = dict(delivery.ending.conversation)
    return dataclasses.replace(event, id=delivery.id, time=delivery.ending.at, data=data)


def _resolved(event: Event, ending: Ending) -> dict[str, Any]:
    """Return what a message says of the end of the state that an event began."""
    since = moment(event).at
    seconds = ending.waited
    if seconds is None:
        seconds = max(0, int((ending.at - since).total_seconds()))
    return {
        "reason": ending.reason,
        "since": rfc3339(since),
        "at": rfc3339(ending.at),
        "seconds": seconds,
    }


def digest_event(deliveries: Sequence[Delivery], show: Callable[[Delivery], Event]) -> Event:
    """Return the one event in which several go out: a rule's digest, or what exceeded a limit.
    `show` returns each as the receiver may see it.

    Its time is that of the newest event, so that it is the same at every attempt.
    """
    first = deliveries[0]
    rules = {delivery.rule for delivery in deliveries}
    about: dict[str, Any] = {
        "rule": first.rule if len(rules) == 1 else None,
        "kind": "digest",
        "count": len(deliveries),
    }
    return Event(
        id=first.message or derive_id("digest", *(delivery.id for delivery in deliveries)),
        type=DIGEST,
        source="",
        subject=None,
        time=max(delivery.event.time for delivery in deliveries),
        data={
            "delivery": about,
            "events": [show(delivery).to_plain() for delivery in deliveries],
        },
    )


def halves(message: Sequence[Delivery]) -> tuple[Sequence[Delivery], ...]:
    """Return a digest that is too large as two, each with an id of its own that follows from the
    whole's: cut again, or after a restart, the same events have the same ids.
    """
    whole = message[0].message or derive_id("digest", *(delivery.id for delivery in message))
    middle = (len(message) + 1) // 2
    return tuple(
        [dataclasses.replace(one, message=derive_id("half", whole, number)) for one in part]
        for number, part in enumerate((message[:middle], message[middle:]), 1)
    )
