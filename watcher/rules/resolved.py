"""The key `resolved`: whoever was told that a state lasts hears once that it is over.

Rules: pure. Whom the rule told is known where deliveries are kept: the store adds the message when
the state ends (`watcher.store.outbox`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from watcher.model import Delivery
from watcher.settings.base import Mistake

if TYPE_CHECKING:
    from watcher.rules.rule import Rule

__all__ = ["describe", "has_an_end", "key_clashes", "rules_that_tell"]


def rules_that_tell(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the names of the rules that tell when a state is over."""
    return frozenset(rule.name for rule in rules if rule.resolved)


def has_an_end(delivery: Delivery, rules: Iterable[Rule]) -> bool:
    """Return whether a rule may tell the end of what a message is about to those who get it."""
    if delivery.timer is not None:
        return any(rule.resolved for rule in rules if rule.name == delivery.timer)
    # A rule with `repeat` alone begins with the event itself, whichever rule sends that.
    return delivery.kind == "event" and any(
        rule.resolved and rule.hold_for is None and delivery.event.type in rule.types
        for rule in rules
    )


def describe(rule: Rule) -> str:
    """Describe what is sent at the end; empty for nothing."""
    return "and once more when it is over, to those who were told" if rule.resolved else ""


def key_clashes(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield a rule's `resolved` that says nothing: without a state that lasts there is no end."""
    if given.get("resolved") is True and "for" not in given and "repeat" not in given:
        message = "has `resolved` without `for` or `repeat`: nothing lasts that could end"
        yield Mistake(message, "add `for: 20m` or `repeat: 1h`", ("resolved",), whole=True)
