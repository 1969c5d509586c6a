"""Routing: one event and the rules give who is told at once and who later.

Law: pure. `route` and `explain` ask the same question (`_judge`), so an explanation is never
another story than what was done.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from watcher.model import Delivery, Event
from watcher.rules.conditions import Context, EvaluationError, context
from watcher.rules.rule import Rule

__all__ = ["Match", "Routing", "Timer", "Verdict", "explain", "outgoing", "route"]


@dataclass(frozen=True, slots=True)
class Match:
    """A receiver to be told at once; `rule` is the name of the rule whose message counts."""

    receiver: str
    rule: str


@dataclass(frozen=True, slots=True)
class Timer:
    """A receiver to be told when the state has held for `after`."""

    receiver: str
    rule: str
    after: timedelta


@dataclass(frozen=True, slots=True)
class Routing:
    """Who is told of an event.

    `immediate` has each receiver at most once, `timers` each pair of receiver and rule. `failed`
    are rules (by name) whose condition could not be evaluated, with the reason.
    """

    immediate: tuple[Match, ...] = ()
    timers: tuple[Timer, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rule matches an event, and the reason in one line for people."""

    rule: Rule
    matches: bool
    reason: str
    failed: bool = False


def route(event: Event, rules: Sequence[Rule]) -> Routing:
    """Decide who is told of an event, by rules in their order."""
    immediate: dict[str, Match] = {}
    timers: dict[tuple[str, str], Timer] = {}
    failed: list[tuple[str, str]] = []
    for verdict in _judge(event, rules, explain=False):
        rule = verdict.rule
        if verdict.failed:
            failed.append((rule.name, verdict.reason))
        if not verdict.matches:
            continue
        for receiver in rule.notify:
            if _is_about(event, receiver):
                continue
            if rule.hold_for is None:
                immediate.setdefault(receiver, Match(receiver, rule.name))
            else:
                timers.setdefault((receiver, rule.name), Timer(receiver, rule.name, rule.hold_for))
    return Routing(tuple(immediate.values()), tuple(timers.values()), tuple(failed))


def explain(event: Event, rules: Sequence[Rule]) -> tuple[Verdict, ...]:
    """Tell of every rule why it matches the event or why not."""
    verdicts = []
    for verdict in _judge(event, rules, explain=True):
        left_out = [name for name in verdict.rule.notify if _is_about(event, name)]
        if verdict.matches and left_out:
            reason = f"{verdict.reason}; {left_out[0]} is not told of itself"
            verdict = dataclasses.replace(verdict, reason=reason)
        verdicts.append(verdict)
    return tuple(verdicts)


def outgoing(delivery: Delivery) -> Event:
    """Give the event as it goes out.

    What a rule with `for` sends is a message of its own: it has the delivery's id, and
    `data.delivery` says which rule sent it and which event began it.
    """
    if delivery.timer is None:
        return delivery.event
    event = delivery.event
    told = {"rule": delivery.timer, "kind": "for", "event": event.id, "count": 1}
    return dataclasses.replace(event, id=delivery.id, data={**event.data, "delivery": told})


def _judge(event: Event, rules: Sequence[Rule], *, explain: bool) -> Iterator[Verdict]:
    """Judge the rules; those for other types are passed over unless all are to be explained."""
    shared: Context | None = None
    for rule in rules:
        if event.type not in rule.types:
            if explain:
                wanted = " or ".join(rule.when)
                yield Verdict(rule, False, f"`when` asks for {wanted}, this is {event.type}")
            continue
        if rule.hold_for is not None and (reason := _no_state(event)):
            yield Verdict(rule, False, reason)
            continue
        if rule.where is None:
            yield Verdict(rule, True, _matched(rule))
            continue
        shared = shared or context(event)
        try:
            holds = rule.where.holds(shared)
        except EvaluationError as failure:
            reason = f"`where` could not be evaluated: {failure.message}"
            yield Verdict(rule, False, reason, failed=True)
            continue
        yield Verdict(rule, holds, _matched(rule) if holds else "`where` is false")


def _matched(rule: Rule) -> str:
    condition = "`when` and `where` match" if rule.where is not None else "`when` matches"
    if rule.hold_for is None:
        return condition
    return f"{condition}; sent if the state holds for {rule.hold_for}"


def _no_state(event: Event) -> str:
    """Say why an event of a timed type begins no state that could last; empty where it does."""
    if event.type != "conversation.message":
        return ""
    conversation = event.data.get("conversation") or {}
    direction = (conversation.get("last_message") or {}).get("direction")
    if direction == "inbound":
        return ""
    return f"`for` waits while the last message is inbound, this one is {direction or 'unknown'}"


def _is_about(event: Event, receiver: str) -> bool:
    return event.type.startswith("receiver.") and event.source == receiver
