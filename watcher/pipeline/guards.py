"""What is asked of a delivery when it is due: silences and its rules, one by one.

Rules: pure. Of the rules that would send a delivery the first counts whose guards let it pass; what
one of them holds back waits. Marks and silences are read and written by the caller, together
with what the verdict comes to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime

from watcher.conditions import Context, context
from watcher.model import Delivery, rfc3339
from watcher.records import ThrottleMark
from watcher.rules import Rule, Silence, silenced
from watcher.rules.due import Drop, DueMessage, Redirect, Wait

__all__ = ["Guards", "Send", "guard", "throttled_by"]


@dataclass(frozen=True, slots=True)
class Send:
    """It goes out, by `rule`; `mark` is what its throttle leaves."""

    rule: str
    mark: ThrottleMark | None = None


@dataclass(frozen=True, slots=True)
class Guards:
    """What guards go by: the rules by name, the silences, and the throttle marks of the receiver by
    rule and `by`, to which those of what is sent are added.
    """

    rules: Mapping[str, Rule]
    silences: tuple[Silence, ...]
    marks: MutableMapping[tuple[str, str], ThrottleMark]


def guard(delivery: Delivery, guards: Guards, now: datetime) -> Send | Wait | Drop | Redirect:
    """Decide what becomes of a delivery that is due."""
    drops: list[Drop] = []
    names = _candidates(delivery)
    # A delivery whose rules were all removed is still sent unless silenced: it was promised when
    # the event was recorded.
    for name in [name for name in names if name in guards.rules] or names[:1]:
        verdict = _ask(delivery, name, guards, now)
        # The first rule that does not drop it decides: the others are alternatives.
        if not isinstance(verdict, Drop):
            # Later deliveries of the same round are throttled by this one.
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
    """Return rule and `by` of every throttle mark that `guard` may ask for."""
    return frozenset(
        (name, throttle.key(delivery.event)[0])
        for delivery in deliveries
        for name in _candidates(delivery)
        if name in rules
        and (throttle := rules[name].throttle) is not None
        and throttle.applies(delivery)
    )


def _candidates(delivery: Delivery) -> tuple[str, ...]:
    """Return the rules that may send it; rules before one that has tried are not asked again."""
    names = delivery.candidates
    return names[names.index(delivery.rule) :] if delivery.rule in names else (delivery.rule,)


def _ask(
    delivery: Delivery, name: str, guards: Guards, now: datetime
) -> Send | Wait | Drop | Redirect:
    rule = guards.rules.get(name)
    # What a digest holds is fixed once it was tried.
    if not (delivery.batch and delivery.attempt > 1):
        known = _known(delivery, rule, name) if guards.silences else None
        silence = silenced(guards.silences, known, now) if known is not None else None
        if silence is not None:
            return Drop("silenced", _silenced(silence), silence.name)
    if rule is None:
        return Send(name)
    due = DueMessage(delivery, name, guards.marks, now)
    if (held := rule.when_due(due)) is not None:
        return held
    return Send(name, rule.throttle.mark(due) if rule.throttle is not None else None)


def _silenced(silence: Silence) -> str:
    until = f" until {rfc3339(silence.ends)}" if silence.ends is not None else ""
    reason = f": {silence.reason}" if silence.reason else ""
    return f"silenced{until} by {silence.name}{reason}"


def _known(delivery: Delivery, rule: Rule | None, name: str) -> Context:
    severity = rule.severity if rule is not None else ""
    return context(delivery.event, rule=name, receiver=delivery.receiver, severity=severity)
