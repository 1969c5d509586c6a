"""Routing: one event and the rules give who is told at once and who later.

Law: pure. The reasons come with the decision, out of the same evaluation: an explanation is never
another story than what was done.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from watcher.catalogue.events import STATES
from watcher.conditions import Context, EvaluationError, context
from watcher.model import Event
from watcher.rules.pace import Digest, digest_key
from watcher.rules.rule import Rule
from watcher.settings.values import format_duration

__all__ = ["Collected", "Match", "Routing", "Timer", "Verdict", "route"]


@dataclass(frozen=True, slots=True)
class Match:
    """A receiver to be told at once; `rule` is the name of the rule whose message counts.
    `candidates` are the names of all rules that tell it at once, in their order, `rule` first:
    where one's throttle, silence or hours suppress its message, the next one's counts.
    """

    receiver: str
    rule: str
    candidates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timer:
    """A receiver to be told when the state has held for `after`: by a rule with `for` the first
    time; by one with `repeat` alone the second time (`repeats`), for the first is told at once.
    """

    receiver: str
    rule: str
    after: timedelta
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Collected:
    """A receiver to be told of this event together with others: those of the same rule, group and
    `due`.
    """

    receiver: str
    rule: str
    group: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a rule matches an event, and the reason in one line for people."""

    rule: Rule
    matches: bool
    reason: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Routing:
    """Who is told of an event.

    `immediate` has each receiver at most once, `timers` each pair of receiver and rule. `failed`
    are rules (by name) whose expressions could not be evaluated, with the reason. `verdicts` has
    every rule in order.
    """

    immediate: tuple[Match, ...] = ()
    timers: tuple[Timer, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    collected: tuple[Collected, ...] = ()
    verdicts: tuple[Verdict, ...] = ()


def route(event: Event, rules: Sequence[Rule]) -> Routing:
    """Decide who is told of an event, by rules in their order."""
    immediate: dict[str, list[str]] = {}
    timers: dict[tuple[str, str], Timer] = {}
    collected: dict[tuple[str, str], Collected] = {}
    verdicts = tuple(_own(event, verdict) for verdict in _judge(event, rules))
    failed = [(one.rule.name, one.reason) for one in verdicts if one.failed]
    known: Context | None = None
    for verdict in verdicts:
        rule = verdict.rule
        if not verdict.matches:
            continue
        group, due = "", event.time
        if rule.digest is not None:
            known = known or context(event)
            group, wrong = digest_key(rule.digest, known)
            due = collected_until(rule, rule.digest, event.time)
            if wrong:
                failed.append((rule.name, f"`by` could not be evaluated: {wrong}"))
        for receiver in rule.notify:
            if _is_about(event, receiver):
                continue
            pair = receiver, rule.name
            if rule.digest is not None:
                collected.setdefault(pair, Collected(*pair, group, due))
                continue
            if rule.hold_for is not None:
                timers.setdefault(pair, Timer(*pair, rule.hold_for))
                continue
            names = immediate.setdefault(receiver, [])
            if rule.name not in names:
                names.append(rule.name)
            if rule.repeat is not None:
                timers.setdefault(pair, Timer(*pair, rule.repeat.every, repeats=True))
    matches = tuple(Match(name, rules[0], tuple(rules)) for name, rules in immediate.items())
    return Routing(
        matches, tuple(timers.values()), tuple(failed), tuple(collected.values()), verdicts
    )


def collected_until(rule: Rule, digest: Digest, at: datetime) -> datetime:
    """Give when an event's digest goes out: at its next boundary or, where the rule's hours hold
    messages back, at the opening after that.
    """
    due = digest.boundary(at)
    held = rule.hours is not None and rule.hours.otherwise == "hold"
    return rule.hours.next_opening(due) if held and rule.hours is not None else due


def _judge(event: Event, rules: Sequence[Rule]) -> Iterator[Verdict]:
    """Judge the rules in order, each one."""
    shared: Context | None = None
    stopped = ""
    for rule in rules:
        if stopped:
            yield Verdict(rule, False, f"`stop` of the rule {stopped!r} ended the evaluation")
            continue
        if event.type not in rule.types:
            wanted = " or ".join(rule.when)
            yield Verdict(rule, False, f"`when` asks for {wanted}, this is {event.type}")
            continue
        if rule.lasting and (reason := _no_state(event)):
            yield Verdict(rule, False, reason)
            continue
        if rule.where is not None or rule.unless is not None:
            shared = shared or context(event)
        verdict = _asked(rule, shared)
        if verdict.matches and rule.stop:
            stopped = rule.name
        yield verdict


def _asked(rule: Rule, known: Context | None) -> Verdict:
    """Ask the conditions of a rule whose `when` matches."""
    reasons = ["`when` matches"]
    for key, condition, wanted in (("where", rule.where, True), ("unless", rule.unless, False)):
        if condition is None or known is None:
            continue
        try:
            outcome = condition.explain(known)
        except EvaluationError as failure:
            reason = f"`{key}` could not be evaluated: {failure.message}"
            return Verdict(rule, False, reason, failed=True)
        said = f"`{key}` is {'true' if outcome.holds else 'false'}: {outcome.because}"
        if outcome.holds != wanted:
            return Verdict(rule, False, said)
        reasons.append(said)
    if rule.hold_for is not None:
        reasons.append(f"sent if the state holds for {format_duration(rule.hold_for)}")
    return Verdict(rule, True, "; ".join(reasons))


def _no_state(event: Event) -> str:
    """Return why an event of a timed type begins no state that could last; empty where it does."""
    state = STATES.get(event.type)
    if state is None or state.not_begun is None:
        return ""
    return state.not_begun(event.data.get("conversation") or {})


def _own(event: Event, verdict: Verdict) -> Verdict:
    """Add to a match that a receiver is left out, if one is."""
    left_out = [name for name in verdict.rule.notify if _is_about(event, name)]
    if not (verdict.matches and left_out):
        return verdict
    reason = f"{verdict.reason}; {left_out[0]} is not told of itself"
    return dataclasses.replace(verdict, reason=reason)


def _is_about(event: Event, receiver: str) -> bool:
    return event.type.startswith("receiver.") and event.source == receiver
