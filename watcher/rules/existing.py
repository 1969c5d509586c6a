"""The key `existing`: what holds already when a rule first looks starts its wait, too.

Rules: pure. A rule looks for the first time when a source has its baseline, or when the rule is new:
`watcher.pipeline.existing` makes what it then sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, ValidationInfo

from watcher.catalogue.events import STATES
from watcher.rules.when import covered
from watcher.settings.base import Mistake, clash

if TYPE_CHECKING:
    from watcher.rules.rule import Rule

__all__ = ["HOLDING_TYPES", "Existing", "describe", "key_clashes", "rules_that_look"]

HOLDING_TYPES: tuple[str, ...] = tuple(
    kind for kind, state in STATES.items() if state.holds is not None
)
"""The types whose state a conversation shows by itself, without the change that began it."""


def rules_that_look(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """Return the rules for which what holds already counts."""
    return tuple(rule for rule in rules if rule.existing)


def describe(rule: Rule) -> str:
    """Describe what holds already; empty where it does not count."""
    return "what holds already counts, too" if rule.existing else ""


def key_clashes(given: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield a rule's `existing` that says nothing: only what lasts can hold already."""
    if given.get("existing") is True and "for" not in given and "repeat" not in given:
        message = "has `existing` without `for` or `repeat`: only a state that lasts holds already"
        yield Mistake(message, "add `for: 20m` or `repeat: 1h`", ("existing",), whole=True)


def _checked(value: bool, info: ValidationInfo) -> bool:
    # Where `when` is wrong itself, there is nothing to conclude from it.
    types = covered(tuple(info.data["when"])) if value and "when" in info.data else frozenset()
    if types and not types.intersection(HOLDING_TYPES):
        raise clash(
            f"does not apply to {' or '.join(sorted(types))}: a conversation does not show by itself"
            f" that it happened; it applies to {', '.join(HOLDING_TYPES)}",
            "name one of these in `when`, or remove it",
        )
    return value


Existing = Annotated[bool, AfterValidator(_checked)]
"""Whether what holds already starts the wait; it stands behind `when`."""
