"""What is asked of a delivery when it is due: silences, hours, throttle, rule by rule.

Law: pure. Of the rules that would send a delivery the first counts whose guards let it pass; what
one of them holds back waits. Marks and silences are read and written by the caller, together
with what the verdict comes to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from watcher.conditions import Context, context
from watcher.model import Delivery, Event, rfc3339
from watcher.records import ThrottleMark
from watcher.rules import Rule, Silence, silenced
from watcher.rules.notify import is_about

__all__ = ["Drop", "Guards", "Redirect", "Send", "Wait", "guard", "throttled_by"]


@dataclass(frozen=True, slots=True)
class Send:
    """It goes out, by `rule`; `mark` is what its throttle leaves."""

    rule: str
    mark: ThrottleMark | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """It is held until then."""

    until: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Drop:
    """It is not sent; `silence` names the silence that stopped it."""

    kind: Literal["throttled", "silenced", "dropped"]
    note: str
    silence: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Another receiver gets it instead."""

    receiver: str
    note: str


@dataclass(frozen=True, slots=True)
class Guards:
    """What guards go by: the rules by name, the silences, and the throttle marks of the receiver by
    rule and `by`, to which those of what is sent are added.
    """

    rules: Mapping[str, Rule]
    silences: tuple[Silence, ...]
    marks: MutableMapping[tuple[str, str], ThrottleMark]


def guard(delivery: Delivery, guards: Guards, now: datetime) -> Send | Wait | Drop | Redirect:
    """Decide what becomes of a delivery that is due.

    One whose rules are all gone from the configuration goes out unless a silence stops it: it
    was promised when its event was recorded.
    """
    drops: list[Drop] = []
    names = _candidates(delivery)
    for name in [name for name in names if name in guards.rules] or names[:1]:
        verdict = _ask(delivery, name, guards, now)
        if not isinstance(verdict, Drop):
            if isinstance(verdict, Send) and verdict.mark is not None:
                guards.marks[verdict.mark.rule, verdict.mark.by] = verdict.mark
            return verdict
        drops.append(verdict)
    if len(drops) == 1:
        return drops[0]
    return Drop(
        drops[0].kind, "; ".join(dict.fromkeys(drop.note for drop in drops)), drops[0].silence
    )


def throttled_by(
    deliveries: Iterable[Delivery], rules: Mapping[str, Rule]
) -> frozenset[tuple[str, str]]:
    """Give rule and `by` of every throttle mark that `guard` may ask for."""
    return frozenset(
        (name, _by(delivery.event, rules[name]))
        for delivery in deliveries
        for name in _candidates(delivery)
        if name in rules and _throttles(delivery, rules[name])
    )


def _candidates(delivery: Delivery) -> tuple[str, ...]:
    """Give the rules that may send it; once one has tried, those before it are not asked again."""
    names = delivery.candidates
    return names[names.index(delivery.rule) :] if delivery.rule in names else (delivery.rule,)


def _ask(
    delivery: Delivery, name: str, guards: Guards, now: datetime
) -> Send | Wait | Drop | Redirect:
    rule = guards.rules.get(name)
    # What a digest holds is fixed once it was tried.
    if not (delivery.kind == "digest" and delivery.attempt > 1):
        known = _known(delivery, rule, name) if guards.silences else None
        silence = silenced(guards.silences, known, now) if known is not None else None
        if silence is not None:
            return Drop("silenced", _silenced(silence), silence.name)
    if rule is None:
        return Send(name)
    return _outside(delivery, rule, now) or _throttle(delivery, rule, guards, now)


def _silenced(silence: Silence) -> str:
    until = f" until {rfc3339(silence.ends)}" if silence.ends is not None else ""
    reason = f": {silence.reason}" if silence.reason else ""
    return f"silenced{until} by {silence.name}{reason}"


def _outside(delivery: Delivery, rule: Rule, now: datetime) -> Wait | Drop | Redirect | None:
    """Decide by the rule's hours; None while they are open. What has been redirected is not asked
    again: the other receiver is the answer to the hours.
    """
    hours = rule.hours
    if hours is None or delivery.redirected or hours.open(now):
        return None
    outside = f"outside the hours of the rule {rule.name!r}"
    if hours.holds:
        until = hours.next_opening(now)
        return Wait(until, f"held until {rfc3339(until)}: {outside}")
    other = hours.otherwise
    if other == "drop":
        return Drop("dropped", f"dropped: {outside}")
    if other == delivery.receiver:
        return None
    if is_about(delivery.event, other):
        return Drop("dropped", f"dropped: {outside}, and {other} is not told of itself")
    return Redirect(other, f"redirected to {other}: {outside}")


def _throttles(delivery: Delivery, rule: Rule) -> bool:
    return rule.throttle is not None and delivery.kind in ("event", "for")


def _throttle(delivery: Delivery, rule: Rule, guards: Guards, now: datetime) -> Send | Drop:
    if rule.throttle is None or not _throttles(delivery, rule):
        return Send(rule.name)
    by = _by(delivery.event, rule)
    before = guards.marks.get((rule.name, by))
    # A mark from the future is from before the clock was set back: nobody knows how old it is.
    holds = before is not None and before.at <= now < before.until
    if before is not None and holds and before.delivery != delivery.key:
        note = (
            f"throttled: the rule {rule.name!r} has sent one at {rfc3339(before.at)},"
            f" the next may go from {rfc3339(before.until)}"
        )
        return Drop("throttled", note)
    until = now + rule.throttle.within
    return Send(rule.name, ThrottleMark(rule.name, delivery.receiver, by, now, until, delivery.key))


def _by(event: Event, rule: Rule) -> str:
    assert rule.throttle is not None  # noqa: S101 - asked of rules with a throttle only
    return rule.throttle.key(event, context(event))[0]


def _known(delivery: Delivery, rule: Rule | None, name: str) -> Context:
    severity = rule.severity if rule is not None else ""
    return context(delivery.event, rule=name, receiver=delivery.receiver, severity=severity)
