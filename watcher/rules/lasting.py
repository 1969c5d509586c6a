"""What lasts: whether an observed change ends what a rule with `for` or `repeat` waits on.

Law: pure. A state ends by what is observed: what is not known to have ended goes on. Ends are
told from the two sides of a change; the store cancels the timers before it adds new ones, so an
event that ends one state and begins the next starts its timer anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from watcher.catalogue.events import STATES
from watcher.conditions import Context, EvaluationError, context
from watcher.model import Conversation, Event, to_plain
from watcher.rules.rule import Rule

__all__ = ["ends"]


def ends(
    rules: Sequence[Rule],
    before: Conversation,
    after: Conversation | None,
    *,
    source: str,
    provider: str,
) -> tuple[tuple[str, str], ...]:
    """Give the names of the rules whose wait about this conversation is over, each with a note.

    `after` is None when the conversation was removed, which ends everything. A wait is over when
    its state has ended, or when `where` or `unless`, as far as they speak of the conversation
    itself, no longer let it match. A rule for several types is over with the first of their states
    that ends: its timer does not tell which of them it waits on. (Waits about a
    source end with `source.recovered`, whatever the rule.)
    """
    over: list[tuple[str, str]] = []
    now: Context | None = None
    for rule in rules:
        if not rule.lasting or rule.types <= {"source.failing"}:
            continue
        if after is None:
            over.append((rule.name, "the conversation was removed"))
            continue
        if note := _state_ended(rule, before, after):
            over.append((rule.name, note))
        elif rule.where_lasts or rule.unless_lasts:
            now = now or _still(to_plain(after), source, provider)
            if note := _lapsed(rule, now):
                over.append((rule.name, note))
    return tuple(over)


def _state_ended(rule: Rule, before: Conversation, after: Conversation) -> str:
    for kind, state in STATES.items():
        if kind not in rule.types or state.ended is None:
            continue
        # Taken over silently (a field that is newly mapped), an end has no change that shows it.
        gone = rule.types == {kind} and state.holds is not None and not state.holds(after)
        if gone or state.ended(before, after):
            return state.note
    return ""


def _still(plain: Mapping[str, object], source: str, provider: str) -> Context:
    """Make the present state known to a condition that reads nothing of the event's moment."""
    data = {"source": source, "provider": provider, "conversation": plain}
    return context(Event("", "", source, None, _NO_TIME, data))


_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def _lapsed(rule: Rule, now: Context) -> str:
    asked = (
        ("where", rule.where if rule.where_lasts else None, True),
        ("unless", rule.unless if rule.unless_lasts else None, False),
    )
    for key, condition, wanted in asked:
        if condition is None:
            continue
        try:
            if condition.holds(now) != wanted:
                return f"`{key}` {'no longer holds' if wanted else 'holds now'}"
        except EvaluationError as failure:
            return f"`{key}` can no longer be evaluated: {failure.message}"
    return ""
