"""Routing: which receivers get one event at once, later, or together with others.

Rules: pure. The reasons come with the decision, out of the same evaluation: an explanation never
differs from what was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from watcher.conditions import Context, EvaluationError, context
from watcher.model import Event
from watcher.records import RuleResult
from watcher.rules import when
from watcher.rules.digest import Digest
from watcher.rules.notify import is_about
from watcher.rules.rule import Rule

__all__ = ["Collected", "Match", "Routing", "Timer", "digest_due", "judge", "route"]


@dataclass(frozen=True, slots=True)
class Match:
    """A receiver that gets the event at once."""

    receiver: str

    rule: str
    """The name of the rule whose message counts."""

    candidates: tuple[str, ...] = ()
    """The names of all rules that send to it at once, in their order, `rule` first.

    Where one's throttle, silence or hours suppress its message, the next one's counts.
    """


@dataclass(frozen=True, slots=True)
class Timer:
    """A receiver that gets a message when the state has lasted for a while."""

    receiver: str
    rule: str

    after: timedelta
    """How long the state must have lasted."""

    repeats: bool = False
    """Whether it is the second message: the first one of a rule with `repeat` alone goes at once."""


@dataclass(frozen=True, slots=True)
class Collected:
    """A receiver that gets the event with others: those of the same rule, group and `due`."""

    receiver: str
    rule: str
    group: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Routing:
    """Where one event goes."""

    immediate: tuple[Match, ...] = ()
    """What goes at once, each receiver at most once."""

    timers: tuple[Timer, ...] = ()
    """What waits, each pair of receiver and rule at most once."""

    failed: tuple[tuple[str, str], ...] = ()
    """Rules (by name) whose expressions could not be evaluated, with the reason."""

    collected: tuple[Collected, ...] = ()
    """What is collected for a digest, each pair of receiver and rule at most once."""

    results: tuple[RuleResult, ...] = ()
    """What each rule comes to, in order."""


def route(event: Event, rules: Sequence[Rule]) -> Routing:
    """Decide which receivers get an event, by rules in their order."""
    immediate: dict[str, list[str]] = {}
    timers: dict[tuple[str, str], Timer] = {}
    collected: dict[tuple[str, str], Collected] = {}
    known = _Known(event)
    results, failed = _judge(event, rules, known)
    for rule in (rule for rule, one in zip(rules, results, strict=True) if one.matched):
        group, due = "", event.time
        if rule.digest is not None:
            group, wrong = rule.digest.group(known())
            due = digest_due(rule, rule.digest, event.time)
            if wrong:
                failed.append((rule.name, f"`by` could not be evaluated: {wrong}"))
        for receiver in rule.notify:
            # News about a receiver's own trouble cannot reach it.
            if is_about(event, receiver):
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
                timers.setdefault(pair, Timer(*pair, rule.repeat, repeats=True))
    matches = tuple(Match(name, rules[0], tuple(rules)) for name, rules in immediate.items())
    return Routing(
        matches,
        tuple(timers.values()),
        tuple(failed),
        tuple(collected.values()),
        tuple(results),
    )


def digest_due(rule: Rule, digest: Digest, at: datetime) -> datetime:
    """Return when an event's digest goes out.

    That is its next boundary or, where the rule's hours hold messages back, the opening after it.
    """
    due = digest.boundary(at)
    return rule.hours.next_opening(due) if rule.hours is not None and rule.hours.holds else due


class _Known:
    """An event as conditions see it, made when the first one asks."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._context: Context | None = None

    def __call__(self) -> Context:
        self._context = self._context or context(self._event)
        return self._context


def judge(event: Event, rules: Sequence[Rule]) -> tuple[list[RuleResult], list[tuple[str, str]]]:
    """Return what each rule comes to, and the names of those that failed, with the reason."""
    return _judge(event, rules, _Known(event))


def _judge(
    event: Event, rules: Sequence[Rule], known: _Known
) -> tuple[list[RuleResult], list[tuple[str, str]]]:
    results: list[RuleResult] = []
    failed: list[tuple[str, str]] = []
    stopped = ""
    for rule in rules:
        if stopped:
            reason = f"`stop` of the rule {stopped!r} ended the evaluation"
            results.append(RuleResult(rule.name, False, reason))
            continue
        if (other := _of_another_type(rule.name, rule.when, event.type)) is not None:
            results.append(other)
            continue
        try:
            matched, reason = _matches(event, rule, known)
        # A condition that cannot be evaluated matches nothing; that it could not is counted.
        except EvaluationError as failure:
            matched, reason = False, failure.message
            failed.append((rule.name, reason))
        results.append(RuleResult(rule.name, matched, reason))
        if matched and rule.stop:
            stopped = rule.name
    return results, failed


@lru_cache(maxsize=2**16)
def _of_another_type(rule: str, asked: tuple[str, ...], kind: str) -> RuleResult | None:
    """Return what a rule comes to that asks for other types: the same for every event of this one.

    Most rules are about other types than most events: these cost a look.
    """
    outcome = when.admits(asked, kind)
    return None if outcome.holds else RuleResult(rule, False, outcome.because)


def _matches(event: Event, rule: Rule, known: _Known) -> tuple[bool, str]:
    """Return whether all filters of a rule let an event pass, and why."""
    reasons = []
    for outcome in rule.filters(event, known):
        if not outcome.holds:
            return False, outcome.because
        reasons.append(outcome.because)
    left_out = [name for name in rule.notify if is_about(event, name)]
    reasons += [f"{name} does not get events about itself" for name in left_out]
    return True, "; ".join(reasons)
