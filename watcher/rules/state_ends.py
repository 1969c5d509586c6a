"""Whether an observed change ends the state that a rule with `for` or `repeat` waits on.

Rules: pure. A state ends by what is observed: what is not known to have ended goes on. Ends follow
from the two sides of a change; the store cancels the timers before it adds new ones, so an event
that ends one state and begins the next starts its timer again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from watcher.catalogue.events import STATES
from watcher.conditions import Context, context
from watcher.model import Conversation, Event, to_plain
from watcher.records import End
from watcher.rules.rule import Rule
from watcher.rules.where import lapsed

__all__ = ["state_ends"]

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_OF_CONVERSATIONS = frozenset(kind for kind, state in STATES.items() if state.ended is not None)


def state_ends(
    rules: Sequence[Rule],
    before: Conversation,
    after: Conversation | None,
    *,
    source: str,
    provider: str,
    facts: Mapping[str, Any] | None = None,
) -> tuple[End, ...]:
    """Return which rules' waits about this conversation are over, and why.

    `after` is None when the conversation was removed; `facts` is what the event that tells of an end
    holds on top of the change (`outcome`, `waited`). A wait is over when the state that it is
    about has ended, or when `where` or `unless`, as far as they speak of the conversation itself,
    no longer let it match.
    """
    over: list[End] = []
    now: Context | None = None
    shown: Mapping[str, Any] | None = None
    for rule in rules:
        # Waits about a source end with an event of the source (`ENDING_EVENTS`), whatever the rule.
        if not rule.lasting or not rule.types & _OF_CONVERSATIONS:
            continue
        # Nothing of a conversation lasts when it is gone.
        if after is None:
            ends: list[tuple[str, frozenset[str] | None]] = [("the conversation was removed", None)]
        else:
            ends = [*_ended(rule, before, after, facts or {})]
            if rule.where is not None or rule.unless is not None:
                now = now or _still(to_plain(after), source, provider)
                if note := _lapsed(rule, now):
                    ends.append((note, None))
        if not ends:
            continue
        tells = frozenset({rule.name} if rule.resolved else ())
        shown = shown or (to_plain(after or before) if tells else None)
        waited = (facts or {}).get("waited")
        over += [
            End(source, before.id, rule.name, note, types, tells, shown, waited)
            for note, types in ends
        ]
    return tuple(over)


def _ended(
    rule: Rule, before: Conversation, after: Conversation, facts: Mapping[str, Any]
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield the types of the states that are over, with the note for their waits.

    A rule for several types waits on each of their states by itself.
    """
    over: dict[str, set[str]] = {}
    for kind, state in STATES.items():
        if kind not in rule.types or state.ended is None:
            continue
        # Taken over silently (a field that is newly mapped), an end has no change that shows it.
        gone = state.holds is not None and not state.holds(after)
        if gone or state.ended(before, after):
            note = state.outcomes.get(str(facts.get("outcome")), state.note)
            over.setdefault(note, set()).add(kind)
    for note, kinds in over.items():
        yield note, frozenset(kinds)


def _still(plain: Mapping[str, object], source: str, provider: str) -> Context:
    """Return the present state as conditions see it that read nothing of the event's moment."""
    data = {"source": source, "provider": provider, "conversation": plain}
    return context(Event("", "", source, None, _NO_TIME, data))


def _lapsed(rule: Rule, now: Context) -> str:
    if rule.where is not None and (note := lapsed("where", rule.where, now)):
        return note
    return lapsed("unless", rule.unless, now) if rule.unless is not None else ""
